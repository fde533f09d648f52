"""Taylor: what the gradient does not explain of a small step falls with the square of its size."""

import itertools
import math
from statistics import median

import numpy as np
from hypothesis import given

import reference_impl
from backproof import drawing
from backproof.case import Case
from backproof.gradients import Side, Vector, flat
from property_tests.asking import U, gradient_of
from property_tests.derived import per_layer
from property_tests.sides import REFERENCE
from property_tests.space import Claims
from property_tests.strategies import cases

# A loss with a second derivative everywhere, and numbers for which steps of 1/32 are small.
SMOOTH = Claims(
    activations=("identity", "sigmoid", "tanh", "softplus", "gelu", "silu", "softmax"),
    dtypes=("float64",),
    regimes=("normal",),
    depths=(1, 2, 3),
)
STEPS = [2.0**-k for k in range(5, 15)]


def taylor_remainder_falls_with_slope_2(subject: Side, case: Case) -> None:
    """|L(w + hv) - L(w) - h <g, v>|, as h is halved again and again.

    A gradient that is wrong along v leaves a remainder of order h: slope 1. A right one leaves
    h^2: slope 2, and more where the curvature along v is small. So the median slope is nearer to
    2 than to 1. A remainder that may be the rounding of the losses themselves says nothing.
    """
    g = gradient_of(subject, case)
    v = flat([drawing.integers(case.seed, 4, g.shape, 0, 1) * 2 - 1], [None])
    remainders = [_remainder(case, g, v, h) for h in STEPS]
    slopes = [
        math.log2(wide / narrow)
        for (wide, _), (narrow, noise) in itertools.pairwise(remainders)
        if narrow > noise
    ]
    assert not slopes or median(slopes) > 1.5, (
        f"{subject.name}: the Taylor remainder falls with slope {median(slopes):.2f} instead of 2"
    )


def _remainder(case: Case, g: Vector, v: Vector, h: float) -> tuple[float, float]:
    """The remainder, and below which size it may be noise."""
    # The losses cost about as many roundings as there are parameters and rows, each by u of a
    # number of the loss' own size or 1; a factor of 64 makes noise spoil the slope by 2 % at most.
    up, down = _loss(case, h * v), _loss(case, 0 * v)
    noise = 64 * U * (len(g) + case.n + 10) * (abs(up) + abs(down) + h * np.abs(g * v).sum() + 1)
    with np.errstate(invalid="ignore"):
        return float(np.abs(up - down - h * np.dot(g, v))), noise


def _loss(case: Case, move: Vector) -> float:
    arrays, layers = case.arrays, reference_impl.layers_named(case.activations, case.slope)
    moves = per_layer(case, flat(arrays.weights, arrays.biases) + move)
    with np.errstate(all="ignore"):  # a probability rounded to 0 costs an infinite loss
        _, O = reference_impl.forward(*moves, arrays.X, layers)
        return reference_impl.loss_of(case.loss, O[-1], arrays.Y, case.reduction)


@given(cases(claims=SMOOTH))
def test_taylor_remainder_falls_with_slope_2(case: Case) -> None:
    taylor_remainder_falls_with_slope_2(REFERENCE, case)
