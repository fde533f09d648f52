"""No right program lies outside its bound, also on numbers that were made to drive it there.

Hypothesis steers towards what comes nearest (`target`), among cases of the space and such whose
arrays were changed. `python -m property_tests.hunting` looks longer, and climbs on the arrays.
"""

from random import Random

import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from backproof.case import Case
from property_tests import mutations
from property_tests.asking import Share, witness
from property_tests.climbing import FLOATS, InFloats
from property_tests.sides import reference_seat
from property_tests.strategies import cases

# Where nothing is certain, or nothing rounds, a case says nothing; that is one in five.
MEASURED = Share(at_least=1 / 2, of="of the cases have an error that is measured")
# The frameworks answer case by case slowly, and the climb hunts with them too.
FEWER = settings(max_examples=max(10, settings().max_examples // 4))
# Far beyond the bound no further steering is needed, and `target` takes no infinity.
_FAR = 2.0


@st.composite
def changed_cases(draw: st.DrawFn) -> Case:
    """A case of the space, or one with up to four changes of its arrays."""
    case = draw(cases())
    names = draw(st.lists(st.sampled_from(list(mutations.MUTATIONS)), max_size=4))
    if not names:
        return case
    random = Random(draw(st.integers(0, 2**32 - 1)))
    return mutations.changed(case, names, random) or case


def no_error_reaches_the_bound(accused: InFloats, case: Case) -> float:
    """Returns err/E, the largest of all elements."""
    (ratio,) = accused.ratios([case])
    target(min(ratio, _FAR), label="err / E")
    assert ratio <= 1.0, f"{accused.name} lies {ratio:.3g} E from the exact gradient of {case}"
    return ratio


@MEASURED.required
@given(changed_cases())
def test_the_reference_lies_within_its_bound(case: Case) -> None:
    MEASURED.add(no_error_reaches_the_bound(InFloats(reference_seat()), case) > 0.0)


@pytest.mark.parametrize("name", FLOATS)
@MEASURED.required
@FEWER
@given(changed_cases())
def test_the_frameworks_lie_within_their_bound(name: str, case: Case) -> None:
    MEASURED.add(no_error_reaches_the_bound(InFloats(witness(name)), case) > 0.0)
