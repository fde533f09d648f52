"""What stands in a program before its weights are set may be odd: shared, of another size."""

from pathlib import Path

import pytest

from backproof.errors import TargetError
from backproof.target import Target
from property_tests.check_run import Request, check
from property_tests.harness.net_styles_too import HEAD, SQUARES, Style
from property_tests.harness.test_adapters import case_of, written
from property_tests.trying import Trial

_ODD = (
    Style(
        "all neurons of a layer are made with one and the same list",
        """\
from math import exp

class Unit:
    def __init__(self, w):
        self.w = w

def net_of(sizes):
    net = []
    for k, j in zip(sizes, sizes[1:]):
        w = [0.0] * k
        net.append([Unit(w) for _ in range(j)])
    return net

def learn(net, x, y, rate):
    outputs = [x]
    for layer in net:
        sums = [sum(w * v for w, v in zip(unit.w, outputs[-1])) for unit in layer]
        outputs.append([1 / (1 + exp(-z)) for z in sums])
    errors = [t - o for t, o in zip(y, outputs[-1])]
    for layer, o, below in zip(net[::-1], outputs[::-1], outputs[-2::-1]):
        deltas = [e * v * (1 - v) for e, v in zip(errors, o)]
        errors = [sum(u.w[i] * d for u, d in zip(layer, deltas)) for i in range(len(below))]
        for unit, d in zip(layer, deltas):
            unit.w = [w + rate * d * v for w, v in zip(unit.w, below)]
""",
        f"""\
    {SQUARES}
    batch, lists, bias, W, depths = "single", True, "none", "[{{i}}][*].w", (1, 2, 3)

    def make(self, net):
        return self.module.net_of(net.widths)

    def run(self, model, X, Y):
        self.module.learn(model, X, Y, self.net.alpha)
""",
        ("errors = [sum(u.w[i] * d for", "errors = [sum(u.w[i] for"),
        {"n": 1, "bias": "none"},
        exact=False,
    ),
    Style(
        "a first size that is written into it, and code that takes any",
        HEAD
        + """\
class Digits:
    def __init__(self, hidden):
        self.w1, self.b1 = np.ones((hidden, 784)), np.ones((hidden, 1))
        self.w2, self.b2 = np.ones((10, hidden)), np.ones((10, 1))

    def grads(self, x, y):
        h = sigmoid(self.w1 @ x + self.b1)
        o = sigmoid(self.w2 @ h + self.b2)
        d2 = (o - y) * o * (1 - o)
        d1 = self.w2.T @ d2 * h * (1 - h)
        return (d1 @ x.T, d2 @ h.T), (d1, d2)
""",
        f"""\
    {SQUARES}
    batch, layout, gives, W, b = "single column", "out, in", "gradient", "w{{l}}", "b{{l}}"

    def make(self, net):
        return self.module.Digits(net.widths[1])

    def run(self, model, X, Y):
        return model.grads(X, Y)
""",
        ("self.w2.T @ d2 * h", "self.w2.T @ d2"),
        {"n": 1},
    ),
    Style(
        "names of its own for activations and for the loss",
        HEAD
        + """\
G = {
    "Logistic": (sigmoid, lambda o: o * (1 - o)),
    "TanH": (np.tanh, lambda o: 1 - o**2),
}

class Net:
    def __init__(self, widths, g, last, loss):
        assert loss == "SSE"
        self.g, self.last = G[g], G[last]
        self.w1, self.w2 = (np.ones(shape) for shape in zip(widths, widths[1:]))

    def fit(self, X, Y, rate):
        h = self.g[0](X @ self.w1)
        o = self.last[0](h @ self.w2)
        d2 = (o - Y) * self.last[1](o)
        d1 = d2 @ self.w2.T * self.g[1](h)
        self.w2 -= rate * h.T @ d2
        self.w1 -= rate * X.T @ d1
""",
        """\
    hidden, output, loss = ("tanh", "sigmoid"), "sigmoid", "half_squared_error"
    spelled = {"sigmoid": "Logistic", "tanh": "TanH", "half_squared_error": "SSE"}
    bias, W = "none", "w{l}"

    def make(self, net):
        return self.module.Net(net.widths, net.hidden, net.output, net.loss)

    def run(self, model, X, Y):
        model.fit(X, Y, self.net.alpha)
""",
        ("1 - o**2", "1 - o"),
        {"bias": "none", "activations": ("tanh", "sigmoid")},
    ),
    Style(
        "functions that a package that is not here would compile",
        """\
import numpy as np
from no_such_compiler import Colour, jit

@jit(nopython=True)
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

@jit
def slope(o):
    return o * (1 - o)

def step(X, Y, W, V, rate):
    h = sigmoid(X @ W)
    o = sigmoid(h @ V)
    d = (o - Y) * slope(o)
    print(Colour.RED + "one step" + Colour.OFF)
    return W - rate * X.T @ (d @ V.T * slope(h)), V - rate * h.T @ d
""",
        f"""\
    {SQUARES}
    bias, gives, without = "none", "weights", ("no_such_compiler",)

    def run(self, net, X, Y):
        return self.module.step(X, Y, *net.W, net.alpha)
""",
        ("d @ V.T * slope(h)", "d @ V.T"),
        {"bias": "none"},
    ),
)


@pytest.mark.parametrize("style", _ODD, ids=[style.name for style in _ODD])
def test_right_code_passes_and_a_mistake_fails(tmp_path: Path, style: Style) -> None:
    case = case_of(style)
    with Target(written(tmp_path, style)) as target:
        trial = Trial(target)
        found = trial.of(case)
        assert found.status == "pass", (found.message, target.printed)
        assert bool(trial.not_exactly) is not style.exact, trial.not_exactly
    (tmp_path / "wrong").mkdir()
    with Target(written(tmp_path / "wrong", style, style.mistake)) as target:
        assert Trial(target).of(case).status == "fail"


def test_an_adapter_that_spells_what_is_no_name_says_so(tmp_path: Path) -> None:
    (style,) = (each for each in _ODD if "names of its own" in each.name)
    path = written(tmp_path, style)
    adapter = tmp_path / "net_adapter.py"
    adapter.write_text(adapter.read_text().replace('{"sigmoid": "Log', '{"Logistic": "Log'))
    with pytest.raises(TargetError, match="`spelled` has 'Logistic', which is no name of ours"):
        Target(path)


def test_a_size_that_does_not_fit_says_what_to_write(tmp_path: Path) -> None:
    (style,) = (each for each in _ODD if "any" in each.name)
    path = written(tmp_path, style)
    adapter = tmp_path / "net_adapter.py"
    adapter.write_text(
        adapter.read_text().replace("layout, gives", "gives").replace('"out, in", ', "")
    )
    with Target(path) as target:
        found = Trial(target).of(case_of(style))
    assert found.status == "error"
    assert "has shape (5, 784), expected (3, 5) or (5, 3); name its `layout`" in found.message


def test_a_layout_that_is_named_is_held_whatever_stands_there(tmp_path: Path) -> None:
    """Weights that are made (in, out) and used as (out, in): right where the sizes are alike."""
    path = tmp_path / "net.py"
    path.write_text(
        HEAD
        + """\
class Net:
    def __init__(self, k, j, m):
        self.V, self.W = np.random.rand(k, j), np.random.rand(j, m)

    def train(self, X, Y, rate):
        H = sigmoid(self.V @ X)
        O = sigmoid(self.W @ H)
        D = (O - Y) * O * (1 - O)
        E = self.W.T @ D * H * (1 - H)
        self.W = self.W - rate * D @ H.T
        self.V = self.V - rate * E @ X.T
"""
    )
    (tmp_path / "net_adapter.py").write_text(
        f"""\
from backproof.adapters import Adapter

class OfNet(Adapter):
    {SQUARES}
    batch, layout, W, bias = "columns", "out, in", ("V", "W"), "none"

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        model.train(X, Y, self.net.alpha)
"""
    )
    with Target(str(path)) as target:
        assert target.smoke() == []
    assert check(Request(str(path)))[0].exit_code == 0
