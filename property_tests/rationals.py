"""Piecewise linear nets in exact arithmetic: every number a fraction, no rounding at all.

For identity, relu and leaky_relu with half the squared error everything is a sum of products, and
floats are fractions. A forward and a backward pass of its own, on purpose.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from backproof.case import Case
from backproof.drawing import Array
from backproof.gradients import Vector
from property_tests.space import Claims

PIECEWISE_LINEAR = ("identity", "relu", "leaky_relu")

# Integers and quarters, slopes of 1/4, alphas that are powers of two: nothing ever needs rounding
# while the sums stay below 2**53 of their last bit (`oracles.integers.exactly_computable`).
EXACT = Claims(
    activations=PIECEWISE_LINEAR,
    losses=("half_squared_error",),
    reductions=("sum",),
    alphas=(1.0, 0.5, 0.125, 2.0**-10, 2.0**10),
    slopes=(1 / 4,),
    dtypes=("float64",),
    regimes=("integers", "fractions", "zeros"),
    depths=(1, 2, 3),
)

Fractions = Any  # an array of dtype object that holds `Fraction`


def fractions_of(array: Array) -> Fractions:
    """The same numbers, exactly."""
    return np.vectorize(Fraction, otypes=[object])(array.astype(np.float64))


def _slopes(case: Case, layer: int, Z: Fractions) -> Fractions:
    slopes = {"identity": Fraction(1), "relu": Fraction(0), "leaky_relu": Fraction(case.slope)}
    low = slopes[case.activations[layer]]
    return low + (Z > 0) * (1 - low)


def outputs_of(case: Case) -> tuple[list[Fractions], list[Fractions]]:
    """Z of every layer and O of every layer, O[0] being X."""
    Z, O = [], [fractions_of(case.arrays.X)]
    for layer, (W, b) in enumerate(zip(case.arrays.weights, case.arrays.biases, strict=True)):
        Z.append(O[-1] @ fractions_of(W) + (0 if b is None else fractions_of(b)))
        O.append(Z[-1] * _slopes(case, layer, Z[-1]))
    return Z, O


def gradient_of_half_squared_error(case: Case) -> Fractions:
    """dLoss/dW and dLoss/db, summed over the rows, in the order of `slots_of`; (P,) fractions."""
    Z, O = outputs_of(case)
    G, parts = O[-1] - fractions_of(case.arrays.Y), list[Fractions]()
    for layer in reversed(range(case.depth)):
        delta = G * _slopes(case, layer, Z[layer])
        db = [] if case.bias == "none" else [delta.sum(axis=0)]
        parts = [(O[layer].T @ delta).ravel(), *db, *parts]
        G = delta @ fractions_of(case.arrays.weights[layer]).T
    return np.concatenate(parts)


def floats_of(fractions: Fractions) -> Vector:
    """The nearest float64 of each."""
    return fractions.astype(np.float64)
