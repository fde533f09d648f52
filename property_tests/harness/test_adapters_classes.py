"""How classes are made and called, inferred: right ones pass, wrong ones fail, in ten lines."""

from pathlib import Path

import pytest

from backproof.proposal import length_of
from backproof.target import Target
from property_tests.check_run import Request, check
from property_tests.harness.net_styles_too import HEAD

_SOFTMAX = """\
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


"""

_FORMS = {
    "two hidden layers by name, a rate and a momentum that multiplies the step": (
        HEAD
        + """\
class Net:
    def __init__(self, nn_inputs, nn_hidden1, nn_hidden2, nn_targets):
        self.weights0 = np.random.rand(nn_inputs, nn_hidden1)
        self.weights1 = np.random.rand(nn_hidden1, nn_hidden2)
        self.weights2 = np.random.rand(nn_hidden2, nn_targets)

    def feedforward(self, X):
        self.g = sigmoid(X @ self.weights0)
        self.h = sigmoid(self.g @ self.weights1)
        self.o = sigmoid(self.h @ self.weights2)

    def backpropagation(self, X, y, l_rate, momentum):
        d = (y - self.o) * self.o * (1 - self.o)
        e = d @ self.weights2.T * self.h * (1 - self.h)
        f = e @ self.weights1.T * self.g * (1 - self.g)
        self.weights0 += momentum * l_rate * X.T @ f
        self.weights1 += momentum * l_rate * self.g.T @ e
        self.weights2 += momentum * l_rate * self.h.T @ d
""",
        ("self.weights2.T * self.h * (1 - self.h)", "self.weights2.T * self.h"),
    ),
    "a list of hidden sizes, and weights that are made later": (
        HEAD
        + """\
class Net:
    def __init__(self, input_size, hidden_sizes, output_size, l2=0.01):
        self.sizes, self.l2 = [input_size, *hidden_sizes, output_size], l2

    def initialize_parameters(self):
        self.Ws = [np.random.rand(k, j) for k, j in zip(self.sizes, self.sizes[1:])]
        self.bs = [np.zeros((1, j)) for j in self.sizes[1:]]

    def train_step(self, X, y, lr):
        O = [X]
        for W, b in zip(self.Ws, self.bs):
            O.append(sigmoid(O[-1] @ W + b))
        d = (O[-1] - y) / len(X)
        for l in reversed(range(len(self.Ws))):
            above = d @ self.Ws[l].T * O[l] * (1 - O[l])
            self.Ws[l] -= lr * (O[l].T @ d + self.l2 * self.Ws[l])
            self.bs[l] -= lr * d.sum(axis=0, keepdims=True)
            d = above

    def loss(self, O, y):
        return -np.mean(y * np.log(O) + (1 - y) * np.log(1 - O))
""",
        ("* O[l] * (1 - O[l])", "* O[l] * (1 + O[l])"),
    ),
    "instances as pairs of columns": (
        HEAD
        + """\
class Net:
    def __init__(self, sizes, spread):
        self.ws = [spread * np.random.randn(j, k) for k, j in zip(sizes, sizes[1:])]
        self.bs = [np.zeros((j, 1)) for j in sizes[1:]]

    def update_mini_batch(self, mini_batch, eta):
        sums = [np.zeros(w.shape) for w in self.ws], [np.zeros(b.shape) for b in self.bs]
        for x, y in mini_batch:
            a = [x]
            for w, b in zip(self.ws, self.bs):
                a.append(sigmoid(w @ a[-1] + b))
            d = (a[-1] - y) * a[-1] * (1 - a[-1])
            for l in reversed(range(len(self.ws))):
                sums[0][l] += d @ a[l].T
                sums[1][l] += d
                d = self.ws[l].T @ d * a[l] * (1 - a[l])
        self.ws = [w - eta / len(mini_batch) * s for w, s in zip(self.ws, sums[0])]
        self.bs = [b - eta / len(mini_batch) * s for b, s in zip(self.bs, sums[1])]
""",
        ("w - eta / len(mini_batch) * s for", "1 - eta / len(mini_batch) * s for"),
    ),
    "an activation by name": (
        """\
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out, activation="cos"):
        self.W1, self.b1 = np.random.rand(n_in, n_hidden), np.zeros(n_hidden)
        self.W2, self.b2 = np.random.rand(n_hidden, n_out), np.zeros(n_out)
        self.activation = activation

    def g(self, z):
        if self.activation == "ReLU":
            return np.maximum(z, 0)
        return np.tanh(z) if self.activation == "tanh" else np.cos(z)

    def slope(self, z):
        if self.activation == "ReLU":
            return (z > 0) * 1.0
        return 1 - np.tanh(z) ** 2 if self.activation == "tanh" else -np.sin(z)

    def forward(self, X):
        self.z = X @ self.W1 + self.b1
        self.a = self.g(self.z)
        return self.a @ self.W2 + self.b2

    def backward(self, X, y, out, reg_lambda):
        d = out - y
        e = d @ self.W2.T * self.slope(self.z)
        dW2, dW1 = self.a.T @ d + reg_lambda * self.W2, X.T @ e + reg_lambda * self.W1
        return {"dW1": dW1, "db1": e.sum(axis=0), "dW2": dW2, "db2": d.sum(axis=0)}
""",
        ("return 1 - np.tanh(z) ** 2", "return 1 - np.tanh(z)"),
    ),
    "data that are given when the net is made": (
        HEAD
        + """\
class Net:
    def __init__(self, x, y):
        self.input, self.y = x, y
        self.weights1 = np.random.rand(x.shape[1], 4)
        self.weights2 = np.random.rand(4, y.shape[1])

    def feedforward(self):
        self.layer1 = sigmoid(self.input @ self.weights1)
        self.output = sigmoid(self.layer1 @ self.weights2)

    def backprop(self):
        d = 2 * (self.y - self.output) * self.output * (1 - self.output)
        e = d @ self.weights2.T * self.layer1 * (1 - self.layer1)
        self.weights1 += self.input.T @ e
        self.weights2 += self.layer1.T @ d
""",
        ("self.weights2.T * self.layer1", "self.weights2.T + self.layer1"),
    ),
    "what forward keeps and returns, by the names of the attributes": (
        HEAD
        + """\
class Net:
    def __init__(self, nx, nodes):
        self.__W1, self.__b1 = np.random.randn(nodes, nx), np.zeros((nodes, 1))
        self.__W2, self.__b2 = np.random.randn(1, nodes), 0

    def forward_prop(self, X):
        self.__A1 = sigmoid(self.__W1 @ X + self.__b1)
        self.__A2 = sigmoid(self.__W2 @ self.__A1 + self.__b2)
        return self.__A1, self.__A2

    def cost(self, Y, A):
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1.0000001 - A)) / Y.shape[1]

    def gradient_descent(self, X, Y, A1, A2, alpha=0.05):
        m = Y.shape[1]
        D2 = A2 - Y
        D1 = self.__W2.T @ D2 * A1 * (1 - A1)
        self.__W2 = self.__W2 - alpha * D2 @ A1.T / m
        self.__b2 = self.__b2 - alpha * np.sum(D2) / m
        self.__W1 = self.__W1 - alpha * D1 @ X.T / m
        self.__b1 = self.__b1 - alpha * np.sum(D1, axis=1, keepdims=True) / m
""",
        ("np.sum(D1, axis=1, keepdims=True)", "np.sum(D1)"),
    ),
    "as many classes as are written in a function": (
        HEAD
        + _SOFTMAX
        + """\
def targets(labels):
    Y = np.zeros((len(labels), 7))
    for row, label in enumerate(labels):
        Y[row, label] = 1
    return Y

class Net:
    def __init__(self, input_dim, n_units, n_classes):
        self.params = {"W": np.random.rand(input_dim, n_units), "b1": np.zeros(n_units),
                       "C": np.random.rand(n_units, n_classes), "b2": np.zeros(n_classes)}

    def forward(self, X):
        self.H = sigmoid(X @ self.params["W"] + self.params["b1"])
        self.O = softmax(self.H @ self.params["C"] + self.params["b2"])
        return self.O

    def backprop(self, X, y, LR):
        d = self.O - targets(y)
        e = d @ self.params["C"].T * self.H * (1 - self.H)
        self.params["b2"] += -LR * d.sum(axis=0)
        self.params["C"] += -LR * self.H.T @ d
        self.params["b1"] += -LR * e.sum(axis=0)
        self.params["W"] += -LR * X.T @ e
""",
        ('self.params["C"].T * self.H', 'self.params["C"].T + self.H'),
    ),
    "one instance at a time, and a rectifier at the output": (
        """\
import numpy as np

class Network:
    def __init__(self, nodes):
        self.nodes = nodes

    def initialize_model(self):
        self.weights = [np.random.randn(k, j) for k, j in zip(self.nodes, self.nodes[1:])]
        self.biases = [np.random.randn(j) for j in self.nodes[1:]]

    def backprop(self, x, y, lr=0.01):
        relu = [x]
        for w, b in zip(self.weights, self.biases):
            relu.append(np.maximum(0, relu[-1] @ w + b))
        d = (relu[-1] - y) * (relu[-1] > 0)
        for l in reversed(range(len(self.weights))):
            below = self.weights[l] @ d * (relu[l] > 0)
            self.weights[l] -= lr * np.outer(relu[l], d)
            self.biases[l] -= lr * d
            d = below
""",
        ("self.weights[l] @ d * (relu[l] > 0)", "self.weights[l] @ d"),
    ),
    "a leaky rectifier": (
        """\
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.rand(n_in, n_hidden), np.zeros(n_hidden)
        self.W2, self.b2 = np.random.rand(n_hidden, n_out), np.zeros(n_out)

    def forward(self, x):
        self.h = x @ self.W1 + self.b1
        self.h = np.maximum(0.01 * self.h, self.h)
        return self.h @ self.W2 + self.b2

    def backward(self, x, y, output, learning_rate=0.0001):
        d = output - y
        e = d @ self.W2.T * np.where(self.h > 0, 1, 0.01)
        self.W2 -= learning_rate * self.h.T @ d
        self.b2 -= learning_rate * d.sum(axis=0)
        self.W1 -= learning_rate * x.T @ e
        self.b1 -= learning_rate * e.sum(axis=0)
""",
        ("np.where(self.h > 0, 1, 0.01)", "np.where(self.h > 0, 0.5, 0.01)"),
    ),
}


def judged_unasked(path: Path, program: str, mistake: tuple[str, str]) -> None:
    """The program passes and its mistake fails through an adapter that is inferred."""
    assert program.count(mistake[0]) == 1
    path.write_text(program)
    with Target(str(path)) as target:
        adapter = target.proposed
    assert adapter.startswith("from backproof.adapters import Adapter\n")
    assert length_of(adapter) <= 10, adapter
    checked, _ = check(Request(str(path)))
    assert checked.exit_code == 0, (checked.first_broken, adapter)
    path.write_text(program.replace(*mistake))
    first = check(Request(str(path)))[0].first_broken
    assert first is not None
    assert first.status == "fail", first


@pytest.mark.parametrize("form", _FORMS)
def test_what_is_right_passes_and_what_is_wrong_fails_unasked(tmp_path: Path, form: str) -> None:
    judged_unasked(tmp_path / "net.py", *_FORMS[form])
