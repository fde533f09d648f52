"""Laws that a gradient obeys whatever the numbers are, and that need no second implementation."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backproof.case import Case
from backproof.drawing import Array
from backproof.gradients import Side, flat
from property_tests.asking import U, assert_within, gradient_of, rounding_of
from property_tests.derived import per_layer, with_arrays
from property_tests.rationals import Fractions, floats_of, fractions_of
from property_tests.sides import REFERENCE
from property_tests.space import Claims
from property_tests.strategies import cases

# Activations with g(z) = z g'(z), in hidden layers; at the output any activation will do.
HOMOGENEOUS = Claims(activations=("identity", "relu", "leaky_relu", "softmax"), depths=(2, 3, 4, 5))
LEAST_SQUARES = Claims(
    activations=("identity",),
    losses=("half_squared_error",),
    reductions=("sum",),
    depths=(1, 2, 3),
    max_width=4,
    max_batch=4,
)


def linear_in_the_upstream_derivative(subject: Side, case: Case, other: Case) -> None:
    """The derivative at the output is O - Y, up to what does not depend on Y; every loss has it.

    So the gradient is affine in Y, and halfway between two batches of labels it is the mean of
    theirs. Labels have so few bits that halfway is exact.
    """
    halfway = (case.arrays.Y + other.arrays.Y) / 2
    asked = [with_arrays(case, Y=Y) for Y in (case.arrays.Y, other.arrays.Y, halfway)]
    a, b, c = (gradient_of(subject, each) for each in asked)
    E_a, E_b, E_c = rounding_of(*asked)
    allowed = E_a + E_b + 2 * E_c + U * np.abs(a + b)  # the sum rounds once
    assert_within(case, subject, 2 * c, a + b, allowed, by="the labels on both sides")


def identity_network_is_least_squares(subject: Side, case: Case) -> None:
    """Loss = 1/2 |A W B - Y|^2 for each W between the product A below and B above it."""
    weights = [_with_bias(case, layer) for layer in range(case.depth)]
    X, Y = fractions_of(case.arrays.X), fractions_of(case.arrays.Y)
    if case.bias != "none":
        X, Y = _beside_ones(X), _beside_ones(Y)
    gradients = []
    for layer, W in enumerate(weights):
        A, B = (
            _product(X, weights[:layer]),
            _product(np.eye(W.shape[1], dtype=int), weights[layer + 1 :]),
        )
        gradients.append(floats_of(A.T @ (A @ W @ B - Y) @ B.T))
    if case.bias == "none":
        theirs = flat(gradients, [None] * case.depth)
    else:
        theirs = flat([g[:-1, :-1] for g in gradients], [g[-1, :-1] for g in gradients])
    (E,) = rounding_of(case)
    # The closed form is exact but for one last rounding to a float64.
    allowed = E + U * np.abs(theirs)
    assert_within(case, subject, gradient_of(subject, case), theirs, allowed, by="least squares")


def _with_bias(case: Case, layer: int) -> Fractions:
    """[[W, 0], [b, 1]], which carries a column of ones along."""
    W, b = fractions_of(case.arrays.weights[layer]), case.arrays.biases[layer]
    if b is None:
        return W
    upper = np.column_stack([W, np.zeros(len(W), dtype=int)])
    return np.vstack([upper, np.append(fractions_of(b), 1)])


def _beside_ones(X: Fractions) -> Fractions:
    return np.column_stack([X, np.ones(len(X), dtype=int)])


def _product(first: Fractions, matrices: list[Fractions]) -> Fractions:
    for matrix in matrices:
        first = first @ matrix
    return first


def homogeneous_layers_hand_on_as_much_as_they_get(subject: Side, case: Case) -> None:
    """<W_{l+1}, dW_{l+1}> = <W_l, dW_l> + <b_l, db_l> below every hidden layer l.

    Both are the sum of O_l * dLoss/dO_l = Z_l * delta_l, as g(z) = z g'(z) (Euler).
    """
    dW, db = per_layer(case, gradient_of(subject, case))
    E_W, E_b = per_layer(case, rounding_of(case)[0])
    for l in range(case.depth - 1):
        above, E_above = _inner(case.arrays.weights[l + 1], dW[l + 1], E_W[l + 1])
        below, E_below = _inner(case.arrays.weights[l], dW[l], E_W[l])
        b, db_l, E_b_l = case.arrays.biases[l], db[l], E_b[l]
        if b is not None and db_l is not None and E_b_l is not None:
            of_b, E_of_b = _inner(b, db_l, E_b_l)
            below, E_below = below + of_b, E_below + E_of_b + U * abs(below + of_b)
        allowed = E_above + E_below
        assert not abs(above - below) > allowed, (
            f"{subject.name}: <W_{l + 2}, dW_{l + 2}> = {above:.17g}, but layer {l + 1} below has "
            f"{below:.17g}; rounding explains {allowed:.2g}"
        )


def _inner(W: Array, dW: Array, E: Array) -> tuple[float, float]:
    """<W, dW>, and how far it may be off: E carried along, and m products summed in any order."""
    W = W.astype(np.float64)
    sizes = np.abs(W * dW).sum()
    return float((W * dW).sum()), float((np.abs(W) * E).sum() + (W.size + 1) * U * sizes)


@given(cases(), st.integers(0, 2**32 - 1))
def test_linear_in_the_upstream_derivative(case: Case, seed: int) -> None:
    linear_in_the_upstream_derivative(REFERENCE, case, replace(case, seed=seed))


@given(cases(claims=LEAST_SQUARES))
def test_identity_network_is_least_squares(case: Case) -> None:
    identity_network_is_least_squares(REFERENCE, case)


@given(cases(claims=HOMOGENEOUS))
def test_homogeneous_layers_hand_on_as_much_as_they_get(case: Case) -> None:
    homogeneous_layers_hand_on_as_much_as_they_get(REFERENCE, case)
