"""How far two sides may lie apart, and what it means when they lie further.

Two right answers differ by rounding alone, and `bound.py` proves how much that can be: E. Every
verdict is a comparison with E_a + E_b; there is no rtol and no atol here. The words are those of
`backproof.names.VERDICTS`:

    agree <= E_smooth < kink <= E_ambiguous < wrong

uninformative: the bound is as large as the value, so agreement says nothing
inconclusive: overflow, a probability rounded to 0 or 1, or nobody is left to decide
A finite difference's bar is an estimate, so outside it an element is only OUTSIDE until
`settle` has asked the others. The exact answer has no rounding of its own: held against it, E is
that of the other side alone, and its word comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.gradients import Gradients, Vector, slots_of
from backproof.names import VERDICTS
from oracles.bound import Bound, step_bound

Codes = NDArray[np.int8]

UNCHECKED = -1
AGREE, UNINFORMATIVE, KINK, INCONCLUSIVE, WRONG = range(len(VERDICTS))
OUTSIDE = len(VERDICTS)

QUANTITIES = ("gradient", "step")

# An element is "uninformative" only if its bound is also large beside its array's largest
# element: 64 units roundoff (architecture, "Verdicts").
_LARGE_BESIDE_ARRAY = 64.0


@dataclass(frozen=True, eq=False)
class Opinion:
    """One side's values of one quantity, each with how far it may be off.

    values, bound, kink: (P,); kink >= bound is the bound with ambiguous signs taken both ways
    estimate: True where the bound is a finite difference's own bar, no proof
    low: (P,) of the exact answer: what `values` lost when they became float64; None for the others
    """

    values: Vector
    bound: Vector
    kink: Vector
    estimate: bool = False
    low: Vector | None = None

    @property
    def exact(self) -> bool:
        """Is this the exact answer, whose bound is only its proved radius?"""
        return self.low is not None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two opinions held side by side, element by element: all (P,).

    codes: verdicts as numbers (AGREE ... WRONG, UNCHECKED, OUTSIDE)
    errors: |a - b| in units of the bound that decided; NaN where nothing was decided
    ulps: |a - b| in units in the last place of the larger, in the case's dtype
    cleared: outside a finite difference's bar, but right by another oracle
    estimate: one of the two is a finite difference, whose bar is no proof
    exact: one of the two is the exact answer
    """

    a: Vector
    b: Vector
    bound: Vector
    codes: Codes
    errors: Vector
    ulps: Vector
    cleared: NDArray[np.bool_]
    estimate: bool = False
    exact: bool = False


def opinions_of(case: Case, answer: Gradients, step_form: str, bound: Bound) -> dict[str, Opinion]:
    """A side's answer with its bounds, per quantity it shows ("gradient", "step")."""
    opinions = {}
    if answer.gradient is not None:
        opinions["gradient"] = _by_own_account(
            answer.gradient, answer.gradient_bar, answer.gradient_low, answer.gradient_span
        ) or Opinion(answer.gradient, bound.gradient, bound.gradient_kink)
    if answer.step is not None:
        opinions["step"] = _by_own_account(
            answer.step, answer.step_bar, answer.step_low, answer.step_span
        ) or _of_step(case, answer.step, step_form, bound)
    return opinions


def _by_own_account(
    values: Vector, bar: Vector | None, low: Vector | None, span: Vector | None
) -> Opinion | None:
    """An estimate or the exact answer, which say themselves how far they may be off."""
    if bar is None:
        return None
    return Opinion(values, bar, bar if span is None else bar + span, estimate=low is None, low=low)


def _of_step(case: Case, step: Vector, step_form: str, bound: Bound) -> Opinion:
    # The step is held against what it should be, not against what it is.
    should_be = -case.alpha * bound.witness
    smooth, kink = (
        step_bound(case, E, should_be, step_form) for E in (bound.gradient, bound.gradient_kink)
    )
    return Opinion(step, smooth, kink)


def compare(case: Case, quantity: str, a: Opinion, b: Opinion, witness: Vector) -> Comparison:
    """Hold one quantity of two sides side by side; `witness` is the bound's own gradient."""
    size = np.abs(witness) * (case.alpha if quantity == "step" else 1.0)
    with np.errstate(all="ignore"):
        apart = _apart(a, b)
        bound, kink = a.bound + b.bound, _kink(a, b)
        codes = _codes(apart, bound, kink, a, b)
        hollow = (bound >= size / 2) & (bound > _large_beside_array(case, size))
        both_zero = (a.values == 0) & (b.values == 0)
        codes[(codes == AGREE) & hollow & ~both_zero] = UNINFORMATIVE
        errors = apart / np.where(codes == KINK, kink, bound)
        ulps = apart / _spacing(case, np.maximum(np.abs(a.values), np.abs(b.values)))
    # Equal values whose bound is zero (0/0) are as near as can be.
    errors[apart == 0] = 0.0
    # A NaN or infinity where everything is bounded is further than any number.
    errors[(codes == WRONG) & ~np.isfinite(errors)] = np.inf
    errors[(codes == INCONCLUSIVE) | (codes == UNCHECKED)] = np.nan
    ulps[apart == 0] = 0.0
    nothing = np.zeros(len(apart), dtype=bool)
    estimate, exact = a.estimate or b.estimate, a.exact or b.exact
    return Comparison(a.values, b.values, bound, codes, errors, ulps, nothing, estimate, exact)


def _apart(a: Opinion, b: Opinion) -> Vector:
    """|a - b|, to what the exact answer lost: near it a - b is a difference without rounding."""
    difference = a.values - b.values
    if a.low is not None:
        difference = difference + a.low
    if b.low is not None:
        difference = difference - b.low
    return np.abs(difference)


def _kink(a: Opinion, b: Opinion) -> Vector:
    """How far apart two sides may lie that take different slopes at a kink.

    Two float sides may each have left the exact gradient of the convention by their own kink. The
    exact answer has that convention: the other one's kink reaches every choice from there, and so
    does the exact interval, widened by what rounding does without a choice.
    """
    if a.exact or b.exact:
        return np.maximum(a.kink + b.bound, a.bound + b.kink)
    return a.kink + b.kink


def _codes(apart: Vector, bound: Vector, kink: Vector, a: Opinion, b: Opinion) -> Codes:
    estimate = a.estimate or b.estimate
    codes = np.full(apart.shape, OUTSIDE if estimate else WRONG, dtype=np.int8)
    codes[apart <= kink] = KINK
    codes[apart <= bound] = AGREE
    # Where the bound is finite, a right implementation cannot have overflowed: a NaN is wrong.
    codes[~np.isfinite(bound)] = INCONCLUSIVE
    for opinion in (a, b):
        if opinion.estimate:
            codes[~np.isfinite(opinion.bound)] = UNCHECKED
    return codes


def _large_beside_array(case: Case, size: Vector) -> Vector:
    u = float(np.finfo(case.dtype).epsneg)  # unit roundoff: 2**-53 or 2**-24
    large = np.empty_like(size)
    for slot in slots_of(case):
        part = slice(slot.start, slot.stop)
        large[part] = _LARGE_BESIDE_ARRAY * u * np.max(size[part])
    return large


def _spacing(case: Case, size: Vector) -> Vector:
    return np.spacing(size.astype(case.dtype)).astype(np.float64)


def settle(estimate: Comparison, others: Sequence[Comparison]) -> Comparison:
    """Decide what lies outside a finite difference's bar by what the other oracles said.

    `others`: the same side held against each other oracle. The exact one decides where it is there
    and certain. Else one that says wrong makes it wrong; otherwise one that agrees clears it; with
    nobody to ask it stays inconclusive. Outside its bar around the exact answer itself, it is the
    finite difference that is off.
    """
    outside = estimate.codes == OUTSIDE
    if not outside.any():
        return estimate
    codes, errors = estimate.codes.copy(), estimate.errors.copy()
    codes[outside] = AGREE if estimate.exact else _decided(others, outside)
    cleared = outside & ((codes == AGREE) | (codes == KINK))
    errors[outside & (codes != WRONG)] = np.nan
    return replace(estimate, codes=codes, errors=errors, cleared=cleared)


def _decided(others: Sequence[Comparison], outside: NDArray[np.bool_]) -> Codes:
    decided = np.full(int(outside.sum()), INCONCLUSIVE, dtype=np.int8)
    for exact in (False, True):  # the later word wins
        for code in (KINK, AGREE, WRONG):
            for other in others:
                if other.exact == exact:
                    decided[other.codes[outside] == code] = code
    return decided
