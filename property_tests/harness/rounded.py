"""Numbers in the rounding model: every operation may err, and the error of the end is summed up.

Assumed is what `oracles/bound.py` assumes: the result of one operation is off by at most u of
itself, that of exp and its like by at most ALLOWED u, and one that falls below the smallest normal
number by at most that number more. A formula is then a function f of its input and of one delta
per operation, and by the mean value theorem |f(deltas) - f(0)| <= sum |df/ddelta| |delta|, with
derivatives taken anywhere between: intervals, that hold what second order adds.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from property_tests.harness import intervals
from property_tests.harness.intervals import Array, Interval, interval

ALLOWED = 8.0  # exp, expm1, log, log1p, tanh, cosh, erf: within 4 ULP
LARGEST_U = 2.0**-24  # of the deltas; a smaller u is held by it
_SMALLEST_NORMAL = 2.0**-126  # of float32, which holds that of float64 as well
_names = count()


class Rounded:
    """All values that a right program may hold, and how each delta moves them.

    value: of every z in a cell, rounded or not   moved: by one u in each delta
    lost: by one smallest normal number in each operation that may underflow
    """

    def __init__(self, value: Interval, moved: dict[int, Interval], lost: Array | float) -> None:
        self.value, self.moved, self.lost = value, moved, lost
        self.constant: float | None = None  # a number of the formula itself

    @property
    def error(self) -> Array:
        """At most |computed - exact|, in units of u."""
        return sum(abs(part).hi for part in self.moved.values()) + np.zeros_like(self.value.lo)

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, {k: -d for k, d in self.moved.items()}, self.lost)

    def __add__(self, other: Any) -> Any:
        if not _joins(other):
            return NotImplemented
        x = rounded(other)
        return _new(self.value + x.value, (self, interval(1.0)), (x, interval(1.0)))

    def __sub__(self, other: Any) -> Any:
        if not _joins(other):
            return NotImplemented
        return self + -rounded(other)

    def __rsub__(self, other: Any) -> "Rounded":
        return rounded(other) + -self

    def __mul__(self, other: Any) -> Any:
        if not _joins(other):
            return NotImplemented
        x = rounded(other)
        return _new(self.value * x.value, (self, x.value), (x, self.value))

    def __truediv__(self, other: Any) -> Any:
        if not _joins(other):
            return NotImplemented
        x = rounded(other)
        quotient = self.value / x.value
        return _new(quotient, (self, 1.0 / x.value), (x, -quotient / x.value))

    def __rtruediv__(self, other: Any) -> "Rounded":
        return rounded(other) / self

    __radd__, __rmul__ = __add__, __mul__


def _joins(other: Any) -> bool:
    return isinstance(other, Rounded | float | int)


def exact(value: Interval) -> Rounded:
    return Rounded(value, {}, 0.0)


def constant(value: float) -> Rounded:
    """A number that no float holds: it rounds once."""
    made = _new(interval(value))
    made.constant = value
    return made


def rounded(x: Any) -> Rounded:
    return x if isinstance(x, Rounded) else exact(interval(float(x)))


def _new(value: Interval, *inputs: tuple[Rounded, Interval], errs: float = 1.0) -> Rounded:
    """The result of one operation whose inputs move it by the slopes beside them."""
    small = abs(value).lo < 2.0 * _SMALLEST_NORMAL
    off = Interval(1.0 - errs * LARGEST_U, 1.0 + errs * LARGEST_U)
    moved: dict[int, Interval] = {}
    lost = small.astype(float)
    for x, slope in inputs:
        lost = lost + abs(slope * off).hi * x.lost
        for name, part in x.moved.items():
            own = part * slope * off
            moved[name] = moved[name] + own if name in moved else own
    moved[next(_names)] = errs * value
    underflow = lost * _SMALLEST_NORMAL
    return Rounded(value * off + Interval(-underflow, underflow), moved, lost)


def _function(
    name: str,
    f: Callable[[Interval], Interval],
    slope: Callable[[Interval, Interval], Interval],
) -> Callable[[Any], Any]:
    """An elementary function; `slope` is its derivative from x and f(x).

    Numbers of another kind have it as a method, so that they can go through the same formulas.
    """

    def called(x: Any) -> Any:
        if not isinstance(x, Rounded):
            return getattr(x, name)()
        value = f(x.value)
        return _new(value, (x, slope(x.value, value)), errs=ALLOWED)

    return called


def _cosh(x: Interval) -> Interval:
    e = intervals.exp(abs(x))
    return 0.5 * (e + 1.0 / e)


def _erf_slope(x: Interval, _: Interval) -> Interval:
    return (2.0 / np.sqrt(np.pi)) * intervals.exp(-(x**2)) * Interval(1 - 1e-15, 1 + 1e-15)


exp = _function("exp", intervals.exp, lambda x, y: y)
expm1 = _function("expm1", intervals.expm1, lambda x, y: y + 1.0)
log = _function("log", intervals.log, lambda x, y: 1.0 / x)
log1p = _function("log1p", intervals.log1p, lambda x, y: 1.0 / (1.0 + x))
tanh = _function("tanh", intervals.tanh, lambda x, y: 1.0 - y**2)
cosh = _function("cosh", _cosh, lambda x, y: intervals.exp(x) - y)
erf = _function("erf", intervals.erf, _erf_slope)
