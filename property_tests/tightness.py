"""How large is the bound beside what it bounds, and how often is it too large to say anything?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backproof.case import Case
from backproof.gradients import Gradients, Vector
from oracles import bound, verdict
from property_tests.judging import Seat

Cell = tuple[str, str]
_HOLLOW_CODES = (verdict.UNINFORMATIVE, verdict.INCONCLUSIVE, verdict.KINK)


@dataclass
class Tight:
    """Of all nonzero elements: 2E/|dW|, and how many have no verdict of use.

    inconclusive: of these, how many are where a probability was rounded to 0 or 1, or overflow

    cells: (activation, loss) -> [nonzero, hollow], `saturated` left out; a net with several
        activations counts in the cell of each
    """

    relative: Vector
    hollow: int
    inconclusive: int
    cells: dict[Cell, list[int]]


def tightness_of(cases: Sequence[Case], one: Seat, other: Seat, exact: Seat) -> Tight:
    """One float side before another: the bound of a pair is that of both together, 2E for short."""
    answers = [seat.side.gradients_of(cases) for seat in (one, other, exact)]
    own = bound.bounds_of(cases, one.family)
    theirs = bound.bounds_of(cases, other.family)
    parts, hollow, inconclusive = [np.zeros(0)], 0, 0
    cells = dict[Cell, list[int]]()
    for i, case in enumerate(cases):
        a, b, truth = (given[i] for given in answers)
        assert isinstance(a, Gradients)
        assert isinstance(b, Gradients)
        assert isinstance(truth, Gradients)
        assert truth.gradient is not None
        compared = verdict.compare(
            case,
            "gradient",
            verdict.opinions_of(case, a, "direct", own[i])["gradient"],
            verdict.opinions_of(case, b, "direct", theirs[i])["gradient"],
            own[i].witness,
        )
        nonzero = truth.gradient != 0
        with np.errstate(all="ignore"):
            parts.append((compared.bound / np.abs(truth.gradient))[nonzero])
        without_use = int(np.isin(compared.codes[nonzero], _HOLLOW_CODES).sum())
        hollow += without_use
        inconclusive += int((compared.codes[nonzero] == verdict.INCONCLUSIVE).sum())
        if case.regime != "saturated":
            for cell in {(name, case.loss) for name in case.activations}:
                counts = cells.setdefault(cell, [0, 0])
                counts[0] += int(nonzero.sum())
                counts[1] += without_use
    return Tight(np.concatenate(parts), hollow, inconclusive, cells)
