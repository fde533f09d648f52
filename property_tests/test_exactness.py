"""Where nothing rounds there is no tolerance: small integers, equal to the last bit."""

import numpy as np
import pytest
from hypothesis import given

from backproof.case import Case
from backproof.gradients import Side
from oracles.integers import exactly_computable
from property_tests.asking import assert_same, both_of, gradient_of, witness
from property_tests.derived import with_arrays
from property_tests.rationals import (
    EXACT,
    floats_of,
    gradient_of_half_squared_error,
    outputs_of,
)
from property_tests.sides import REFERENCE
from property_tests.strategies import cases

SMALL = cases(claims=EXACT).filter(exactly_computable)


def small_integers_are_exact(subject: Side, case: Case) -> None:
    exact = gradient_of_half_squared_error(case)
    gradient, step = both_of(subject, case)
    assert_same(case, subject, gradient, floats_of(exact), by="exact arithmetic")
    # What is seen as weights after minus before had to be rounded to the weights' last bit.
    if subject.step_form == "direct":
        theirs = floats_of(exact) * -case.alpha  # a power of two: nothing to round
        assert_same(case, subject, step, theirs, by="the exact step")


def zero_residual_gives_exactly_zero(subject: Side, case: Case) -> None:
    solved = with_arrays(case, Y=floats_of(outputs_of(case)[1][-1]))
    ours = gradient_of(subject, solved)
    assert_same(solved, subject, ours, np.zeros_like(ours), by="a net that is right already")


@given(SMALL)
def test_small_integers_are_exact(case: Case) -> None:
    small_integers_are_exact(REFERENCE, case)


@pytest.mark.parametrize("name", ["torch_autograd", "jax_grad"])
@given(SMALL)
def test_small_integers_are_exact_in_the_frameworks(name: str, case: Case) -> None:
    small_integers_are_exact(witness(name).side, case)


@given(SMALL)
def test_zero_residual_gives_exactly_zero(case: Case) -> None:
    zero_residual_gives_exactly_zero(REFERENCE, case)
