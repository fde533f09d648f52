"""The judge: the exact gradient, as a float64, what its rounding left over, and a proved radius.

A pass in balls (`exact_network.py`) is repeated at a higher working precision until every element
is certain far beyond a float64. No estimate enters: where the radius stays wide at the highest
precision it is handed on as it is, so a verdict against this oracle is never more than it proves.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from backproof.case import Case
from backproof.casefiles import case_hash
from backproof.gradients import Failure, Gradients, Vector
from oracles.exact_network import Balls, Pass, ends_of, pass_of

# Working precisions, in bits. The first is enough for nearly every case; at the last a number of
# ordinary size has a radius below the smallest float64, so only a sum that is exactly zero without
# showing it, such as exp(z) - exp(z), remains uncertain.
_BITS = (128, 320, 1280)

# An element is certain when its radius is below 2**-80 of it, which adds less than 2**-25 to any
# bound (a bound is at least u of the value), or below anything a float64 can say.
_CERTAIN = 80
_NOTHING = 2.0**-1070
# hi + lo holds a number to 2**-105 of it; their accuracy is not claimed beyond that.
_HELD = 104


class Exact:
    """dLoss/dW, dLoss/db and ΔW, Δb = -alpha times them, alpha the float64 that it is, in balls.

    full_up_to: a case of at most this many parameters is always judged
    one_in: of larger ones, one in so many, chosen by a hash of the case itself
    """

    name = "exact"
    step_form = "direct"

    def __init__(self, *, full_up_to: int = 500, one_in: int = 8) -> None:
        self.full_up_to, self.one_in = full_up_to, one_in

    def judges(self, case: Case) -> bool:
        """Whether this case is answered: the same for the same case, on every machine."""
        if _parameters(case) <= self.full_up_to:
            return True
        digest = hashlib.sha256(_name_of(case).encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.one_in == 0

    def gradients(self, case: Case) -> Gradients | Failure:
        """Both as float64 vectors (P,) with their `_low`, their radius in `_bar`, and at a kink the
        ends of what is right as well in `gradient_ends`."""
        if not self.judges(case):
            return Failure(
                "skipped",
                f"of nets with more than {self.full_up_to} parameters, one in {self.one_in} is "
                f"judged exactly; this one of {_parameters(case)} is not among them.",
            )
        found, bits = _certain(case)
        with _working(bits):
            alpha = arb(float(case.alpha))
            steps = [-(alpha * ball) for ball in found.gradient]
            # Both at once: NumPy's calls cost as much as their work here.
            hi, lo, radius = (half.reshape(2, -1) for half in _rounded(found.gradient + steps))
            ends = _ends(case) if found.kinks else None
        return Gradients(
            gradient=hi[0],
            step=hi[1],
            gradient_low=lo[0],
            step_low=lo[1],
            gradient_bar=radius[0],
            step_bar=radius[1],
            gradient_ends=ends,
            kinks=found.kinks,
        )

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """The same for many cases, one after the other."""
        return [self.gradients(case) for case in cases]


def _parameters(case: Case) -> int:
    biased = case.bias != "none"
    return sum((k + biased) * j for k, j in pairwise(case.widths))


def _name_of(case: Case) -> str:
    """What tells a case from others: its arrays, or the scalars that they are drawn from."""
    if case.given is not None:
        return case_hash(case)
    scalars = (field.name for field in fields(case) if field.name != "given")
    return repr([getattr(case, name) for name in scalars])


@contextmanager
def _working(bits: int) -> Iterator[None]:
    """flint's precision is one global number; what the caller had set is put back."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def _certain(case: Case) -> tuple[Pass, int]:
    """The first pass in which every sign and every element is certain, or else the last one."""
    for bits in _BITS:
        with _working(bits):
            found = pass_of(case, both=False)
            if not found.undecided and all(map(_is_certain, found.gradient)):
                break
    return found, bits


def _is_certain(ball: arb) -> bool:
    return bool(ball.rel_accuracy_bits() >= _CERTAIN or ball.rad() < _NOTHING)


def _rounded(balls: Balls) -> tuple[Vector, Vector, Vector]:
    """hi, lo and radius: |exact - (hi + lo)| <= radius, infinite where nothing is known.

    The accuracy of a ball in bits bounds its radius by 2**-bits of its midpoint, and is cheaper to
    ask than the radius.
    """
    hi = np.array([float(ball) for ball in balls])
    lo = np.array([float(ball - high) for ball, high in zip(balls, hi.tolist(), strict=True)])
    bits = np.array([ball.rel_accuracy_bits() for ball in balls]).clip(-1, _HELD)
    radius = np.ldexp(np.abs(hi), 1 - bits)
    for i in np.flatnonzero(bits < _CERTAIN):
        radius[i] = float(balls[i].rad()) * (1 + 2.0**-20) + np.ldexp(abs(hi[i]), 1 - _HELD)
    unknown = ~(np.isfinite(hi) & np.isfinite(radius))
    lo[unknown] = 0.0
    radius[unknown] = np.inf
    return hi, lo, radius + 2.0**-1073  # a subnormal part is lost


def _ends(case: Case) -> NDArray[np.float64]:
    """(2, P): between which float64 all gradients lie that take some slope at each kink."""
    rounded = (_outward(low, high) for low, high in ends_of(case))
    return np.array(list(rounded)).reshape(-1, 2).T


def _outward(low: arb, high: arb) -> tuple[float, float]:
    if not (low.is_finite() and high.is_finite()):
        return -np.inf, np.inf
    below, above = float(low.lower()), float(high.upper())
    below = below if arb(below) <= low else float(np.nextafter(below, -np.inf))
    return below, above if arb(above) >= high else float(np.nextafter(above, np.inf))
