"""What strangers' programs taught about inferring: right ones pass and wrong ones fail, unasked."""

from pathlib import Path

import pytest

from backproof.target import Target
from property_tests.check_run import Request, check
from property_tests.harness.net_styles_too import HEAD

_FORMS = {
    "a class whose biases have a name that nobody else gives them": (
        HEAD
        + """\
class Net:
    def __init__(self, k, h, j):
        self.W1, self.c1 = np.random.randn(k, h), np.zeros(h)
        self.W2, self.c2 = np.random.randn(h, j), np.zeros(j)

    def train(self, X, Y, lr):
        H = sigmoid(X @ self.W1 + self.c1)
        O = sigmoid(H @ self.W2 + self.c2)
        d2 = (O - Y) * O * (1 - O)
        d1 = d2 @ self.W2.T * H * (1 - H)
        self.W2 -= lr * H.T @ d2
        self.c2 -= lr * d2.sum(0)
        self.W1 -= lr * X.T @ d1
        self.c1 -= lr * d1.sum(0)
""",
        ("d2 @ self.W2.T * H * (1 - H)", "d2 @ self.W2.T"),
    ),
    "a script of single rows without any activation": (
        """\
import numpy as np

X, y = np.eye(4)[:, :3], np.ones((4, 1))
w01 = np.random.randn(3, 4)
w12 = np.random.randn(4, 1)
lr = 0.5
for epoch in range(100):
    total_error = 0
    for i in range(len(X)):
        hidden = X[i] @ w01
        output = hidden @ w12
        total_error += ((output - y[i]) ** 2)[0]
        d = output - y[i]
        e = d @ w12.T
        w12 -= lr * np.outer(hidden, d)
        w01 -= lr * np.outer(X[i], e)
""",
        ("np.outer(X[i], e)", "np.outer(X[i], hidden)"),
    ),
    "a script whose rate is 1e-4, of data that is not there": (
        """\
import numpy as np

x, y = np.loadtxt("no_such_file.txt"), np.loadtxt("neither_this.txt")
u, v, w = np.random.randn(6, 5), np.random.randn(5, 4), np.random.randn(4, 2)
for t in range(2000):
    g = np.tanh(x.dot(u))
    h = np.tanh(g.dot(v))
    d = 2.0 * (h.dot(w) - y)
    e = d.dot(w.T) * (1 - h**2)
    f = e.dot(v.T) * (1 - g**2)
    u -= 1e-4 * x.T.dot(f)
    v -= 1e-4 * g.T.dot(e)
    w -= 1e-4 * h.T.dot(d)
""",
        ("e.dot(v.T) * (1 - g**2)", "e.dot(v.T)"),
    ),
    "functions whose backward takes what forward returns, by name": (
        HEAD
        + """\
def forward_pass(X, W1, b1, W2, b2):
    Z1 = X @ W1 + b1
    A1 = sigmoid(Z1)
    A2 = A1 @ W2 + b2
    return Z1, A1, A2

def backward_pass(X, y_true, Z1, A1, A2, W1, b1, W2, b2, lr=0.1):
    y_true = y_true.reshape(-1, 1)
    d = (A2 - y_true) / len(X)
    e = d @ W2.T * sigmoid(Z1) * (1 - sigmoid(Z1))
    W2 -= lr * A1.T @ d
    b2 -= lr * np.sum(d, axis=0)
    W1 -= lr * X.T @ e
    b1 -= lr * np.sum(e, axis=0)
    return W1, b1, W2, b2
""",
        ("e = d @ W2.T * sigmoid(Z1)", "e = d @ W2.T * sigmoid(A1)"),
    ),
    "dictionaries for exactly three layers": (
        """\
import numpy as np

def relu(Z):
    return np.maximum(0, Z)

def forward(X, params):
    cache = {"Z1": X @ params["W1"] + params["b1"]}
    cache["Z2"] = relu(cache["Z1"]) @ params["W2"] + params["b2"]
    return relu(cache["Z2"]) @ params["W3"] + params["b3"], cache

def backward(X, y, out, cache, params):
    d3 = (out - y) / len(X)
    d2 = d3 @ params["W3"].T * (cache["Z2"] > 0)
    d1 = d2 @ params["W2"].T * (cache["Z1"] > 0)
    return {
        "dW3": relu(cache["Z2"]).T @ d3, "db3": d3.sum(axis=0),
        "dW2": relu(cache["Z1"]).T @ d2, "db2": d2.sum(axis=0),
        "dW1": X.T @ d1, "db1": d1.sum(axis=0),
    }
""",
        (' * (cache["Z1"] > 0)', ""),
    ),
    "functions on globals of one size, a single output": (
        HEAD
        + """\
W1, b1 = np.random.randn(6, 8), np.zeros((1, 8))
W2, b2 = np.random.randn(8, 1), np.zeros((1, 1))

def forward_pass(X):
    A1 = sigmoid(X @ W1 + b1)
    A2 = sigmoid(A1 @ W2 + b2)
    return A1, A2

def backpropagation(X, y_true, A1, A2):
    d = A2 - y_true
    e = d @ W2.T * A1 * (1 - A1)
    return X.T @ e, e.sum(axis=0, keepdims=True), A1.T @ d, d.sum(axis=0, keepdims=True)

def loss(y, o):
    return -np.mean(y * np.log(o) + (1 - y) * np.log(1 - o))
""",
        ("* A1 * (1 - A1)", "* A1"),
    ),
    "a function that trains row by row at a rate of its own, and returns the weights": (
        HEAD
        + """\
def backprop_step(W1, W2, X, D):
    alpha = 0.05
    for k in range(len(X)):
        x, d = X[k].reshape(-1, 1), D[k].reshape(-1, 1)
        h = sigmoid(W1 @ x)
        o = sigmoid(W2 @ h)
        delta = o * (1 - o) * (d - o)
        delta1 = h * (1 - h) * (W2.T @ delta)
        W1 = W1 + alpha * delta1 @ x.T
        W2 = W2 + alpha * delta @ h.T
    return W1, W2
""",
        ("h * (1 - h) * (W2.T", "h * (W2.T"),
    ),
    "layer objects of one's own, a softmax whose backward passes on": (
        """\
import numpy as np

class Dense:
    def __init__(self, inputs, outputs):
        self.weights = np.random.randn(inputs, outputs)
        self.bias = np.zeros((1, outputs))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, grad, learning_rate):
        down = grad @ self.weights.T
        self.weights -= learning_rate * self.x.T @ grad
        self.bias -= learning_rate * grad.sum(axis=0, keepdims=True)
        return down

class Activation:
    def __init__(self, g, g_prime):
        self.g, self.g_prime = g, g_prime

    def forward(self, x):
        self.x = x
        return self.g(x)

    def backward(self, grad, learning_rate):
        return grad * self.g_prime(self.x)

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, grad, learning_rate):
        return grad

def relu(x): return np.maximum(0, x)
def relu_prime(x): return x > 0
def tanh(x): return np.tanh(x)
def tanh_prime(x): return 1 - np.tanh(x) ** 2
""",
        ("return 1 - np.tanh(x) ** 2", "return 1 - x ** 2"),
    ),
    "layers that keep what comes out, and a loss with a backward pass": (
        """\
import numpy as np

class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = None, None

    def forward(self, x):
        self.x, self.output = x, x @ self.W + self.b

    def backward(self, dvalues):
        self.dW, self.db = self.x.T @ dvalues, dvalues.sum(axis=0)
        self.dinputs = dvalues @ self.W.T

class Sigmoid:
    def forward(self, x):
        self.output = 1 / (1 + np.exp(-x))

    def backward(self, dvalues):
        self.dinputs = dvalues * self.output * (1 - self.output)

class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.y)) / len(t)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)
""",
        ("self.dinputs = dvalues * self.output * ", "self.dinputs = dvalues * "),
    ),
}


@pytest.mark.parametrize("form", _FORMS)
def test_what_is_right_passes_and_what_is_wrong_fails_unasked(tmp_path: Path, form: str) -> None:
    program, mistake = _FORMS[form]
    assert program.count(mistake[0]) == 1
    path = tmp_path / "net.py"
    path.write_text(program)
    with Target(str(path)) as target:
        assert target.proposed.startswith("from backproof.adapters import Adapter")
        lines = [each for each in target.proposed.splitlines()[4:] if each.strip()]
        assert len(lines) <= 10, target.proposed
    checked, _ = check(Request(str(path)))
    assert checked.exit_code == 0, (checked.first_broken, target.proposed)
    path.write_text(program.replace(*mistake))
    first = check(Request(str(path)))[0].first_broken
    assert first is not None
    assert first.status == "fail", first


_LOOPS = {
    "the loop at line {} is": """
class Net:
    def __init__(self, layers):
        self.layers = layers

    def train(self, x, t, loss):
        for layer in self.layers:
            layer.forward(x)
            x = layer.output
        loss.forward(x, t)
        d = -loss.backward()
        for layer in self.layers:  # here
            layer.backward(d)
""",
    "the loops at {}, {} are": """
def one(layers, d):
    for layer in layers:  # here
        layer.backward(d)

for _ in range(2):
    for layer in []:  # here
        layer.backward(0)
""",
}


@pytest.mark.parametrize("said", _LOOPS)
def test_a_loop_through_layers_that_is_not_judged_is_said_to_be_none(
    tmp_path: Path, said: str
) -> None:
    path = tmp_path / "net.py"
    layers, _ = _FORMS["layers that keep what comes out, and a loss with a backward pass"]
    path.write_text(layers)
    with Target(str(path)) as target:
        assert "in a loop of the adapter's" not in target.adapted
    program = layers + _LOOPS[said]
    path.write_text(program)
    lines = [at for at, line in enumerate(program.splitlines(), 1) if "# here" in line]
    with Target(str(path)) as target:
        said = f"judged, in a loop of the adapter's; {said.format(*lines)} not"
        assert target.adapted.endswith(said)


_SQUARES = """
import numpy as np

class Net:
    def __init__(self, widths, lr=0.1):
        self.Ws = [np.random.randn(k, j) for k, j in zip(widths, widths[1:])]
        self.bs = [np.zeros(j) for j in widths[1:]]
        self.lr = lr

    def train(self, X, Y):
        Os = [X]
        for W, b in zip(self.Ws, self.bs):
            Os.append(1 / (1 + np.exp(-(Os[-1] @ W + b))))
        delta = (Os[-1] - Y) * Os[-1] * (1 - Os[-1])
        for l in reversed(range(len(self.Ws))):
            dW, db = Os[l].T @ delta, delta.sum(axis=0)
            delta = delta @ self.Ws[l].T * Os[l] * (1 - Os[l])
            self.Ws[l] -= self.lr * dW
            self.bs[l] -= self.lr * db
        return np.mean((Os[-1] - Y) ** 2)
"""
_LOST = ("(Os[-1] - Y) * Os[-1] * (1 - Os[-1])", "Os[-1] - Y")
_LOGS = (
    "np.mean((Os[-1] - Y) ** 2)",
    "-np.mean(Y * np.log(Os[-1]) + (1 - Y) * np.log(1 - Os[-1]))",
)


@pytest.mark.parametrize(
    ("changes", "asked"), [((), False), ((_LOST,), True), ((_LOST, _LOGS), False)]
)
def test_the_gradient_of_a_loss_that_the_text_never_names_is_asked_about(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], asked: bool
) -> None:
    program = _SQUARES
    for old, new in changes:
        assert program.count(old) == 1
        program = program.replace(old, new)
    (tmp_path / "net.py").write_text(program)
    with Target(str(tmp_path / "net.py")) as target:
        said = "its gradient is that of binary_cross_entropy, which its text never names"
        assert (said in target.adapted) == asked
