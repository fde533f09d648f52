"""Mistakes of order, of the update and of state, planted one at a time into a class.

It is right as it stands: it trains in place, seen through its adapter as after - before. Each row
is a textual change. `planted_functions.py` has those of a function, `planted_models.py` what shows
only where one model takes several steps.
"""

from dataclasses import dataclass
from pathlib import Path

CLASS = """\
import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


class Net:
    lr = 0.5

    def __init__(self, widths):
        self.Ws = [np.random.randn(k, j) for k, j in zip(widths, widths[1:])]
        self.bs = [np.random.randn(j) for j in widths[1:]]
        self.dWs = [np.zeros((k, j)) for k, j in zip(widths, widths[1:])]
        self.last = None

    def forward(self, X):
        self.Os = [X]
        for W, b in zip(self.Ws, self.bs):
            self.Os.append(sigmoid(self.Os[-1] @ W + b))
        return self.Os[-1]

    def gradients(self, X, Y):
        O = self.forward(X)
        delta, found = (O - Y) * O * (1 - O), []
        for l in reversed(range(len(self.Ws))):
            O = self.Os[l]
            found.append((l, O.T @ delta, delta.sum(axis=0)))
            delta = delta @ self.Ws[l].T * O * (1 - O)
        return found

    def train(self, X, Y):
        for l, dW, db in self.gradients(X, Y):
            self.Ws[l] -= self.lr * dW
            self.bs[l] -= self.lr * db
"""

ADAPTER = """\
from backproof.adapters import Adapter


class Mine(Adapter):
    hidden, output, loss, depths = "sigmoid", "sigmoid", "half_squared_error", (1, 2, 3)
    W, b, rate = "Ws[{i}]", "bs[{i}]", "lr"

    def make(self, net):
        return self.module.Net(net.widths)

    def run(self, model, X, Y):
        model.train(X, Y)
"""


@dataclass(frozen=True)
class Misstep:
    """A mistake, and the first rung that must break.

    changes: (text, text instead), each found once   said: a part of the message
    """

    first: str
    said: str
    changes: tuple[tuple[str, str], ...]


TRAIN = CLASS[CLASS.index("        for l, dW, db in self.gradients") :]
EARLIER = "some weights are used after they have moved"
NO_MULTIPLE = "it is right: is W used once it moved, or a step cut off?"

OF_CLASS = {
    "moved during the pass": Misstep(
        "update.order",
        EARLIER,
        (
            (
                "            delta = delta @",
                "            self.Ws[l] -= self.lr * found[-1][1]\n            delta = delta @",
            ),
            ("            self.Ws[l] -= self.lr * dW\n", ""),
        ),
    ),
    "moved during the pass, at a rate of its own": Misstep(
        "update.order",
        "some W is used after it has moved",
        (
            (
                "            delta = delta @",
                "            self.Ws[l] -= 0.5 * found[-1][1]\n            delta = delta @",
            ),
            ("            self.Ws[l] -= self.lr * dW\n", ""),
            ("self.lr * db", "0.5 * db"),
            ("    lr = 0.5\n", ""),
        ),
    ),
    "forward once more after the weights moved": Misstep(
        "update.order",
        NO_MULTIPLE,
        (
            (
                TRAIN,
                """\
        for l, dW, db in self.gradients(X, Y):
            self.Ws[l] -= self.lr * dW
        for l, dW, db in self.gradients(X, Y):
            self.bs[l] -= self.lr * db
""",
            ),
        ),
    ),
    "one sample after the other": Misstep(
        "update.order",
        NO_MULTIPLE,
        (
            (
                TRAIN,
                """\
        for x, y in zip(X, Y):
            for l, dW, db in self.gradients(x[None], y[None]):
                self.Ws[l] -= self.lr * dW
                self.bs[l] -= self.lr * db
""",
            ),
        ),
    ),
    "the sum of the samples so far is added after each": Misstep(
        "scale.rows",
        "its rows count 4 : 3 : 2 : 1, and should count alike",
        (
            (
                TRAIN,
                """\
        total = {}
        for x, y in zip(X, Y):
            for l, dW, db in self.gradients(x[None], y[None]):
                before = total.get(l, (0, 0))
                total[l] = before[0] + dW, before[1] + db
                self.Ws[l] -= self.lr * total[l][0]
                self.bs[l] -= self.lr * total[l][1]
""",
            ),
        ),
    ),
    "one sample after the other, at a rate of its own": Misstep(
        "scale.rows",
        "if W moves after each row, and the next row meets another W",
        (
            (
                TRAIN,
                """\
        for x, y in zip(X, Y):
            for l, dW, db in self.gradients(x[None], y[None]):
                self.Ws[l] -= 0.5 * dW
                self.bs[l] -= 0.5 * db
""",
            ),
            ("    lr = 0.5\n", ""),
        ),
    ),
    "the sum of the samples so far is added after each, at a rate of its own": Misstep(
        "scale.rows",
        "if W moves after each row, by the sum of the rows so far",
        (
            (
                TRAIN,
                """\
        total = {}
        for x, y in zip(X, Y):
            for l, dW, db in self.gradients(x[None], y[None]):
                before = total.get(l, (0, 0))
                total[l] = before[0] + dW, before[1] + db
                self.Ws[l] -= 0.5 * total[l][0] / len(X)
                self.bs[l] -= 0.5 * total[l][1] / len(X)
""",
            ),
            ("    lr = 0.5\n", ""),
        ),
    ),
    "the last sample alone": Misstep(
        "scale.rows",
        "its rows count 0 : 0 : 0 : 1",
        (("self.gradients(X, Y):", "self.gradients(X[-1:], Y[-1:]):"),),
    ),
    "biases never move": Misstep(
        "linear.still",
        "Δb_1, Δb_2 are 0 throughout: are they ever computed, and added?",
        (("            self.bs[l] -= self.lr * db\n", ""),),
    ),
    "the step is lost": Misstep(
        "linear.still",
        "nothing moves: is the new W kept under another name, and never put back?",
        (
            ("self.Ws[l] -= self.lr * dW", "W = self.Ws[l] - self.lr * dW"),
            ("self.bs[l] -= self.lr * db", "b = self.bs[l] - self.lr * db"),
        ),
    ),
    "W moves twice": Misstep(
        "linear.bias",
        "ΔW_1, ΔW_2 are 2 times what they should be, the others are right",
        (
            (
                "self.Ws[l] -= self.lr * dW",
                "self.Ws[l] -= self.lr * dW\n            self.Ws[l] -= self.lr * dW",
            ),
        ),
    ),
    "the whole step twice": Misstep("update.order", NO_MULTIPLE, ((TRAIN, TRAIN + TRAIN),)),
    "its step is cut off": Misstep(
        "update.order",
        NO_MULTIPLE,
        (("self.lr * dW", "np.clip(self.lr * dW, -1, 1)"),),
    ),
    "added to the gradients of all calls": Misstep(
        "contract.twice",
        "it grows by as much each time: is it added to the calls before?",
        (
            ("class Net:", "totals = {}\n\n\nclass Net:"),
            (
                "            self.Ws[l] -= self.lr * dW\n",
                "            totals[l, dW.shape] = totals.get((l, dW.shape), 0) + dW\n"
                "            self.Ws[l] -= self.lr * totals[l, dW.shape]\n",
            ),
        ),
    ),
    "divided by n twice": Misstep(
        "scale.rows",
        "every array is their mean divided by n again",
        (
            ("(O - Y) * O * (1 - O), []", "(O - Y) * O * (1 - O) / len(X), []"),
            ("self.lr * dW", "self.lr * dW / len(X)"),
            ("self.lr * db", "self.lr * db / len(X)"),
        ),
    ),
    "O is overwritten by its slope before dW is made": Misstep(
        "activation.sigmoid",
        "Δb_2 is right, so delta_2 is, but ΔW_2 is not made of O_1 and delta_2; has O_1",
        (
            (
                "            found.append((l, O.T @ delta, delta.sum(axis=0)))\n"
                "            delta = delta @ self.Ws[l].T * O * (1 - O)\n",
                "            below = delta @ self.Ws[l].T\n"
                "            if l:\n"
                "                O *= 1 - O\n"
                "            found.append((l, O.T @ delta, delta.sum(axis=0)))\n"
                "            delta = below * O\n",
            ),
        ),
    ),
}


def write_class(folder: Path, changes: tuple[tuple[str, str], ...] = ()) -> Path:
    """The class with its adapter beside it. Raises AssertionError as `changed` does."""
    adapter = ADAPTER
    if any("lr = 0.5" in old for old, _ in changes):  # its rate is written into it
        adapter = ADAPTER.replace(
            ', rate = "Ws[{i}]", "bs[{i}]", "lr"', ', alpha = "Ws[{i}]", "bs[{i}]", 0.5'
        )
    (folder / "net_adapter.py").write_text(adapter, encoding="utf-8")
    return written(folder, CLASS, changes)


def written(folder: Path, source: str, changes: tuple[tuple[str, str], ...]) -> Path:
    """Raises AssertionError where a text to be changed is not found exactly once."""
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    path = folder / "net.py"
    path.write_text(source, encoding="utf-8")
    return path
