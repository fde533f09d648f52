"""One number with a proved radius, on which code that was written for floats runs unchanged.

A ball is python-flint's `arb`: a midpoint with a radius that encloses the exact number, whatever
was done to it. The class around it does what code for floats expects, and refuses what would lie:

- a comparison is answered where every number of both balls gives the same answer, and raises
  `Undecidable` elsewhere (an `arb` would say False);
- there is no `__float__`, `__int__` or `__index__`: a cast would throw the radius away in silence,
  so it raises TypeError. A float that comes out of a run on balls has therefore never been a ball,
  and is exact.

Importing this module needs python-flint; `import backproof` does not import it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from flint import arb, ctx

# A float constant in somebody's program, such as 1 / 7 or sqrt(2 / pi), has been through so many
# roundings at most, each of half a unit in the last place, which is at most 2**-53 of it.
_ROUNDINGS = 4

_WHOLE = (int, np.integer, np.bool_)  # bool is an int
_REAL = (float, np.floating)


class Undecidable(ArithmeticError):
    """A comparison that the balls leave open. The message names what was compared."""


class _Reading:
    """How a float constant is read: as it is, or as any number that may have been rounded to it."""

    widened = False


@contextmanager
def working(bits: int, *, widened: bool = False) -> Iterator[None]:
    """Compute with so many bits; what the caller had set is put back.

    widened: a float that meets a ball stands for every number that is within a few roundings of
        it. Whole numbers, and floats of few bits such as 0.5, are what they are.
    """
    before = ctx.prec, _Reading.widened
    ctx.prec, _Reading.widened = bits, widened
    try:
        yield
    finally:
        ctx.prec, _Reading.widened = before


class Ball:
    """A real number, enclosed. `x` is the `arb`."""

    __slots__ = ("x",)
    __hash__ = None  # type: ignore[assignment]  # equality may be undecidable

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        return f"Ball({self.x.str(15)})"

    def __format__(self, spec: str) -> str:
        """What a `print` of it shows, never what is computed with: no `float` reads the "~"."""
        return "~" + format(float(self.x), spec)

    def reshape(self, *shape: Any) -> Any:
        """As a NumPy number has it, which is what np.sum gives: an array of one element."""
        from backproof.ball_array import BallArray

        holder = np.empty((), dtype=object)
        holder[()] = self
        return holder.view(BallArray).reshape(*shape)

    def __add__(self, other: Any) -> Any:
        if type(other) is Ball:  # nearly always, and this is where the time goes
            return Ball(self.x + other.x)
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(self.x + y)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if type(other) is Ball:  # nearly always, and this is where the time goes
            return Ball(self.x - other.x)
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(self.x - y)

    def __rsub__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(y - self.x)

    def __mul__(self, other: Any) -> Any:
        if type(other) is Ball:  # nearly always, and this is where the time goes
            return Ball(self.x * other.x)
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(self.x * y)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if type(other) is Ball:  # nearly always, and this is where the time goes
            return Ball(self.x / other.x)
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(self.x / y)

    def __rtruediv__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(y / self.x)

    def __pow__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(self.x**y)

    def __rpow__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else Ball(y**self.x)

    def __neg__(self) -> Ball:
        return Ball(-self.x)

    def __pos__(self) -> Ball:
        return self

    def __abs__(self) -> Ball:
        return Ball(abs(self.x))

    def __lt__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else _less(self.x, y)

    def __gt__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else _less(y, self.x)

    def __le__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else not _less(y, self.x)

    def __ge__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else not _less(self.x, y)

    def __eq__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else _equal(self.x, y)

    def __ne__(self, other: Any) -> Any:
        y = _arb_of(other)
        return NotImplemented if y is None else not _equal(self.x, y)

    def __bool__(self) -> bool:
        return not _equal(self.x, _ZERO)

    # NumPy's functions look for a method of their own name in the elements of an object array.

    def exp(self) -> Ball:
        return Ball(self.x.exp())

    def expm1(self) -> Ball:
        return Ball(self.x.expm1())

    def log(self) -> Ball:
        return Ball(self.x.log())

    def log1p(self) -> Ball:
        return Ball(self.x.log1p())

    def log2(self) -> Ball:
        return Ball(self.x.log() / arb(2).log())

    def log10(self) -> Ball:
        return Ball(self.x.log() / arb(10).log())

    def exp2(self) -> Ball:
        return Ball(arb(2) ** self.x)

    def sqrt(self) -> Ball:
        return Ball(self.x.sqrt())

    def tanh(self) -> Ball:
        return Ball(self.x.tanh())

    def sinh(self) -> Ball:
        return Ball(self.x.sinh())

    def cosh(self) -> Ball:
        return Ball(self.x.cosh())

    def sin(self) -> Ball:
        return Ball(self.x.sin())

    def cos(self) -> Ball:
        return Ball(self.x.cos())

    def arctan(self) -> Ball:
        return Ball(self.x.atan())

    def fabs(self) -> Ball:
        return abs(self)

    def square(self) -> Ball:
        return Ball(self.x * self.x)

    def erf(self) -> Ball:
        return Ball(self.x.erf())

    def erfc(self) -> Ball:
        return Ball(self.x.erfc())

    def conjugate(self) -> Ball:
        return self


_ZERO = arb(0)


def _arb_of(value: Any) -> Any:
    """The `arb` of a number, or None where it is none: an array then takes over."""
    if type(value) is Ball:
        return value.x
    if isinstance(value, _WHOLE):
        return arb(int(value))
    if isinstance(value, _REAL):
        return _constant(float(value))
    return value if isinstance(value, arb) else None


def _constant(value: float) -> Any:
    exact = arb(value)
    if not _Reading.widened or not math.isfinite(value) or _is_short(value):
        return exact
    return arb(exact, abs(exact) * _ROUNDINGS / 2**53)


def _is_short(value: float) -> bool:
    """Whether 24 bits hold it: 0.5 or 1/64, which nothing was rounded to.

    Of numbers that were rounded, one in 2**29 looks like that by chance.
    """
    mantissa, _ = math.frexp(value)
    return (mantissa * 2**24).is_integer()


def ball_of(value: Any) -> Ball:
    """A ball of a ball or a number. Raises TypeError for anything else."""
    if type(value) is Ball:
        return value
    x = _arb_of(value)
    if x is None:
        raise TypeError(f"no exact number can be made of {type(value).__name__}")
    return Ball(x)


def exact_input(value: float) -> Ball:
    """The float itself, with radius zero, however constants are read."""
    return Ball(arb(value))


def _less(x: Any, y: Any) -> bool:
    if x < y:
        return True
    if x >= y:
        return False
    raise Undecidable(_open_question(x, y))


def _equal(x: Any, y: Any) -> bool:
    if x == y:  # certain: both are the same point
        return True
    if x < y or x > y:
        return False
    raise Undecidable(_open_question(x, y))


def _open_question(x: Any, y: Any) -> str:
    if x.is_nan() or y.is_nan():
        return "a comparison with a number that does not exist, such as 0/0 or log(0)"
    if _ZERO in (x, y):
        return f"the sign of {(x if y == _ZERO else y).str(3)} is undecidable"
    return f"which of {x.str(3)} and {y.str(3)} is larger is undecidable"


def larger(a: Any, b: Any) -> Ball:
    """max(a, b): an enclosure of it needs no decision."""
    return Ball(ball_of(a).x.max(ball_of(b).x))


def smaller(a: Any, b: Any) -> Ball:
    """min(a, b), likewise."""
    return Ball(ball_of(a).x.min(ball_of(b).x))


def _sigmoid(z: Ball) -> Ball:
    return Ball(1 / (1 + (-z.x).exp()))


def _log_sigmoid(z: Ball) -> Ball:
    return -_logaddexp(-z, 0)


def _logaddexp(a: Any, b: Any) -> Ball:
    x, y = ball_of(a).x, ball_of(b).x
    return Ball(x.max(y) + (-abs(x - y)).exp().log1p())


def _normal_cdf(z: Ball) -> Ball:
    return Ball((-z.x / arb(2).sqrt()).erfc() / 2)


def _x_log_y(a: Any, b: Any) -> Ball:
    x, y = ball_of(a), ball_of(b)
    return x if x == 0 else x * y.log()


def _sign(z: Ball) -> int:
    return int(z > 0) - int(z < 0)


def _heaviside(z: Any, at_zero: Any) -> Ball:
    return ball_of(at_zero if ball_of(z) == 0 else int(ball_of(z) > 0))


_METHODS = (
    "exp expm1 exp2 log log1p log2 log10 sqrt tanh sinh cosh sin cos arctan fabs square erf erfc"
)

# What an array function of NumPy's or SciPy's means in balls, by its name and number of arguments.
UNARY: dict[str, Callable[[Ball], Any]] = {
    **{name: getattr(Ball, name) for name in _METHODS.split()},
    "absolute": abs,
    "sign": _sign,
    "expit": _sigmoid,
    "log_expit": _log_sigmoid,
    "ndtr": _normal_cdf,
    "isnan": lambda z: bool(z.x.is_nan()),
    "isfinite": lambda z: bool(z.x.is_finite()),
    "isinf": lambda z: not (z.x.is_finite() or z.x.is_nan()),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": larger,
    "minimum": smaller,
    "fmax": larger,
    "fmin": smaller,
    "logaddexp": _logaddexp,
    "heaviside": _heaviside,
    "xlogy": _x_log_y,
    "float_power": lambda a, b: ball_of(a) ** ball_of(b),
}
