"""One network in balls: forward and backward in python-flint's `arb`, with proved radii.

A ball is a midpoint with a radius that encloses the exact number; every operation widens it by
what it rounds. A radius that comes out small therefore proves the value, whatever the formula. Each
formula here has the form that keeps its relative precision in the tails, so that a few bits more
are enough. This pass is a witness of its own: it shares nothing with `reference_impl`, with the
bound or with another oracle, and what looks alike stands apart on purpose.

Matrices are `arb_mat`, whose products run in C; elementwise work goes over their entries.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from flint import arb, arb_mat

from backproof.case import Case
from backproof.drawing import Array

Balls = list[arb]  # the entries of a matrix, row by row
Point = tuple[arb, arb]  # g(z) and g'(z)

ZERO, ONE, TWO = arb(0), arb(1), arb(2)


class Pass(NamedTuple):
    """What one pass found.

    gradient: balls of dLoss/dW and dLoss/db, (P,) in the order of `slots_of`
    kinks: how many units of how many rows, together, stand on a kink, z = 0, or too near to tell
    undecided: the balls of some unit on a kink are too wide to tell
    """

    gradient: Balls
    kinks: int
    undecided: bool


class Layer(NamedTuple):
    """W_l and Z_l as matrices, of its output O_l the matrix and the slopes g_l'(Z_l), and which of
    these stand on a kink."""

    W: arb_mat
    Z: arb_mat
    O: arb_mat
    slopes: Balls
    kinks: list[int]


def pass_of(case: Case, *, both: bool) -> Pass:
    """Forward and backward at flint's working precision.

    both: a unit on a kink, or too near to tell, has any slope between its two; otherwise it has
        that of z <= 0, the convention of every side
    """
    layers = _forward(case, both=both)
    kinks = [layer.Z.entries()[i] for layer in layers for i in layer.kinks]
    undecided = not all(z.is_zero() for z in kinks)
    return Pass(_gradient(case, layers), len(kinks), undecided)


class Inside(NamedTuple):
    """What a pass goes through. layers: from the input up   delta: of the output, dLoss/dZ_L"""

    layers: list[Layer]
    delta: arb_mat


def inside_of(case: Case) -> Inside:
    """The inside of `pass_of(case, both=False)`; O of a softmax layer is its Z (see `_forward`)."""
    layers = _forward(case, both=False)
    return Inside(layers, _output_delta(case, layers[-1].Z, layers[-1]))


# 2**8 choices at most; a unit of a row more doubles them.
MOST_KINKS = 8


def ends_of(case: Case) -> list[tuple[arb, arb]]:
    """The smallest and the largest gradient, element by element, of all slopes at kinks.

    The gradient is linear in each slope, so its ends are at choices of one end or the other for
    each: all are tried where they are at most 2**MOST_KINKS. Otherwise every slope is a ball that
    holds both, which may allow more than any choice does.
    """
    layers = _forward(case, both=False)
    places = [(l, i) for l, layer in enumerate(layers) for i in layer.kinks]
    if len(places) > MOST_KINKS:
        return [(ball.lower(), ball.upper()) for ball in pass_of(case, both=True).gradient]
    found = [
        _gradient(case, _chosen(layers, dict(zip(places, choice, strict=True))))
        for choice in product((False, True), repeat=len(places))
    ]
    return [
        (_least(balls), -_least([-ball for ball in balls])) for balls in zip(*found, strict=True)
    ]


def _least(balls: Sequence[arb]) -> arb:
    least = balls[0].lower()
    for ball in balls[1:]:
        least = least.min(ball.lower())
    return least


def _chosen(layers: Sequence[Layer], steep: dict[tuple[int, int], bool]) -> list[Layer]:
    """The same with the slope 1 at each kink that is `steep`, and the convention's elsewhere."""
    return [
        layer._replace(slopes=[ONE if steep.get((l, i)) else s for i, s in enumerate(layer.slopes)])
        for l, layer in enumerate(layers)
    ]


def _forward(case: Case, *, both: bool) -> list[Layer]:
    activated = _activations(case, both=both)
    O = _matrix(case.arrays.X)
    layers: list[Layer] = []
    for W, b, name in zip(case.arrays.weights, case.arrays.biases, case.activations, strict=True):
        weights = _matrix(W)
        Z = O * weights if b is None else O * weights + _ones(case.n, 1) * _matrix(b[None])
        z = Z.entries()
        kinks = [i for i, x in enumerate(z) if not (x > 0 or x < 0)] if name in _KINKED else []
        # softmax is not elementwise: it is taken together with the loss, from Z.
        points = [activated[name](x) for x in z] if name != "softmax" else [(x, ONE) for x in z]
        O = arb_mat(case.n, W.shape[1], [o for o, _ in points])
        layers.append(Layer(weights, Z, O, [s for _, s in points], kinks))
    return layers


def _gradient(case: Case, layers: Sequence[Layer]) -> Balls:
    return _backward(case, layers, _output_delta(case, layers[-1].Z, layers[-1]))


def _backward(case: Case, layers: Sequence[Layer], delta: arb_mat) -> Balls:
    """dLoss/dW_l = O_{l-1}^T delta_l and dLoss/db_l = 1^T delta_l, from the output down."""
    parts: list[Balls] = []
    for l in reversed(range(case.depth)):
        O_below = layers[l - 1].O if l else _matrix(case.arrays.X)
        b = [] if case.bias == "none" else (_ones(1, case.n) * delta).entries()
        parts.append((O_below.transpose() * delta).entries() + b)
        if l:
            G = delta * layers[l].W.transpose()
            delta = _times(G, layers[l - 1].slopes)
    return [ball for part in reversed(parts) for ball in part]


def _matrix(array: Array) -> arb_mat:
    """A float32 or float64 becomes a ball of radius zero, at any working precision."""
    return arb_mat(*array.shape, array.ravel().tolist())


@cache
def _ones(rows: int, columns: int) -> arb_mat:
    """Kept, for whole numbers are exact at every precision; like every matrix never written to."""
    return arb_mat(rows, columns, [ONE] * (rows * columns))


def _times(A: arb_mat, factors: Iterable[arb]) -> arb_mat:
    """Elementwise; A (n, k), factors row by row."""
    products = [a * s for a, s in zip(A.entries(), factors, strict=True)]
    return arb_mat(A.nrows(), A.ncols(), products)


# Activations: z -> g(z), g'(z).

_KINKED = ("relu", "leaky_relu")


def _activations(case: Case, *, both: bool) -> dict[str, Callable[[arb], Point]]:
    # The slope in the dtype of the case, as every side has it.
    slope = arb(float(np.dtype(case.dtype).type(case.slope)))
    return SMOOTH | {
        "relu": lambda z: _bent(z, ZERO, both),
        "leaky_relu": lambda z: _bent(z, slope, both),
    }


def _bent(z: arb, slope: arb, both: bool) -> Point:
    """Slope 1 above zero, `slope` below and, by convention, at zero."""
    if z > 0:
        return z, ONE
    if z < 0 or not both:
        return slope * z, slope
    return (slope * z).union(z), slope.union(ONE)


def _identity(z: arb) -> Point:
    return z, ONE


def _sigmoid(z: arb) -> Point:
    """s(z), and s'(z) = s(z) s(-z) = e / (1 + e)^2 with e = exp(-|z|), which cannot overflow."""
    e = (-z).exp() if z > 0 else z.exp()
    larger = 1 / (1 + e)  # s(|z|)
    smaller = e * larger
    return larger if z > 0 else smaller, larger * smaller


def _tanh(z: arb) -> Point:
    return z.tanh(), z.sech() ** 2


def _elu(z: arb) -> Point:
    """z above zero, exp(z) - 1 below: smooth with alpha = 1, so an unknown sign costs nothing."""
    if z > 0:
        return z, ONE
    below = z.expm1(), z.exp()
    return below if z <= 0 else (below[0].union(z), below[1].union(ONE))


def _softplus(z: arb) -> Point:
    """log(1 + exp(z)); its derivative is s(z)."""
    if z > 0:
        return z + (-z).exp().log1p(), _sigmoid(z)[0]
    return z.exp().log1p(), _sigmoid(z)[0]


def _gelu(z: arb) -> Point:
    """z Phi(z), Phi(z) + z phi(z); Phi by erfc keeps the tail that 1 + erf loses."""
    Phi = (-z / TWO.sqrt()).erfc() / 2
    phi = (-z * z / 2).exp() / (TWO * arb.pi()).sqrt()
    return z * Phi, Phi + z * phi


def _silu(z: arb) -> Point:
    """z s(z), s(z) + z s'(z)."""
    s, s_prime = _sigmoid(z)
    return z * s, s + z * s_prime


def _softsign(z: arb) -> Point:
    inverse = 1 / (1 + abs(z))
    return z * inverse, inverse * inverse


SMOOTH: dict[str, Callable[[arb], Point]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "elu": _elu,
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": _silu,
    "softsign": _softsign,
}


# Losses: delta_L = dLoss/dZ_L, (n, k_L).


def _output_delta(case: Case, Z: arb_mat, output: Layer) -> arb_mat:
    delta = LOSSES[case.loss](case, Z, output)
    per_row = case.loss.startswith(("mean_squared_error", "binary_cross_entropy"))
    shares = (case.n if case.reduction == "mean" else 1) * (case.widths[-1] if per_row else 1)
    return delta * (ONE / shares)


def _squares(case: Case, Z: arb_mat, output: Layer) -> arb_mat:
    """Half the squared error: G = O - Y, and delta = G g'(Z)."""
    if case.activations[-1] == "softmax":
        return _squares_of_softmax(Z, _matrix(case.arrays.Y))
    return _times(output.O - _matrix(case.arrays.Y), output.slopes)


def _twice_squares(case: Case, Z: arb_mat, output: Layer) -> arb_mat:
    return _squares(case, Z, output) * TWO


def _squares_of_softmax(Z: arb_mat, Y: arb_mat) -> arb_mat:
    """D_i = p_i sum_{k != i} p_k (G_i - G_k), where the sum over all k but i is no difference.

    G = p - Y is written p (1 - Y) - Y (1 - p): at a label of 1 it is -(1 - p) and keeps its tail.
    """
    p, rest = _softmax(Z)
    y = Y.entries()
    G = [a * (1 - t) - t * r for a, t, r in zip(p.entries(), y, rest.entries(), strict=True)]
    weighted = _times(p, G) * _but_itself(p.ncols())
    H = _times(rest, G) - weighted
    return _times(p, H.entries())


def _cross_entropy(case: Case, Z: arb_mat, output: Layer) -> arb_mat:
    """D_i = p_i sum(Y) - Y_i = p_i sum_{k != i} Y_k - Y_i sum_{k != i} p_k."""
    Y = _matrix(case.arrays.Y)
    p, rest = _softmax(Z)
    return _times(p, (Y * _but_itself(Y.ncols())).entries()) - _times(rest, Y.entries())


def _binary_cross_entropy(case: Case, Z: arb_mat, output: Layer) -> arb_mat:
    """D = s(z) - Y: s(z) at a label of 0, -s(-z) at a label of 1, their mixture between."""
    Y = case.arrays.Y.ravel().tolist()
    D = [
        (1 - t) * _sigmoid(z)[0] - t * _sigmoid(-z)[0]
        for z, t in zip(Z.entries(), map(arb, Y), strict=True)
    ]
    return arb_mat(Z.nrows(), Z.ncols(), D)


def _softmax(Z: arb_mat) -> tuple[arb_mat, arb_mat]:
    """p, and 1 - p as the sum of the other rows' shares: both (n, k), both to the last bit.

    exp is taken of z minus the row's largest midpoint, which drops out of the quotient.
    """
    n, k = Z.nrows(), Z.ncols()
    entries, e = Z.entries(), Balls()
    for start in range(0, n * k, k):
        row = entries[start : start + k]
        top = _largest(row)
        e += [(z - top).exp() for z in row]
    shares = arb_mat(n, k, e)
    totals = (shares * _ones(k, 1)).entries()
    inverse = [1 / total for total in totals for _ in range(k)]
    return _times(shares, inverse), _times(shares * _but_itself(k), inverse)


def _largest(row: Balls) -> arb:
    top = row[0]
    for z in row[1:]:
        if z > top:
            top = z
    return top.mid()


@cache
def _but_itself(k: int) -> arb_mat:
    """(k, k), 0 on the diagonal and 1 elsewhere: M times it sums each row but for one entry."""
    return arb_mat(k, k, [ZERO if i == j else ONE for i in range(k) for j in range(k)])


LOSSES: dict[str, Callable[[Case, arb_mat, Layer], arb_mat]] = {
    "half_squared_error": _squares,
    "mean_squared_error": _twice_squares,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_with_logits": _binary_cross_entropy,
    "cross_entropy": _cross_entropy,
    "cross_entropy_with_logits": _cross_entropy,
}
