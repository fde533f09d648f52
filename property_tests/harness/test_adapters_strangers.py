"""Forms of strangers' programs: globals nobody makes, loops in functions, labels as classes."""

from pathlib import Path

import pytest

from backproof.conventions import Factor, Factors
from backproof.target import Target
from property_tests.check_run import Request, check
from property_tests.harness.net_styles_too import HEAD, SQUARES, Style
from property_tests.harness.test_adapters import case_of, written
from property_tests.trying import Trial

_FORMS = (
    Style(
        "functions that change the arrays they are given, and return them",
        HEAD
        + """\
def step(X, Y, W1, b1, W2, b2, lr=0.1):
    H = sigmoid(X @ W1 + b1)
    O = sigmoid(H @ W2 + b2)
    D2 = (O - Y) * O * (1 - O)
    D1 = D2 @ W2.T * H * (1 - H)
    W2 -= lr * H.T @ D2
    b2 -= lr * D2.sum(axis=0)
    W1 -= lr * X.T @ D1
    b1 -= lr * D1.sum(axis=0)
    return W1, b1, W2, b2
""",
        f"""\
    {SQUARES}
    gives = "weights"

    def run(self, net, X, Y):
        return self.module.step(X, Y, *net.params.values(), net.alpha)
""",
        ("D2 @ W2.T * H", "D2 @ W2.T + H"),
    ),
    Style(
        "functions on globals that another file makes",
        HEAD
        + """\
RATE = 0.01

def forward(x):
    global V, W
    h = sigmoid(x.dot(V))
    return h, sigmoid(h.dot(W))

def backward(x, h, o, y):
    global V, W
    d = (o - y) * o * (1 - o)
    e = d.dot(W.T) * h * (1 - h)
    W -= RATE * h.T.dot(d)
    V -= RATE * x.T.dot(e)
""",
        f"""\
    {SQUARES}
    W, bias, rate = ("V", "W"), "none", "RATE"

    def run(self, model, X, Y):
        model.backward(X, *model.forward(X), Y)
""",
        ("x.T.dot(e)", "x.T.dot(h)"),
        {"bias": "none"},
    ),
    Style(
        "a function that makes its own weights and trains them in a loop",
        HEAD
        + """\
def build(X, Y, hidden, rounds=1000, show=False):
    def outputs(net, X):
        H = sigmoid(X @ net["W1"] + net["b1"])
        return H, sigmoid(H @ net["W2"] + net["b2"])

    rate = 0.01
    net = {}
    net["W1"] = np.random.randn(2, hidden)
    net["b1"] = np.zeros((1, hidden))
    net["W2"] = np.random.randn(hidden, 2)
    net["b2"] = np.zeros((1, 2))
    for i in range(rounds):
        if show:
            print(i)
        H, O = outputs(net, X)
        D2 = (O - Y) * O * (1 - O)
        D1 = D2 @ net["W2"].T * H * (1 - H)
        net["W2"] -= rate * H.T @ D2
        net["b2"] -= rate * D2.sum(axis=0)
        net["W1"] -= rate * X.T @ D1
        net["b1"] -= rate * D1.sum(axis=0)
    return net
""",
        f"""\
    {SQUARES}
    loop, data, rate = "for i in range(rounds):", ("X", "Y"), "rate"
    W, b, layout = "net['W{{l}}']", "net['b{{l}}']", "in, out"
""",
        ('net["W2"].T * H', 'net["W2"].T + H'),
    ),
    Style(
        "a method that makes its own weights and trains them in a loop",
        HEAD
        + """\
class Learner:
    def __init__(self, units, eta=0.1, rounds=500):
        self.units, self.eta, self.rounds = units, eta, rounds

    def fit(self, X, y):
        count, size = X.shape
        self.V = np.random.normal(size=(size, self.units))
        self.c = np.zeros(self.units)
        self.W = np.random.normal(size=(self.units, y.shape[1]))
        self.d = np.zeros(y.shape[1])
        for t in iter(range(self.rounds)):
            H = sigmoid(X @ self.V + self.c)
            O = sigmoid(H @ self.W + self.d)
            E = (O - y) * O * (1 - O) / count
            D = E @ self.W.T * H * (1 - H)
            self.W -= self.eta * H.T @ E
            self.d -= self.eta * E.sum(axis=0)
            self.V -= self.eta * X.T @ D
            self.c -= self.eta * D.sum(axis=0)
            if t % 100 == 0:
                print(f"{t}: {np.mean((y - O) ** 2):.4f}")
        return self
""",
        f"""\
    {SQUARES}
    W, b, rate = ("V", "W"), ("c", "d"), "eta"
    loop, data = "for t in ", ("X", "y")

    def make(self, net):
        return self.module.Learner(net.widths[1])
""",
        ("self.W.T * H * (1 - H)", "self.W.T * H"),
        {"reduction": "mean"},
    ),
    Style(
        "lines of a script whose new weights have names of their own",
        HEAD
        + """\
x, y, eta = np.ones((4, 3)), np.zeros((4, 2)), 0.1
v, w = np.random.randn(3, 5), np.random.randn(5, 2)
h = sigmoid(x @ v)
o = sigmoid(h @ w)
d = (o - y) * o * (1 - o)
e = d @ w.T * h * (1 - h)
new_w = w - eta * h.T @ d
new_v = v - eta * x.T @ e
""",
        f"""\
    {SQUARES}
    script, lines, data, rate = True, ("h = sig", "new_v ="), ("x", "y"), "eta"
    W, bias, layout = ("v", "w"), "none", "in, out"
    gives, dW = "weights", ("new_v", "new_w")
""",
        ("new_v = v -", "new_v = v +"),
        {"bias": "none"},
    ),
    Style(
        "labels that are classes, where the loss is a squared error",
        HEAD
        + """\
def gradients(X, y, W1, b1, W2, b2):
    H = sigmoid(X @ W1 + b1)
    O = sigmoid(H @ W2 + b2)
    Y = np.zeros_like(O)
    Y[np.arange(len(y)), y] = 1
    D2 = (O - Y) * O * (1 - O)
    D1 = D2 @ W2.T * H * (1 - H)
    return X.T @ D1, D1.sum(axis=0), H.T @ D2, D2.sum(axis=0)
""",
        f"""\
    {SQUARES}
    labels, gives = "classes", "gradient"

    def run(self, net, X, Y):
        return self.module.gradients(X, Y, *net.params.values())
""",
        ("H.T @ D2", "H.T @ O"),
        exact=False,
    ),
    Style(
        "labels that are classes, where each output has a cross-entropy of its own",
        HEAD
        + """\
def gradients(X, y, W1, b1, W2, b2):
    H = sigmoid(X @ W1 + b1)
    D2 = sigmoid(H @ W2 + b2)
    for row, label in enumerate(y):
        D2[row, label] -= 1
    D1 = D2 @ W2.T * H * (1 - H)
    return X.T @ D1, D1.sum(axis=0), H.T @ D2, D2.sum(axis=0)
""",
        """\
    hidden, output, loss = "sigmoid", "sigmoid", "binary_cross_entropy"
    labels, gives = "classes", "gradient"

    def run(self, net, X, Y):
        return self.module.gradients(X, Y, *net.params.values())
""",
        ("[row, label] -= 1", "[row, label] += 1"),
        {"loss": "binary_cross_entropy"},
        {"outputs": 1},
        exact=False,
    ),
    Style(
        "a slice of lists, changed in place",
        """\
from math import exp

class Net:
    def __init__(self, k, j, m):
        self.wi = [[0.1] * j for _ in range(k + 1)]
        self.wo = [[0.1] * m for _ in range(j)]

    def learn(self, x, y, rate):
        x = list(x) + [0.0]
        h = [1 / (1 + exp(-sum(v * r[j] for v, r in zip(x, self.wi)))) for j in range(len(self.wo))]
        o = [1 / (1 + exp(-sum(v * r[m] for v, r in zip(h, self.wo)))) for m in range(len(y))]
        d = [(a - b) * a * (1 - a) for a, b in zip(o, y)]
        e = [sum(w * v for w, v in zip(r, d)) * a * (1 - a) for r, a in zip(self.wo, h)]
        for v, r in zip(h, self.wo):
            for m, value in enumerate(d):
                r[m] -= rate * v * value
        for v, r in zip(x, self.wi):
            for j, value in enumerate(e):
                r[j] -= rate * v * value
""",
        f"""\
    {SQUARES}
    batch, lists, W, bias = "single", True, ("wi[:-1]", "wo"), "none"

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        model.learn(X, Y, self.net.alpha)
""",
        ("zip(r, d)) * a * (1 - a)", "zip(r, d)) * a"),
        {"n": 1, "bias": "none"},
        exact=False,
    ),
)


@pytest.mark.parametrize("style", _FORMS, ids=[style.name for style in _FORMS])
def test_right_code_passes_and_a_mistake_fails(tmp_path: Path, style: Style) -> None:
    assert len([line for line in style.adapter.splitlines() if line.strip()]) <= 10
    case, factor = case_of(style), Factor(**style.factor)
    with Target(written(tmp_path, style)) as target:
        assert target.smoke() == []
        trial = Trial(target, Factors(factor))
        found = trial.of(case)
        assert found.status == "pass", (found.message, target.printed)
        assert trial.of(case).status == "pass"  # the same again
        assert bool(trial.not_exactly) is not style.exact, trial.not_exactly
    (tmp_path / "wrong").mkdir()
    with Target(written(tmp_path / "wrong", style, style.mistake)) as target:
        assert target.smoke() == []
        found = Trial(target, Factors(factor)).of(case)
        assert found.status == "fail", found.message


def test_a_graph_that_is_kept_in_sets_is_no_broken_adapter(tmp_path: Path) -> None:
    """Its sums have another order each time: that is rounding, and nothing to be seeded."""
    program = """\
import numpy as np

class Net:
    def __init__(self):
        self.W1, self.W2 = np.ones((6, 5)), np.ones((5, 2))

times = 0

def train(net, X, Y):
    global times
    times += 1
    H = np.tanh(X @ net.W1)
    D = (H @ net.W2 - Y) * (1 + 1e-15 * times)
    E = D @ net.W2.T * (1 - H**2)
    net.W2 -= 0.5 * H.T @ D
    net.W1 -= 0.5 * X.T @ E
"""
    (tmp_path / "net.py").write_text(program)
    (tmp_path / "net_adapter.py").write_text(
        "from backproof.adapters import Adapter\n\n\nclass Mine(Adapter):\n"
        '    hidden, output, loss, bias = "tanh", "identity", "half_squared_error", "none"\n'
        '    W, alpha, layout = "W{l}", 0.5, "in, out"\n\n'
        "    def make(self, net):\n        return self.module.Net()\n\n"
        "    def run(self, model, X, Y):\n        self.module.train(model, X, Y)\n"
    )
    with Target(str(tmp_path / "net.py")) as target:
        assert target.smoke() == []
    (tmp_path / "net.py").write_text(program.replace("1e-15", "1e-2"))
    with Target(str(tmp_path / "net.py")) as target:
        assert target.smoke()[0].startswith("two new nets with the same weights answer differently")


@pytest.mark.parametrize("loss", ["squared error", "cross-entropy of its own"])
def test_the_whole_ladder_asks_a_program_of_classes_about_classes(
    tmp_path: Path, loss: str
) -> None:
    (style,) = (each for each in _FORMS if "classes" in each.name and loss in each.name)
    checked, _ = check(Request(written(tmp_path, style)))
    assert checked.exit_code == 0, checked.first_broken
    done = {each.check.id for each in checked.results if each.status == "pass"}
    assert {"activation.sigmoid", "batch.duplicates", "training.steps"} <= done
    text = style.program.replace(*style.mistake)
    (tmp_path / "net.py").write_text(text)
    assert check(Request(str(tmp_path / "net.py")))[0].exit_code == 1
