"""Each row of the table of activations proved: interval subdivision over all boxes of (z, E).

A box is [low, high], where z and every z_hat lie; it is p = the end that is nearer to zero (p < 0:
zero is inside) and r = half its length = 2E. Four claims for each, with what `bound_tables.PARTS`
returns for it, run on intervals:

    L1 >= |g'|   L2 >= |g''|   r0 >= rounding of o   r1 >= rounding of s,   anywhere in the box.

The left sides are the parts times 1 + ROOM (and r0, r1 get what the factor 1 + 200 u of `closed`
adds for the E of the box, 200 u L1 E). The right sides do not depend on the table: the exact slopes
and the rounding of what programs write (`formulas.py`), as the largest on a fine grid of z.
delta of a binary cross-entropy is proved in the same way.

Rounding is counted in units of u with deltas of up to 2**-24, and r/u only grows with u: what is
proved holds for float64 and float32 alike. A cell of boxes that cannot be certified is halved, in
p or in r, whichever brings more. Where a single box fails, or at the cap, it is shown.

Outside of what is subdivided, one argument each:
- Boxes within 2**-11 of zero. Every formula is its own linear part to 1 in 1000 there, and both
  sides of each claim are homogeneous or constant, so the claims are those at 2**-11, where they
  are certified with the room of a 64th.
- |z| beyond `Domain.end`. Each part, and what it bounds, is a power of |z| times a power of
  exp(-|z|) (of exp(-z*z/2) for gelu; of 1/(1 + |z|) for softsign) times a factor that has reached
  its limit to 1 in 10**7, plus for gelu the constant rounding of Phi. The ratio of both sides has
  therefore reached its limit too, and is the smaller the larger a power of |z| a part has more.
- r above `Domain.widest`, E above 8: the box holds zero, or is so long that its nearer end, which
  alone decides L1 and L2, is all that counts; what r adds to r0 and r1 is 200 u L1 E.
- Results that underflow: at most one of the operations that count loses anything, and less than
  the smallest normal number; each row holds as much.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from oracles import bound_losses, bound_tables
from oracles.bound_tables import FAMILIES, Box, Precision
from property_tests.harness import intervals
from property_tests.harness.formulas import (
    BINARY,
    FORMULAS,
    LEAKY_SLOPE,
    SLOPES,
    WithLabel,
    sigmoid_of,
)
from property_tests.harness.intervals import Array, Interval, interval
from property_tests.harness.rounded import Rounded, exact

U = 2.0**-53
SMALLEST = 2.0**-12


@dataclass(frozen=True)
class Domain:
    """Which z and r are subdivided, and how finely right sides are known.

    end: of |z|   octave: cells of the grid in [2**k, 2**(k + 1)], at least   width: of each, at
    most   widest: the largest r   most: cells of boxes before it is given up
    """

    end: float = 20.0
    octave: int = 128
    width: float = 2.0**-8
    widest: float = 16.0
    most: int = 1_000_000


# tanh(z) is a function of 2z; the tails of gelu are steep, |d log phi| = |z|.
_DOMAINS = {"tanh": Domain(end=10.0), "gelu": Domain(end=10.0, width=2.0**-10)}


def domain_of(name: str, *, nightly: bool = False) -> Domain:
    """What a push proves; at night twice as far, with boxes four times as long."""
    day = _DOMAINS.get(name, Domain())
    if not nightly:
        return day
    return Domain(2.0 * day.end, day.octave, 0.5 * day.width, 4.0 * day.widest, 10 * day.most)


class Cells(NamedTuple):
    """Boxes, many at a time: p and r of each between two ends."""

    p0: Array
    p1: Array
    r0: Array
    r1: Array

    def of(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Cells":
        return Cells(*(field[which] for field in self))

    @property
    def middles(self) -> "Cells":
        """The one box in the middle of each cell."""
        p, r = 0.5 * (self.p0 + self.p1), 0.5 * (self.r0 + self.r1)
        return Cells(p, p, r, r)


class Largest:
    """The largest of a quantity over any [low, high], from its largest in each cell of a grid."""

    def __init__(self, edges: Array, values: Array) -> None:
        self.edges, self.levels = edges, [values]
        while len(values) > 1 << len(self.levels):
            last, step = self.levels[-1], 1 << (len(self.levels) - 1)
            self.levels.append(np.maximum(last[:-step], last[step:]))

    def __call__(self, low: Array, high: Array) -> Array:
        first = np.searchsorted(self.edges, low, side="right") - 1
        last = np.searchsorted(self.edges, high, side="left") - 1
        first = np.clip(first, 0, len(self.levels[0]) - 1)
        last = np.clip(last, first, len(self.levels[0]) - 1)
        level = np.log2(last - first + 1).astype(int)
        found = np.empty(low.shape)
        for k in np.unique(level):
            at = level == k
            table = self.levels[k]
            found[at] = np.maximum(table[first[at]], table[last[at] + 1 - (1 << k)])
        return found


class Claims(NamedTuple):
    """What is to be proved: left(box) >= right(low, high), one for each name.

    lefts returns at least so much in units of u where rounding is meant
    """

    subject: str
    family: str
    lefts: Callable[[Box], dict[str, Any]]
    rights: dict[str, Largest]


class Proof(NamedTuple):
    """How many cells were looked at, and where a claim fails, in words."""

    cells: int
    counterexample: str | None


def proof(claims: Claims, domain: Domain) -> Proof:
    """Certify all boxes of the domain, or name some where a claim fails."""
    total = 0
    with _normal_on_intervals():
        for positive in (True, False):
            cells = _first_cells(domain)
            while len(cells.p0):
                total += len(cells.p0)
                left = cells.of(~_certain(claims, cells, positive))
                hopeless = left.of(_fails_alone(claims, left.middles, positive))
                if len(hopeless.p0) or total > domain.most:
                    worst = hopeless if len(hopeless.p0) else left
                    return Proof(total, _described(claims, worst, positive))
                cells = _halved(claims, left, positive)
    return Proof(total, None)


def fails(claims: Claims, boxes: Cells) -> bool:
    """Whether a claim fails in one of some boxes that have no size of their own."""
    with _normal_on_intervals():
        boxes = _to_prove(boxes)
        return any(_fails_alone(claims, boxes, positive).any() for positive in (True, False))


def row_claims(name: str, family: str, domain: Domain) -> Claims:
    """L1, L2, r0, r1 of one activation. leaky_relu has rounding alone."""
    edges = _grid(domain)
    pairs = [pair for own in _up_to(family) for pair in FORMULAS[name].get(own, ())]
    rights = {
        "r0": _rounding([o for o, _ in pairs], edges),
        "r1": _rounding([s for _, s in pairs], edges),
    }
    for claim, slope in zip(("L1", "L2"), SLOPES.get(name, ()), strict=False):
        halves = [abs(slope(z, positive)).hi for z, positive in _halves(edges)]
        rights[claim] = np.concatenate(halves)
    room = 1.0 if name in bound_tables.PIECEWISE_LINEAR else 1.0 + bound_tables.ROOM

    def lefts(box: Box) -> dict[str, Any]:
        own = bound_tables.PARTS[name](box)
        added = {"r0": own.L1, "r1": own.L2}
        rounding = {c: room * getattr(own, c) / U + 100.0 * added[c] * box.radius for c in added}
        return {**rounding, "L1": room * own.L1, "L2": room * own.L2}

    return Claims(name, family, lefts, {c: Largest(edges, rights[c]) for c in rights})


def binary_claims(family: str, domain: Domain) -> Claims:
    """D = p - Y, for labels in [0, 1].

    The rounding of D is convex in Y, what is granted for it is linear between 0, p and 1, so these
    three labels prove all. At Y = p(z), |p(z_hat) - Y| <= L1 r is part of what `closed` grants.
    """
    edges = _grid(domain)
    formulas = [f for own in _up_to(family) for f in BINARY[own]]
    labels: dict[str, Callable[[Interval], Interval]] = {
        "Y = 0": lambda z: 0.0 * z,
        "Y = 1": lambda z: 1.0 + 0.0 * z,
        "Y = p": sigmoid_of,
    }
    rights = {
        label: _rounding(
            [partial(_labelled, f, Y) for f in formulas],
            edges,
        )
        for label, Y in labels.items()
    }

    def lefts(box: Box) -> dict[str, Any]:
        own = bound_tables.PARTS["sigmoid"](box)
        p, below = sigmoid_of(interval(box.z)), sigmoid_of(-interval(box.z))
        D = {"Y = 0": p, "Y = 1": below, "Y = p": 0.0 * p}
        shared = (1.0 + bound_tables.ROOM) * own.r0 / U + 100.0 * own.L1 * box.radius
        return {
            label: shared
            + bound_losses.BINARY_ROUNDINGS * D[label]
            + bound_losses.binary_terms(box, Y(interval(box.z)))  # type: ignore[arg-type]
            for label, Y in labels.items()
        }

    found = {label: Largest(edges, rights[label]) for label in rights}
    return Claims("binary_cross_entropy", family, lefts, found)


def _labelled(
    f: WithLabel, Y: Callable[[Interval], Interval], z: Rounded, positive: bool
) -> Rounded:
    return f(z, positive, exact(Y(z.value)))


# ---- right sides, on a fine grid of z ----


def _grid(domain: Domain) -> Array:
    """Edges from 0 to end + 2 widest + 1, and the same below zero."""
    octaves = [SMALLEST]
    while octaves[-1] < domain.end + 1.0:
        octaves.append(2.0 * octaves[-1])
    edges = [0.0]
    for start in octaves[:-1]:
        count = max(domain.octave, round(start / domain.width))
        edges += (start + start / count * np.arange(count)).tolist()
    edges = [edge for edge in edges if edge < domain.end + 1.0]
    edges += np.linspace(domain.end + 1.0, domain.end + 2.0 * domain.widest + 1.0, 65).tolist()
    return np.array([-edge for edge in reversed(edges[1:])] + edges)


def _up_to(family: str) -> Sequence[str]:
    """A family holds all that come before it."""
    order = tuple(FAMILIES)
    return order[: order.index(family) + 1]


def _halves(edges: Array) -> list[tuple[Interval, bool]]:
    """The cells of the grid below zero, and those above."""
    middle = len(edges) // 2
    return [
        (Interval(edges[:middle], edges[1 : middle + 1]), False),
        (Interval(edges[middle:-1], edges[middle + 1 :]), True),
    ]


def _rounding(formulas: Sequence[Callable[[Rounded, bool], Rounded]], edges: Array) -> Array:
    """The largest rounding of several formulas in each cell of the grid."""
    halves = [
        np.max([f(exact(z), positive).error + 0.0 * z.lo for f in dict.fromkeys(formulas)], axis=0)
        for z, positive in _halves(edges)
    ]
    return np.concatenate(halves)


# ---- cells of boxes ----


def _first_cells(domain: Domain) -> Cells:
    """Octaves of p and of r; with z on its side of zero, and not wholly near zero."""
    p, r = _octaves(domain.end), _octaves(domain.widest)
    negative = [(-high, -low) for low, high in reversed(r)]
    # No float lies between 0 and the smallest one.
    p_cells = [*negative, (-SMALLEST, 0.0), (5e-324, SMALLEST), *p]
    r_cells = [(0.0, SMALLEST), *r]
    ends = np.array([(*p_cell, *r_cell) for p_cell in p_cells for r_cell in r_cells])
    return _to_prove(Cells(*ends.T))


def _octaves(end: float) -> list[tuple[float, float]]:
    edges = [*(SMALLEST * 2.0 ** np.arange(np.ceil(np.log2(end / SMALLEST)))), end]
    return list(pairwise(edges))


def _to_prove(cells: Cells) -> Cells:
    return cells.of((cells.p1 + cells.r1 >= 0.0) & (cells.p1 + 2.0 * cells.r1 > 2.0 * SMALLEST))


def _box_of(cells: Cells, positive: bool, family: str) -> Box:
    """The boxes of many cells as one box of intervals."""
    z = Interval(np.maximum(cells.p0 + cells.r0, 0.0), np.maximum(cells.p1 + cells.r1, 0.0))
    low = Interval(np.minimum(cells.p0, z.hi), np.minimum(cells.p1, z.hi))
    high = Interval(np.maximum(cells.p0 + 2.0 * cells.r0, z.lo), cells.p1 + 2.0 * cells.r1)
    near = Interval(np.maximum(cells.p0, 0.0), np.maximum(cells.p1, 0.0))
    ends = {"low": low, "high": high} if positive else {"low": -high, "high": -low}
    r, precision = Interval(cells.r0, cells.r1), Precision(U, 0.0, np.inf)  # type: ignore[arg-type]
    box: Any = Box(
        z if positive else -z,  # type: ignore[arg-type]
        Interval(0.5 * cells.r0, 0.5 * cells.r1),  # type: ignore[arg-type]
        precision,
        np.float64(LEAKY_SLOPE),  # type: ignore[arg-type]
        FAMILIES[family],
    )
    box.__dict__.update(radius=r, nearest=near, farthest=high, **ends)
    return box


def _met(claims: Claims, cells: Cells, positive: bool) -> Array:
    """(claims, cells): by how much a claim is met, in parts of what has to be reached."""
    if not len(cells.p0):
        return np.zeros((1, 0))
    box: Any = _box_of(cells, positive, claims.family)
    lefts = claims.lefts(box)
    found = []
    for name, right in claims.rights.items():
        needed = right(box.low.lo, box.high.hi)
        left = interval(lefts[name]).lo
        # An exact 0, rounded outwards a few times, is a few of the smallest floats.
        enough = np.where((left >= needed) | (needed < 1e-320), 0.0, -1.0)
        found.append(np.divide(left - needed, needed, out=enough, where=needed > 1e-200))
    return np.array(found)


def _certain(claims: Claims, cells: Cells, positive: bool) -> NDArray[np.bool_]:
    return np.all(_met(claims, cells, positive) >= 0.0, axis=0)


def _fails_alone(claims: Claims, boxes: Cells, positive: bool) -> NDArray[np.bool_]:
    """Single boxes that fail without what the size of a cell adds; 2 % may be the grid's."""
    there = boxes.p0 + boxes.r0 >= 0.0
    return there & np.any(_met(claims, boxes, positive) < -0.02, axis=0)


def _halved(claims: Claims, cells: Cells, positive: bool) -> Cells:
    """Each cell in two, across p or r: where a cell without that width would do better."""
    thin = cells.middles
    without_p, without_r = (
        np.minimum(_met(claims, trial, positive), 0.0).sum(axis=0)
        for trial in (
            cells._replace(p0=thin.p0, p1=thin.p1),
            cells._replace(r0=thin.r0, r1=thin.r1),
        )
    )
    parts = []
    for side, mine in (("p", without_p >= without_r), ("r", without_p < without_r)):
        own, middle = cells.of(mine), getattr(thin, f"{side}0")[mine]
        parts += [own._replace(**{f"{side}1": middle}), own._replace(**{f"{side}0": middle})]
    return _to_prove(Cells(*(np.concatenate(ends) for ends in zip(*parts, strict=True))))


def _described(claims: Claims, cells: Cells, positive: bool) -> str:
    met = _met(claims, cells.middles, positive)
    claim, at = np.unravel_index(int(np.argmin(met)), met.shape)
    box: Any = _box_of(cells.of(np.array([at])), positive, claims.family)
    return (
        f"{claims.subject} ({claims.family}): {list(claims.rights)[claim]} is too small by "
        f"{-met[claim, at]:.2g} of what it has to be, for z in {_text(box.z)} and E in "
        f"{_text(box.E)}"
    )


def _text(x: Interval) -> str:
    return f"[{x.lo[0]:.6g}, {x.hi[0]:.6g}]"


@contextmanager
def _normal_on_intervals() -> Iterator[None]:
    """erf and erfc of the table are the standard library's, which knows no intervals."""

    def normal(z: Interval) -> tuple[Interval, Interval]:
        x = z / Interval(1.4142135623730949, 1.4142135623730951)
        return 0.5 * intervals.erfc_of_minus(x), intervals.erf(x)

    with mock.patch.object(bound_tables, "_normal", normal):
        yield
