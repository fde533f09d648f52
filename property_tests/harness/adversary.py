"""The worst right program: it rounds as badly as the bound allows, and always to its own harm.

A right program in the sense of `oracles/bound.py` may err by u in each operation, by C u in exp and
its like, and flush what is below the smallest normal number. Real ones do much better, so they
cannot show that the bound needs each of its terms. This one computes a whole gradient in balls, and
each operation multiplies its result by 1 + delta; a first pass finds how each delta moves the
element in question, the second takes each delta at its limit with that sign.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flint import arb, ctx

from backproof.case import Case
from backproof.gradients import Vector
from property_tests.harness.balls import truth_of
from property_tests.harness.formulas import BINARY, FORMULAS
from property_tests.harness.rounded import ALLOWED, Rounded

BITS = 300
# Each delta stays this little below its limit: what is shown to be outside is so.
_FULL = 1.0 - 2.0**-20
_BLOCK = 128  # deltas; no formula has more
_FLUSH = 1.0  # the limit of a delta that is either 0 or -1

Moved = dict[int, float]


class Workshop:
    """Numbers `Off` of one program run; the deltas of its operations, in order, if they are set.

    u, smallest: of the dtype   limits: of each delta so far
    """

    def __init__(
        self, dtype: str, deltas: Sequence[float] | None = None, signs: list[bool] | None = None
    ) -> None:
        kind = np.finfo(dtype)
        self.u, self.smallest = float(kind.epsneg), float(kind.smallest_normal)
        self.deltas, self.limits = deltas, list[float]()
        self.signs = signs if signs is not None else list[bool]()
        self._decided = 0

    @contextmanager
    def block(self) -> Iterator[None]:
        """Of as many deltas whichever way a formula branches; they number what follows it."""
        end = len(self.limits) + _BLOCK
        yield
        self.limits += [0.0] * (end - len(self.limits))

    def positive(self, z: "Off") -> bool:
        """The sign that decides at a kink: in both passes that of the first."""
        if self.deltas is None:
            self.signs.append(bool(z.value > 0))
        self._decided += 1
        return self.signs[self._decided - 1]

    def exact(self, x: float) -> "Off":
        return Off(self, arb(float(x)), {})

    def made(self, value: arb, moved: Moved, errs: float = 1.0) -> "Off":
        """The result of an operation: it is off by a delta, and may be flushed to zero."""
        value, moved = self._times(value, moved, errs * self.u)
        return Off(self, *self._times(value, moved, _FLUSH))

    def _times(self, value: arb, moved: Moved, limit: float) -> tuple[arb, Moved]:
        """1 + delta times the value; a delta has its number in both passes."""
        number, size = len(self.limits), float(value)
        self.limits.append(limit)
        if limit == _FLUSH and not abs(size) < self.smallest:
            return value, moved
        if self.deltas is not None:
            return value * (1 + arb(self.deltas[number])), moved
        return value, {**moved, number: size} if size else moved


def _moved(parts: Iterable[tuple[Moved, float]]) -> Moved:
    """The sum of what moves the inputs, each times a slope; no delta where a float overflows."""
    found: Moved = {}
    for moved, slope in parts:
        for name, part in moved.items():
            found[name] = found.get(name, 0.0) + slope * part
    return {name: part for name, part in found.items() if math.isfinite(part)}


class Off:
    """A number of a program, and how far each delta before it moves it."""

    __array_ufunc__ = None  # NumPy's numbers leave the arithmetic to this class

    def __init__(self, shop: Workshop, value: arb, moved: Moved) -> None:
        self.shop, self.value, self.moved = shop, value, moved

    def _of(self, other: Any) -> "Off":
        if isinstance(other, Off):
            return other
        if isinstance(other, Rounded):  # of a formula: a whole number, or one that rounds
            if other.constant is not None:
                return self.shop.made(arb(other.constant), {})
            return self.shop.exact(float(other.value.lo))
        return self.shop.exact(float(other))

    def _with(self, x: "Off", value: arb, mine: arb, its: arb) -> "Off":
        moved = _moved([(self.moved, float(mine)), (x.moved, float(its))])
        return self.shop.made(value, moved)

    def __neg__(self) -> "Off":
        return Off(self.shop, -self.value, {name: -part for name, part in self.moved.items()})

    def __add__(self, other: Any) -> "Off":
        x = self._of(other)
        return self._with(x, self.value + x.value, arb(1), arb(1))

    def __sub__(self, other: Any) -> "Off":
        return self + -self._of(other)

    def __rsub__(self, other: Any) -> "Off":
        return self._of(other) + -self

    def __mul__(self, other: Any) -> "Off":
        x = self._of(other)
        return self._with(x, self.value * x.value, x.value, self.value)

    def __truediv__(self, other: Any) -> "Off":
        x = self._of(other)
        quotient = self.value / x.value
        return self._with(x, quotient, 1 / x.value, -quotient / x.value)

    def __rtruediv__(self, other: Any) -> "Off":
        return self._of(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def over(self, divisor: arb) -> "Off":
        """The quotient without a rounding of its own."""
        return Off(self.shop, self.value / divisor, _moved([(self.moved, float(1 / divisor))]))

    def _called(self, value: arb, slope: arb) -> "Off":
        return self.shop.made(value, _moved([(self.moved, float(slope))]), ALLOWED)

    def exp(self) -> "Off":
        return self._called(self.value.exp(), self.value.exp())

    def expm1(self) -> "Off":
        return self._called(self.value.expm1(), self.value.exp())

    def log(self) -> "Off":
        return self._called(self.value.log(), 1 / self.value)

    def log1p(self) -> "Off":
        return self._called(self.value.log1p(), 1 / (1 + self.value))

    def tanh(self) -> "Off":
        return self._called(self.value.tanh(), 1 / self.value.cosh() ** 2)

    def cosh(self) -> "Off":
        return self._called(self.value.cosh(), self.value.sinh())

    def erf(self) -> "Off":
        slope = 2 / arb.pi().sqrt() * (-(self.value**2)).exp()
        return self._called(self.value.erf(), slope)


Program = Callable[..., Any]  # a formula of `formulas.py`, or one like it, on an `Off`
Numbers = Any  # an array of dtype object that holds `Off`


def worst_errors(case: Case, family: str, style: int = 0) -> Vector:
    """How far the worst right program of a family lies from the exact gradient, (P,).

    style: which of the family's formulas it has, counted around
    """
    before, ctx.prec = ctx.prec, BITS
    # NumPy asks the processor for flags that balls have left behind.
    with np.errstate(all="ignore"):
        try:
            return _worst_errors(case, family, style)
        finally:
            ctx.prec = before


def _worst_errors(case: Case, family: str, style: int) -> Vector:
    first = Workshop(case.dtype)
    moved = [number.moved for number in _gradient(case, family, style, first)]
    truth = truth_of(case).gradient
    errors = []
    for element, parts in enumerate(moved):
        answers = [
            _gradient(case, family, style, Workshop(case.dtype, deltas, first.signs))[element]
            for deltas in _at_their_limits(parts, first.limits)
        ]
        errors.append(max(float(abs(answer.value - truth[element])) for answer in answers))
    return np.array(errors)


def _at_their_limits(moved: Moved, limits: Sequence[float]) -> list[list[float]]:
    """All deltas at the limits that move an element most, upwards and downwards."""
    both = []
    for way in (1.0, -1.0):
        signs = [way * float(np.sign(moved.get(i, 0.0))) for i in range(len(limits))]
        both.append(
            [
                min(sign, 0.0) if limit == _FLUSH else sign * limit * _FULL
                for sign, limit in zip(signs, limits, strict=True)
            ]
        )
    return both


# ---- a program: forward, loss, backward ----


def _gradient(case: Case, family: str, style: int, shop: Workshop) -> list[Off]:
    make = np.frompyfunc(shop.exact, 1, 1)
    weights: list[Numbers] = [make(W) for W in case.arrays.weights]
    biases = [None if b is None else make(b) for b in case.arrays.biases]
    O: list[Numbers] = [make(case.arrays.X)]
    Z: list[Numbers] = []
    formulas = [_formulas(name, family, style, _slope(case)) for name in case.activations]
    for W, b, (g, _) in zip(weights, biases, formulas, strict=True):
        Z.append(_summed(O[-1], W, b, style))
        O.append(_each(g, Z[-1]))
    delta: Numbers = _at_output(case, family, style, Z[-1], O[-1], make(case.arrays.Y))
    parts: list[Off] = []
    for layer in reversed(range(case.depth)):
        own = [_product(O[layer].T, delta).ravel()]
        if biases[layer] is not None:
            own.append(_down(delta))
        parts = [*np.concatenate(own), *parts]
        if layer:
            slopes = _each(formulas[layer - 1][1], Z[layer - 1])
            delta = _product(delta, weights[layer].T) * slopes
    return parts


def _formulas(name: str, family: str, style: int, slope: float) -> tuple[Program, Program]:
    if name in ("identity", "softmax"):
        return (lambda z, _: z), (lambda z, _: z.shop.exact(1.0))
    if name in ("relu", "leaky_relu"):
        return _kinked(slope if name == "leaky_relu" else 0.0)
    own = FORMULAS[name].get(family) or FORMULAS[name]["numpy"]
    return own[style % len(own)]


def _slope(case: Case) -> float:
    return float(np.dtype(case.dtype).type(case.slope))


def _kinked(slope: float) -> tuple[Program, Program]:
    def g(z: Any, _: bool) -> Any:
        if z.shop.positive(z):
            return z
        return z * slope if slope else Off(z.shop, arb(0), {})

    def g_prime(z: Any, _: bool) -> Any:
        return z.shop.exact(1.0 if z.shop.positive(z) else slope)

    return g, g_prime


def _each(g: Program, Z: Numbers, *more: Numbers) -> Numbers:
    """A formula on every z, and on what else it takes."""

    def called(z: Off, *others: Off) -> Off:
        with z.shop.block():
            return z._of(g(z, bool(z.value > 0), *others))

    return np.frompyfunc(called, 1 + len(more), 1)(Z, *more)


def _product(A: Numbers, B: Numbers) -> Numbers:
    """A @ B, each sum from its first product on."""
    out = np.empty((A.shape[0], B.shape[1]), dtype=object)
    for i, j in np.ndindex(*out.shape):
        out[i, j] = _sum([A[i, k] * B[k, j] for k in range(A.shape[1])])
    return out


def _sum(numbers: Sequence[Off]) -> Off:
    total = numbers[0]
    for number in numbers[1:]:
        total = total + number
    return total


def _summed(O: Numbers, W: Numbers, b: Numbers | None, style: int) -> Numbers:
    """O @ W + b; in every second style b comes first, and takes all additions on."""
    if b is None or style % 2 == 0:
        return _product(O, W) if b is None else _product(O, W) + b
    n, k = O.shape[0], W.shape[1]
    Z = np.empty((n, k), dtype=object)
    for i, j in np.ndindex(n, k):
        Z[i, j] = _sum([b[j], *(O[i] * W[:, j])])
    return Z


def _down(delta: Numbers) -> Numbers:
    return np.array([_sum(list(column)) for column in delta.T], dtype=object)


def _at_output(case: Case, family: str, style: int, Z: Numbers, O: Numbers, Y: Numbers) -> Numbers:
    if case.loss.startswith("binary"):
        own = [
            f
            for f in BINARY[family]
            if "probabilities" not in f.__name__ or case.loss == "binary_cross_entropy"
        ]
        f = own[style % len(own)]
        D = _each(f, Z, Y)
        # The formula has the two roundings of the means already.
        means = arb(case.widths[-1]) * (case.n if case.reduction == "mean" else 1)
        return np.frompyfunc(lambda d: d.over(means), 1, 1)(D)
    if case.activations[-1] == "softmax" or case.loss.startswith("cross_entropy"):
        return _through_softmax(case, family, style, Z, Y)
    G = _scaled(case, O - Y, per_output=case.loss == "mean_squared_error", times=2.0)
    g_prime = _formulas(case.activations[-1], family, style, _slope(case))[1]
    return G * _each(g_prime, Z)


def _scaled(case: Case, G: Numbers, *, per_output: bool, times: float = 1.0) -> Numbers:
    """The means: over outputs, over rows. A quotient rounds, a factor of 2 or 1 does not."""
    if per_output:
        G = G * times / float(case.widths[-1]) if times != 1.0 else G / float(case.widths[-1])
    return G / float(case.n) if case.reduction == "mean" else G


def _through_softmax(case: Case, family: str, style: int, Z: Numbers, Y: Numbers) -> Numbers:
    p = np.array([_probabilities(row, style, family) for row in Z], dtype=object)
    if case.loss.endswith("squared_error"):
        G = _scaled(case, p - Y, per_output=case.loss == "mean_squared_error", times=2.0)
        return np.array([_jacobian(*row, style) for row in zip(p, G, strict=True)], dtype=object)
    if case.loss == "cross_entropy" and style % 2:
        G = -(Y / p)
        if family == "stranger" and style % 4 == 3:
            return _scaled(
                case,
                np.array([_whole(*row) for row in zip(p, G, strict=True)], dtype=object),
                per_output=False,
            )
        D = np.array([_jacobian(*row, style) for row in zip(p, G, strict=True)], dtype=object)
    else:
        D = np.array(
            [[p_i * _sum(list(y)) - y_i for p_i, y_i in zip(row, y, strict=True)]
             for row, y in zip(p, Y, strict=True)], dtype=object)  # fmt: skip
    return _scaled(case, D, per_output=False)


def _jacobian(p: Numbers, G: Numbers, style: int) -> list[Off]:
    """p_i (G_i - sum_k p_k G_k), or that difference multiplied out."""
    c = _sum([p_k * G_k for p_k, G_k in zip(p, G, strict=True)])
    if style % 4 < 2:
        return [p_i * (G_i - c) for p_i, G_i in zip(p, G, strict=True)]
    return [p_i * G_i - p_i * c for p_i, G_i in zip(p, G, strict=True)]


def _whole(p: Numbers, G: Numbers) -> list[Off]:
    """(diag(p) - p p') G, all of it."""
    return [
        _sum([((p_i if k == i else 0.0) - p_i * p_k) * G_k
              for k, (p_k, G_k) in enumerate(zip(p, G, strict=True))])
        for i, p_i in enumerate(p)
    ]  # fmt: skip


def _probabilities(z: Numbers, style: int, family: str) -> list[Off]:
    """exp(t) / sum exp(t) with t = z - max z, or exp(t - log(sum exp(t)))."""
    largest = max(z, key=lambda number: float(number.value))
    t = [number - largest for number in z]
    exps = [number.exp() for number in t]
    total = _sum(exps)
    if family == "numpy" or style % 8 < 4:
        return [number / total for number in exps]
    return [(number - total.log()).exp() for number in t]
