"""How far two sides may lie apart, and what it means when they lie further.

Two right answers differ by rounding alone, and `bound.py` proves how much that can be: E. Every
verdict is a comparison with E_a + E_b; there is no rtol and no atol here. The words are those of
`backproof.names.VERDICTS`:

    agree <= E_smooth < kink <= E_ambiguous < wrong

uninformative: the bound is as large as the value, so agreement says nothing
inconclusive: overflow, a probability rounded to 0 or 1, or nobody is left to decide
A finite difference's bar is an estimate, so outside it an element is only OUTSIDE until
`settle` has asked the others.
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
    """

    values: Vector
    bound: Vector
    kink: Vector
    estimate: bool = False


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two opinions held side by side, element by element: all (P,).

    codes: verdicts as numbers (AGREE ... WRONG, UNCHECKED, OUTSIDE)
    errors: |a - b| in units of the bound that decided; NaN where nothing was decided
    ulps: |a - b| in units in the last place of the larger, in the case's dtype
    cleared: outside a finite difference's bar, but right by another oracle
    estimate: one of the two is a finite difference, whose bar is no proof
    """

    a: Vector
    b: Vector
    bound: Vector
    codes: Codes
    errors: Vector
    ulps: Vector
    cleared: NDArray[np.bool_]
    estimate: bool = False


def opinions_of(case: Case, answer: Gradients, step_form: str, bound: Bound) -> dict[str, Opinion]:
    """A side's answer with its bounds, per quantity it shows ("gradient", "step")."""
    opinions = {}
    if answer.gradient is not None:
        opinions["gradient"] = (
            Opinion(answer.gradient, bound.gradient, bound.gradient_kink)
            if answer.gradient_bar is None
            else Opinion(answer.gradient, answer.gradient_bar, answer.gradient_bar, estimate=True)
        )
    if answer.step is not None:
        if answer.step_bar is None:
            # The step is held against what it should be, not against what it is.
            should_be = -case.alpha * bound.witness
            smooth, kink = (
                step_bound(case, E, should_be, step_form)
                for E in (bound.gradient, bound.gradient_kink)
            )
            opinions["step"] = Opinion(answer.step, smooth, kink)
        else:
            opinions["step"] = Opinion(answer.step, answer.step_bar, answer.step_bar, estimate=True)
    return opinions


def compare(case: Case, quantity: str, a: Opinion, b: Opinion, witness: Vector) -> Comparison:
    """Hold one quantity of two sides side by side; `witness` is the bound's own gradient."""
    size = np.abs(witness) * (case.alpha if quantity == "step" else 1.0)
    with np.errstate(all="ignore"):
        apart = np.abs(a.values - b.values)
        bound, kink = a.bound + b.bound, a.kink + b.kink
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
    estimate = a.estimate or b.estimate
    return Comparison(a.values, b.values, bound, codes, errors, ulps, nothing, estimate)


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
    """Decide what lies outside a finite difference's bar by what the float oracles said.

    `others`: the same side held against each other oracle. One that says wrong makes it wrong;
    otherwise one that agrees clears it; with nobody to ask it stays inconclusive.
    """
    outside = estimate.codes == OUTSIDE
    if not outside.any():
        return estimate
    codes, errors = estimate.codes.copy(), estimate.errors.copy()
    said = np.array([other.codes[outside] for other in others] or [[INCONCLUSIVE] * outside.sum()])
    decided = np.full(said.shape[1], INCONCLUSIVE, dtype=np.int8)
    for code in (KINK, AGREE, WRONG):  # the later word wins
        decided[(said == code).any(axis=0)] = code
    codes[outside] = decided
    cleared = outside & ((codes == AGREE) | (codes == KINK))
    errors[outside & (codes != WRONG)] = np.nan
    return replace(estimate, codes=codes, errors=errors, cleared=cleared)
