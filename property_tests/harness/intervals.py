"""Arrays of intervals on which the bound's own code runs, and numbers that remember each rounding.

An `Interval` answers the NumPy functions that `oracles/bound_tables.py` calls, so a proof is about
that code and not about a copy of it. Ends are float64, rounded outwards after every operation;
exp and its like come from python-flint's balls at both ends, as they only grow.
"""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

Array = NDArray[np.float64]
BITS = 80  # of the balls: far more than an end, which is rounded outwards to a float64


class Interval:
    """Elementwise lo <= x <= hi."""

    def __init__(self, lo: Any, hi: Any = None) -> None:
        self.lo = np.asarray(lo, dtype=np.float64)
        self.hi = self.lo if hi is None else np.asarray(hi, dtype=np.float64)

    def __neg__(self) -> "Interval":
        return Interval(-self.hi, -self.lo)

    def __abs__(self) -> "Interval":
        least = np.maximum(np.maximum(self.lo, -self.hi), 0.0)
        return Interval(least, np.maximum(-self.lo, self.hi))

    def __add__(self, other: Any) -> "Interval":
        x = interval(other)
        return _outwards(self.lo + x.lo, self.hi + x.hi)

    def __sub__(self, other: Any) -> "Interval":
        return self + -interval(other)

    def __rsub__(self, other: Any) -> "Interval":
        return interval(other) + -self

    def __mul__(self, other: Any) -> "Interval":
        x = interval(other)
        ends = self.lo * x.lo, self.lo * x.hi, self.hi * x.lo, self.hi * x.hi
        return _outwards(reduce(np.minimum, ends), reduce(np.maximum, ends))

    def __truediv__(self, other: Any) -> "Interval":
        x = interval(other)
        assert ((x.lo > 0) | (x.hi < 0)).all(), "a quotient by an interval that holds 0"
        return self * _outwards(1.0 / x.hi, 1.0 / x.lo)

    def __rtruediv__(self, other: Any) -> "Interval":
        return interval(other) / self

    def __pow__(self, power: int) -> "Interval":
        base = abs(self) if power % 2 == 0 else self
        return reduce(operator.mul, [base] * power)

    __radd__, __rmul__ = __add__, __mul__

    def __ge__(self, other: Any) -> "Answer":
        x = interval(other)
        return Answer(self.lo >= x.hi, self.hi < x.lo)

    def __gt__(self, other: Any) -> "Answer":
        x = interval(other)
        return Answer(self.lo > x.hi, self.hi <= x.lo)

    def __le__(self, other: Any) -> "Answer":
        return interval(other) >= self

    def __lt__(self, other: Any) -> "Answer":
        return interval(other) > self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any) -> Any:
        return _UFUNCS[ufunc](*map(interval, inputs)) if method == "__call__" else NotImplemented

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return _FUNCTIONS[function](*inputs)


class Answer:
    """What is known of a comparison: certainly so, certainly not so, or neither."""

    def __init__(self, yes: NDArray[np.bool_], no: NDArray[np.bool_]) -> None:
        self.yes, self.no = yes, no

    def __and__(self, other: Any) -> "Answer":
        if not isinstance(other, Answer):
            other = Answer(np.asarray(other), ~np.asarray(other))
        return Answer(self.yes & other.yes, self.no | other.no)

    # np.where(answer, 1.0, 0.0) has no interval among its arguments, and is ours all the same.
    __array_function__ = Interval.__array_function__


def interval(x: Any) -> Interval:
    return x if isinstance(x, Interval) else Interval(x)


def _outwards(lo: Array, hi: Array) -> Interval:
    return Interval(np.nextafter(lo, -np.inf), np.nextafter(hi, np.inf))


def where(answer: Answer, x: Any, y: Any) -> Interval:
    """Both, where the answer is not known."""
    x, y = interval(x), interval(y)
    lo, hi = np.minimum(x.lo, y.lo), np.maximum(x.hi, y.hi)
    return Interval(
        np.where(answer.yes, x.lo, np.where(answer.no, y.lo, lo)),
        np.where(answer.yes, x.hi, np.where(answer.no, y.hi, hi)),
    )


def hull(intervals: Sequence[Interval]) -> Interval:
    """What holds all of them."""
    los, his = [x.lo for x in intervals], [x.hi for x in intervals]
    return Interval(reduce(np.minimum, los), reduce(np.maximum, his))


def _growing(ball: Callable[[arb], arb]) -> Callable[[Interval], Interval]:
    """An increasing function, from balls at both ends; each end is asked for once."""
    known: dict[float, tuple[float, float]] = {}

    def at(x: float) -> tuple[float, float]:
        if x not in known:
            known[x] = _ends(ball, x)
        return known[x]

    def grown(x: Interval) -> Interval:
        lo = np.array([at(v)[0] for v in x.lo.ravel().tolist()]).reshape(x.lo.shape)
        hi = np.array([at(v)[1] for v in x.hi.ravel().tolist()]).reshape(x.hi.shape)
        return Interval(lo, hi)

    return grown


def _ends(ball: Callable[[arb], arb], x: float) -> tuple[float, float]:
    before, ctx.prec = ctx.prec, BITS
    try:
        y = ball(arb(x))
        return float(np.nextafter(float(y.lower()), -np.inf)), float(
            np.nextafter(float(y.upper()), np.inf)
        )
    finally:
        ctx.prec = before


exp, expm1 = _growing(lambda x: x.exp()), _growing(lambda x: x.expm1())
log, log1p = _growing(lambda x: x.log()), _growing(lambda x: x.log1p())
tanh, erf = _growing(lambda x: x.tanh()), _growing(lambda x: x.erf())
erfc_of_minus = _growing(lambda x: (-x).erfc())

_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.absolute: abs,
    np.maximum: lambda x, y: Interval(np.maximum(x.lo, y.lo), np.maximum(x.hi, y.hi)),
    np.minimum: lambda x, y: Interval(np.minimum(x.lo, y.lo), np.minimum(x.hi, y.hi)),
    np.exp: exp,
    np.expm1: expm1,
    np.log1p: log1p,
    np.tanh: tanh,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.zeros_like: lambda x: Interval(np.zeros_like(x.lo)),
    np.ones_like: lambda x: Interval(np.ones_like(x.lo)),
}
