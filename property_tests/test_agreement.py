"""The accused before each witness, and each witness before the others."""

import itertools

import pytest
from hypothesis import assume, given

from backproof.case import Case
from backproof.names import VERDICTS
from backproof.tokens import token_of
from property_tests.asking import Share, installed, witness
from property_tests.judging import Seat, judge
from property_tests.sides import ORACLES, reference_seat
from property_tests.strategies import cases

SUBJECT = reference_seat()
# Right sides agree in 92 to 99 % of a case's elements, and in 54 % in the worst of hundreds of runs
# over 20 cases: finite differences leave most of a large net out, and some nets overflow. A witness
# that commits itself to nothing comes to 0, or to 16 % with single elements that are 0 on both
# sides. Each case weighs the same, for the few large nets have most of the elements.
AGREEING = Share(at_least=1 / 3, of="of a case's elements agree")


def two_sides_agree(a: Seat, b: Seat, case: Case) -> tuple[int, int]:
    """No element is wrong, and nobody fails to answer.

    Returns how many elements agree, of how many; arrays that are 0 on both sides left out, for
    any bar agrees there. The rest is uninformative, inconclusive, at a kink or not checked at all.

    A finite difference alone never says wrong, so the other witnesses that are installed sit by.
    """
    # Of large nets `exact` judges a share; Hypothesis draws another case in place of the rest.
    assume(a.promises(case) and b.promises(case))
    others = [seat for seat in installed() if seat.name not in (a.name, b.name)]
    by_estimate = "finite_difference" in (a.name, b.name)
    pair = judge([case], [a, b, *others] if by_estimate else [a, b], details=True)[0][0]
    worst = pair.worst
    assert worst is not None, f"{pair.failure} ({token_of(case)})"
    assert pair.verdict != "wrong", (
        f"{a.name}: {worst.parameter}_{worst.layer}{list(worst.index)} = {worst.value_a:.17g}, "
        f"but {b.name} says {worst.value_b:.17g}; rounding explains {worst.bound:.2g} "
        f"({token_of(case)})"
    )
    live = [array.counts for array in pair.parameters if array.norm_a or array.norm_b]
    words = (*VERDICTS, "unchecked")
    return sum(counts["agree"] for counts in live), sum(counts[w] for counts in live for w in words)


@pytest.mark.parametrize("oracle", ORACLES)
@AGREEING.required
@given(cases(size=None))
def test_the_reference_agrees_with_every_oracle(oracle: str, case: Case) -> None:
    AGREEING.add(*two_sides_agree(SUBJECT, witness(oracle), case))


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(ORACLES, 2)))
@AGREEING.required
@given(cases(size=None))
def test_the_oracles_agree_among_themselves(a: str, b: str, case: Case) -> None:
    AGREEING.add(*two_sides_agree(witness(a), witness(b), case))
