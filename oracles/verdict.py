"""How far two sides may lie apart, and what it means when they lie further.

Two right answers differ by rounding alone, and `bound.py` proves how much that can be: E. Every
verdict is a comparison with E_a + E_b; there is no rtol and no atol here. The words are those of
`backproof.names.VERDICTS`:

    agree: within E_a + E_b, undecided signs resolved as the witness did
    kink: not so, but either side is where some choice of slopes at z = 0 leads (`bound_kinks.py`)

Where nothing rounds (`integers.py`) E is zero, and only the same number agrees.

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
from oracles.bound import Bound, Reach, step_bound
from oracles.integers import exact_step, exactly_computable

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

    values, bound: (P,)
    reach: where the values of a right side may be if signs are undecided; None if they are not, and
        for an estimate, which knows nothing of signs
    estimate: True where the bound is a finite difference's own bar, no proof
    low: (P,) of the exact answer: what `values` lost when they became float64; None for the others
    """

    values: Vector
    bound: Vector
    reach: Reach | None = None
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


def opinions_of(
    case: Case, answer: Gradients, step_form: str, bound: Bound, *, rounds: bool = False
) -> dict[str, Opinion]:
    """A side's answer with its bounds, per quantity it shows ("gradient", "step").

    rounds: it does although the case's own numbers need no rounding: a factor 1/n was taken out
    """
    opinions = {}
    if exactly_computable(case) and not rounds:
        bound = _without_rounding(bound)
    if answer.gradient is not None:
        opinions["gradient"] = (
            _by_own_account(case, answer, "gradient")
            if answer.gradient_bar is not None
            else Opinion(answer.gradient, bound.gradient, bound.reach)
        )
    if answer.step is not None:
        opinions["step"] = (
            _by_own_account(case, answer, "step")
            if answer.step_bar is not None
            else _of_step(case, answer.step, step_form, bound, rounds)
        )
    return opinions


def _without_rounding(bound: Bound) -> Bound:
    nothing, reach = np.zeros_like(bound.gradient), bound.reach
    return bound._replace(gradient=nothing, reach=reach and reach._replace(E=nothing))


def _by_own_account(case: Case, answer: Gradients, quantity: str) -> Opinion:
    """An estimate or the exact answer, which say themselves how far they may be off."""
    values, bar, low = (getattr(answer, quantity + end) for end in ("", "_bar", "_low"))
    reach = None
    if answer.gradient_ends is not None:
        least, most = answer.gradient_ends
        reach = Reach(least, most, np.zeros_like(bar), answer.kinks)
        reach = reach if quantity == "gradient" else _stepped(case, reach, 0.0 * bar)
    return Opinion(values, bar, reach, estimate=low is None, low=low)


def _of_step(case: Case, step: Vector, step_form: str, bound: Bound, rounds: bool) -> Opinion:
    # The step is held against what it should be, not against what it is.
    should_be = -case.alpha * bound.witness
    exact = exact_step(case) and exactly_computable(case) and not rounds
    if step_form == "direct" and exact:
        nothing = bound.gradient
        reach = None if bound.reach is None else _stepped(case, bound.reach, nothing)
        return Opinion(step, nothing, reach)
    E = step_bound(case, bound.gradient, should_be, step_form)
    if bound.reach is None:
        return Opinion(step, E)
    low, high, of_gradient, _ = bound.reach
    Es = [step_bound(case, of_gradient, -case.alpha * end, step_form) for end in (low, high)]
    return Opinion(step, E, _stepped(case, bound.reach, np.maximum(*Es)))


def _stepped(case: Case, reach: Reach, E: Vector) -> Reach:
    """Where -alpha times the gradient may be; with alpha the ends change places."""
    return Reach(-case.alpha * reach.high, -case.alpha * reach.low, E, reach.units)


def compare(case: Case, quantity: str, a: Opinion, b: Opinion, witness: Vector) -> Comparison:
    """Hold one quantity of two sides side by side; `witness` is the bound's own gradient."""
    size = np.abs(witness) * (case.alpha if quantity == "step" else 1.0)
    with np.errstate(all="ignore"):
        apart = _apart(a, b)
        bound, at_kink = a.bound + b.bound, _at_kink(a, b)
        codes = _codes(apart, bound, at_kink, a, b)
        hollow = (bound >= size / 2) & (bound > _large_beside_array(case, size))
        both_zero = (a.values == 0) & (b.values == 0)
        codes[(codes == AGREE) & hollow & ~both_zero] = UNINFORMATIVE
        errors = apart / np.where(codes == KINK, _farthest(a, b), bound)
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


def _at_kink(a: Opinion, b: Opinion) -> NDArray[np.bool_]:
    """Where each side is right for some choice of slopes, and a choice makes a difference."""
    matters = np.zeros(a.values.shape, dtype=bool)
    for side in (a, b):
        if side.reach is not None:
            low, high, E, _ = side.reach
            # The ends of the exact answer are rounded outwards: one is above the other anyway.
            rounding = 2.0 * np.spacing(np.maximum(np.abs(low), np.abs(high)))
            matters |= (high - low > rounding) if side.exact else (high > low) | (E > side.bound)
    return matters & _reached(a, b) & _reached(b, a)


def _reached(side: Opinion, other: Opinion) -> NDArray[np.bool_]:
    """Where `side` has a value that some choice of slopes leads to.

    Its own reach says so, of all signs that its rounding may not decide. The exact answer knows
    only units that stand on the kink itself, but those choice by choice: where these are all, it
    says so too. A side without undecided signs has made no choice, so only the other one's reach is
    there to hold it against; the bar of an estimate has to meet it.
    """
    if side.exact:
        return np.ones(side.values.shape, dtype=bool)
    reaches = [side.reach]
    if side.reach is None or (
        other.exact and other.reach is not None and other.reach.units == side.reach.units
    ):
        reaches.append(other.reach)
    reached = np.ones(side.values.shape, dtype=bool)
    margin = _margin(side)
    for reach in reaches:
        if reach is not None:
            reached &= side.values >= reach.low - reach.E - margin
            reached &= side.values <= reach.high + reach.E + margin
    return reached


def _margin(side: Opinion) -> Vector:
    """How far a side may lie from the exact value of its own choice."""
    return side.bound if side.reach is None or side.exact else side.reach.E


def _farthest(a: Opinion, b: Opinion) -> Vector:
    """How far apart two sides may lie that are both right at a kink."""
    apart = _margin(a) + _margin(b)
    reaches = [side.reach for side in (a, b) if side.reach is not None]
    if reaches:
        low = np.min([reach.low - reach.E for reach in reaches], axis=0)
        high = np.max([reach.high + reach.E for reach in reaches], axis=0)
        apart = apart + (high - low)
    return apart


def _codes(
    apart: Vector, bound: Vector, at_kink: NDArray[np.bool_], a: Opinion, b: Opinion
) -> Codes:
    estimate = a.estimate or b.estimate
    codes = np.full(apart.shape, OUTSIDE if estimate else WRONG, dtype=np.int8)
    codes[at_kink] = KINK
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
