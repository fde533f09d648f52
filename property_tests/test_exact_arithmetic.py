"""In exact arithmetic there is no rounding to hide behind: the formula is right to 1e-50, or wrong.

The reference's own code runs on balls here (`backproof/ball.py`) and is held against the exact
gradient, for each activation and loss. Left open are only units that stand on a zero which no
number of bits shows to be one, and probabilities (or gelu's half of 1 + erf) nearer to 0 or 1 than
5000 bits.
"""

import pytest
from hypothesis import given

from backproof import names
from backproof.case import Case
from backproof.claims import HIDDEN
from oracles.certified import Certified, certified
from property_tests.exactly import off_by, reference_exactly
from property_tests.space import Claims, sampled_case
from property_tests.strategies import cases

# Only here may a sign, or a probability, be too near to its limit (see above).
MAY_STAY_OPEN = ("zeros", "saturated", "integers")
EVERY_CELL = [(hidden, loss) for hidden in HIDDEN for loss in names.LOSSES]


def right_in_exact_arithmetic(case: Case) -> Certified:
    """Asserts that every element is right to 1e-50, or open where that is possible."""
    found = certified(case, reference_exactly(case))
    if found.word == "undecided" and case.regime in MAY_STAY_OPEN:
        assert "undecidable" in found.note or "undecided" in found.note
        return found
    assert found.word == "right", f"{found.word}: {found.note}"
    assert found.relative.max() < 1e-50
    return found


@given(cases())
def test_the_formulas_are_right_to_50_digits(case: Case) -> None:
    right_in_exact_arithmetic(case)


@pytest.mark.parametrize(("hidden", "loss"), EVERY_CELL)
def test_the_formulas_of_each_cell_are_right_to_50_digits(hidden: str, loss: str) -> None:
    claims = Claims(hidden=(hidden,), losses=(loss,), depths=(2, 3))
    decided = [
        right_in_exact_arithmetic(sampled_case(31, i, size="standard", claims=claims)).word
        for i in range(4)
    ]
    assert "right" in decided


def wrong_activations(number: int) -> tuple[int, list[Case]]:
    """How many of so many cases say "wrong" to one derivative times 1 + 1e-12, and the others.

    Left out are cases on which a factor of 1.5 changes nothing that can be told either.
    """
    seen, missed = 0, list[Case]()
    for i in range(number):
        case = sampled_case(32, i, size="standard")
        layer = i % case.depth
        if case.activations[layer] == "softmax":
            continue
        gross, fine = (
            certified(case, reference_exactly(case, off_by(factor, layer)))
            for factor in (1.5, 1 + 1e-12)
        )
        if gross.word != "wrong":
            continue
        seen += 1
        if fine.word != "wrong":
            missed.append(case)
        else:
            assert 1e-13 < fine.relative[[w == "wrong" for w in fine.words]].max()
    return seen, missed


def test_a_derivative_off_by_1e_12_is_certified_wrong() -> None:
    seen, missed = wrong_activations(150)
    assert seen > 120
    assert missed == []
