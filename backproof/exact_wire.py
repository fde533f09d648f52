"""Balls as arrays of float64, so that they cross to the harness like any other answer.

A ball is mid = sign * m * 2**e and rad = r * 2**s, all whole numbers. m has 400 bits at most, cut
into digits of 32 bits, and flint keeps a radius in 30: a float64 holds each of them exactly.
"""

from __future__ import annotations

import numpy as np

from backproof.ball import working
from backproof.drawing import Array
from backproof.exact_arithmetic import Balls, Enclosure, balls_from, enclosures_of

BITS = 400
_DIGIT = 32
_DIGITS = -(-BITS // _DIGIT)


def arrays_of(balls: Balls) -> dict[str, Array]:
    """mids: (P, 2 + digits), sign, e, digits of m from the lowest; rads: (P, 2), r, s.

    A midpoint of more bits is rounded, and its radius made wider by that.
    """
    mids, rads = np.full((len(balls), 2 + _DIGITS), np.nan), np.full((len(balls), 2), np.nan)
    with working(BITS):
        found = enclosures_of([x + 0 for x in balls])
    for row, (mid, rad) in enumerate(found):
        if mid is not None and rad is not None:
            m, e = mid
            digits = [(abs(m) >> (_DIGIT * i)) % 2**_DIGIT for i in range(_DIGITS)]
            mids[row] = [-1 if m < 0 else 1, e, *digits]
            rads[row] = rad
    return {"mids": mids, "rads": rads}


def balls_of(arrays: dict[str, Array]) -> Balls:
    """The balls back. Raises ValueError for arrays that are no such thing."""
    mids, rads = arrays["mids"], arrays["rads"]
    if mids.shape != (len(rads), 2 + _DIGITS) or rads.shape != (len(mids), 2):
        raise ValueError("no balls")
    return balls_from([_enclosure(m, r) for m, r in zip(mids.tolist(), rads.tolist(), strict=True)])


def _enclosure(mid: list[float], rad: list[float]) -> Enclosure:
    if not all(map(_is_whole, mid + rad)):
        return Enclosure(None, None)
    sign, e, *digits = map(int, mid)
    m = sum(digit << (_DIGIT * i) for i, digit in enumerate(digits))
    return Enclosure((sign * m, e), (int(rad[0]), int(rad[1])))


def _is_whole(value: float) -> bool:
    return abs(value) < 2**53 and value == int(value)
