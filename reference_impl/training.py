"""Training: repeat (1) forward pass, (2) ΔW by backpropagation, (3) update, for n epochs."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .activations import Array, layers_named
from .bias import augment, reset_to_one, split, with_ones
from .checks import check_alpha_and_slope, check_arrays, check_lists, check_names, one_of
from .losses import dLoss_dOutput, loss_of
from .passes import Arrays, Biases, backward_loop, backward_recursion, forward


class Pass(NamedTuple):
    """Per layer: dLoss/dW, dLoss/db, and the steps ΔW, Δb = -alpha * gradient."""

    dW: list[Array]
    db: list[Array | None]
    step_W: list[Array]
    step_b: list[Array | None]


# fmt: off
def backprop(
    weights: Arrays, biases: Biases, X: Array, Y: Array, activations: Sequence[str], loss: str, *,
    alpha: float = 1.0, reduction: str = "sum", bias: str = "separate", slope: float = 1 / 64,
    how: str = "loop",
) -> Pass:
    """Steps 1 and 2, after all arguments were checked. What is given is never changed.

    weights[l]: (k, j)    biases[l]: (j,), or None for a layer without    X: (n, k_0)    Y: (n, k_L)
    reduction: "sum" or "mean" of the loss over the n rows    bias: "separate", "augmented", "none"
    slope: of leaky_relu below zero    how: "loop" or "recursion"
    Raises ValueError or TypeError. An overflow is no error: inf or nan comes out.
    """
    one_of("reduction", reduction, ["sum", "mean"])
    one_of("bias", bias, ["separate", "augmented", "none"])
    one_of("how", how, ["loop", "recursion"])
    check_lists(weights, biases, activations, bias)
    check_names(activations, loss)
    check_arrays(weights, biases, X, Y)
    check_alpha_and_slope(alpha, slope, X.dtype)
    layers, has_bias = layers_named(activations, slope), [b is not None for b in biases]
    if bias == "augmented":
        weights = augment(weights, [b for b in biases if b is not None])
        X, biases = with_ones(X), [None] * len(weights)
        layers = [reset_to_one(layer) for layer in layers[:-1]] + layers[-1:]
    backward = backward_loop if how == "loop" else backward_recursion
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        Z, O = forward(weights, biases, X, layers)
        dW, sums = backward(dLoss_dOutput(loss, O[-1], Y, reduction), weights, Z, O, layers)
        if bias == "augmented":
            dW, sums = split(dW)
        db = [s if has else None for s, has in zip(sums, has_bias, strict=True)]
        step_b = [None if s is None else -float(alpha) * s for s in db]
        return Pass(dW, db, [-float(alpha) * g for g in dW], step_b)


def train(
    weights: Arrays, biases: Biases, X: Array, Y: Array, activations: Sequence[str], loss: str, *,
    alpha: float, epochs: int, reduction: str = "sum", slope: float = 1 / 64,
) -> tuple[list[Array], list[Array | None], list[float]]:
    """Return the new weights and biases, and the loss before each epoch: does it fall?"""
    bias = "none" if all(b is None for b in biases) else "separate"
    backprop(weights, biases, X, Y, activations, loss,  # for its checks
             alpha=alpha, reduction=reduction, bias=bias, slope=slope)
    alpha, layers, losses = float(alpha), layers_named(activations, slope), []
    for _ in range(epochs):
        Z, O = forward(weights, biases, X, layers)
        losses.append(loss_of(loss, O[-1], Y, reduction))
        dW, db = backward_loop(dLoss_dOutput(loss, O[-1], Y, reduction), weights, Z, O, layers)
        weights = [W + -alpha * g for W, g in zip(weights, dW, strict=True)]  # only now
        biases = [b if b is None else b + -alpha * g for b, g in zip(biases, db, strict=True)]
    return list(weights), list(biases), losses


def initial_weights(
    widths: Sequence[int], rng: np.random.Generator, how: str = "xavier"
) -> tuple[list[Array], list[Array]]:
    """Weights, and biases of 0, for layers of these widths; trying several ways is worth it.

    "xavier": Glorot and Bengio 2010, eq. 16. "he": He et al. 2015, eq. 10, made for relu.
    """
    draw: dict[str, Callable[[int, int], Array]] = {
        "zeros": lambda k, j: np.zeros((k, j)),  # a warning: all neurons of a layer stay alike
        "uniform": lambda k, j: rng.uniform(-1, 1, (k, j)),
        "xavier": lambda k, j: rng.uniform(-1, 1, (k, j)) * np.sqrt(6 / (k + j)),
        "he": lambda k, j: rng.normal(0, np.sqrt(2 / k), (k, j)),
    }
    one_of("how", how, draw)
    return [draw[how](k, j) for k, j in pairwise(widths)], [np.zeros(j) for j in widths[1:]]
