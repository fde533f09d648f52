"""What right programs write: each activation and its derivative, operation by operation.

Every formula takes z, a `Rounded` number, and whether it is positive, and returns a `Rounded`.
`FORMULAS[name][family]` lists pairs (o, s) of what that family adds to the one before it; the
slopes below them are the exact |g'| and |g''| in forms that lose little in an interval.
"""

import math
from collections.abc import Callable

from property_tests.harness import intervals, rounded
from property_tests.harness.intervals import Interval
from property_tests.harness.rounded import Rounded, constant

Formula = Callable[[Rounded, bool], Rounded]
Slope = Callable[[Interval, bool], Interval]


def _magnitude(z: Rounded, positive: bool) -> Rounded:
    return z if positive else -z


def _sigma(z: Rounded, positive: bool) -> Rounded:
    e = rounded.exp(-_magnitude(z, positive))
    return (1.0 if positive else e) / (1.0 + e)


def _sigma_plain(z: Rounded, _: bool) -> Rounded:
    return 1.0 / (1.0 + rounded.exp(-z))


def _sigmoid_slope(z: Rounded, positive: bool) -> Rounded:
    o = _sigma(z, positive)
    return o * (1.0 - o)


def _sigmoid_slope_plain(z: Rounded, positive: bool) -> Rounded:
    o = _sigma_plain(z, positive)
    return o * (1.0 - o)


def _sigmoid_both_tails(z: Rounded, positive: bool) -> Rounded:
    return _sigma(z, positive) * _sigma(-z, not positive)


def _sigmoid_exp(z: Rounded, positive: bool) -> Rounded:
    o = _sigma_plain(z, positive)
    return rounded.exp(-z) * o * o


def _sigmoid_by_tanh(z: Rounded, _: bool) -> Rounded:
    return 0.5 * (1.0 + rounded.tanh(0.5 * z))


def _sigmoid_by_tanh_slope(z: Rounded, positive: bool) -> Rounded:
    o = _sigmoid_by_tanh(z, positive)
    return o * (1.0 - o)


def _sigmoid_by_tanh_square(z: Rounded, _: bool) -> Rounded:
    t = rounded.tanh(0.5 * z)
    return 0.25 * (1.0 - t * t)


def _tanh(z: Rounded, _: bool) -> Rounded:
    return rounded.tanh(z)


def _tanh_slope(z: Rounded, _: bool) -> Rounded:
    o = rounded.tanh(z)
    return 1.0 - o * o


def _tanh_factors(z: Rounded, _: bool) -> Rounded:
    o = rounded.tanh(z)
    return (1.0 - o) * (1.0 + o)


def _tanh_cosh(z: Rounded, _: bool) -> Rounded:
    c = rounded.cosh(z)
    return 1.0 / (c * c)


def _tanh_of_exps(z: Rounded, positive: bool) -> Rounded:
    """(a - b) / (a + b) with a = exp(z), b = exp(-z), both divided by the larger: the same errors
    move it by as much, and one more, while an interval of it stays narrow where a is large."""
    m = _magnitude(z, positive)
    r = rounded.exp(-m) * rounded.exp(-m)
    o = (1.0 - r) / (1.0 + r)
    return o if positive else -o


def _tanh_by_sigmoid(z: Rounded, positive: bool) -> Rounded:
    return 2.0 * _sigma_plain(2.0 * z, positive) - 1.0


def _slope_of(f: Formula) -> Formula:
    """1 - o * o."""

    def slope(z: Rounded, positive: bool) -> Rounded:
        o = f(z, positive)
        return 1.0 - o * o

    return slope


def _leaky(z: Rounded, positive: bool) -> Rounded:
    return z if positive else LEAKY_SLOPE * z


def _leaky_slope(z: Rounded, positive: bool) -> Rounded:
    return rounded.rounded(1.0 if positive else LEAKY_SLOPE)


def _elu(z: Rounded, positive: bool) -> Rounded:
    return z if positive else rounded.expm1(z)


def _elu_slope(z: Rounded, positive: bool) -> Rounded:
    return rounded.rounded(1.0) if positive else rounded.exp(z)


def _elu_slope_of_o(z: Rounded, positive: bool) -> Rounded:
    return rounded.rounded(1.0) if positive else rounded.expm1(z) + 1.0


def _elu_exp(z: Rounded, positive: bool) -> Rounded:
    return z if positive else rounded.exp(z) - 1.0


def _elu_exp_slope(z: Rounded, positive: bool) -> Rounded:
    return rounded.rounded(1.0) if positive else (rounded.exp(z) - 1.0) + 1.0


def _softplus(z: Rounded, positive: bool) -> Rounded:
    tail = rounded.log1p(rounded.exp(-_magnitude(z, positive)))
    return z + tail if positive else tail


def _softplus_slope_of_o(z: Rounded, positive: bool) -> Rounded:
    return rounded.exp(z - _softplus(z, positive))


def _softplus_log(z: Rounded, _: bool) -> Rounded:
    return rounded.log(1.0 + rounded.exp(z))


def _softplus_slope_by_exp(z: Rounded, positive: bool) -> Rounded:
    return 1.0 - rounded.exp(-_softplus(z, positive))


def _softplus_log_slope_by_exp(z: Rounded, positive: bool) -> Rounded:
    return 1.0 - rounded.exp(-_softplus_log(z, positive))


def _erf(z: Rounded) -> Rounded:
    return rounded.erf(z / constant(math.sqrt(2.0)))


def _Phi(z: Rounded) -> Rounded:
    return 0.5 * (1.0 + _erf(z))


def _phi(z: Rounded) -> Rounded:
    return rounded.exp(-0.5 * (z * z)) / constant(math.sqrt(2.0 * math.pi))


def _gelu(z: Rounded, _: bool) -> Rounded:
    return z * _Phi(z)


def _gelu_halved(z: Rounded, _: bool) -> Rounded:
    return (z * 0.5) * (1.0 + rounded.erf(z * constant(math.sqrt(0.5))))


def _gelu_slope(z: Rounded, _: bool) -> Rounded:
    return _Phi(z) + z * _phi(z)


def _gelu_slope_by_constant(z: Rounded, _: bool) -> Rounded:
    phi = rounded.exp((z * z) * -0.5) * constant(1.0 / math.sqrt(2.0 * math.pi))
    return 0.5 * (1.0 + rounded.erf(z * constant(math.sqrt(0.5)))) + z * phi


def _silu(z: Rounded, positive: bool) -> Rounded:
    return z * _sigma(z, positive)


def _silu_quotient(z: Rounded, _: bool) -> Rounded:
    return z / (1.0 + rounded.exp(-z))


def _silu_slope(z: Rounded, positive: bool) -> Rounded:
    o = _sigma(z, positive)
    return o * (1.0 + z * (1.0 - o))


def _silu_slope_by_product(z: Rounded, positive: bool) -> Rounded:
    o = _sigma(z, positive)
    return o + z * (o * (1.0 - o))


def _silu_slope_of_o(z: Rounded, positive: bool) -> Rounded:
    sigma = _sigma(z, positive)
    o = z * sigma
    return o + sigma * (1.0 - o)


def _silu_by_tanh(z: Rounded, positive: bool) -> Rounded:
    return z * _sigmoid_by_tanh(z, positive)


def _silu_by_tanh_slope(z: Rounded, positive: bool) -> Rounded:
    sigma = _sigmoid_by_tanh(z, positive)
    return sigma * (1.0 + z * (1.0 - sigma))


def _softsign(z: Rounded, positive: bool) -> Rounded:
    return z / (1.0 + _magnitude(z, positive))


def _softsign_slope(z: Rounded, positive: bool) -> Rounded:
    below = 1.0 + _magnitude(z, positive)
    return 1.0 / (below * below)


def _softsign_slope_squared(z: Rounded, positive: bool) -> Rounded:
    o = 1.0 / (1.0 + _magnitude(z, positive))
    return o * o


def _softsign_quotient_rule(z: Rounded, positive: bool) -> Rounded:
    a = _magnitude(z, positive)
    below = 1.0 + a
    return 1.0 / below - a / (below * below)


def _softsign_quotient_rule_by_power(z: Rounded, positive: bool) -> Rounded:
    """As JAX differentiates a quotient: the square in the denominator is a power of -2."""
    a = _magnitude(z, positive)
    below = 1.0 + a
    return 1.0 / below - a * (1.0 / (below * below))


LEAKY_SLOPE = 0.25

Pairs = dict[str, tuple[tuple[Formula, Formula], ...]]
FORMULAS: dict[str, Pairs] = {
    "sigmoid": {
        "numpy": ((_sigma, _sigmoid_slope), (_sigma_plain, _sigmoid_slope_plain)),
        "stranger": (
            (_sigma, _sigmoid_both_tails),
            (_sigma_plain, _sigmoid_exp),
            (_sigmoid_by_tanh, _sigmoid_by_tanh_slope),
            (_sigmoid_by_tanh, _sigmoid_by_tanh_square),
        ),
    },
    "tanh": {
        "numpy": ((_tanh, _tanh_slope), (_tanh, _tanh_factors)),
        "stranger": (
            (_tanh, _tanh_cosh),
            (_tanh_of_exps, _slope_of(_tanh_of_exps)),
            (_tanh_by_sigmoid, _slope_of(_tanh_by_sigmoid)),
        ),
    },
    "leaky_relu": {"numpy": ((_leaky, _leaky_slope),)},
    "elu": {
        "numpy": ((_elu, _elu_slope),),
        "any": ((_elu, _elu_slope_of_o),),
        "stranger": ((_elu_exp, _elu_exp_slope),),
    },
    "softplus": {
        "numpy": ((_softplus, _sigma), (_softplus, _sigma_plain)),
        "any": ((_softplus, _softplus_slope_of_o),),
        "stranger": (
            (_softplus_log, _sigma),
            (_softplus, _softplus_slope_by_exp),
            (_softplus_log, _softplus_log_slope_by_exp),
            (_softplus, _sigmoid_by_tanh),
        ),
    },
    "gelu": {"numpy": ((_gelu, _gelu_slope), (_gelu_halved, _gelu_slope_by_constant))},
    "silu": {
        "numpy": ((_silu, _silu_slope), (_silu_quotient, _silu_slope)),
        "any": ((_silu, _silu_slope_by_product),),
        "stranger": ((_silu, _silu_slope_of_o), (_silu_by_tanh, _silu_by_tanh_slope)),
    },
    "softsign": {
        "numpy": ((_softsign, _softsign_slope), (_softsign, _softsign_slope_squared)),
        "any": (
            (_softsign, _softsign_quotient_rule),
            (_softsign, _softsign_quotient_rule_by_power),
        ),
    },
}


# ---- delta of a binary cross-entropy: (p - Y) / (n k), from z and a label ----

WithLabel = Callable[[Rounded, bool, Rounded], Rounded]


def _scaled(D: Rounded, roundings: int) -> Rounded:
    """So many multiplications by factors whose product is 1; what they are does not matter."""
    for _ in range(roundings):
        D = D * 1.0
    return D


def _difference(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    """sigma(z) - Y, its mean in two steps."""
    return _scaled(_sigma(z, positive) - Y, 2)


def _difference_by_tanh(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    return _scaled(_sigmoid_by_tanh(z, positive) - Y, 4)


def _difference_on_probabilities(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    """(p - Y) / (p (1 - p)) times the same p (1 - p): both cancel, two roundings are left."""
    return _scaled(_sigma_plain(z, positive) - Y, 4)


def _terms(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    """Y softplus(-z) + (1 - Y) softplus(z), differentiated through exp(z - softplus(z))."""
    down, up = _softplus_slope_of_o(-z, not positive), _softplus_slope_of_o(z, positive)
    return _scaled((1.0 - Y) * up - Y * down, 2)


def _terms_with_sign(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    """max(z, 0) - z Y + log1p(exp(-|z|)), differentiated: a step, the label, and a tail."""
    e = rounded.exp(-_magnitude(z, positive))
    tail = e * (1.0 / (1.0 + e))
    return _scaled(((1.0 - Y) - tail) if positive else (tail - Y), 2)


def _fractions(z: Rounded, positive: bool, Y: Rounded) -> Rounded:
    """(-Y/p + (1 - Y)/(1 - p)) p (1 - p): a fraction against the same p leaves a rounding each."""
    p = _sigma(z, positive)
    return _scaled(_scaled((1.0 - Y) * p, 3) - _scaled(Y * (1.0 - p), 3), 4)


BINARY: dict[str, tuple[WithLabel, ...]] = {
    "numpy": (_difference, _difference_on_probabilities),
    "any": (_terms, _terms_with_sign),
    "stranger": (_fractions, _difference_by_tanh),
}


# ---- |g'| and |g''|, exactly ----


def _bell(a: Interval) -> Interval:
    """sigma'(a), a >= 0, as 1 / (exp(a/2) + exp(-a/2))^2: the second term counts near 0 only."""
    return 1.0 / (intervals.exp(0.5 * a) + intervals.exp(-0.5 * a)) ** 2


def sigmoid_of(z: Interval) -> Interval:
    return 1.0 / (1.0 + intervals.exp(-z))


def _bell_curve(a: Interval) -> Interval:
    return intervals.exp(-0.5 * a**2) / Interval(2.5066282746310002, 2.5066282746310007)


def _Phi_of(z: Interval) -> Interval:
    return 0.5 * intervals.erfc_of_minus(z / Interval(1.4142135623730949, 1.4142135623730951))


SLOPES: dict[str, tuple[Slope, Slope]] = {
    "sigmoid": (
        lambda z, _: _bell(abs(z)),
        lambda z, _: _bell(abs(z)) * intervals.tanh(0.5 * abs(z)),
    ),
    "tanh": (
        lambda z, _: 4.0 * _bell(2.0 * abs(z)),
        lambda z, _: 8.0 * _bell(2.0 * abs(z)) * intervals.tanh(abs(z)),
    ),
    "elu": (
        lambda z, positive: intervals.exp(0.0 * z if positive else z),
        lambda z, positive: 0.0 * z if positive else intervals.exp(z),
    ),
    "softplus": (lambda z, _: sigmoid_of(z), lambda z, _: _bell(abs(z))),
    "gelu": (
        lambda z, _: abs(_Phi_of(z) + z * _bell_curve(abs(z))),
        lambda z, _: _bell_curve(abs(z)) * abs(2.0 - z**2),
    ),
    "silu": (
        lambda z, _: abs(sigmoid_of(z) * (1.0 + z * sigmoid_of(-z))),
        lambda z, _: _bell(abs(z)) * abs(2.0 - abs(z) * intervals.tanh(0.5 * abs(z))),
    ),
    "softsign": (
        lambda z, _: 1.0 / (1.0 + abs(z)) ** 2,
        lambda z, _: 2.0 / (1.0 + abs(z)) ** 3,
    ),
}
