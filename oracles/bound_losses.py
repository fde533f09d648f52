"""delta_L = dLoss/dZ_L at the output with its E, for every loss and output activation.

This is F3 of `bound.py` together with what depends on the whole row: softmax, and the
cross-entropies whose derivative cancels against that of their output activation. `factor` holds
the means over rows and outputs. Each function returns (D, ED), both (M, 1, m).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from oracles import bound_tables
from oracles.bound_tables import (
    Array,
    Box,
    Family,
    Mask,
    Precision,
    Row,
    closed,
    row_of,
    sigma,
)


class Output(NamedTuple):
    """The output layer of the cases with one loss: arrays (M, 1, m), numbers per case (M, 1, 1).

    They are rows of the batch or single neurons (`bound_blocks.Places`).

    loss: "mean_squared_error" for both squared errors
    Z, EZ, row: of the layer (for a softmax the row is that of the identity)
    neurons: where real rows and neurons are   width: how many neurons   factor, roundings: `Block`
    """

    loss: str
    Z: Array
    EZ: Array
    row: Row
    Y: Array
    neurons: Mask
    width: Array
    factor: Array
    roundings: Array
    precision: Precision
    family: Family

    def of(self, own: slice, loss: str) -> "Output":
        """The part of it that has this loss."""
        return Output(
            loss=loss,
            Z=self.Z[own],
            EZ=self.EZ[own],
            row=Row(*(array[own] for array in self.row)),
            Y=self.Y[own],
            neurons=self.neurons[own],
            width=self.width[own],
            factor=self.factor[own],
            roundings=self.roundings[own],
            precision=self.precision.of(own),
            family=self.family,
        )


class Probabilities(NamedTuple):
    """softmax(Z) with its E; rest = 1 - p of the largest, (M, 1, 1), with all its digits; and
    least <= p_hat for every right implementation."""

    p: Array
    E: Array
    rest: Array
    least: Array

    def of(self, own: slice) -> "Probabilities":
        return Probabilities(*(array[own] for array in self))


WithError = tuple[Array, Array]  # a value of the witness and its E


class Sized(NamedTuple):
    """A value of the witness, its E, and at least |X| and every |X_hat|."""

    X: Array
    E: Array
    top: Array


def sized(X: WithError) -> Sized:
    return Sized(*X, _top(*X))


def _top(X: Array, E: Array) -> Array:
    """From the witness' X."""
    return np.abs(X) + 2.0 * E


BINARY_ROUNDINGS = 6.0  # of the difference p - Y and all that follows it


def g(n: Array | float, precision: Precision) -> Array:
    """What n roundings in a row amount to: n u / (1 - n u) (Higham 2002, lemma 3.1)."""
    return n * precision.u / (1.0 - n * precision.u)


def over_rows(X: Array) -> Array:
    """The sum over the rows of a batch, (K, 1, k); `sum` takes four times as long."""
    return np.einsum("cij->cj", X)[:, None]


def product(G: WithError, S: WithError, precision: Precision) -> WithError:
    """F4: the product of two numbers with errors, elementwise.

    G_hat S_hat - G S = G (S_hat - S) + S_hat (G_hat - G), and |G| <= |G_w| + EG for the exact G,
    |S_hat| <= |S_w| + 2 ES. The product itself rounds once, one to spare.
    """
    (dO, Eg), (s, Es) = G, S
    result = dO * s
    E = (np.abs(dO) + Eg) * Es + (np.abs(s) + 2.0 * Es) * Eg
    return result, closed(E + 2.0 * precision.u * np.abs(result) + precision.eta, precision)


def squares(out: Output, o: Array, Eo: Array) -> WithError:
    """F3 for a squared error: G = factor (O - Y) of half_squared_error and mean_squared_error."""
    G = out.factor * (o - out.Y)
    E = out.factor * Eo + out.roundings * out.precision.u * np.abs(G) + 2.0 * out.precision.eta
    return G, closed(E, out.precision)


def squared_error(out: Output) -> WithError:
    """The derivative of the squares times g'(Z), neuron by neuron."""
    G = squares(out, out.row.o, out.row.Eo)
    return product(G, (out.row.s, out.row.Es), out.precision)


def squared_error_of_softmax(out: Output, probabilities: Probabilities) -> WithError:
    """D_i = p_i (G_i - c) with c = sum_k G_k p_k.

    c: each product and the sum round by g(d + 1). H = G - c rounds once; written p G - p c, as
    frameworks do, both products round, and both may underflow. Where p nears 1, H cancels: u|G| of
    it remains, rightly.
    """
    u, eta = out.precision.u, out.precision.eta
    p, Ep, _, _ = probabilities
    G, EG = (_real(array, out) for array in squares(out, p, Ep))
    c = (G * p).sum(axis=-1, keepdims=True)
    sizes = np.abs(G) + 2.0 * EG
    Ec = ((np.abs(G) + EG) * Ep + (p + 2.0 * Ep) * EG).sum(axis=-1, keepdims=True)
    Ec = Ec + g(out.width + 1.0, out.precision) * (sizes * (p + 2.0 * Ep)).sum(-1, keepdims=True)
    H = G - c
    EH = EG + Ec + u * (np.abs(H) + np.abs(G) + np.abs(c)) + 2.0 * out.width * eta
    D, ED = product((H, closed(EH, out.precision)), (p, Ep), out.precision)
    return D, closed(ED + 2.0 * eta, out.precision)


def binary_cross_entropy(out: Output) -> WithError:
    """D = factor (p - Y) with p = sigma(z): the error of p, and 6 roundings of D.

    Through the logits: p - Y, two factors, one to spare (F3), and F4 with g' = 1 adds two.
    On probabilities g' = p (1 - p) and dLoss/dp = (p - Y) / (p (1 - p)) hold the *same* p, and
    1 - p is exact from 1/2 on, so the tails cancel and the roundings are those of p - Y, the
    quotient, two factors and the product: also 6, one to spare. Once 1 - p is below u, p is
    exactly 1 and a right program divides by 0: nothing is certain.
    """
    precision, family, factor = out.precision, out.family, out.factor
    box = Box(out.Z, out.EZ, precision, np.zeros_like(factor), family)
    p, Ep, _, _ = row_of("sigmoid", box)
    # For a label of exactly 1, p - 1 = -sigma(-z) keeps its tail.
    below = sigma(-out.Z)
    D = factor * np.where(out.Y == 1.0, -below, p - out.Y)
    E = factor * Ep * (1.0 + 4.0 * precision.u)
    E = E + BINARY_ROUNDINGS * precision.u * np.abs(D) + 3.0 * precision.eta
    E = E + factor * precision.u * binary_terms(box, out.Y)
    if out.loss == "binary_cross_entropy" and family.probabilities:
        zero, one = _may_be_zero(p - 2.0 * Ep, out), _may_be_zero(below - 2.0 * Ep, out)
        if not family.usual:  # the label's own probability: (p - Y) / (p (1 - p)) is 0, not 0/0
            zero, one = zero & (out.Y != 0.0), one & (out.Y != 1.0)
        E = np.where(zero | one, np.inf, E)
    return D, closed(E, precision)


def binary_terms(box: Box, Y: Array) -> Array:
    """What Y softplus(-z) + (1 - Y) softplus(z), differentiated term by term, rounds more, in u.

    exp(z - out) errs by 2|z|u besides C u. The fractions -Y/p + (1 - Y)/(1 - p) need nothing more.
    """
    if not box.family.autodiff:
        return np.zeros_like(Y)
    both = np.abs(Y) * sigma(-box.low) + np.abs(1.0 - Y) * sigma(box.high)
    extra = bound_tables.C + 5.0 + 2.0 * box.farthest
    return extra * both


def _may_be_zero(least: Array, out: Output) -> Mask:
    """Whether a probability may be rounded to 0, or be so small that (1 + |Y|) / p overflows."""
    smallest = np.maximum(out.precision.eta, (1.0 + np.abs(out.Y)) / out.precision.largest)
    return ~(least > smallest)


def cross_entropy(out: Output, probabilities: Probabilities) -> WithError:
    """D = factor (p sum(Y) - Y) with p = softmax(z).

    Through the logits: the error of p, g(d) of the sum of Y and two roundings of its product with
    p, then 6 of D (F3 and F4).
    On probabilities, G = -Y/p and D_i = p_i (G_i - sum_k p_k G_k): p cancels against the *same* p,
    so -Y_i comes back after 3 roundings, quotient, difference, product, and p_i sum(Y) with the
    error of p_i and one more for p_k G_k and d - 1 for the sum. In the whole Jacobian,
    (diag(p) - p p') G, -Y_i itself goes through the sum.
    That holds until a p under a label becomes 0; a stranger's code may divide 0 by 0 elsewhere.
    """
    precision, factor = out.precision, out.factor
    u, eta = precision.u, precision.eta
    p, Ep, rest, least = probabilities
    labels, sizes = out.Y.sum(-1, keepdims=True), np.abs(out.Y).sum(-1, keepdims=True)
    # Under a single label p - 1 is minus the rest, which keeps its tail when p nears 1.
    alone = (out.Y == labels) & (p > 0.75)
    D = factor * np.where(alone, -out.Y * rest, p * labels - out.Y)
    E = Ep * np.abs(labels) * (1.0 + 4.0 * u)
    shares = (p + 2.0 * Ep) * sizes
    if out.loss == "cross_entropy" and out.family.probabilities:
        own = out.width + 3.0 if out.family.usual else 3.0
        E = E + u * (own * np.abs(out.Y) + (out.width + 3.0) * shares)
        lost = _may_be_zero(least, out) & out.neurons
        lost = lost if out.family.usual else lost & (out.Y != 0.0)
        E = np.where(lost.any(axis=-1, keepdims=True), np.inf, E)  # the sum takes it everywhere
    else:
        E = E + u * (out.width + 2.0) * shares
    E = factor * E + 6.0 * u * np.abs(D) + (out.width + 4.0) * eta
    return D, closed(E, precision)


def softmax(out: Output) -> Probabilities:
    """p_i = exp(t_i) / sum_k exp(t_k) with t = z - max z; its error is one of log p.

    The z move log p_i by E_i + log sum_k p_k exp(+-E_k), and that logarithm lies within
    sum_k p_k E_k exp(E_k) of 0 (it is at least sum p E by Jensen, at most sum p (exp E - 1)), and
    within max E. Roundings: t_i and C for exp, the same in the sum, on the average that p is, and d
    for its additions and the quotient. Written exp(t - log(sum)), as log_softmax does, the
    logarithm, at most log d, adds C and the difference 1 of it, and of t_i once more.
    p_k of the exact z, and of any z_hat, is at most p_k exp(3 max E) times the witness' rounding.
    """
    precision, d, C = out.precision, out.width, bound_tables.C
    E = _real(out.EZ, out)
    t, exps = _shifted(out)
    total = exps.sum(axis=-1, keepdims=True)
    p = exps / total
    rest = np.where(t < 0.0, exps, 0.0).sum(axis=-1, keepdims=True) / total
    spread = _largest(E)
    sizes = _real(np.abs(t) + 2.0 * (E + spread), out)
    # |t| exp(-|t|) <= 1/e, whatever z_hat is.
    each = np.minimum(p * np.exp(2.0 * (E + spread)) * sizes, np.exp(-1.0))
    rounding = sizes + each.sum(-1, keepdims=True) + d + 2.0 * C
    if out.family.autodiff or out.family.usual:  # exp(t - log(sum))
        rounding = rounding + sizes + (C + 1.0) * np.log(d)
    rounding = precision.u * rounding
    moved = (p * np.exp(2.0 * E + spread + rounding) * E).sum(axis=-1, keepdims=True)
    relative = rounding + E + np.minimum(spread, moved)
    # |p_hat - p| <= p (exp(relative) - 1), and the exact p <= p_witness exp(relative).
    r = np.minimum(relative, 300.0)
    Ep = np.minimum(1.0, (p + precision.eta) * np.exp(r) * np.expm1(r)) + precision.eta
    Ep = np.where(relative > 300.0, 1.0, Ep)
    least = p * np.exp(-2.0 * relative) - precision.eta
    return Probabilities(p, closed(Ep, precision), rest, least)


def _shifted(out: Output) -> tuple[Array, Array]:
    """t = z - max z and exp(t), both 0 where there is no neuron."""
    t = _real(out.Z - _largest(np.where(out.neurons, out.Z, -np.inf)), out)
    return t, _real(np.exp(t), out)


def _largest(X: Array) -> Array:
    """(M, 1, m) -> (M, 1, 1), m a power of two: halves are far quicker than a reduction is."""
    while (half := X.shape[-1] // 2) > 0:
        X = np.maximum(X[..., :half], X[..., half:])
    return X


def _real(array: Array, out: Output) -> Array:
    return np.where(out.neurons, array, 0.0)


# (loss, whether the output activation is a softmax): neuron by neuron, and row by row
DELTAS: dict[tuple[str, bool], Callable[[Output], WithError]] = {
    ("half_squared_error", False): squared_error,
    ("mean_squared_error", False): squared_error,
    ("binary_cross_entropy", False): binary_cross_entropy,
    ("binary_cross_entropy_with_logits", False): binary_cross_entropy,
}
SOFTMAX_DELTAS: dict[tuple[str, bool], Callable[[Output, Probabilities], WithError]] = {
    ("half_squared_error", True): squared_error_of_softmax,
    ("mean_squared_error", True): squared_error_of_softmax,
    ("cross_entropy", True): cross_entropy,
    ("cross_entropy_with_logits", False): cross_entropy,
}
