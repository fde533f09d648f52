"""Is the formula right? The accused in exact arithmetic, against the exact gradient: no tolerance.

Two balls that do not meet are two different numbers: certified. Two that meet, each narrower than
1e-50 of the value, are the same formula. What rounding does to the code on floats is a different
question, which the bound answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flint import arb

from backproof.ball import working
from backproof.case import Case
from backproof.exact_arithmetic import Ask, Balls, NotExactly, exact_answer
from backproof.gradients import Vector
from oracles.exact_network import ends_of, pass_of

# An element's word. "rounded": right but for float constants that were rounded when the program was
# written or began, such as 1 / 7. "kink": the value with other slopes at z = 0, as right as ours.
WORDS = ("right", "rounded", "kink", "undecided", "wrong")

# Working precisions in bits: the first decides nearly every case; a formula such as 1 - O**2 needs
# as many more as it cancels, 2 z / log(2) for tanh' at z.
BITS = (200, 1000, 5000)
# Beyond the judge's own precision nothing is compared; it is a little ahead of the accused.
_AHEAD = 120
_NEGLIGIBLE = 10.0**-50

# (bits, widened) -> what the accused computes: in this process, or wherever its code runs.
Accused = Callable[[int, bool], Balls | NotExactly]


@dataclass(frozen=True)
class Certified:
    """What exact arithmetic says about one case.

    words: of `WORDS`, one per element, (P,); empty where it could not run
    relative: (P,) how far the two formulas lie apart, |ours - exact| / |exact|, as a float64: of a
        formula that is right, at most what the two radii leave open; zero where no float can tell
        either from zero; NaN where unknown, infinite where the exact value is zero and ours is not
    bits: the working precision that decided
    note: why it could not run, or why an element is undecided; otherwise empty
    """

    words: tuple[str, ...]
    relative: Vector
    bits: int
    note: str = ""

    @property
    def word(self) -> str:
        """The worst word of all elements; "undecided" where there is none."""
        return max(self.words, key=WORDS.index, default="undecided")


def certified(case: Case, function: Ask) -> Certified:
    """Run `function` in exact arithmetic, in this process, and judge what it computes.

    function: from a `Question` in balls to (dW, db), each a list per layer
    """
    return judged(
        case, lambda bits, widened: exact_answer(case.arrays, function, bits=bits, widened=widened)
    )


def judged(case: Case, accused: Accused) -> Certified:
    """The words about what `accused` says, asked again with more bits while anything is open."""
    for bits in BITS:
        answer = accused(bits, False)
        if isinstance(answer, NotExactly):
            found = Certified((), np.empty(0), bits, answer.note)
            if answer.undecidable:
                continue
            return found
        found = _compared(case, answer, bits)
        if "undecided" not in found.words:
            break
    if "wrong" in found.words:
        return _but_for_constants(case, accused, found)
    return found


def _but_for_constants(case: Case, accused: Accused, found: Certified) -> Certified:
    """Once more, with every float constant as wide as its rounding: what then meets is "rounded".

    All elements or none: with wide constants no element can be told from a small mistake alone.
    """
    answer = accused(found.bits, True)
    if isinstance(answer, NotExactly):
        return found
    with working(found.bits + _AHEAD):
        exact = _any_slope(case)
        if any(not a.overlaps(b) for a, b in zip(answer, exact, strict=True)):
            return found
    words = tuple("rounded" if word == "wrong" else word for word in found.words)
    return Certified(words, found.relative, found.bits, found.note)


def _compared(case: Case, ours: Balls, bits: int) -> Certified:
    with working(bits + _AHEAD):
        convention = pass_of(case, both=False)
        exact = convention.gradient
        if len(ours) != len(exact):
            raise ValueError(f"`accused` gave {len(ours)} elements, expected {len(exact)}.")
        any_slope = _any_slope(case) if convention.kinks else exact
        words = tuple(map(_word, ours, exact, any_slope))
        relative = np.array([_relative(a, b) for a, b in zip(ours, exact, strict=True)])
    open_ones = words.count("undecided")
    note = f"{open_ones} elements are undecided at {bits} bits" if open_ones else ""
    return Certified(words, relative, bits, note)


def _any_slope(case: Case) -> list[arb]:
    """Balls that hold the gradient for every slope at every kink."""
    return [low.union(high) for low, high in ends_of(case)]


def _word(ours: arb, exact: arb, any_slope: arb) -> str:
    if not (ours.is_finite() and exact.is_finite()):
        return "undecided"
    if ours.overlaps(exact):
        return "right" if _narrow(ours) and _narrow(exact) else "undecided"
    return "kink" if ours.overlaps(any_slope) else "wrong"


def _narrow(ball: arb) -> bool:
    # A ball around zero that is not exactly zero has no relative width.
    return bool(ball.rad() <= abs(ball.mid()) * _NEGLIGIBLE) or _is_no_float(ball)


def _is_no_float(ball: arb) -> bool:
    """Whether no float64 can tell the number from zero."""
    return bool(ball.abs_upper() < 2.0**-1074)


def _relative(ours: arb, exact: arb) -> float:
    if not (ours.is_finite() and exact.is_finite()):
        return float("nan")
    if _is_no_float(ours) and _is_no_float(exact):
        return 0.0
    if exact.mid() == 0:
        return 0.0 if ours.overlaps(exact) else float("inf")
    return float((ours - exact).abs_upper() / abs(exact.mid()))
