"""The second half of `net_styles.py`: functions, objects, lists, globals, scripts."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Style:
    """name   program, adapter: their texts   mistake: (text, text instead), found once

    case: fields of the case that it is asked   factor: of its answers, in words of `Factor`
    exact: whether it runs on balls
    """

    name: str
    program: str
    adapter: str
    mistake: tuple[str, str]
    case: dict[str, Any] = field(default_factory=dict)
    factor: dict[str, int] = field(default_factory=dict)
    exact: bool = True


HEAD = "import numpy as np\n\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n\n"
SQUARES = 'hidden, output, loss = "sigmoid", "sigmoid", "half_squared_error"'

OTHERS = (
    Style(
        "a function that trains what it is given",
        HEAD
        + """\
def train(net, X, Y, lr):
    H = sigmoid(X @ net["W1"] + net["b1"])
    O = H @ net["W2"] + net["b2"]
    E = (O - Y) / len(X)
    D = E @ net["W2"].T * H * (1 - H)
    net["W2"] = net["W2"] - lr * H.T @ E
    net["b2"] = net["b2"] - lr * E.sum(0)
    net["W1"] = net["W1"] - lr * X.T @ D
    net["b1"] = net["b1"] - lr * D.sum(0)
""",
        """\
    hidden, output, loss = "sigmoid", "identity", "half_squared_error"
    W, b = "W{l}", "b{l}"

    def make(self, net):
        return net.params

    def run(self, model, X, Y):
        self.module.train(model, X, Y, self.net.alpha)
""",
        ("(O - Y) / len(X)", "(O - Y) / len(X) ** 2"),
        {"activations": ("sigmoid", "identity"), "reduction": "mean"},
    ),
    Style(
        "neuron objects with lists, one instance at a time",
        """\
from math import exp

class Neuron:
    def __init__(self, inputs):
        self.weights = [0.5] * inputs
        self.bias = 0.1

class Network:
    def __init__(self, sizes):
        self.layers = [[Neuron(k) for _ in range(j)] for k, j in zip(sizes, sizes[1:])]

    def forward(self, inputs):
        for layer in self.layers:
            for n in layer:
                n.inputs = inputs
                z = n.bias + sum(w * x for w, x in zip(n.weights, inputs))
                n.output = 1 / (1 + exp(-z))
            inputs = [n.output for n in layer]
        return inputs

    def backward(self, expected, rate):
        above = None
        for layer in reversed(self.layers):
            for j, n in enumerate(layer):
                if above is None:
                    error = expected[j] - n.output
                else:
                    error = sum(m.weights[j] * m.delta for m in above)
                n.delta = error * n.output * (1 - n.output)
            above = layer
        for layer in self.layers:
            for n in layer:
                for i in range(len(n.weights)):
                    n.weights[i] += rate * n.delta * n.inputs[i]
                n.bias += rate * n.delta
""",
        f"""\
    {SQUARES}
    batch, lists, depths = "single", True, (1, 2, 3)
    W, b = "layers[{{i}}][*].weights", "layers[{{i}}][*].bias"

    def make(self, net):
        return self.module.Network(net.widths)

    def run(self, model, X, Y):
        model.forward(X)
        model.backward(Y, self.net.alpha)
""",
        ("m.weights[j] * m.delta", "m.weights[j] * n.output"),
        {"n": 1},
        exact=False,
    ),
    Style(
        "lists of lists, the bias as the last column for an input of -1",
        """\
import math

def g(z):
    return math.tanh(z)

def learn(m, x, y, rate):
    outputs = [list(x)]
    for layer in m:
        x = outputs[-1] + [-1]
        outputs.append([g(sum(w * v for w, v in zip(row, x))) for row in layer])
    errors = [o - t for o, t in zip(outputs[-1], y)]
    for l in range(len(m) - 1, -1, -1):
        deltas = [e * (1 - o * o) for e, o in zip(errors, outputs[l + 1])]
        below = outputs[l] + [-1]
        errors = [sum(d * row[i] for d, row in zip(deltas, m[l])) for i in range(len(below) - 1)]
        m[l] = [[w - rate * d * v for w, v in zip(row, below)] for d, row in zip(deltas, m[l])]
    return m
""",
        """\
    hidden, output, loss, batch, lists = "tanh", "tanh", "half_squared_error", "single", True
    bias, bias_input, W, depths = "last", -1, "[{i}]", (2, 3)

    def make(self, net):
        return [[[0.0] * (k + 1)] * 1 for k in net.widths[:-1]] and [
            [[0.0] * (k + 1) for _ in range(j)] for k, j in zip(net.widths, net.widths[1:])]

    def run(self, model, X, Y):
        self.module.learn(model, X, Y, self.net.alpha)
""",
        ("1 - o * o", "1 - o"),
        {"n": 1, "bias": "augmented", "activations": ("tanh", "tanh")},
    ),
    Style(
        "globals of the module",
        HEAD
        + """\
np.random.seed(0)
weights_hidden = np.random.rand(2, 3)
weights_out = np.random.rand(3, 1)
bias_hidden = np.random.rand(1, 3)
bias_out = np.random.rand(1, 1)

def train(X, y, epochs, learning_rate):
    global weights_hidden, weights_out, bias_hidden, bias_out
    for _ in range(epochs):
        hidden = sigmoid(np.dot(X, weights_hidden) + bias_hidden)
        out = sigmoid(np.dot(hidden, weights_out) + bias_out)
        d_out = (y - out) * out * (1 - out)
        d_hidden = d_out.dot(weights_out.T) * hidden * (1 - hidden)
        weights_out += hidden.T.dot(d_out) * learning_rate
        bias_out += np.sum(d_out, axis=0, keepdims=True) * learning_rate
        weights_hidden += X.T.dot(d_hidden) * learning_rate
        bias_hidden += np.sum(d_hidden, axis=0, keepdims=True) * learning_rate
""",
        f"""\
    {SQUARES}
    widths = (2, 3, 1)
    W, b = ("weights_hidden", "weights_out"), ("bias_hidden", "bias_out")

    def run(self, model, X, Y):
        model.train(X, Y, 1, self.net.alpha)
""",
        ("d_out.dot(weights_out.T)", "(y - out).dot(weights_out.T)"),
        {"widths": (2, 3, 1)},
    ),
    Style(
        "numbers with a name each",
        """\
from numpy import exp

class Tiny:
    def __init__(self):
        self.w1 = self.w2 = self.w3 = self.w4 = self.w5 = self.w6 = 0.5
        self.b1 = self.b2 = self.b3 = 0.0

    def train(self, x, y):
        h1 = 1 / (1 + exp(-(self.w1 * x[0] + self.w2 * x[1] + self.b1)))
        h2 = 1 / (1 + exp(-(self.w3 * x[0] + self.w4 * x[1] + self.b2)))
        o = 1 / (1 + exp(-(self.w5 * h1 + self.w6 * h2 + self.b3)))
        d = 2 * (o - y) * o * (1 - o)
        d1, d2 = d * self.w5 * h1 * (1 - h1), d * self.w6 * h2 * (1 - h2)
        self.w5 -= 0.1 * d * h1
        self.w6 -= 0.1 * d * h2
        self.b3 -= 0.1 * d
        self.w1 -= 0.1 * d1 * x[0]
        self.w2 -= 0.1 * d1 * x[1]
        self.b1 -= 0.1 * d1
        self.w3 -= 0.1 * d2 * x[0]
        self.w4 -= 0.1 * d2 * x[1]
        self.b2 -= 0.1 * d2
""",
        f"""\
    {SQUARES}
    widths, batch, labels, alpha, layout = (2, 2, 1), "single", "flat", 0.1, "out, in"
    W, b = ("w1 w2; w3 w4", "w5 w6"), ("b1 b2", "b3")

    def make(self, net):
        return self.module.Tiny()

    def run(self, model, X, Y):
        model.train(X, Y[0])
""",
        ("self.w2 -= 0.1 * d1 * x[1]", "self.w2 -= 0.1 * d1 * x[0]"),
        {"n": 1, "widths": (2, 2, 1), "alpha": 0.1},
        {"two": 1},
    ),
    Style(
        "a flat theta for an optimiser, the bias as the first column",
        HEAD
        + """\
def cost_gradient(theta, n, h, k, X, Y):
    T1 = theta[: h * (n + 1)].reshape(h, n + 1)
    T2 = theta[h * (n + 1):].reshape(k, h + 1)
    m = X.shape[0]
    a1 = np.hstack([np.ones((m, 1)), X])
    a2 = np.hstack([np.ones((m, 1)), sigmoid(a1 @ T1.T)])
    a3 = sigmoid(a2 @ T2.T)
    d3 = a3 - Y
    d2 = (d3 @ T2)[:, 1:] * a2[:, 1:] * (1 - a2[:, 1:])
    return np.concatenate([(d2.T @ a1 / m).ravel(), (d3.T @ a2 / m).ravel()])
""",
        """\
    hidden, output, loss = "sigmoid", "sigmoid", "binary_cross_entropy"
    bias, layout, gives = "first", "out, in", "gradient"

    def run(self, net, X, Y):
        return self.module.cost_gradient(net.flat, *net.widths, X, Y)
""",
        ("[:, 1:] * a2[:, 1:]", "[:, :-1] * a2[:, 1:]"),
        {"loss": "binary_cross_entropy", "bias": "augmented", "reduction": "mean"},
        {"outputs": 1},
    ),
    Style(
        "recursion, layer by layer",
        HEAD
        + """\
def gradients(layers, x, y):
    if not layers:
        return x - y, []
    W, b = layers[0]
    o = sigmoid(x @ W + b)
    error, above = gradients(layers[1:], o, y)
    delta = error * o * (1 - o)
    return delta @ W.T, [(x.T @ delta, delta.sum(axis=0))] + above
""",
        f"""\
    {SQUARES}
    gives, depths = "gradient", (1, 2, 3, 4)

    def run(self, net, X, Y):
        return self.module.gradients(list(zip(net.W, net.b)), X, Y)[1]
""",
        ("delta @ W.T", "error @ W.T"),
        {"widths": (3, 6, 4, 2), "activations": ("sigmoid",) * 3},
    ),
    Style(
        "a script that is one loop",
        HEAD
        + """\
import matplotlib.pyplot as plt

data = np.loadtxt("there_is_no_such_file.csv")
X, T = data[:, :2], data[:, 2:]
w = np.random.randn(3, 4)
bias = np.zeros((1, 4))
v = np.random.randn(4, 2)
c = np.zeros((1, 2))
eta = 0.5
losses = []
for epoch in range(10000):
    h = np.tanh(X @ w + bias)
    o = h @ v + c
    error = o - T
    d = error @ v.T * (1 - h ** 2)
    v -= eta * h.T @ error
    c -= eta * error.sum(axis=0, keepdims=True)
    w -= eta * X.T @ d
    bias -= eta * d.sum(axis=0, keepdims=True)
    if epoch % 100 == 0:
        plt.plot([1, 2])
        print(epoch)
plt.show()
""",
        """\
    hidden, output, loss = "tanh", "identity", "half_squared_error"
    script, loop, data, bias_shape = True, "for epoch in range", ("X", "T"), "row"
    W, b, rate, without = ("w", "v"), ("bias", "c"), "eta", ("matplotlib",)
""",
        ("d = error @ v.T * (1 - h ** 2)", "d = error @ v.T"),
        {"activations": ("tanh", "identity")},
    ),
    Style(
        "marked lines of a script, no biases",
        HEAD
        + """\
x = np.array([[0.0, 1.0]])
y = np.array([[1.0]])
W1 = np.random.randn(2, 3)
W2 = np.random.randn(3, 1)
for i in range(3):
    # forward
    a = sigmoid(x.dot(W1))
    b = sigmoid(a.dot(W2))
    # backward
    delta = (b - y) * b * (1 - b)
    W1_new = W1 - 0.5 * x.T.dot(delta.dot(W2.T) * a * (1 - a))
    W2 = W2 - 0.5 * a.T.dot(delta)
    W1 = W1_new
    # and so on
""",
        f"""\
    {SQUARES}
    bias, alpha, lines, data = "none", 0.5, ("# forward", "# and so on"), ("x", "y")
    W = "W{{l}}"
""",
        ("    W1 = W1_new\n", ""),
        {"bias": "none", "alpha": 0.5},
    ),
    Style(
        "scalar autograd",
        """\
import math

class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, ((self, 1 - t * t),))

    def backward(self, upstream=1.0):
        self.grad = self.grad + upstream
        for parent, slope in self.parents:
            parent.backward(upstream * slope)

class Layer:
    def __init__(self, k, j):
        self.w = [[Value(0.1) for _ in range(k)] for _ in range(j)]
        self.b = [Value(0.0) for _ in range(j)]

    def __call__(self, x):
        sums = []
        for row, z in zip(self.w, self.b):
            for w, v in zip(row, x):
                z = z + w * v
            sums.append(z.tanh())
        return sums

def loss(layers, x, y):
    x = [Value(v) for v in x]
    for layer in layers:
        x = layer(x)
    total = Value(0.0)
    for o, t in zip(x, y):
        error = o + Value(-t)
        total = total + error * error
    return total
""",
        """\
    hidden, output, loss, batch, lists = "tanh", "tanh", "half_squared_error", "single", True
    W, b = "[{i}].w[*][*].data", "[{i}].b[*].data"
    dW, db = "[{i}].w[*][*].grad", "[{i}].b[*].grad"

    def make(self, net):
        return [self.module.Layer(*pair) for pair in zip(net.widths, net.widths[1:])]

    def run(self, model, X, Y):
        self.module.loss(model, X, Y).backward()
""",
        ("self.grad = self.grad + upstream", "self.grad = upstream"),
        {"n": 1, "activations": ("tanh", "tanh")},
        {"two": 1},
    ),
)
