"""Loops in functions and methods, and printed losses, inferred: judged unasked, in ten lines."""

from pathlib import Path

import pytest

from property_tests.check_run import Request, check
from property_tests.harness.net_styles_too import HEAD
from property_tests.harness.test_adapters_classes import judged_unasked

_LOOPS = {
    "a function that makes its own weights and trains them": (
        HEAD
        + """\
def train(X, y, hidden_size, lr, epochs=5000):
    m = X.shape[0]
    W1, b1 = np.random.randn(X.shape[1], hidden_size), np.zeros((1, hidden_size))
    W2, b2 = np.random.randn(hidden_size, y.shape[1]), np.zeros((1, y.shape[1]))
    for epoch in range(epochs):
        a1 = sigmoid(X @ W1 + b1)
        a2 = sigmoid(a1 @ W2 + b2)
        d = (a2 - y) * a2 * (1 - a2) / m
        e = d @ W2.T * a1 * (1 - a1)
        W1 -= lr * X.T @ e
        b1 -= lr * e.sum(axis=0, keepdims=True)
        W2 -= lr * a1.T @ d
        b2 -= lr * d.sum(axis=0, keepdims=True)
    return W1, b1, W2, b2
""",
        ("W2.T * a1", "W2.T + a1"),
    ),
    "a method that makes its own weights and trains them": (
        HEAD
        + """\
class Learner:
    def __init__(self, num_iter):
        self.W1 = self.b1 = self.W2 = self.b2 = None
        self.num_iter = num_iter

    def fit(self, X, Y, eta=0.05):
        n, size = X.shape
        self.W1, self.b1 = np.random.randn(size, 40), np.zeros((1, 40))
        self.W2, self.b2 = np.random.randn(40, 3), np.zeros((1, 3))
        for i in range(self.num_iter):
            A1 = sigmoid(X @ self.W1 + self.b1)
            A2 = sigmoid(A1 @ self.W2 + self.b2)
            d = (A2 - Y) * A2 * (1 - A2) / n
            e = d @ self.W2.T * A1 * (1 - A1)
            self.W1 -= eta * X.T @ e
            self.b1 -= eta * e.sum(axis=0, keepdims=True)
            self.W2 -= eta * A1.T @ d
            self.b2 -= eta * d.sum(axis=0, keepdims=True)
""",
        ("self.W2.T * A1", "self.W2.T + A1"),
    ),
    "sizes with activations, of a table": (
        """\
import numpy as np

G = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "Linear": lambda z: z}
SLOPE = {"sigmoid": lambda o: o * (1 - o), "Linear": lambda o: 1 + 0 * o}

class Layer:
    def __init__(self, k, j, g):
        self.weight, self.bias, self.g = np.random.rand(k, j), np.zeros(j), g

class Net:
    def __init__(self, num_inputs, layers):
        sizes = [num_inputs, *(size for size, _ in layers)]
        self.layers = [Layer(k, j, g) for k, (j, g) in zip(sizes, layers)]

    def forward_prop(self, inputs):
        for layer in self.layers:
            layer.input, layer.out = inputs, G[layer.g](inputs @ layer.weight + layer.bias)
            inputs = layer.out
        return inputs

    def backward_prop(self, inputs, outputs, alpha):
        d = 2 * (self.layers[-1].out - outputs) / len(outputs)
        for layer in reversed(self.layers):
            d = d * SLOPE[layer.g](layer.out)
            above, layer.d = d, d
            d = above @ layer.weight.T
            layer.weight -= alpha * layer.input.T @ above
            layer.bias -= alpha * above.sum(axis=0)
""",
        ("d = above @ layer.weight.T", "d = above @ (layer.weight + alpha * d.sum()).T"),
    ),
}


@pytest.mark.parametrize("form", _LOOPS)
def test_what_is_right_passes_and_what_is_wrong_fails_unasked(tmp_path: Path, form: str) -> None:
    judged_unasked(tmp_path / "net.py", *_LOOPS[form])


_STATED = {
    "a class that prints a loss of its own function": (
        HEAD
        + """\
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1, self.b1 = np.random.rand(n_in, n_hidden), np.zeros(n_hidden)
        self.W2, self.b2 = np.random.rand(n_hidden, n_out), np.zeros(n_out)
        self.lr = lr

    def forward(self, X):
        self.A1 = sigmoid(X @ self.W1 + self.b1)
        self.A2 = sigmoid(self.A1 @ self.W2 + self.b2)
        return self.A1, self.A2

    def compute_cost(self, Y, A2):
        return np.mean((Y - A2) ** 2)

    def backward(self, X, Y, A1, A2):
        d = (A2 - Y) * A2 * (1 - A2)
        e = d @ self.W2.T * A1 * (1 - A1)
        self.W1 -= self.lr * X.T @ e
        self.b1 -= self.lr * e.sum(axis=0)
        self.W2 -= self.lr * A1.T @ d
        self.b2 -= self.lr * d.sum(axis=0)

    def fit(self, X, Y):
        A1, A2 = self.forward(X)
        self.backward(X, Y, A1, A2)
        print(self.compute_cost(Y, A2))
""",
        ("d = (A2 - Y) * A2 * (1 - A2)", "d = A2 - Y"),
    ),
    "a loop that prints a loss": (
        HEAD
        + """\
def train(X, y, hidden_size=4, epochs=500, lr=0.5):
    W1, W2 = np.random.randn(X.shape[1], hidden_size), np.random.randn(hidden_size, 1)
    for epoch in range(epochs):
        a1 = sigmoid(X @ W1)
        a2 = sigmoid(a1 @ W2)
        loss = -np.mean(y * np.log(a2) + (1 - y) * np.log(1 - a2))
        d = a2 - y
        W1 -= lr * X.T @ (d @ W2.T * a1 * (1 - a1))
        W2 -= lr * a1.T @ d
        print(f"{epoch}: {loss:.3f}")
    return W1, W2
""",
        (
            "loss = -np.mean(y * np.log(a2) + (1 - y) * np.log(1 - a2))",
            "loss = np.mean((y - a2) ** 2)",
        ),
    ),
}


@pytest.mark.parametrize("form", _STATED)
def test_who_prints_another_loss_than_the_one_descended_is_told_unasked(
    tmp_path: Path, form: str
) -> None:
    program, mistake = _STATED[form]
    assert program.count(mistake[0]) == 1
    path = tmp_path / "net.py"
    path.write_text(program)
    checked, _ = check(Request(str(path)))
    assert checked.exit_code == 0, checked.first_broken
    assert any(each.check.id == "loss.stated" and each.status == "pass" for each in checked.results)
    path.write_text(program.replace(*mistake))
    first = check(Request(str(path)))[0].first_broken
    assert first is not None
    assert (first.check.id, first.status) == ("loss.stated", "fail")


def test_a_derivative_of_what_the_forward_pass_has_not_is_no_claim(tmp_path: Path) -> None:
    """The slope of a rectifier after a plain output: right for a net that this one is not."""
    path = tmp_path / "net.py"
    path.write_text(
        """\
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.rand(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.rand(n_hidden, n_out), np.zeros((1, n_out))

    def relu(self, z):
        return np.maximum(0, z)

    def forward(self, X):
        self.h = self.relu(X @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2

    def backward(self, X, y, output, lr):
        d = (output - y) * (output > 0)
        e = d @ self.W2.T * (self.h > 0)
        self.W1, self.b1 = self.W1 - lr * X.T @ e, self.b1 - lr * e.sum(axis=0, keepdims=True)
        self.W2, self.b2 = self.W2 - lr * self.h.T @ d, self.b2 - lr * d.sum(axis=0, keepdims=True)

    def train(self, X, y, epochs, learning_rate):
        for _ in range(epochs):
            self.backward(X, y, self.forward(X), learning_rate)
"""
    )
    first = check(Request(str(path)))[0].first_broken
    assert first is not None
    assert first.status == "fail"
