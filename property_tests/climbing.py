"""The climb: from the highest of some sampled cases step by step nearer to the bound.

A step changes the arrays of a case (`mutations.py`); what is not lower than before is kept. Who
climbs is a right program, in floats or the worst one there can be: none may reach its bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.errors import BackproofError
from backproof.gradients import Failure, Vector
from oracles import verdict
from oracles.bound import Bound, bounds_of
from oracles.exact import Exact
from oracles.verdict import Opinion
from property_tests.corpora import group_claims
from property_tests.judging import Answer, Seat
from property_tests.mutations import mutant
from property_tests.sides import oracles_named, reference_seat
from property_tests.space import Claims, sampled_case

# ---- who may break a bound ----


class Accused(Protocol):
    """A right program. size: the largest net, in rows and neurons, that it is asked about."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def ratios(self, cases: Sequence[Case]) -> list[float]:
        """err/E of each case: the largest of all elements about which anything is certain."""
        ...


# A hunt is about small nets, all of which are judged.
_EXACT = Exact(full_up_to=10**9)
_MEASURED = (verdict.AGREE, verdict.UNINFORMATIVE, verdict.WRONG)


@dataclass(frozen=True)
class InFloats:
    """A program that computes in floats, held against the exact gradient as every side is."""

    seat: Seat
    size: int = 8

    @property
    def name(self) -> str:
        return self.seat.name

    def ratios(self, cases: Sequence[Case]) -> list[float]:
        """err/E as `verdict.compare` has it; at a kink only what no choice of slopes explains."""
        with np.errstate(all="ignore"):  # a changed case may saturate, or overflow
            answers = self.seat.side.gradients_of(cases)
            sides = zip(answers, _EXACT.gradients_of(cases), strict=True)
            bounds = bounds_of(cases, self.seat.family)
            return [
                _ratio(case, *both, bound)
                for case, both, bound in zip(cases, sides, bounds, strict=True)
            ]


def _ratio(case: Case, ours: Answer, exact: Answer, bound: Bound) -> float:
    if isinstance(ours, Failure) or isinstance(exact, Failure):
        said = [each.message for each in (ours, exact) if isinstance(each, Failure)]
        raise BackproofError(f"a side gave no answer to {case}: {'; '.join(said)}")
    mine, theirs = (
        verdict.opinions_of(case, answer, "direct", bound)["gradient"] for answer in (ours, exact)
    )
    compared = verdict.compare(case, "gradient", mine, theirs, bound.witness)
    ratios = np.where(np.isin(compared.codes, _MEASURED), compared.errors, 0.0)
    if mine.reach is not None:
        decided = np.isin(compared.codes, (verdict.WRONG, verdict.INCONCLUSIVE))
        ratios = np.where(_chosen(mine) & ~decided, _beyond(mine), ratios)
    return float(np.max(ratios, initial=0.0))


def _chosen(mine: Opinion) -> NDArray[np.bool_]:
    """Where an undecided sign under a kink makes a difference.

    There |x - exact| may be all of E by another choice, which says nothing about rounding.
    """
    assert mine.reach is not None
    return (mine.reach.high > mine.reach.low) | (mine.reach.E > mine.bound)


def _beyond(mine: Opinion) -> Vector:
    """How far a value lies outside all choices of slopes, in units of what rounding may add."""
    assert mine.reach is not None
    low, high, E, _ = mine.reach
    outside = np.maximum(np.maximum(low - mine.values, mine.values - high), 0.0)
    return np.where(outside == 0.0, 0.0, outside / (2.0 * E))


@dataclass(frozen=True)
class WorstRight:
    """The program that rounds as badly as it may (`harness/adversary.py`); slow, so for tiny nets.

    style: which of the family's formulas it has
    """

    family: str
    style: int
    size: int = 2

    @property
    def name(self) -> str:
        return WORST

    def ratios(self, cases: Sequence[Case]) -> list[float]:
        """Its signs are the exact ones; where the witness had to guess them, E of any choice."""
        from property_tests.harness.adversary import worst_errors

        found = []
        for case, bound in zip(cases, bounds_of(cases, self.family), strict=True):
            E = bound.gradient if bound.reach is None else bound.reach.E
            errors = worst_errors(case, self.family, self.style)
            with np.errstate(all="ignore"):
                ratio = np.where(errors == 0.0, 0.0, errors / E)[np.isfinite(E)]
            found.append(float(np.max(ratio, initial=0.0)))
        return found


WORST = "the worst right program"
FLOATS = ("torch_autograd", "jax_grad")
ACCUSED = ("reference_impl", *FLOATS, WORST)
_STYLES = 8  # of the worst right program; counted around where there are fewer


def accused_named(name: str, random: Random) -> Accused:
    """One of `ACCUSED`; of the worst right program some family and style.

    Raises MissingExtraError where its framework is not installed.
    """
    if name == WORST:
        family = random.choice(("numpy", "any", "stranger"))
        return WorstRight(family, random.randrange(_STYLES))
    return InFloats(seat_named(name))


@cache
def seat_named(name: str) -> Seat:
    return reference_seat() if name == "reference_impl" else oracles_named([name])[0][0]


# ---- the climb ----

Cell = tuple[str, str]  # hidden activation, group of losses (`corpora.GROUPS`)


class Effort(NamedTuple):
    """How many cases are sampled and changed at a time, and after how many generations a climb
    ends, without a step upwards and at all: another place is then worth more."""

    sampled: int
    litter: int
    patience: int
    generations: int


IN_FLOATS = Effort(60, 24, 25, 120)
# The worst right program is a hundred times slower.
WORST_RIGHT = Effort(8, 6, 6, 30)


@dataclass(frozen=True)
class Find:
    """A case, and how near its bound a program came there.

    ratio: the largest err/E   sampled: that of the case from which the climb began
    """

    accused: Accused
    cell: Cell
    case: Case
    ratio: float
    sampled: float

    @property
    def broken(self) -> bool:
        """Whether the bound does not hold here: a NaN would not be a bound that holds."""
        return not self.ratio <= 1.0

    def __str__(self) -> str:
        who = self.accused.name
        if isinstance(self.accused, WorstRight):
            who = f"{who} ({self.accused.family} {self.accused.style})"
        return f"{who}, {' x '.join(self.cell)}: {self.ratio:.3g} E"


def claims_of(cell: Cell, size: int, random: Random) -> Claims:
    """Nets of a cell, small ones as often as large ones: in a large one errors cancel."""
    claims = group_claims(*cell)
    # A softmax over one class is 1, and its gradient 0.
    least = 1 if cell[1] in ("squares", "binary") else 2
    most = random.choice([k for k in (1, 2, 3, 4, 8) if least <= k <= size])
    deepest = random.choice((2, 2, 3, 5)) if size > 2 else 2
    return replace(
        claims,
        max_width=most,
        max_batch=random.choice([k for k in (1, 2, 4, 8) if k <= size]),
        depths=tuple(depth for depth in claims.depths if depth <= deepest),
    )


def climb(accused: Accused, cell: Cell, claims: Claims, random: Random) -> Iterator[Find]:
    """The highest of some sampled cases, then each step upwards; it ends when no change helps.

    Equal ones take the place of their parent, so that a climb can cross a plain.
    """
    effort = WORST_RIGHT if isinstance(accused, WorstRight) else IN_FLOATS
    seed = random.randrange(2**32)
    cases = [sampled_case(seed, i, size="standard", claims=claims) for i in range(effort.sampled)]
    ratio, case = _highest(accused, cases)
    first, waited = ratio, 0
    yield Find(accused, cell, case, ratio, first)
    for _ in range(effort.generations):
        if waited == effort.patience or not ratio <= 1.0:
            return
        litter = [mutant(case, random) for _ in range(effort.litter)]
        changed = [found for found in litter if found is not None]
        waited += 1
        if not changed:
            continue
        best, fittest = _highest(accused, changed)
        if not best < ratio:
            waited = 0 if best != ratio else waited
            ratio, case = best, fittest
        yield Find(accused, cell, case, ratio, first)


def _highest(accused: Accused, cases: Sequence[Case]) -> tuple[float, Case]:
    ratios = accused.ratios(cases)
    at = int(np.argmax(np.where(np.isnan(ratios), np.inf, ratios)))
    return ratios[at], cases[at]
