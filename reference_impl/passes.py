"""The two passes through a network: up with the instances, and down again with the loss.

`weights[l]` leads from `O[l]` up to `Z[l]`, and `O[l + 1]` is g(Z[l]); `O[0]` is X. Backward starts
at the top with `dLoss_dO`, (n, k_L), by a loop, by recursion, or in a third order.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .activations import Activation, Array, softmax

Arrays: TypeAlias = Sequence[Array]  # one per layer
Biases: TypeAlias = Sequence[Array | None]  # None: a layer without bias
Activations: TypeAlias = Sequence[Activation]
ArrayLists: TypeAlias = tuple[list[Array], list[Array]]
DEEPEST_RECURSION = 400  # Python allows 1000 nested calls in all, the caller's own among them


def forward(weights: Arrays, biases: Biases, X: Array, activations: Activations) -> ArrayLists:
    """Carry n instances, one per row of X, up through the layers; return all Z and all O.

    A weight matrix (k, j) takes a layer (n, k) to a layer (n, j). One layer is a perceptron.
    """
    Z: list[Array] = []
    O = [X]
    for W, b, activation in zip(weights, biases, activations, strict=True):
        Z.append(O[-1] @ W if b is None else O[-1] @ W + b)  # the same b for every row
        O.append(activation.g(Z[-1]))
    return Z, O


def three_factors(
    dLoss_dO_next: Array, W_next: Array, g_prime_next: Array, O_prev: Array, g_prime: Array
) -> tuple[Array, Array]:
    """The equations, for one instance and one hidden layer: return its dLoss/dW (k, j) and delta.

    dLoss_dO_next, g_prime_next: (m,)    W_next: (j, m)    O_prev: (k,)    g_prime: (j,)
    """
    dO_next_dO = W_next * g_prime_next  # (j, m) "how a change of this layer affects the next"
    dO_dW = np.outer(O_prev, g_prime)  # (k, j) "how a change of the weight affects this layer"
    dW = np.zeros_like(dO_dW)
    for i, h in np.ndindex(dW.shape):  # the weight from neuron i below to neuron h of this layer
        for up in range(len(dLoss_dO_next)):
            dW[i, h] += dLoss_dO_next[up] * dO_next_dO[h, up] * dO_dW[i, h]
    # Regrouped, all but O_prev is one number per neuron, its delta: dW = outer(O_prev, delta).
    return dW, (dO_next_dO @ dLoss_dO_next) * g_prime


def delta_of(dLoss_dO: Array, activation: Activation, Z: Array, O: Array) -> Array:
    """delta = dLoss/dZ = dLoss/dO * g'(Z), element by element; all are (n, k)."""
    if activation.g is softmax:  # every O of a row depends on every Z of it
        return O * (dLoss_dO - (dLoss_dO * O).sum(axis=1, keepdims=True))
    return dLoss_dO * activation.g_prime(Z, O)


def backward_loop(
    dLoss_dO: Array, weights: Arrays, Z: Arrays, O: Arrays, activations: Activations
) -> ArrayLists:
    """Using a loop: return dW and db of every layer, and change no weight on the way."""
    dW: list[Array] = []
    db: list[Array] = []
    for l in reversed(range(len(weights))):
        delta = delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])
        dW.append(O[l].T @ delta)  # (k, n) @ (n, j): the n instances are summed away
        db.append(delta.sum(axis=0))  # b was added to every row, so its derivative sums the rows
        dLoss_dO = delta @ weights[l].T  # (n, j) @ (j, k): the loss is passed down one layer
    return dW[::-1], db[::-1]


def backward_recursion(
    dLoss_dO: Array, weights: Arrays, Z: Arrays, O: Arrays, activations: Activations
) -> ArrayLists:
    """Using recursion: do the top layer, and ask the same of the network below it."""
    if len(weights) > DEEPEST_RECURSION:
        raise ValueError(f"`weights` has over {DEEPEST_RECURSION} layers, too deep; use the loop.")
    if not weights:
        return [], []
    delta = delta_of(dLoss_dO, activations[-1], Z[-1], O[-1])
    passed_down = delta @ weights[-1].T
    dW, db = backward_recursion(passed_down, weights[:-1], Z[:-1], O[:-1], activations[:-1])
    return [*dW, O[-2].T @ delta], [*db, delta.sum(axis=0)]


# fmt: off
def backward_updating_as_it_goes(
    dLoss_dO: Array, weights: Arrays, biases: Biases, Z: Arrays, O: Arrays,
    activations: Activations, alpha: float,
) -> tuple[list[Array], list[Array | None]]:
    """The other legal order, "confusing and over-complicated": return the new weights and biases.

    A layer may change once nothing below needs its old W, and not one line earlier.
    """
    weights, biases = list(weights), list(biases)
    for l in reversed(range(len(weights))):
        delta = delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])
        dLoss_dO = delta @ weights[l].T  # the last use of the old W ...
        weights[l] = weights[l] + -alpha * (O[l].T @ delta)  # ... and only now it may change
        b = biases[l]
        biases[l] = None if b is None else b + -alpha * delta.sum(axis=0)
    return weights, biases
