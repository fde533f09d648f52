"""The bias as a neuron: a column of ones in every layer, and b as the last row of the matrix.

Then both passes run as if there were no bias. The bias neuron feeds the layer above and nothing
feeds it, so it is reset to 1 after every layer. (The bias as a vector is `b` and `db` in `passes`.)
"""

import numpy as np

from .activations import Activation, Array
from .passes import ArrayLists, Arrays


def with_ones(X: Array) -> Array:
    """(n, k) -> (n, k + 1): one more neuron, 1 in every instance."""
    return np.column_stack([X, np.ones(len(X), X.dtype)])


def augment(weights: Arrays, biases: Arrays) -> list[Array]:
    """[W; b] for every layer: (k, j) and (j,) -> (k + 1, j + 1), at the output (k + 1, j).

    The last column leads into the next bias neuron; it is 0 and stays 0.
    """
    stacked = [np.vstack([W, b]) for W, b in zip(weights, biases, strict=True)]
    return [np.column_stack([W, np.zeros_like(W[:, 0])]) for W in stacked[:-1]] + stacked[-1:]


def split(augmented: Arrays) -> ArrayLists:
    """The way back: W and b of every layer, or dW and db if given the gradients."""
    stacked = [W[:, :-1] for W in augmented[:-1]] + [augmented[-1]]
    return [W[:-1].copy() for W in stacked], [W[-1].copy() for W in stacked]


def bias_neuron(A: Array, value: float) -> Array:
    """A copy of A with `value` in its last column, that of the bias neuron."""
    A = A.copy()
    A[:, -1] = value
    return A


def reset_to_one(a: Activation, masked: bool = False) -> Activation:
    """The activation of a hidden layer; its bias neuron is 1 whatever was computed for it.

    A constant has the derivative 0: nothing is passed down through it (if `masked`, see `mask`).
    """
    g_prime = a.g_prime if masked else lambda Z, O: bias_neuron(a.g_prime(Z, O), 0)
    return Activation(lambda Z: bias_neuron(a.g(Z), 1), g_prime)


def mask(dW: Arrays) -> list[Array]:
    """Avoid updating the column of the bias neurons: the author's own way, and advised against.

    It is right while that column is exactly 0. One update that forgets the mask, and the derivative
    which `masked` left in place leaks through the bias neurons into all layers below.
    """
    return [bias_neuron(g, 0) for g in dW[:-1]] + [dW[-1]]
