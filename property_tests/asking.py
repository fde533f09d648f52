"""How a property asks a side, and how it says what is wrong: subject, element, ours, theirs, by."""

from collections.abc import Callable
from functools import cache, wraps

import numpy as np
import pytest

from backproof.case import Case
from backproof.errors import MissingExtraError
from backproof.gradients import Gradients, Side, Vector, slots_of
from backproof.tokens import token_of
from oracles.bound import bounds_of
from property_tests.judging import Seat
from property_tests.sides import oracles_named

# Unit roundoff of the float64 in which properties add up what a side has answered.
U = 2.0**-53


class Share:
    """How much of what a test looks at says anything, over all its examples: enough, or it fails.

    Without it a property that forgives what it cannot judge would pass where it judges nothing.
    """

    def __init__(self, at_least: float, of: str) -> None:
        self._at_least, self._of, self._seen = at_least, of, list[float]()

    def add(self, part: float, whole: float = 1) -> None:
        """One example's; each weighs the same, and one without anything to look at nothing."""
        if whole:
            self._seen.append(part / whole)

    def required(self, test: Callable[..., None]) -> Callable[..., None]:
        """The test, which then fails as well where the mean of the shares is too small."""

        @wraps(test)
        def counted(*arguments: object, **named: object) -> None:
            __tracebackhide__ = True
            self._seen.clear()
            test(*arguments, **named)
            mean = sum(self._seen) / len(self._seen) if self._seen else 0.0
            assert mean >= self._at_least, (
                f"only {mean:.0%} {self._of}, over {len(self._seen)} examples; "
                f"{self._at_least:.0%} are needed for the test to say anything"
            )

        return counted


def gradient_of(subject: Side, case: Case) -> Vector:
    """dLoss/dW and dLoss/db as the subject says, (P,)."""
    __tracebackhide__ = True
    return both_of(subject, case)[0]


def both_of(subject: Side, case: Case) -> tuple[Vector, Vector]:
    """The gradient and the step as the subject says, (P,) each."""
    __tracebackhide__ = True
    answer = subject.gradients(case)
    assert isinstance(answer, Gradients), f"{subject.name}: {answer}"
    assert answer.gradient is not None, f"{subject.name}: no gradient"
    assert answer.step is not None, f"{subject.name}: no step"
    return answer.gradient, answer.step


def witness(name: str) -> Seat:
    """An oracle; the test is skipped, with the command to install it, where it is missing."""
    found = _witness(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@cache
def installed() -> list[Seat]:
    """Every oracle that is installed."""
    return oracles_named(None)[0]


@cache
def _witness(name: str) -> Seat | str:
    try:
        return oracles_named([name])[0][0]
    except MissingExtraError as error:
        return str(error)


def rounding_of(*cases: Case) -> list[Vector]:
    """How far a right gradient of each case may lie from the exact one, (P,) each.

    An undecided sign under a kink is taken both ways: two orders of one sum may decide it
    differently.
    """
    return [bound.gradient_kink for bound in bounds_of(cases)]


def assert_within(
    case: Case, subject: Side, ours: Vector, theirs: Vector, allowed: Vector | float, *, by: str
) -> None:
    """Each element lies within what is allowed there, wherever anything is certain.

    ours, theirs: (P,) in the order of `slots_of(case)`   allowed: the same, or one number
    by: who or which law says `theirs`
    """
    __tracebackhide__ = True
    allowed = np.broadcast_to(np.asarray(allowed, dtype=np.float64), ours.shape)
    with np.errstate(all="ignore"):
        apart = np.abs(ours - theirs)
        outside = np.isfinite(allowed) & ~(apart <= allowed) & (ours != theirs)
    for slot in reversed(slots_of(case)):  # a mistake near the output spoils all layers below it
        part = slice(slot.start, slot.stop)
        if outside[part].any():
            at = int(np.argmax(np.where(outside[part], np.nan_to_num(apart[part], nan=np.inf), -1)))
            index = list(map(int, np.unravel_index(at, slot.shape)))
            raise AssertionError(
                f"{subject.name}: d{slot.letter}_{slot.layer}{index} = {ours[part][at]:.17g}, "
                f"but {by} says {theirs[part][at]:.17g}; rounding explains "
                f"{allowed[part][at]:.2g} ({token_of(case)})"
            )


def assert_same(case: Case, subject: Side, ours: Vector, theirs: Vector, *, by: str) -> None:
    """Each element is the same number (or a NaN in both)."""
    __tracebackhide__ = True
    both_nan = np.isnan(ours) & np.isnan(theirs)
    assert_within(
        case, subject, np.where(both_nan, 0.0, ours), np.where(both_nan, 0.0, theirs), 0.0, by=by
    )
