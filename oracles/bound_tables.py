"""What rounding can do to one activation: a row (o, Eo, s, Es) for o = g(z) and s = g'(z).

Given is z of the witness and E with |z_hat - z_exact| <= E for every right implementation, the
witness among them. Then z_exact and every z_hat lie in the box [z - 2E, z + 2E], and

    |o_hat - o| <= Eo = r0 + sup|g'| E       |s_hat - s| <= Es = r1 + sup|g''| E

with both suprema over the box; r0 and r1 bound what the formula itself rounds, anywhere in it.
(This is F2 of `bound.py`, which says what u, eta and the hats mean.)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backproof.names import MAX_BATCH, MAX_WIDTH

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# exp, expm1, log1p, tanh, erf err by at most C u = 4 ULP of their result. The worst that was
# measured over NumPy, PyTorch, XLA and the C library is 3.5 ULP.
USUAL_C = 8.0
# What holds on this machine: `elementary.py` measures it, and widens it where it has to.
C = USUAL_C

# Every part of a curved row is taken a 64th larger than it need be. What a formula rounds and how
# steep it is often meet their bound exactly; this room is what a proof by intervals lives on
# (`property_tests/harness/row_proofs.py`), and the price is 2 % of E.
ROOM = 1.0 / 64.0

# How much larger a number may be before the means over rows and outputs are taken; 2 (O - Y) is.
MEANS = 2.0 * MAX_BATCH * MAX_WIDTH

# An E at which `closed` is certain in float32, and so in every dtype.
CERTAIN_ANYWHERE = float(np.finfo(np.float32).epsneg) * float(np.finfo(np.float32).max) / MEANS


class Family(NamedTuple):
    """Which right formulas a bound is for.

    autodiff: what PyTorch and JAX differentiate, where their rounding is larger than the table's
    usual: the other formulas people write, such as exp(z) - 1 for elu
    probabilities: cross-entropies on a rounded probability, so nothing is left when it is 0 or 1
    """

    autodiff: bool
    usual: bool
    probabilities: bool


# fmt: off
FAMILIES = {
    #                    autodiff  usual  probabilities
    "numpy":      Family(False,    False, True),   # the formulas of the table, nothing else
    "any":        Family(True,     False, False),  # PyTorch, JAX: cross-entropies through logits
    "stranger":   Family(True,     True,  True),   # somebody's own code: the union of them all
}
# fmt: on


class Precision(NamedTuple):
    """The arithmetic of each case, (K, 1, 1): 2**-53 or 2**-24, the smallest normal, the largest.

    eta is what one operation can lose by underflow, flushed to zero or not.
    """

    u: Array
    eta: Array
    largest: Array

    def of(self, cases: slice) -> "Precision":
        return Precision(self.u[cases], self.eta[cases], self.largest[cases])

    def of_each(self, cases: NDArray[np.intp]) -> "Precision":
        return Precision(*(number.take(cases, axis=0) for number in self))


def precision_of(dtypes: Sequence[str]) -> Precision:
    """u, eta and the largest number of one dtype per case, in float64."""
    kinds = [np.finfo(dtype) for dtype in dtypes]
    u = [kind.epsneg for kind in kinds]
    eta = [kind.smallest_normal for kind in kinds]
    largest = [kind.max for kind in kinds]
    return Precision(*(np.array(x, np.float64)[:, None, None] for x in (u, eta, largest)))


class Row(NamedTuple):
    """o = g(z) and s = g'(z) of the witness, each with its E: (K, n, k)."""

    o: Array
    Eo: Array
    s: Array
    Es: Array


class Parts(NamedTuple):
    """What a row is made of: Eo = r0 + L1 E and Es = r1 + L2 E (see the head of this file)."""

    o: Array
    s: Array
    r0: Array
    L1: Array
    r1: Array
    L2: Array


def closed(E: Array, precision: Precision) -> Array:
    """End a formula for E: one factor for what it left out, infinity where nothing is certain.

    The formulas write c u |X| with the witness' X where |X_hat| is meant, which is at most 2E
    more. As c < 100, the factor 1 + 200u makes up for that.
    Every formula holds at least u |X_hat|, also for each partial sum; a program that takes its
    means at the end holds up to `MEANS` times X_hat before. So no right implementation can have
    overflowed while MEANS * E <= u * largest; otherwise, and for NaN, E is infinite.
    """
    E = E * (1.0 + 200.0 * precision.u)
    # The quick way first, as nearly always.
    if np.maximum.reduce(E, axis=None) <= CERTAIN_ANYWHERE:
        return E
    certain = E <= precision.u * precision.largest / MEANS
    return np.where(certain, E, np.inf)


@dataclass(frozen=True, eq=False)
class Box:
    """All that a row of the table depends on.

    z, E: (K, n, k) of the witness   slope: (K, 1, 1) of leaky_relu, 0 of relu
    """

    z: Array
    E: Array
    precision: Precision
    slope: Array
    family: Family

    def of(self, own: slice) -> "Box":
        """Some of it. What follows from z and E is computed of all, once, and cut as well."""
        z, E, slope = self.z[own], self.E[own], self.slope[own]
        part = Box(z, E, self.precision.of(own), slope, self.family)
        part.__dict__.update({name: getattr(self, name)[own] for name in _FOLLOWS})
        return part

    @property
    def u(self) -> Array:
        return self.precision.u

    @property
    def eta(self) -> Array:
        return self.precision.eta

    @cached_property
    def radius(self) -> Array:
        return 2.0 * self.E

    @cached_property
    def a(self) -> Array:
        return np.abs(self.z)

    @cached_property
    def nearest(self) -> Array:
        """The smallest |z| of the box."""
        return np.maximum(self.a - self.radius, 0.0)

    @cached_property
    def farthest(self) -> Array:
        return self.a + self.radius

    @cached_property
    def low(self) -> Array:
        return self.z - self.radius

    @cached_property
    def high(self) -> Array:
        return self.z + self.radius


_FOLLOWS = ("radius", "a", "nearest", "farthest", "low", "high")


def sigma(z: Array) -> Array:
    """1 / (1 + exp(-z)), relatively accurate in both tails."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0.0, 1.0, e) / (1.0 + e)


def bell(a: Array) -> Array:
    """sigma'(a) = sigma(a) sigma(-a) for a >= 0, where it decreases."""
    e = np.exp(-a)
    return e / (1.0 + e) ** 2


def phi(z: Array) -> Array:
    """The density of the normal distribution."""
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def identity(box: Box) -> Parts:
    nothing, one = np.zeros_like(box.z), np.ones_like(box.z)
    return Parts(box.z, one, nothing, one, nothing, nothing)


def sigmoid(box: Box) -> Parts:
    """o: exp, a sum, a quotient. s = o (1 - o), so a change d of o changes s by d (1 - 2o - d)."""
    u, eta = box.u, box.eta
    e = np.exp(-box.a)
    o, s = np.where(box.z >= 0.0, 1.0, e) / (1.0 + e), e / (1.0 + e) ** 2
    r0, L1 = (C + 3.0) * u * o + 2.0 * eta, bell(box.nearest)
    if box.family.usual:  # (1 + tanh(z / 2)) / 2
        r0 = r0 + by_tanh(box)
    change = np.abs(1.0 - 2.0 * o) + 5.0 * (r0 + L1 * box.E) + ROOM
    r1 = change * r0 + 5.0 * u * s + 2.0 * eta
    if box.family.usual:  # sigma(z) * sigma(-z), exp(-z) * o * o
        r1 = r1 + (2.0 * C + 1.0) * u * s
    return Parts(o, s, r0, L1, r1, change * L1)


def by_tanh(box: Box) -> Array:
    """What sigma = (1 + t) / 2 with t = tanh(z / 2) rounds more: C u|t| / 2 is absolute in the left
    tail, where 1 + t cancels. |t| = 1 - 2 sigma there; on the right the relative C sigma holds it.
    A derivative (1 - t*t) / 4 rounds t*t as well, by u / 4.
    """
    return (0.5 * C + 0.25) * box.u * sigma(-box.low)


def tanh(box: Box) -> Parts:
    """g' = 1/cosh^2 = 4 sigma'(2z). s = 1 - o*o: a change d of o changes it by d (2o + d)."""
    u, eta = box.u, box.eta
    o, s = np.tanh(box.z), 4.0 * bell(2.0 * box.a)
    r0, L1 = C * u * np.abs(o) + eta, 4.0 * bell(2.0 * box.nearest)
    if box.family.usual:
        # (a - b) / (a + b) with a = exp(z), b = exp(-z): both err by C u, which moves o by
        # 2ab / (a + b)^2 = g' / 2 each; a^2 instead rounds once more. 2 sigma(2z) - 1: C u g' / 2,
        # and 4u sigma, 2u at z = 0.
        r0 = r0 + (C + 1.0) * u * L1
    Eo = r0 + L1 * box.E
    change = 2.0 * np.abs(o) + 5.0 * Eo + ROOM
    r1 = change * r0 + 2.0 * u * (np.abs(o) + 2.0 * Eo) ** 2 + 5.0 * u * s + 2.0 * eta
    if box.family.usual:  # 1 / cosh(z)**2
        r1 = r1 + 2.0 * C * u * s
    return Parts(o, s, r0, L1, r1, change * L1)


def undecided(box: Box) -> Mask:
    """Whether rounding cannot decide the sign of z: some z of the box is on the other side."""
    return box.a <= box.radius


def leaky_relu(box: Box) -> Parts:
    """Slope 1 above zero, `slope` in [0, 1] below, where the product rounds.

    Across zero o moves by at most E as well, as no slope is steeper than 1. s is the witness';
    what else it may be where its sign is undecided, `bound_kinks.py` takes care of.
    """
    s, exact = np.where(box.z > 0.0, 1.0, box.slope), np.zeros_like(box.z)
    rounds = np.where((box.low <= 0.0) & (box.slope > 0.0), 1.0, 0.0)
    r0 = rounds * (2.0 * box.u * box.slope * box.farthest + box.eta)
    return Parts(s * box.z, s, r0, np.where(undecided(box), 1.0, s), exact, exact)


def elu(box: Box) -> Parts:
    """alpha = 1, so g' = exp(min(z, 0)) has no jump, and |g''| <= g' where z < 0."""
    u, eta = box.u, box.eta
    below = np.where(box.low <= 0.0, 1.0, 0.0)
    z = np.minimum(box.z, 0.0)
    o, s = np.where(box.z > 0.0, box.z, np.expm1(z)), np.exp(z)
    L1 = np.exp(np.minimum(box.high, 0.0))
    r0 = below * (C * u * np.abs(o) + eta)
    r1 = below * (C * u * s + eta)
    if box.family.autodiff:  # JAX differentiates expm1 as o + 1
        r1 = r1 + below * u * C * np.abs(o)
    if box.family.usual:  # exp(z) - 1, and o + 1 of that
        r0 = r0 + below * u * C * s
        r1 = r1 + below * u * s
    return Parts(o, s, r0, L1, r1, below * L1)


def softplus(box: Box) -> Parts:
    """o = max(z, 0) + log1p(exp(-|z|)), s = sigma(z), g'' = sigma'(z)."""
    u, eta = box.u, box.eta
    o, s = np.maximum(box.z, 0.0) + np.log1p(np.exp(-box.a)), sigma(box.z)
    r0 = 2.0 * C * u * o + 3.0 * eta
    r1 = (C + 3.0) * u * s + 2.0 * eta
    if box.family.autodiff:  # JAX: exp(z - o); o rounds, and what log1p and exp err stands there
        r1 = r1 + (2.0 * box.farthest + 2.0 * C) * u * s
    if box.family.usual:  # 1 - exp(-o): C, and what o itself errs, times exp(-o) = sigma(-z)
        r1 = r1 + (C + 1.0 + 2.0 * C * (o + box.radius)) * u * sigma(-box.low)
    if box.family.usual:  # log(1 + exp(z))
        r0 = r0 + 2.0 * u
    return Parts(o, s, r0, sigma(box.high), r1, bell(box.nearest))


def gelu(box: Box) -> Parts:
    """o = z Phi(z), s = Phi(z) + z phi(z), g'' = phi(z) (2 - z*z); Phi = (1 + erf(z/sqrt 2)) / 2.

    Phi: erf errs by C u, its argument by 2u (and Phi' = phi), the sum by u.
    phi: an error of z*z*u in the exponent, C for exp; Phi has room for the rest.
    """
    a, near, far, u, eta = box.a, box.nearest, box.farthest, box.u, box.eta
    Phi, erf = _normal(box.z)
    density = phi(near)  # the largest of the box
    erf = np.minimum(np.abs(erf) + 2.0 * density * box.radius, 1.0)
    o, s = box.z * Phi, Phi + box.z * phi(a)
    tail = far * density
    rPhi = u * (0.5 * (C * erf + 2.0) + 2.0 * tail)
    r1 = rPhi + u * (C + 2.0 * far**2) * tail + 2.0 * u * np.abs(s)
    r0 = far * rPhi + 2.0 * u * np.abs(o) + (1.0 + far) * eta
    bend = density * (2.0 + near**2)  # decreases with |z|
    steep = np.abs(s) + r1 + bend * (box.radius + ROOM)
    return Parts(o, s, r0, steep, r1 + (2.0 + far) * eta, bend)


def _normal(z: Array) -> tuple[Array, Array]:
    """Phi(z) and erf(z / sqrt 2); below -1 Phi comes from erfc, so that its tail stays accurate."""
    x = z / math.sqrt(2.0)
    erf = _each(math.erf, x)
    Phi = 0.5 * (1.0 + erf)
    tail = z < -1.0
    Phi[tail] = 0.5 * _each(math.erfc, -x[tail])
    return Phi, erf


def _each(function: Callable[[float], float], x: Array) -> Array:
    """A function of the standard library on every element; NumPy has no erf."""
    values = map(function, x.ravel().tolist())
    return np.fromiter(values, np.float64, x.size).reshape(x.shape)


def silu(box: Box) -> Parts:
    """o = z sigma, s = sigma q with q = 1 + z (1 - sigma), g'' = sigma' (2 - z tanh(z/2)).

    An error of sigma moves s by q - z sigma times as much; 1 - sigma and its product with z round
    by less than 4 a (1 - sigma), and the 3 that r0 of sigma grants has room for the rest.
    |q'| < 1.2.
    """
    far, u, eta = box.farthest, box.u, box.eta
    up, rest = sigma(box.high), sigma(-box.low)  # the largest sigma and 1 - sigma of the box
    p, q = sigma(box.z), 1.0 + box.z * sigma(-box.z)
    o, s = box.z * p, p * q
    q = np.abs(q) + 1.2 * box.radius
    r1 = u * up * ((C + 3.0) * q + far * ((C + 3.0) * up + 4.0 * rest))
    r0 = (C + 4.0) * u * np.abs(o) + (1.0 + far) * eta
    if box.family.usual:  # sigma by tanh; it moves s by q - z sigma times as much
        r0, r1 = r0 + far * by_tanh(box), r1 + (q + far * up) * by_tanh(box)
    bend = bell(box.nearest) * np.maximum(2.0, box.nearest)  # decreases with |z|
    steep = np.abs(s) + r1 + bend * (box.radius + ROOM)
    return Parts(o, s, r0, steep, r1 + (2.0 + far) * eta, bend)


def softsign(box: Box) -> Parts:
    """o = z / (1 + |z|), s = 1 / (1 + |z|)^2, |g''| = 2 / (1 + |z|)^3."""
    u, eta = box.u, box.eta
    near = 1.0 + box.nearest
    o, s = box.z / (1.0 + box.a), 1.0 / (1.0 + box.a) ** 2
    r0, r1 = 3.0 * u * np.abs(o) + eta, 5.0 * u * s + eta
    if box.family.autodiff:
        # The quotient rule subtracts two numbers near 1 / (1 + |z|). In the second of them JAX has
        # (1 + |z|)^-2 as a power: where that is no normal number, the first one is left alone.
        r1 = r1 + 6.0 * u / near
        r1 = r1 + np.where(4.0 * eta * box.farthest**2 >= 1.0, 1.0 / near, 0.0)
    return Parts(o, s, r0, 1.0 / near**2, r1, 2.0 / near**3)


def row_of(name: str, box: Box) -> Row:
    """Eo and Es from the parts, all a 64th larger where rounding or a supremum is estimated."""
    own, E = PARTS[name](box), box.E
    room = 1.0 if name in PIECEWISE_LINEAR else 1.0 + ROOM
    return Row(own.o, room * (own.r0 + own.L1 * E), own.s, room * (own.r1 + own.L2 * E))


# softmax is no row: its elements hang together, so `bound_losses.py` takes it with the loss.
PARTS: dict[str, Callable[[Box], Parts]] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": leaky_relu,  # whose slope is 0: a block takes both at once
    "leaky_relu": leaky_relu,
    "elu": elu,
    "softplus": softplus,
    "gelu": gelu,
    "silu": silu,
    "softsign": softsign,
}
KINKED = ("relu", "leaky_relu")
PIECEWISE_LINEAR = ("identity", *KINKED)
