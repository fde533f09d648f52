"""The ways in which people write backprop with NumPy, small: which of them run on exact numbers.

Each is a net of two layers and half the squared error, `style(weights, biases, X, Y) -> (dW, db)`,
written as a learner would write it. `STYLES` says what exact arithmetic must find.
"""

import math
from collections.abc import Callable
from math import exp as exp_of_math
from typing import Any, NamedTuple

import numpy as np
from scipy import special

Backprop = Callable[[Any, Any, Any, Any], Any]


class Style(NamedTuple):
    """hidden: the activation below an identity output   word: of `oracles.certified.WORDS`

    note: a part of what is said where it cannot run   off: how far off at least, where it is wrong
    """

    backprop: Backprop
    hidden: str
    word: str = "right"
    note: str = ""
    off: float = 0.0


def _net(
    g: Callable[[Any], Any], g_prime: Callable[[Any, Any], Any], dot: Callable[..., Any] = np.dot
) -> Backprop:
    """The passes that most of them share, with g and g' in the style."""

    def backprop(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
        Z = dot(X, weights[0]) + biases[0]
        A = g(Z)
        dZ2 = dot(A, weights[1]) + biases[1] - Y
        dZ1 = dot(dZ2, weights[1].T) * g_prime(Z, A)
        return [dot(X.T, dZ1), dot(A.T, dZ2)], [dZ1.sum(axis=0), np.sum(dZ2, axis=0)]

    return backprop


def one_row_at_a_time(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    """np.outer into buffers of floats."""
    dW = [np.zeros(W.shape) for W in weights]
    db = [np.zeros((len(b),)) for b in biases]
    for x, y in zip(X, Y, strict=True):
        a = np.tanh(x @ weights[0] + biases[0])
        d2 = a.dot(weights[1]) + biases[1] - y
        d1 = weights[1].dot(d2) * (1 - a**2)
        dW[1] += np.outer(a, d2)
        dW[0] += np.outer(x, d1)
        db[1] += d2
        db[0] += d1
    return dW, db


def four_loops(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    """Scalars, `math.tanh`, and element after element into arrays like the weights."""
    dW, db = [np.zeros_like(W) for W in weights], [np.zeros_like(b) for b in biases]
    (k, j), m = weights[0].shape, weights[1].shape[1]
    for x, y in zip(X, Y, strict=True):
        a = [
            math.tanh(sum(x[i] * weights[0][i, h] for i in range(k)) + biases[0][h])
            for h in range(j)
        ]
        d2 = [
            sum(a[h] * weights[1][h, o] for h in range(j)) + biases[1][o] - y[o] for o in range(m)
        ]
        for h in range(j):
            d1 = sum(d2[o] * weights[1][h, o] for o in range(m)) * (1 - a[h] * a[h])
            db[0][h] += d1
            for i in range(k):
                dW[0][i, h] += x[i] * d1
            for o in range(m):
                dW[1][h, o] += a[h] * d2[o]
        db[1] += np.array(d2)
    return dW, db


def einsum(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    A = np.tanh(np.einsum("nk,kj->nj", X, weights[0]) + biases[0])
    d2 = np.einsum("nk,kj->nj", A, weights[1]) + biases[1] - Y
    d1 = np.einsum("nj,kj->nk", d2, weights[1]) * (1 - np.square(A))
    dW = [np.einsum("nk,nj->kj", X, d1), np.einsum("nk,nj->kj", A, d2)]
    return dW, [np.einsum("nj->j", d1), np.einsum("nj->j", d2)]


def masked(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    Z = X @ weights[0] + biases[0]
    A = Z.copy()
    A[A < 0] = 0
    d2 = A @ weights[1] + biases[1] - Y
    d1 = np.array(d2 @ weights[1].T, copy=True)
    d1[Z <= 0] = 0
    return [X.T @ d1, A.T @ d2], [d1.sum(0), d2.sum(0)]


def columns(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    """Instances are columns, b is (j, 1), the mean is taken with 1/m and put right at the end."""
    x, y, m = X.T, Y.T, X.shape[0]
    W, b = [W.T for W in weights], [b.reshape(-1, 1) for b in biases]
    a = np.tanh(np.matmul(W[0], x) + b[0])
    d2 = np.matmul(W[1], a) + b[1] - y
    d1 = np.multiply(np.matmul(W[1].T, d2), 1 - np.power(a, 2))
    dW = [1 / m * np.matmul(d, o.T) for d, o in ((d1, x), (d2, a))]
    db = [1 / m * np.sum(d, axis=1, keepdims=True) for d in (d1, d2)]
    return [m * g.T for g in dW], [m * np.squeeze(g, axis=1) for g in db]


def with_mean(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    dW, db = _net(np.tanh, lambda Z, A: 1 - A**2)(weights, biases, X, Y)
    n, A = len(X), np.tanh(X @ weights[0] + biases[0])
    d2 = A @ weights[1] + biases[1] - Y
    return [dW[0], (A[:, :, None] * d2[:, None, :]).mean(axis=0) * n], [db[0], np.mean(d2, 0) * n]


def a_row_of_ones(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    W = [np.vstack([w, b]) for w, b in zip(weights, biases, strict=True)]
    O = [np.hstack([X, np.ones((len(X), 1))])]
    O.append(np.concatenate([np.tanh(O[0] @ W[0]), np.ones((len(X), 1))], axis=1))
    d2 = O[1] @ W[1] - Y
    d1 = ((d2 @ W[1].T) * (1 - O[1] ** 2))[:, :-1]
    G = [o.T @ d for o, d in zip(O, (d1, d2), strict=True)]
    return [g[:-1] for g in G], [g[-1] for g in G]


def converted(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    """Arrays are made anew, as float64."""
    W = [np.asarray(w, dtype=np.float64) for w in weights]
    b = [np.array(v, dtype=float) for v in biases]
    X, Y = np.array(X).astype("float64"), np.ascontiguousarray(Y)
    return _net(np.tanh, lambda Z, A: 1.0 - A * A)(W, b, X, Y)


def gelu_of_math(Z: Any) -> Any:
    return 0.5 * Z * (1 + np.vectorize(math.erf)(Z / math.sqrt(2)))


def gelu_of_math_prime(Z: Any, A: Any) -> Any:
    bell = np.exp(-0.5 * Z**2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(Z / math.sqrt(2))) + Z * bell


def gelu_of_scipy_prime(Z: Any, A: Any) -> Any:
    return special.ndtr(Z) + Z * np.exp(-(Z**2) / 2) / np.sqrt(2 * np.pi)


SQRT_2 = np.sqrt(2.0)  # rounded before anybody can look


def gelu_of_a_constant(Z: Any) -> Any:
    return Z * (1 + special.erf(Z / SQRT_2)) / 2


def sigmoid(Z: Any) -> Any:
    return 1 / (1 + np.exp(-Z))


def careful_sigmoid(Z: Any) -> Any:
    """Both signs apart, into an empty buffer."""
    out = np.empty(Z.shape)
    positive = Z >= 0
    out[positive] = 1 / (1 + np.exp(-Z[positive]))
    e = np.exp(Z[~positive])
    out[~positive] = e / (1 + e)
    return out


def clipped(Z: Any) -> Any:
    return np.clip(sigmoid(Z), 1e-15, 1 - 1e-15)


BUFFER = np.zeros((7, 4))


def into_an_old_buffer(weights: Any, biases: Any, X: Any, Y: Any) -> Any:
    Z = BUFFER[: len(X), : weights[0].shape[1]]
    Z += X @ weights[0]
    return _net(np.tanh, lambda Z, A: 1 - A**2)(weights, biases, X, Y)


def tanh_prime(Z: Any, A: Any) -> Any:
    return 1 - A**2


def sigmoid_prime(Z: Any, A: Any) -> Any:
    return A * (1 - A)


old_exp = np.vectorize(lambda z: exp_of_math(-z))
old_erf = np.vectorize(math.erf)

STYLES = {
    "np.dot": Style(_net(np.tanh, tanh_prime), "tanh"),
    "one row at a time, np.zeros buffers": Style(one_row_at_a_time, "tanh"),
    "four loops, math.tanh": Style(four_loops, "tanh"),
    "einsum": Style(einsum, "tanh"),
    "Z[Z < 0] = 0": Style(masked, "relu"),
    "(Z > 0) * 1.0": Style(_net(lambda Z: Z * (Z > 0), lambda Z, A: (Z > 0) * 1.0), "relu"),
    "(Z > 0).astype(float)": Style(
        _net(lambda Z: np.maximum(0, Z), lambda Z, A: (Z > 0).astype(float)), "relu"
    ),
    "np.heaviside": Style(
        _net(lambda Z: np.maximum(Z, 0.0), lambda Z, A: np.heaviside(Z, 0.0)), "relu"
    ),
    "columns, 1/m": Style(columns, "tanh", "rounded", off=1e-18),
    "mean(axis=0), np.mean": Style(with_mean, "tanh"),
    "a row of ones": Style(a_row_of_ones, "tanh"),
    "np.array(X, dtype=float)": Style(converted, "tanh"),
    "np.logaddexp": Style(_net(lambda Z: np.logaddexp(0, Z), lambda Z, A: sigmoid(Z)), "softplus"),
    "np.tanh twice, cosh": Style(_net(np.tanh, lambda Z, A: 1 / np.cosh(Z) ** 2), "tanh"),
    "sigmoid by sign": Style(_net(careful_sigmoid, sigmoid_prime), "sigmoid"),
    "scipy expit": Style(_net(special.expit, sigmoid_prime), "sigmoid"),
    "gelu, math.erf and math.pi": Style(_net(gelu_of_math, gelu_of_math_prime), "gelu"),
    "gelu, scipy": Style(_net(lambda Z: Z * special.ndtr(Z), gelu_of_scipy_prime), "gelu"),
    "gelu, a constant of the module": Style(
        _net(gelu_of_a_constant, gelu_of_scipy_prime), "gelu", "rounded", off=1e-19
    ),
    "an epsilon of 1e-15": Style(
        _net(lambda Z: sigmoid(Z), lambda Z, A: (A + 1e-15) * (1 - A)),
        "sigmoid",
        "wrong",
        off=1e-16,
    ),
    "np.clip(..., 1e-15, 1 - 1e-15)": Style(_net(clipped, sigmoid_prime), "sigmoid"),
    "tanh' of Z": Style(_net(np.tanh, lambda Z, A: 1 - Z**2), "tanh", "wrong", off=1e-3),
    # And what cannot run so: always said, never rounded.
    "float(z)": Style(
        _net(np.vectorize(lambda z: math.tanh(float(z))), tanh_prime),
        "tanh",
        "undecided",
        "float()",
    ),
    "from math import exp": Style(
        _net(lambda Z: 1 / (1 + old_exp(Z)), sigmoid_prime), "sigmoid", "undecided", "real number"
    ),
    "math.erf taken at import": Style(
        _net(lambda Z: Z * (1 + old_erf(Z / 2**0.5)) / 2, gelu_of_scipy_prime),
        "gelu",
        "undecided",
        "real number",
    ),
    "astype(np.float32)": Style(
        _net(lambda Z: np.tanh(Z.astype(np.float32)), tanh_prime),
        "tanh",
        "undecided",
        "a cast to float32 rounds",
    ),
    "a buffer made at import": Style(
        into_an_old_buffer, "tanh", "undecided", "an array of floats was to take exact numbers in"
    ),
    "np.round": Style(
        _net(lambda Z: np.round(np.tanh(Z), 12), tanh_prime), "tanh", "undecided", "rint"
    ),
    "np.linalg.norm of a row": Style(
        _net(lambda Z: np.tanh(Z) * (np.linalg.norm(Z) > -1), tanh_prime), "tanh"
    ),
}
