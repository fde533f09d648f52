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
from backproof.tokens import token_of
from property_tests.asking import Share, U, gradient_of, rounding_of
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
# 93 % of the cases have a slope, and 65 % in the worst of 350 runs over 20 cases; the rest is dead,
# or so flat that the losses' own rounding is all there is.
SLOPES = Share(at_least=1 / 2, of="of the cases have a Taylor remainder above its noise")


def taylor_remainder_falls_with_slope_2(subject: Side, case: Case) -> bool:
    """|L(w + hv) - L(w) - h <g, v>|, as h is halved again and again. Returns whether it was seen.

    A gradient that is wrong along v leaves a remainder of order h: slope 1. A right one leaves
    h^2: slope 2, and more where the curvature along v is small. So the median slope is nearer to
    2 than to 1. A remainder that may be the rounding of the losses themselves says nothing.
    """
    if not np.isfinite(rounding_of(case)[0]).all():
        return False  # a probability was rounded to exactly 0 or 1: any gradient may be right
    g = gradient_of(subject, case)
    assert np.isfinite(g).all(), (
        f"{subject.name}: {np.sum(~np.isfinite(g))} of {len(g)} elements of the gradient are not "
        f"finite ({token_of(case)})"
    )
    v = flat([drawing.integers(case.seed, 4, g.shape, 0, 1) * 2 - 1], [None])
    remainders = [_remainder(case, g, v, h) for h in STEPS]
    slopes = [
        math.log2(wide / narrow)
        for (wide, _), (narrow, noise) in itertools.pairwise(remainders)
        if narrow > noise and math.isfinite(wide)  # an infinite loss has infinite noise
    ]
    assert not slopes or median(slopes) > 1.5, (
        f"{subject.name}: the Taylor remainder falls with slope {median(slopes):.2f} instead of 2"
    )
    return bool(slopes)


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


@SLOPES.required
@given(cases(claims=SMOOTH))
def test_taylor_remainder_falls_with_slope_2(case: Case) -> None:
    SLOPES.add(taylor_remainder_falls_with_slope_2(REFERENCE, case))
