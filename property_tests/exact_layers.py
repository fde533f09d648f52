"""What the exact pass finds inside of a net, on one instance, as floats."""

from typing import NamedTuple

import numpy as np
from flint import arb
from numpy.typing import NDArray

from backproof.ball import working
from backproof.case import Case
from oracles.exact_network import inside_of

Array = NDArray[np.float64]

_BITS = 200


class ExactLayers(NamedTuple):
    """Layer l of 1..L stands at l - 1.

    O_below: what enters each layer, X first, (k,)   slopes: g' of each, (j,)
    delta: of the output layer, (k_L,)
    """

    O_below: list[Array]
    slopes: list[Array]
    delta: Array


def exact_layers(case: Case) -> ExactLayers:
    """The inside of a case of one instance."""
    with working(_BITS):
        layers, delta = inside_of(case)
        Os = [_floats(layer.O.entries()) for layer in layers[:-1]]
        slopes = [_floats(layer.slopes) for layer in layers]
        X = np.asarray(case.arrays.X[0], dtype=np.float64)
        return ExactLayers([X, *Os], slopes, _floats(delta.entries()))


def _floats(balls: list[arb]) -> Array:
    return np.array([float(ball) for ball in balls])
