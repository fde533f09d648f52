"""Training repeats for n epochs: (1) forward pass, (2) ΔW by backpropagation, (3) update."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .activations import Array, Arrays, Biases, layers_named
from .backward import backward_loop, backward_recursion
from .bias import augment, reset_to_one, split, with_ones
from .checks import check_call, one_of
from .forward import forward
from .losses import dLoss_dOutput, loss_of


class Pass(NamedTuple):
    """Per layer: dLoss/dW, dLoss/db, and the steps ΔW, Δb = -alpha * gradient."""

    dW: list[Array]
    db: list[Array | None]
    step_W: list[Array]
    step_b: list[Array | None]


def backprop(
    weights: Arrays, biases: Biases, X: Array, Y: Array, activations: Sequence[str], loss: str, *,
    alpha: float = 1.0, reduction: str = "sum", bias: str = "separate", slope: float = 1 / 64,
    how: str = "loop",
) -> Pass:
    """Steps 1 and 2, every argument checked first. What was given is never changed.

    weights[l]: (k, j)    biases[l]: (j,), or None for a layer without    X: (n, k_0)    Y: (n, k_L)
    reduction: "sum" or "mean" of the loss over the n rows    bias: "separate", "augmented", "none"
    slope: of leaky_relu below zero    how: "loop" or "recursion"
    Raises ValueError or TypeError. An overflow is no error: inf or nan comes out.
    """
    check_call(weights, biases, X, Y, activations, loss, alpha, reduction, bias, slope, how)
    layers, given_biases = layers_named(activations, slope), biases
    if bias == "augmented":
        weights, biases, X = augment(weights, biases), [None] * len(weights), with_ones(X)
        layers = [reset_to_one(layer) for layer in layers[:-1]] + layers[-1:]
    backward = backward_loop if how == "loop" else backward_recursion
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        Z, O = forward(weights, biases, X, layers)
        dW, db = backward(dLoss_dOutput(loss, O[-1], Y, reduction), weights, Z, O, layers)
        if bias == "augmented":
            dW, db = split(dW)
        db_used = [None if b is None else g for g, b in zip(db, given_biases, strict=True)]
        step_b = [None if g is None else -float(alpha) * g for g in db_used]
        return Pass(dW, db_used, [-float(alpha) * g for g in dW], step_b)


def train(
    weights: Arrays, biases: Biases, X: Array, Y: Array, activations: Sequence[str], loss: str, *,
    alpha: float, epochs: int, reduction: str = "sum", slope: float = 1 / 64,
) -> tuple[list[Array], list[Array | None], list[float]]:
    """Return the new weights and biases, and the loss before each epoch: does it fall?"""
    bias = "none" if all(b is None for b in biases) else "separate"
    check_call(weights, biases, X, Y, activations, loss, alpha, reduction, bias, slope)
    layers = layers_named(activations, slope)
    losses: list[float] = []
    for _ in range(epochs):
        Z, O = forward(weights, biases, X, layers)
        losses.append(loss_of(loss, O[-1], Y, reduction))
        dW, db = backward_loop(dLoss_dOutput(loss, O[-1], Y, reduction), weights, Z, O, layers)
        weights = [W + -alpha * g for W, g in zip(weights, dW, strict=True)]  # not one line earlier
        biases = [None if b is None else b + -alpha * g for b, g in zip(biases, db, strict=True)]
    return list(weights), list(biases), losses


def initial_weights(
    widths: Sequence[int], rng: np.random.Generator, how: str = "xavier"
) -> tuple[list[Array], list[Array]]:
    """Weights (k, j) and biases (j,), all 0, for layers of these widths, such as 5, 2, 4, 3, 3, 1.

    "xavier": Glorot and Bengio 2010, eq. 16. "he": He et al. 2015, eq. 10, made for relu.
    """
    draw = {
        "zeros": lambda k, j: np.zeros((k, j)),  # don't: the neurons of a layer stay all alike
        "uniform": lambda k, j: rng.uniform(-1, 1, (k, j)),
        "xavier": lambda k, j: rng.uniform(-1, 1, (k, j)) * np.sqrt(6 / (k + j)),
        "he": lambda k, j: rng.normal(size=(k, j)) * np.sqrt(2 / k),
    }
    one_of("how", how, draw)
    weights = [draw[how](k, j) for k, j in itertools.pairwise(widths)]
    return weights, [np.zeros(j) for j in widths[1:]]
