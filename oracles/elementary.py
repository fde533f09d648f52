"""The elementary functions of this machine, measured against exact values: is C wide enough?

The bound assumes that exp, expm1, log, log1p, tanh, cosh and erf err by at most C u
(`bound_tables.py`). No standard promises that; it depends on the NumPy and the C library that run.
So it is measured, at the start of a run, at fixed points: evenly spread, near zero, and far out.
Where an error exceeds C u, C is widened for the whole run and said so.

The points are a sample and not all numbers, so a widened C lies a quarter above what was found.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from flint import arb, ctx

from backproof.errors import BackproofError
from oracles import bound_tables
from oracles.bound_tables import Array

Function = Callable[[Array], Array]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0  # its multiples modulo 1 are as even as numbers can be
_EACH = 2500  # points of a function: 17,500 for all seven
_BITS = 128
_HOPELESS = 2.0**20  # u; half the digits of a float32 are wrong


def _erf(x: Array) -> Array:
    """The standard library's; in float32 as gelu uses it, one float64 at a time and rounded."""
    return np.array([math.erf(v) for v in x.tolist()]).astype(x.dtype)


# What `reference_impl`, learners and the witness call.
NUMPY: dict[str, Function] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "cosh": np.cosh,
    "erf": _erf,
}
_EXACT: dict[str, Callable[[arb], arb]] = {
    "exp": arb.exp,
    "expm1": arb.expm1,
    "log": arb.log,
    "log1p": arb.log1p,
    "tanh": arb.tanh,
    "cosh": arb.cosh,
    "erf": arb.erf,
}
# The ends of where each is evaluated. Beyond them a result is 0, 1, infinite or subnormal.
_RANGES = {
    "float64": {
        "exp": (-708.0, 709.0),
        "expm1": (-708.0, 709.0),
        "log": (2.0**-1022, 1e308),
        "log1p": (0.0, 1e6),
        "tanh": (-40.0, 40.0),
        "cosh": (-710.0, 710.0),
        "erf": (-7.0, 7.0),
    },
    "float32": {
        "exp": (-87.0, 88.0),
        "expm1": (-87.0, 88.0),
        "log": (2.0**-126, 3e38),
        "log1p": (0.0, 1e6),
        "tanh": (-20.0, 20.0),
        "cosh": (-88.0, 88.0),
        "erf": (-5.0, 5.0),
    },
}


class Measured(NamedTuple):
    """The largest error of one function: `worst` in units of u of the exact result, at x.

    A bound by C holds while worst <= C. u is half an ULP where ULPs are largest.
    """

    name: str
    dtype: str
    worst: float
    x: float

    @property
    def ulp(self) -> float:
        """In ULP, taken as 2 u of the result."""
        return self.worst / 2.0

    def __str__(self) -> str:
        kind = "" if self.dtype == "float64" else f" in {self.dtype}"
        return f"{self.name}{kind} measured {self.ulp:.2g} ULP at {self.x:.17g}"


@cache
def points(name: str, dtype: str) -> Array:
    """Where a function is asked: the same everywhere and always, (n,) in the dtype.

    Half of them where networks are (|x| <= 6), a quarter near zero in every magnitude down to
    2**-60, a quarter up to the ends of the range. Of log the quarter near zero lies near 1 instead,
    where log is near zero.
    """
    low, high = _RANGES[dtype][name]
    even = (np.arange(1, _EACH + 1) * _GOLDEN) % 1.0
    usual, small, far = even[::2], even[1::4], even[3::4]
    signs = np.where(np.arange(small.size) % 2, -1.0, 1.0)
    near = signs * 2.0 ** (-60.0 * small) + (1.0 if name == "log" else 0.0)
    x = np.concatenate([12.0 * usual - 6.0, near, low + (high - low) * far])
    if low >= 0.0:
        x = np.abs(x)
    return np.unique(np.clip(x, low, high).astype(dtype))


@cache
def _exact(name: str, dtype: str) -> tuple[Array, Array]:
    """The exact values at the points: a float64 and what it leaves over."""
    function, before = _EXACT[name], ctx.prec
    ctx.prec = _BITS
    try:
        balls = [function(arb(x)) for x in points(name, dtype).tolist()]
        near = [float(ball) for ball in balls]
        left = [float(ball - x) for ball, x in zip(balls, near, strict=True)]
    finally:
        ctx.prec = before
    return np.array(near), np.array(left)


def measured(name: str, function: Function, dtype: str) -> Measured:
    """The largest error of one function over its points, which it gets in the dtype."""
    x = points(name, dtype)
    near, left = _exact(name, dtype)
    with np.errstate(all="ignore"):
        found = np.asarray(function(x), dtype=np.float64)
        error = np.abs((found - near) - left)
        # An exact 0 leaves no relative error, and NaN is none at all.
        relative = np.where(near == 0.0, np.where(error == 0.0, 0.0, np.inf), error / np.abs(near))
    relative = np.where(np.isnan(relative), np.inf, relative) / np.finfo(dtype).epsneg
    at = int(np.argmax(relative))
    return Measured(name, dtype, float(relative[at]), float(x[at]))


def measure(
    functions: Mapping[str, Function] = NUMPY, dtypes: Iterable[str] = ("float64", "float32")
) -> list[Measured]:
    """Every function in every dtype."""
    return [measured(name, functions[name], dtype) for dtype in dtypes for name in functions]


def needed(found: Iterable[Measured]) -> tuple[float, str]:
    """The C that holds for all of these, and why it is not the usual one ("" if it is).

    Raises BackproofError for a function that is no approximation at all.
    """
    worst = max(found, key=lambda one: one.worst)
    if not worst.worst < _HOPELESS:
        raise BackproofError(
            f"`{worst.name}` of this machine's NumPy is wrong in {worst.dtype} at {worst.x:.17g}, "
            "so no bound on rounding holds; install another NumPy."
        )
    if worst.worst <= bound_tables.USUAL_C:
        return bound_tables.USUAL_C, ""
    return 2.0 * math.ceil(1.25 * worst.worst / 2.0), str(worst)


@contextmanager
def as_measured(functions: Mapping[str, Function] = NUMPY) -> Iterator[dict[str, str]]:
    """While this lasts, the bound's C holds for this machine.

    Yields what was widened and why, in words: {} or {"C": "14 (exp measured 5.2 ULP at ...)"}.
    """
    C, why = needed(measure(functions))
    before, bound_tables.C = bound_tables.C, C
    try:
        yield {"C": f"{C:g} ({why})"} if why else {}
    finally:
        bound_tables.C = before
