"""What a class may keep from one step to the next, planted into the one of `planted_steps.py`."""

from property_tests.planted_steps import TRAIN, Misstep

LOOP = """

def fit(net, X, Y, steps):
    for _ in range(steps):
        net.zero_grad()
        net.train(X, Y)
"""


def _adding_up(method: str, below: str = "") -> tuple[tuple[str, str], ...]:
    """Gradients that add up until a method sets them back. below: what the file has besides"""
    train = f"""\
        for l, dW, db in self.gradients(X, Y):
            self.dWs[l] += dW
            self.dbs[l] += db
            self.Ws[l] -= self.lr * self.dWs[l]
            self.bs[l] -= self.lr * self.dbs[l]

    def {method}(self):
        self.dWs = [0 * dW for dW in self.dWs]
        self.dbs = [0 * db for db in self.dbs]
"""
    last = "        self.last = None\n", "        self.dbs = [np.zeros(j) for j in widths[1:]]\n"
    return (TRAIN, train + below), last


# Only one model that takes several steps shows these.
OF_ONE_MODEL = {
    "gradients of the steps before are kept": Misstep(
        "training.steps",
        "it adds to the gradients of the steps before, where a new model would not",
        (
            (
                "            self.Ws[l] -= self.lr * dW\n",
                "            self.dWs[l] += dW\n            self.Ws[l] -= self.lr * self.dWs[l]\n",
            ),
        ),
    ),
    "nothing calls what would set its gradients back": Misstep(
        "training.steps",
        "where a new model would not; nothing in its file calls `zero_grad`",
        _adding_up("zero_grad"),
    ),
    "what is set back need not be its gradients": Misstep(
        "training.steps",
        "it adds to the gradients of the steps before, where a new model would not",
        _adding_up("reset", LOOP.replace("zero_grad", "reset")),
    ),
    "activations of the step before": Misstep(
        "training.steps",
        "a new model from the same weights makes another step",
        (
            (
                "        self.Os = [X]\n",
                "        if self.last is not None and self.last is X:\n"
                "            return self.Os[-1]\n"
                "        self.Os, self.last = [X], X\n",
            ),
        ),
    ),
    "the transposed weights of the first step": Misstep(
        "training.steps",
        "a new model from the same weights makes another step",
        (
            (
                "        O = self.forward(X)\n        delta,",
                "        if self.last is None:\n"
                "            self.last = [W.T.copy() for W in self.Ws]\n"
                "        O = self.forward(X)\n        delta,",
            ),
            ("delta @ self.Ws[l].T", "delta @ self.last[l]"),
        ),
    ),
    "the rate falls and grows again": Misstep(
        "training.steps",
        "it is 0.25 times the step of a new model from the same weights",
        (
            (
                TRAIN,
                TRAIN
                + "        self.lr *= 0.25 if self.last is None else 2\n        self.last = 1\n",
            ),
        ),
    ),
    "the rate doubles": Misstep(
        "training.steps",
        "it is 2 times the step of a new model from the same weights",
        ((TRAIN, TRAIN + "        self.lr *= 2\n"),),
    ),
}

# Right, although one model does more than its last step asks for.
CONVENTIONS = {
    "momentum": (
        "momentum",
        "each step has 0.9 times the one before",
        (
            (
                TRAIN,
                """\
        kept = self.last or {}
        for l, dW, db in self.gradients(X, Y):
            dW, db = self.lr * dW, self.lr * db
            if l in kept:
                dW, db = dW + 0.9 * kept[l][0], db + 0.9 * kept[l][1]
            kept[l] = dW, db
            self.Ws[l] -= dW
            self.bs[l] -= db
        self.last = kept
""",
            ),
        ),
    ),
    "a rate that decays": (
        "rate",
        "it changes from step to step: 1, 0.5, 0.25 times what is set",
        ((TRAIN, TRAIN + "        self.lr /= 2\n"),),
    ),
    "gradients that its loop would set back": (
        "steps",
        "gradients add up from step to step; the adapter calls none of `zero_grad`",
        _adding_up("zero_grad", LOOP),
    ),
}
