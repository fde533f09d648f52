"""The accused before each witness, and each witness before the others."""

import itertools

import pytest
from hypothesis import assume, given

from backproof.case import Case
from backproof.tokens import token_of
from property_tests.asking import installed, witness
from property_tests.judging import Seat, judge
from property_tests.sides import ORACLES, reference_seat
from property_tests.strategies import cases

SUBJECT = reference_seat()


def two_sides_agree(a: Seat, b: Seat, case: Case) -> None:
    """No element is wrong, and nobody fails to answer.

    A finite difference alone never says wrong, so the other witnesses that are installed sit by.
    """
    # Of large nets `exact` judges a share; Hypothesis draws another case in place of the rest.
    assume(a.promises(case) and b.promises(case))
    others = [seat for seat in installed() if seat.name not in (a.name, b.name)]
    by_estimate = "finite_difference" in (a.name, b.name)
    pair = judge([case], [a, b, *others] if by_estimate else [a, b])[0][0]
    worst = pair.worst
    assert worst is not None, f"{pair.failure} ({token_of(case)})"
    assert pair.verdict != "wrong", (
        f"{a.name}: {worst.parameter}_{worst.layer}{list(worst.index)} = {worst.value_a:.17g}, "
        f"but {b.name} says {worst.value_b:.17g}; rounding explains {worst.bound:.2g} "
        f"({token_of(case)})"
    )


@pytest.mark.parametrize("oracle", ORACLES)
@given(cases(size=None))
def test_the_reference_agrees_with_every_oracle(oracle: str, case: Case) -> None:
    two_sides_agree(SUBJECT, witness(oracle), case)


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(ORACLES, 2)))
@given(cases(size=None))
def test_the_oracles_agree_among_themselves(a: str, b: str, case: Case) -> None:
    two_sides_agree(witness(a), witness(b), case)
