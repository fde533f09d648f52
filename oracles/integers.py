"""Where nothing rounds: nets of whole numbers and short fractions, whose tolerance is zero.

With identity, relu or leaky_relu and half the squared error a gradient is a sum of products. If
every number is a whole multiple of 2**-f and every sum of absolute values stays below 2**p of these
units (p = 53 bits of a float64, 24 of a float32), then no product and no partial sum is ever
rounded, in whatever order it is taken, with or without fused multiply-add: two right programs
return the same number.
"""

from functools import lru_cache

import numpy as np

from backproof.case import Case
from backproof.drawing import Array

_KINKED = ("relu", "leaky_relu")
_PIECEWISE_LINEAR = ("identity", *_KINKED)
# Far below it a number would be subnormal, whatever its few bits.
_MOST_DIGITS = 100


@lru_cache(maxsize=16)  # asked once for each side
def exactly_computable(case: Case) -> bool:
    """True if no product and no sum of this case's gradient can round, in whatever order.

    One bit to spare for each relu and leaky_relu: (z + |z|) / 2 is written as well, and a slope of
    1/2 at z = 0.
    """
    if case.loss != "half_squared_error" or not set(case.activations) <= set(_PIECEWISE_LINEAR):
        return False
    if case.reduction == "mean" and not _power_of_two(case.n):
        return False
    with np.errstate(over="ignore"):
        return _within(case, {"float64": 53, "float32": 24}[case.dtype])


def exact_step(case: Case) -> bool:
    """True if -alpha times an exact gradient is exact too: alpha is a power of two, not extreme."""
    return _power_of_two(case.alpha) and 2.0**-64 <= case.alpha <= 2.0**64


def _power_of_two(number: float) -> bool:
    return bool(np.frexp(number)[0] == 0.5)


def _within(case: Case, bits: int) -> bool:
    """Forward and backward with all signs positive: what every partial sum stays below.

    Beside each array stands the number of binary digits that it has after the point.
    """
    arrays, layers = case.arrays, range(case.depth)
    below = [_digits_of_slope(case, name) for name in case.activations]
    O, digits = np.abs(arrays.X.astype(np.float64)), _digits(arrays.X)
    outputs, sums = [(O, digits)], []
    for l in layers:
        W, b = arrays.weights[l].astype(np.float64), arrays.biases[l]
        O, digits = O @ np.abs(W), digits + _digits(W)
        if b is not None:
            O, digits = O + np.abs(b), max(digits, _digits(b))
        digits += below[l]
        outputs.append((O, digits))
        sums.append((O, digits))
    G, digits = O + np.abs(arrays.Y), max(digits, _digits(arrays.Y))
    if case.reduction == "mean":  # the quotient by 2**k has k digits more
        G, digits = G / case.n, digits + int(np.log2(case.n))
    for l in reversed(layers):
        O, of_O = outputs[l]
        W, digits = arrays.weights[l].astype(np.float64), digits + below[l]
        sums += [(G, digits), (O.T @ G, of_O + digits), (G.sum(axis=0), digits)]
        G, digits = G @ np.abs(W).T, digits + _digits(W)
    return all(own <= _MOST_DIGITS for _, own in sums) and all(
        # These sums of positive numbers round themselves, by far less than 1e-9.
        float(total.max()) * 2.0**own * (1.0 + 1e-9) < 2.0**bits
        for total, own in sums
    )


def _digits_of_slope(case: Case, name: str) -> int:
    slope = np.array([case.slope], dtype=case.dtype)
    return (_digits(slope) if name == "leaky_relu" else 0) + (name in _KINKED)


def _digits(array: Array) -> int:
    """How many binary digits after the point the numbers of an array have, at most; not negative.

    A float is a whole number of 53 bits times a power of two; its trailing zeros are not needed.
    """
    mantissa, exponent = np.frexp(array.astype(np.float64).ravel())
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    last = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    digits = np.where(whole == 0, 0, 53 - exponent - last)
    return max(0, int(digits.max()))
