"""A property that forgives what cannot be judged is shown sides that leave nothing to be judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from backproof.case import Case
from backproof.gradients import Gradients
from backproof.tokens import case_of
from property_tests import test_taylor as taylor
from property_tests.asking import Share, gradient_of
from property_tests.harness.test_properties import around, said_of
from property_tests.judging import Seat
from property_tests.sides import REFERENCE
from property_tests.strategies import cases
from property_tests.test_agreement import AGREEING, SUBJECT, two_sides_agree


def said_by(test: Callable[..., None], *arguments: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        test(*arguments)
    return str(caught.value).splitlines()[0]


# Agreement.


@dataclass(frozen=True)
class Unsure:
    """The right answer, to which it does not commit itself: bars or proved radii of one size."""

    bar: float
    exact: bool
    name: str = "planted"
    step_form: str = "direct"

    def gradients(self, case: Case) -> Gradients:
        answer = REFERENCE.gradients(case)
        assert answer.gradient is not None
        bar, low = np.full_like(answer.gradient, self.bar), np.zeros_like(answer.gradient)
        answer = replace(answer, gradient_bar=bar, step_bar=bar)
        return replace(answer, gradient_low=low, step_low=low) if self.exact else answer

    def gradients_of(self, cases: Sequence[Case]) -> list[Any]:
        return [self.gradients(case) for case in cases]


@pytest.mark.parametrize("exact", [False, True], ids=["estimate", "exact"])
@pytest.mark.parametrize("bar", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("first", [True, False], ids=["accused", "witness"])
def test_an_oracle_that_never_commits_itself_does_not_agree(
    bar: float, exact: bool, first: bool
) -> None:
    planted = Seat(Unsure(bar, exact), family="any", is_oracle=True)
    a, b = (planted, SUBJECT) if first else (SUBJECT, planted)

    @AGREEING.required
    @settings(max_examples=20)  # as few as the quickest profile has
    @given(cases())
    def test(case: Case) -> None:
        AGREEING.add(*two_sides_agree(a, b, case))

    said = said_by(test)
    assert said.startswith("only ")
    assert "% of a case's elements agree, over " in said
    assert said.endswith(" examples; 33% are needed for the test to say anything")


# Taylor.


def with_one(value: float) -> Callable[..., None]:
    def change(made: Any, **_: Any) -> None:
        made.dW[-1][-1, -1] = value

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_no_number_has_no_slope_2(value: float) -> None:
    bug = around(with_one(value))
    said = said_of(
        lambda case: taylor.taylor_remainder_falls_with_slope_2(bug, case),
        cases(claims=taylor.SMOOTH),
    )
    assert said.startswith("planted: 1 of ")
    assert " elements of the gradient are not finite (bp1" in said


def test_remainders_that_all_count_as_noise_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taylor, "U", 1.0)
    assert said_by(taylor.test_taylor_remainder_falls_with_slope_2).startswith(
        "only 0% of the cases have a Taylor remainder above its noise, over "
    )


def test_a_probability_of_exactly_1_is_not_held_against_the_gradient() -> None:
    case = case_of("bp13gh5418k6yr084004210j95g")  # binary cross-entropy
    assert not np.isfinite(gradient_of(REFERENCE, case)).all()
    assert not taylor.taylor_remainder_falls_with_slope_2(REFERENCE, case)


# The share itself.


def test_a_share_is_the_mean_over_the_examples_of_one_run() -> None:
    half = Share(at_least=1 / 2, of="of the days are sunny")

    @half.required
    def test(shares: Sequence[float]) -> None:
        half.add(0, 0)  # nothing to look at
        for share in shares:
            half.add(3 * share, 3)

    test([0.0, 1.0])
    test([1.0, 1.0])
    assert said_by(test, [0.0, 0.5, 0.25]) == (  # what was seen before counts no more
        "only 25% of the days are sunny, over 3 examples; "
        "50% are needed for the test to say anything"
    )
    assert said_by(test, [np.nan, 1.0]).startswith("only nan% of the days")
    assert said_by(test, []).startswith("only 0% of the days are sunny, over 0 examples;")


def test_a_test_that_fails_by_itself_says_its_own_sentence() -> None:
    share = Share(at_least=1, of="of nothing")

    @share.required
    def test() -> None:
        raise AssertionError("its own")

    assert said_by(test) == "its own"
