"""Small programs in the forms in which people write backprop, each with its adapter.

Every program is right as it stands, and `mistake` is a change of its text after which it is wrong.
"""

from property_tests.harness.net_styles_too import HEAD, OTHERS, SQUARES, Style

_ARRAYS = (
    Style(
        "a class that trains in place, its rate in an attribute",
        HEAD
        + """\
class Net:
    def __init__(self, inputs, hidden, outputs):
        self.W1 = np.random.randn(inputs, hidden)
        self.b1 = np.zeros((1, hidden))
        self.W2 = np.random.randn(hidden, outputs)
        self.b2 = np.zeros((1, outputs))
        self.lr = 0.3

    def train(self, X, Y):
        h = sigmoid(X @ self.W1 + self.b1)
        o = sigmoid(h @ self.W2 + self.b2)
        d2 = (o - Y) * o * (1 - o)
        d1 = d2 @ self.W2.T * h * (1 - h)
        self.W2 -= self.lr * h.T @ d2
        self.b2 -= self.lr * d2.sum(axis=0, keepdims=True)
        self.W1 -= self.lr * X.T @ d1
        self.b1 -= self.lr * d1.sum(axis=0, keepdims=True)
""",
        f"""\
    {SQUARES}
    W, b, rate = "W{{l}}", "b{{l}}", "lr"

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        model.train(X, Y)
""",
        ("        self.b1 -= self.lr * d1.sum(axis=0, keepdims=True)\n", ""),
    ),
    Style(
        "forward, then a backward that updates; columns; the rate is written into it",
        HEAD
        + """\
class Perceptron:
    def __init__(self, sizes):
        self.weights = [np.random.randn(j, k) for k, j in zip(sizes, sizes[1:])]
        self.biases = [np.random.randn(j, 1) for j in sizes[1:]]

    def forward(self, x):
        self.o = [x]
        for w, b in zip(self.weights, self.biases):
            self.o.append(np.tanh(w @ self.o[-1] + b))
        return self.o[-1]

    def backward(self, y):
        n = y.shape[1]
        error = self.o[-1] - y
        for i in reversed(range(len(self.weights))):
            delta = error * (1 - self.o[i + 1] ** 2)
            error = self.weights[i].T @ delta
            self.weights[i] -= 0.25 * delta @ self.o[i].T / n
            self.biases[i] -= 0.25 * delta.mean(axis=1, keepdims=True)
""",
        """\
    hidden, output, loss, depths = "tanh", "tanh", "half_squared_error", (1, 2, 3, 4)
    batch, alpha = "columns", 0.25
    W, b = "weights[{i}]", "biases[{i}]"

    def make(self, net):
        return self.module.Perceptron(net.widths)

    def run(self, model, X, Y):
        model.forward(X)
        model.backward(Y)
""",
        (  # through weights that were updated already
            "            error = self.weights[i].T @ delta\n"
            "            self.weights[i] -= 0.25 * delta @ self.o[i].T / n\n",
            "            self.weights[i] -= 0.25 * delta @ self.o[i].T / n\n"
            "            error = self.weights[i].T @ delta\n",
        ),
        {"alpha": 0.25, "widths": (3, 5, 4, 2), "activations": ("tanh",) * 3, "reduction": "mean"},
    ),
    Style(
        "a method returns lists of gradients, one column at a time",
        HEAD
        + """\
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(j, k) for k, j in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.random.randn(j, 1) for j in sizes[1:]]

    def gradients(self, x, y):
        outputs = [x]
        for w, b in zip(self.weights, self.biases):
            outputs.append(sigmoid(np.dot(w, outputs[-1]) + b))
        delta = outputs[-1] - y
        dw, db = [], []
        for i in range(len(self.weights) - 1, -1, -1):
            delta = delta * outputs[i + 1] * (1 - outputs[i + 1])
            dw.insert(0, np.dot(delta, outputs[i].T))
            db.insert(0, delta)
            delta = np.dot(self.weights[i].T, delta)
        return db, dw
""",
        f"""\
    {SQUARES}
    depths, batch, gives = (1, 2, 3), "single column", "gradient"
    W, b = "weights[{{i}}]", "biases[{{i}}]"

    def make(self, net):
        return self.module.Network(net.widths)

    def run(self, model, X, Y):
        return model.gradients(X, Y)
""",
        ("* outputs[i + 1] * (1 - outputs[i + 1])", "* (1 - outputs[i + 1])"),
        {"n": 1, "widths": (4, 4, 4), "activations": ("sigmoid",) * 2},
    ),
    Style(
        "params and grads in dicts, classes as whole numbers",
        """\
import numpy as np

class TwoLayers:
    def __init__(self, inputs, hidden, outputs):
        self.params = {
            "W1": np.random.randn(inputs, hidden), "b1": np.zeros(hidden),
            "W2": np.random.randn(hidden, outputs), "b2": np.zeros(outputs),
        }

    def loss(self, X, y):
        W1, b1, W2, b2 = (self.params[key] for key in ("W1", "b1", "W2", "b2"))
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        below = d.dot(W2.T)
        below[hidden <= 0] = 0
        return loss, {"b2": d.sum(axis=0), "W2": hidden.T.dot(d),
                      "W1": X.T.dot(below), "b1": below.sum(axis=0)}
""",
        """\
    hidden, output, loss = "relu", "softmax", "cross_entropy"
    labels, gives = "classes", "gradient"
    W, b = "params['W{l}']", "params.b{l}"

    def make(self, net):
        return self.module.TwoLayers(*net.widths)

    def run(self, model, X, Y):
        return model.loss(X, Y)[1]
""",
        ("        below[hidden <= 0] = 0\n", ""),
        {
            "activations": ("relu", "softmax"),
            "loss": "cross_entropy",
            "reduction": "mean",
            "regime": "one_hot",
        },
    ),
    Style(
        "layer objects, backward(upstream, rate)",
        """\
import numpy as np

class Dense:
    def __init__(self, k, j):
        self.W, self.b = np.random.randn(k, j), np.random.randn(j)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, upstream, rate):
        below = upstream @ self.W.T
        self.W -= rate * self.x.T @ upstream
        self.b -= rate * upstream.sum(axis=0)
        return below

class Tanh:
    def forward(self, z):
        self.o = np.tanh(z)
        return self.o

    def backward(self, upstream, rate):
        return upstream * (1 - self.o ** 2)
""",
        """\
    hidden, output, loss = "tanh", "identity", "half_squared_error"
    widths, W, b = (3, 5, 2), "[{2i}].W", "[{2i}].b"

    def make(self, net):
        return [self.module.Dense(3, 5), self.module.Tanh(), self.module.Dense(5, 2)]

    def run(self, model, X, Y):
        for layer in model:
            X = layer.forward(X)
        for layer in reversed(model):
            Y = layer.backward(X - Y if layer is model[-1] else Y, self.net.alpha)
""",
        ("upstream * (1 - self.o ** 2)", "upstream * (1 - self.o)"),
        {"activations": ("tanh", "identity")},
    ),
    Style(
        "gradients stored in attributes, a sign and a factor of its own",
        HEAD
        + """\
class Net:
    def __init__(self, n, h, k):
        self.w_ih, self.w_ho = np.ones((n, h)), np.ones((h, k))
        self.bias_h, self.bias_o = np.ones(h), np.ones(k)

    def back_prop(self, X, Y):
        h = sigmoid(np.dot(X, self.w_ih) + self.bias_h)
        o = sigmoid(np.dot(h, self.w_ho) + self.bias_o)
        d_o = 2 * (Y - o) * o * (1 - o)
        d_h = np.dot(d_o, self.w_ho.T) * h * (1 - h)
        self.g_ih, self.g_ho = np.dot(X.T, d_h), np.dot(h.T, d_o)
        self.g_bh, self.g_bo = np.sum(d_h, axis=0), np.sum(d_o, axis=0)
""",
        f"""\
    {SQUARES}
    W, b = ("w_ih", "w_ho"), ("bias_h", "bias_o")
    dW, db = ("g_ih", "g_ho"), ("g_bh", "g_bo")

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        model.back_prop(X, Y)
""",
        ("np.dot(d_o, self.w_ho.T)", "np.dot(Y - o, self.w_ho.T)"),
        factor={"sign": -1, "two": 1},
    ),
    Style(
        "functions with a dict of parameters, columns",
        HEAD
        + """\
def forward(X, parameters):
    caches, A = [], X
    for l in range(1, len(parameters) // 2 + 1):
        caches.append(A)
        A = sigmoid(np.dot(parameters["W" + str(l)], A) + parameters["b" + str(l)])
    return A, caches

def backward(A, Y, caches, parameters):
    grads, m = {}, Y.shape[1]
    dZ = A - Y
    for l in range(len(caches), 0, -1):
        below = caches[l - 1]
        grads["dW" + str(l)] = np.dot(dZ, below.T) / m
        grads["db" + str(l)] = np.sum(dZ, axis=1, keepdims=True) / m
        dZ = np.dot(parameters["W" + str(l)].T, dZ) * below * (1 - below)
    return grads
""",
        """\
    hidden, output, loss = "sigmoid", "sigmoid", "binary_cross_entropy"
    batch, gives, depths = "columns", "gradient", (1, 2, 3)

    def run(self, net, X, Y):
        A, caches = self.module.forward(X, net.params)
        return self.module.backward(A, Y, caches, net.params)
""",
        ("np.sum(dZ, axis=1, keepdims=True) / m", "np.sum(dZ, axis=1, keepdims=True)"),
        {
            "loss": "binary_cross_entropy",
            "reduction": "mean",
            "widths": (5, 4, 3, 2),
            "activations": ("sigmoid",) * 3,
        },
        {"outputs": 1},
    ),
    Style(
        "a function of arrays gives the new weights",
        HEAD
        + """\
def step(x, y, W1, W2, rate):
    h = sigmoid(W1 @ x)
    o = sigmoid(W2 @ h)
    d2 = (o - y) * o * (1 - o)
    d1 = W2.T @ d2 * h * (1 - h)
    return W1 - rate * np.outer(d1, x), W2 - rate * np.outer(d2, h)
""",
        f"""\
    {SQUARES}
    batch, bias, layout, gives = "single", "none", "out, in", "weights"

    def run(self, net, X, Y):
        return self.module.step(X, Y, *net.W, net.alpha)
""",
        ("W2.T @ d2", "(W2 - rate * np.outer(d2, h)).T @ d2"),
        {"n": 1, "bias": "none"},
    ),
)

STYLES = (*_ARRAYS, *OTHERS)
