"""Activation functions g and their derivatives g', side by side: O = g(Z).

Each works in the dtype it is given: float32 stays float32. Only `sigmoid` needs nothing but O for
its derivative. The others need Z, and that is why the forward pass keeps both.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]


class Activation(NamedTuple):
    """`g(Z)` gives O, `g_prime(Z, O)` gives g'(Z); each array is (n, k), n instances, k neurons."""

    g: Callable[[Array], Array]
    g_prime: Callable[[Array, Array], Array]


def sigmoid(Z: Array) -> Array:
    """1 / (1 + exp(-Z)); of the two equal forms each Z takes the one whose exp cannot overflow."""
    e = np.exp(-np.abs(Z))
    return np.where(Z >= 0, 1, e) / (1 + e)


def softmax(Z: Array) -> Array:
    """Each row becomes probabilities. Taking its maximum off first only keeps exp small."""
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softplus(Z: Array) -> Array:
    """log(1 + exp(Z)), without overflow."""
    return np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z)))


def Phi(Z: Array) -> Array:
    """The share of a normal distribution below Z. `math.erf` takes one float64 at a time."""
    erf = np.vectorize(math.erf, otypes=[np.float64])(Z / math.sqrt(2))
    return 0.5 * (1 + erf.astype(Z.dtype))


def phi(Z: Array) -> Array:
    """The bell curve, which is the derivative of `Phi`."""
    return np.exp(-0.5 * (Z * Z)) / math.sqrt(2 * math.pi)


def no_g_prime(Z: Array, O: Array) -> Array:
    raise ValueError("softmax has no g'(Z) per neuron, each O needs its whole row; use `delta_of`.")


# fmt: off
def leaky_relu(slope: float) -> Activation:
    return Activation(lambda Z: np.where(Z > 0, Z, slope * Z),
                      lambda Z, O: np.where(Z > 0, np.ones_like(Z), slope))


ACTIVATIONS = {
    #                        O = g(Z)                        g'(Z)
    "identity":   Activation(lambda Z: Z,                    lambda Z, O: np.ones_like(Z)),
    "sigmoid":    Activation(sigmoid,                        lambda Z, O: O * (1 - O)),
    "tanh":       Activation(np.tanh,                        lambda Z, O: 1 - np.tanh(Z) ** 2),
    "relu":       Activation(lambda Z: np.maximum(Z, 0),     lambda Z, O: (Z > 0).astype(Z.dtype)),
    "leaky_relu": leaky_relu(slope=1 / 64),
    "elu":        Activation(lambda Z: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0))),
                                                             lambda Z, O: np.exp(np.minimum(Z, 0))),
    "softplus":   Activation(softplus,                       lambda Z, O: sigmoid(Z)),
    "gelu":       Activation(lambda Z: Z * Phi(Z),           lambda Z, O: Phi(Z) + Z * phi(Z)),
    "silu":       Activation(lambda Z: Z * sigmoid(Z),
                             lambda Z, O: sigmoid(Z) * (1 + Z * (1 - sigmoid(Z)))),
    "softsign":   Activation(lambda Z: Z / (1 + np.abs(Z)),  lambda Z, O: 1 / (1 + np.abs(Z)) ** 2),
    "softmax":    Activation(softmax,                        no_g_prime),
}
# fmt: on


def layers_named(names: Sequence[str], slope: float = 1 / 64) -> list[Activation]:
    """One activation per name; `slope` is what `leaky_relu` has below zero."""
    return [leaky_relu(float(slope)) if a == "leaky_relu" else ACTIVATIONS[a] for a in names]
