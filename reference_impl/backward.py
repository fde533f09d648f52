"""The backward pass: the article's three factors, then a loop, a recursion and a third order.

All start at the top with `dLoss_dO`, (n, k_L), and go down. Loop and recursion return (dW, db), the
derivatives of the loss by every W and b, and change no weight: the layer below needs the old ones.
"""

from typing import TypeAlias

import numpy as np

from .activations import Activation, Activations, Array, Arrays, Biases, softmax

Gradients: TypeAlias = tuple[list[Array], list[Array]]
DEEPEST_RECURSION = 400  # Python allows 1000 nested calls in all, the caller's own among them


def three_factors(
    dLoss_dO_next: Array, W_next: Array, g_prime_next: Array, O_prev: Array, g_prime: Array
) -> tuple[Array, Array]:
    """One instance, one hidden layer, as in the equations: return its (dLoss/dW, delta).

    dLoss_dO_next, g_prime_next: (m,)    W_next: (j, m)    O_prev: (k,)    g_prime: (j,)
    """
    dO_next_dO = W_next * g_prime_next  # (j, m) "how a change of this layer affects the next"
    dO_dW = np.outer(O_prev, g_prime)  # (k, j) "how a change of the weight affects this layer"
    dW = np.zeros_like(dO_dW)
    for i, h in np.ndindex(dW.shape):  # weight from neuron i below to neuron h of this layer
        for up in range(len(dLoss_dO_next)):
            dW[i, h] += dLoss_dO_next[up] * dO_next_dO[h, up] * dO_dW[i, h]
    # Regrouped, everything but O_prev is one number per neuron: dW = outer(O_prev, delta).
    return dW, (dO_next_dO @ dLoss_dO_next) * g_prime


def delta_of(dLoss_dO: Array, activation: Activation, Z: Array, O: Array) -> Array:
    """delta = dLoss/dZ = dLoss/dO * g'(Z), element by element; all are (n, k)."""
    if activation.g is softmax:  # every O of a row depends on every Z of it
        return O * (dLoss_dO - (dLoss_dO * O).sum(axis=1, keepdims=True))
    return dLoss_dO * activation.g_prime(Z, O)


def backward_loop(
    dLoss_dO: Array, weights: Arrays, Z: Arrays, O: Arrays, activations: Activations
) -> Gradients:
    """Using a loop."""
    dW, db = [], []
    for l in reversed(range(len(weights))):
        delta = delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])
        dW.append(O[l].T @ delta)  # (k, n) @ (n, j): the n instances are summed away
        db.append(delta.sum(axis=0))  # b was added to every row, so its derivative sums the rows
        dLoss_dO = delta @ weights[l].T  # (n, j) @ (j, k): the loss is passed down one layer
    return dW[::-1], db[::-1]


def backward_recursion(
    dLoss_dO: Array, weights: Arrays, Z: Arrays, O: Arrays, activations: Activations
) -> Gradients:
    """Using recursion: do the top layer, and ask the same of the network below it."""
    if len(weights) > DEEPEST_RECURSION:
        raise ValueError(f"`weights` has {len(weights)} layers, but the recursion goes down "
                         f"{DEEPEST_RECURSION} at most; use the loop.")  # fmt: skip
    if not weights:
        return [], []
    *below, W = weights
    delta = delta_of(dLoss_dO, activations[-1], Z[-1], O[-1])
    dW, db = backward_recursion(delta @ W.T, below, Z[:-1], O[:-1], activations[:-1])
    return [*dW, O[-2].T @ delta], [*db, delta.sum(axis=0)]


def backward_updating_as_it_goes(
    dLoss_dO: Array, weights: Arrays, biases: Biases, Z: Arrays, O: Arrays,
    activations: Activations, alpha: float,
) -> tuple[list[Array], list[Array | None]]:  # fmt: skip
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
