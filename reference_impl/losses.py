"""Losses, and beside each its derivative dLoss/dO.

Output O (as probabilities: p; as logits: Z) and labels Y are (n, k). A loss gives a number per row,
(n,), its derivative is (n, k). `reduction` then takes the "sum" or the "mean" over the n rows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .activations import Array, sigmoid, softmax, softplus


class Loss(NamedTuple):
    """`wants` is the activation that the output layer must have, None stands for any."""

    of_rows: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    wants: str | None = None


def times_log(a: Array, b: Array) -> Array:
    """a log b, where 0 log 0 is 0: a label of 0 costs nothing."""
    return a * np.log(np.where(a == 0, 1, b))


def over(a: Array, b: Array) -> Array:
    """a / b, where 0/0 is 0: nothing is wrong, so there is nothing to pass down."""
    return a / np.where(a == 0, 1, b)


def log_softmax(Z: Array) -> Array:
    Z = Z - Z.max(axis=1, keepdims=True)
    return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))  # no log of a probability rounded to 0


# fmt: off
LOSSES = {
    "half_squared_error": Loss(  # the article's: the half leaves just "output - labels"
        lambda O, Y: 0.5 * ((O - Y) ** 2).sum(axis=1),
        lambda O, Y: O - Y),
    "mean_squared_error": Loss(
        lambda O, Y: ((O - Y) ** 2).mean(axis=1),
        lambda O, Y: 2 * (O - Y) / Y.shape[1]),
    "binary_cross_entropy": Loss(  # -Y/p + (1-Y)/(1-p) as one fraction: p(1-p) cancels sigmoid'
        lambda p, Y: -(times_log(Y, p) + times_log(1 - Y, 1 - p)).mean(axis=1),
        lambda p, Y: over(p - Y, p * (1 - p)) / Y.shape[1], "sigmoid"),
    "binary_cross_entropy_with_logits": Loss(  # the same of p = sigmoid(Z)
        lambda Z, Y: (softplus(Z) - Z * Y).mean(axis=1),
        lambda Z, Y: (sigmoid(Z) - Y) / Y.shape[1], "identity"),
    "cross_entropy": Loss(
        lambda p, Y: -times_log(Y, p).sum(axis=1),
        lambda p, Y: -over(Y, p), "softmax"),
    "cross_entropy_with_logits": Loss(  # the same of p = softmax(Z); labels mostly sum to 1
        lambda Z, Y: -(Y * log_softmax(Z)).sum(axis=1),
        lambda Z, Y: softmax(Z) * Y.sum(axis=1, keepdims=True) - Y, "identity"),
}
# fmt: on


def loss_of(loss: str, O: Array, Y: Array, reduction: str = "sum") -> float:
    """The one number that training makes smaller."""
    rows = LOSSES[loss].of_rows(O, Y)
    return float(rows.mean() if reduction == "mean" else rows.sum())


def dLoss_dOutput(loss: str, O: Array, Y: Array, reduction: str = "sum") -> Array:
    """The derivative at the very top, (n, k_L), from which everything below is computed."""
    derivative = LOSSES[loss].derivative(O, Y)
    return derivative / len(Y) if reduction == "mean" else derivative
