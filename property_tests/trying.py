"""One case put to somebody's program: right, close, wrong, or no answer.

The exact gradient is the measure. Where the program runs on balls, its formula is judged without
any tolerance; what its floats say is then held against the rounding bound as well, and a formula
that is right with floats that are not is told apart from one that is wrong. Where it cannot run
so, the bound alone decides.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache

import numpy as np
from flint import arb, fmpq

from backproof.ball import working
from backproof.case import Case
from backproof.conventions import Factor, Factors
from backproof.exact_arithmetic import Balls, NotExactly
from backproof.gradients import Failure, Gradients, Vector, slots_of
from backproof.records import PairRecord
from backproof.target import Target
from oracles import verdict
from oracles.bound import Bound, Reach, bound_of
from oracles.certified import Certified, judged
from oracles.exact import Exact
from property_tests.derived import seen_by, slope_as_written
from property_tests.judging import record_of
from property_tests.moved import used_after_moving, within_the_batch

# Of 157 real programs the right ones lay below 6e-7 of each array's norm, the wrong ones above
# 7e-3. A measured threshold, the only one there is: it turns a "fail" into a "close", nothing more.
CLOSE = {"float64": 1e-6, "float32": 1e-4}
# A mistake of order alone, weights that are used after they have moved, is wrong in proportion to
# the rate: at a rate next to nothing it is right, or as close as its formulas are. Exact arithmetic
# loses nothing there. Floats lose the move beside the weight, so nothing is moved too early: a step
# that is returned as it is stays whole; of after - before some digits are left, enough to name it.
_NEXT_TO_NOTHING = {"float64": 2.0**-300, "float32": 2.0**-100}
_SLOW_AFTER_MINUS_BEFORE = {"float64": 2.0**-36, "float32": 2.0**-20}
TOO_EARLY = "with a rate next to nothing it is right: some weights are used after they have moved"
NO_MULTIPLE = "with a rate next to nothing it is right: is W used once it moved, or a step cut off?"
MOVED = "with W + ΔW in place of W on the way back it is right: some W is used after it has moved"
FORMULA, BOUND = "exact arithmetic", "rounding bound"
_CHANGED = "it changes its inputs itself, which its adapter states"
LOST = "the formula is right, but its numbers are lost: it overflows or cancels"


@dataclass(frozen=True)
class Found:
    """What one case showed.

    status: of `backproof.checked.STATUSES`   pair: against the exact
    early: it is wrong, but its formulas are right: weights were used after they had moved
    judged_at: the case itself, or with the X and Y that the program makes of its own
    """

    case: Case
    status: str
    message: str = ""
    pair: PairRecord | None = None
    judged_by: str = BOUND
    answer: Gradients | None = None
    judged_at: Case | None = None
    early: bool = False


@cache
def _exact_side() -> Exact:
    return Exact(full_up_to=10**6)


@cache
def exact_answer(case: Case) -> Gradients:
    """The exact gradient and step; every net of the ladder is small enough."""
    answer = _exact_side().gradients(case)
    assert isinstance(answer, Gradients)
    return answer


@lru_cache(maxsize=1024)  # a class is asked the same nets, one submission after the other
def _bound(case: Case) -> Bound:
    return bound_of(case, "stranger")


class Trial:
    """A program and what is held of it: the factors its answers are multiplied by.

    not_exactly: why it does not run on balls, or "" while it does
    """

    def __init__(self, target: Target, factors: Factors = Factors()) -> None:  # noqa: B008 - frozen
        self.target, self.factors = target, factors
        self.not_exactly = ""

    @property
    def notes(self) -> list[str]:
        """What somebody should know who reads the verdict."""
        if not self.not_exactly:
            return []
        return [f"judged by the rounding bound alone: {self.not_exactly}"]

    def of(self, case: Case) -> Found:
        """Ask, and judge the answer."""
        return self.judge(case, self.target.gradients(case))

    def judge(self, case: Case, answer: Gradients | Failure, *, by_bound: bool = False) -> Found:
        """Judge an answer.

        by_bound: by the rounding bound alone, for what gave it is not what would run on balls
        """
        if isinstance(answer, Failure):
            return Found(case, answer.status, answer.message)
        by, asked = self.factors.of(case), case
        case = judged_at = seen_by(case, answer)
        if case is not asked:  # its X in exact arithmetic is no float64 that others could be given
            self.not_exactly = _CHANGED
        if self.target.moves:  # then the factor is one of its rate
            case, by = replace(case, alpha=float(by * Fraction(case.alpha))), Fraction(1)
        ours = _divided(answer, by)
        pair = self._against_exact(case, ours)
        formula = None if by_bound else self._formula(asked)
        status, message, judged_by = _status(case, ours, pair, formula)
        order = status == "fail" and message != LOST and self.target.moves and not by_bound
        early = self._early(asked, case, ours) if order else ""
        message = "; ".join(filter(None, (message, early)))
        shown = _as_it_stands(pair, float(by))
        return Found(asked, status, message, shown, judged_by, answer, judged_at, bool(early))

    def _against_exact(self, case: Case, ours: Gradients) -> PairRecord:
        theirs = exact_answer(case)
        factor = self.factors.of_loss(case.loss)
        bound, rounds = _with_room(_bound(case), factor), not _is_power_of_two(factor)
        a = verdict.opinions_of(case, ours, self.target.step_form, bound, rounds=rounds)
        b = verdict.opinions_of(case, theirs, "direct", bound)
        found = {
            quantity: verdict.compare(case, quantity, a[quantity], b[quantity], bound.witness)
            for quantity in a
        }
        return record_of(case, (self.target.name, "exact"), found, details=True)

    def _formula(self, case: Case) -> Certified | None:
        """What exact arithmetic says of the program; None where it does not run so."""
        if self.not_exactly:
            return None
        found = judged(case, lambda bits, widened: self._balls(case, bits, widened))
        as_written = slope_as_written(case)
        if found.word == "wrong" and as_written is not None:
            other = judged(as_written, lambda bits, widened: self._balls(case, bits, widened))
            found = found if other.word == "wrong" else other
        if found.words:
            return found
        if "undecid" not in found.note:  # another case may be decided
            self.not_exactly = found.note
        return None

    @property
    def has_free_rate(self) -> bool:
        """Whether it shows its step alone, at whatever learning rate it is asked for."""
        return self.target.moves and self.target.claims.alphas is None

    def _early(self, asked: Case, case: Case, ours: Gradients) -> str:
        """By what one can tell that only the order of its moves is wrong; "" if it is not.

        case: as asked, with the rate that counts
        """
        if self.has_free_rate and not self._is_right_when_slow(asked):
            return ""
        assert ours.step is not None
        moved = used_after_moving(case, ours.step, CLOSE[case.dtype])
        if self.has_free_rate:
            return TOO_EARLY if moved else NO_MULTIPLE
        return MOVED if moved else ""

    def rows_move(self, case: Case, step: Vector) -> str:
        """Of a rate that is written into the program: whether weights move inside the batch."""

        def gradient(one: Case) -> Vector:
            found = exact_answer(one).gradient
            assert found is not None
            return found

        case = replace(case, alpha=float(self.factors.of(case) * Fraction(case.alpha)))
        return within_the_batch(case, step, gradient, CLOSE[case.dtype])

    def _is_right_when_slow(self, case: Case) -> bool:
        """Whether a rate next to nothing makes it right."""
        exactly = self._formula(replace(case, alpha=_NEXT_TO_NOTHING[case.dtype]))
        if exactly is not None:
            close = exactly.relative <= CLOSE[case.dtype]
            at_kinks = np.array([word == "kink" for word in exactly.words])
            return bool(np.all(close | at_kinks))
        rate = _NEXT_TO_NOTHING[case.dtype]
        if self.target.step_form == "after_minus_before":
            rate = _SLOW_AFTER_MINUS_BEFORE[case.dtype]
        slow = replace(case, alpha=rate)
        answer = self.target.gradients(slow)
        if isinstance(answer, Failure):
            return False
        seen = seen_by(slow, answer)
        seen = replace(seen, alpha=float(self.factors.of(slow) * Fraction(rate)))
        return self._against_exact(seen, answer).verdict not in ("wrong", "inconclusive")

    def _balls(self, case: Case, bits: int, widened: bool) -> Balls | NotExactly:
        answer = self.target.exactly(case, bits, widened)
        if isinstance(answer, Failure):
            return NotExactly(f"could not run exactly: {answer.message}")
        if isinstance(answer, NotExactly):
            return answer
        by = self.factors.of(case)
        if self.target.moves:
            by *= -Fraction(case.alpha)
        if by == 1:
            return answer
        with working(bits):
            divisor = arb(fmpq(by.numerator, by.denominator))
            return [ball / divisor for ball in answer]


def _divided(answer: Gradients, by: Fraction) -> Gradients:
    if by == 1:
        return answer
    gradient, step = (None if v is None else v / float(by) for v in (answer.gradient, answer.step))
    return Gradients(gradient, step)


def _as_it_stands(pair: PairRecord, by: float) -> PairRecord:
    """The numbers as the program gave them, and the exact ones times its factor."""
    if by == 1 or pair.worst is None:
        return pair
    found = tuple(
        replace(record, value_a=record.value_a * by, value_b=record.value_b * by)
        for record in (pair.worst, *pair.parameters)
    )
    return replace(pair, worst=found[0], parameters=found[1:])


def _is_power_of_two(factor: Factor) -> bool:
    return replace(factor, sign=1, two=0) == Factor()


def _with_room(bound: Bound, factor: Factor) -> Bound:
    """A factor that is no power of two costs the program a few roundings more, and us one.

    Each is relative, u at most of every product O * delta, and of those a bound has at least one.
    """
    if _is_power_of_two(factor):
        return bound
    more, reach = 5.0, bound.reach
    if reach is not None:
        reach = Reach(reach.low, reach.high, more * reach.E, reach.units)
    return bound._replace(gradient=more * bound.gradient, reach=reach)


def _status(
    case: Case, ours: Gradients, pair: PairRecord, formula: Certified | None
) -> tuple[str, str, str]:
    """The status, what to say of it, and who decided."""
    by_float = pair.verdict
    if formula is None or formula.word == "undecided":
        return _by_bound(case, ours, by_float)
    if formula.word == "wrong":
        off = _off(case, ours)
        if off <= CLOSE[case.dtype]:
            said = f"another formula, but by at most {off:.1e} of each array (an epsilon, a clip?)"
            return "close", said, FORMULA
        if case.regime == "saturated" and _below_the_last_bit(case, ours):
            return "close", _IN_THE_TAIL, FORMULA
        return "fail", "", FORMULA
    if by_float not in ("wrong", "inconclusive"):
        return "pass", "", FORMULA
    off = _apart_at_most(case, ours)  # of a formula that is right, nothing but rounding
    if off <= CLOSE[case.dtype]:
        said = "" if by_float == "inconclusive" else f", {off:.1e} of an array"
        return "pass", f"the formula is right; it rounds more than most{said}", FORMULA
    if by_float == "inconclusive":
        return "inconclusive", f"{_LOST_TO_ALL}; the formula is right", FORMULA
    return "fail", LOST, FORMULA


_IN_THE_TAIL = "another formula far out, but by less than the largest number rounds (a clip?)"
_LOST_TO_ALL = "a number overflowed, or a probability was rounded to 0 or 1"


def _by_bound(case: Case, ours: Gradients, word: str) -> tuple[str, str, str]:
    if word == "inconclusive":
        return "inconclusive", _LOST_TO_ALL, BOUND
    if word != "wrong":
        return "pass", "", BOUND
    off = _off(case, ours)
    if off <= CLOSE[case.dtype]:
        return "close", f"beyond rounding, but by at most {off:.1e} of each array", BOUND
    return "fail", "", BOUND


def _off(case: Case, ours: Gradients) -> float:
    """The largest of |ours - exact| / |exact| over the arrays, in norm; infinite for no number.

    In a regime of extremes nothing is close: a tail's derivative is small beside any epsilon.
    """
    return float("inf") if case.regime == "saturated" else _apart_at_most(case, ours)


def _below_the_last_bit(case: Case, ours: Gradients) -> bool:
    """Whether all that differs lies below one rounding of the largest number: a clip's e**-250."""
    a, b = _both(ours, exact_answer(case))
    largest = float(np.max(np.abs(b), initial=0.0))
    with np.errstate(all="ignore"):
        off = float(np.max(np.abs(a - b), initial=0.0))
    return bool(off <= float(np.finfo(case.dtype).eps) * largest)


def _both(ours: Gradients, theirs: Gradients) -> tuple[Vector, Vector]:
    """The gradients, or the steps where that is all that is shown."""
    a, b = (
        (ours.gradient, theirs.gradient) if ours.gradient is not None else (ours.step, theirs.step)
    )
    assert a is not None
    assert b is not None
    return a, b


def _apart_at_most(case: Case, ours: Gradients) -> float:
    a, b = _both(ours, exact_answer(case))
    return max(_apart(a[s.start : s.stop], b[s.start : s.stop]) for s in slots_of(case))


def _apart(a: Vector, b: Vector) -> float:
    with np.errstate(all="ignore"):  # an answer may be anything
        apart, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    if not np.isfinite(apart):
        return float("inf")
    return apart / size if size else (0.0 if apart == 0 else float("inf"))
