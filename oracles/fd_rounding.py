"""How far rounding may have moved a difference of two losses; and did a move cross a kink?

A running bound: each layer's error E >= |computed - exact| follows from the layer before. This is
where the bar of a finite difference gets its floor. No derivative enters an *estimate*; the bar
needs to know how steep an activation can be, and takes an upper bound of the slope.

Model: u = 2**-53, a sum of n products in any order errs by at most gamma(n) = nu/(1 - nu) times
the sum of |products| (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1),
and exp, tanh, expm1, log1p, erfc by at most C u = 4 ULP.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backproof.gradients import Vector
from oracles.fd_network import (
    SMALL_TANH,
    TERMS,
    Array,
    Moved,
    Moves,
    Network,
    class_costs,
    outputs_and_labels,
    sum_of_each,
    surprises,
)

_U = 2.0**-53
_C = 8.0
_TINY = float(np.finfo(np.float64).smallest_normal)

# Activations with a jump in the first or second derivative at zero: a central difference across
# the jump converges slowly or not at all, and its error estimate would not notice.
KINKED = ("relu", "leaky_relu", "elu", "softsign")

Mask = NDArray[np.bool_]


def _gamma(n: int) -> float:
    return n * _U / (1.0 - n * _U)


# An upper bound of |g'| on [low, high]. The exponentials bound the tails, e.g.
# sigmoid' <= exp(-|z|), gelu'(-a) <= (0.5 + 0.4a) exp(-a*a/2), silu'(-a) <= (1 + a) exp(-a);
# 1.13 and 1.1 are the largest slopes of gelu and silu anywhere.
_STEEPEST: dict[str, Callable[[Array, Array, float], Array | float]] = {
    "identity": lambda low, high, slope: 1.0,
    "sigmoid": lambda low, high, slope: np.minimum(0.25, np.exp(-_nearest(low, high))),
    "tanh": lambda low, high, slope: np.minimum(1.0, 4.0 * np.exp(-2.0 * _nearest(low, high))),
    SMALL_TANH: lambda low, high, slope: 1.0,
    "relu": lambda low, high, slope: np.where(high > 0, 1.0, 0.0),
    "leaky_relu": lambda low, high, slope: np.where(high > 0, 1.0, slope),
    "elu": lambda low, high, slope: np.exp(np.minimum(high, 0.0)),
    "softplus": lambda low, high, slope: np.exp(np.minimum(high, 0.0)),
    "gelu": lambda low, high, slope: _tail(high, 1.13, 0.4, lambda a: 0.5 * a * a),
    "silu": lambda low, high, slope: _tail(high, 1.1, 1.0, lambda a: a),
    "softsign": lambda low, high, slope: 1.0 / (1.0 + _nearest(low, high)) ** 2,
}


def _nearest(low: Array, high: Array) -> Array:
    """The smallest |z| of the interval."""
    return np.maximum(np.maximum(low, -high), 0.0)


def _tail(high: Array, top: float, growth: float, decay: Callable[[Array], Array]) -> Array:
    a = np.maximum(-high, 0.0)
    return (top + growth * a) * np.exp(-decay(a))


# The rounding of our own formula for g in units of u, from a >= |z| and o >= |g(z)|.
_ROUNDING: dict[str, Callable[[Array, Array], Array | float]] = {
    "identity": lambda a, o: 0.0,
    "sigmoid": lambda a, o: (_C + 3.0) * o,  # exp, 1 + e, the quotient
    # t = exp(2z) enters 2/(t + 1) with the weight t/(t + 1)^2 <= 1/4; the rest adds 5u at most.
    "tanh": lambda a, o: 0.5 * _C + 5.0,
    SMALL_TANH: lambda a, o: _C * o,
    "relu": lambda a, o: 0.0,
    "leaky_relu": lambda a, o: o,
    "elu": lambda a, o: _C * o,
    "softplus": lambda a, o: (2.0 * _C + 3.0) * o,  # log1p and exp; neither is amplified
    # An error of 2u in z/sqrt(2) moves erfc by (z*z + 1) times as much, relatively.
    "gelu": lambda a, o: (_C + 4.0 + 2.0 * a * a) * o,
    "silu": lambda a, o: (_C + 4.0) * o,
    "softsign": lambda a, o: 3.0 * o,
}


def _activation_error(name: str, slope: float, Z: Array, O: Array, E: Array) -> Array:
    """E of O = g(Z) from E of Z; Z and O hold one or two signs on axis 1, E holds for each."""
    if name == "softmax":
        return _softmax_error(Z, O, E)
    low = np.minimum(Z[:, 0], Z[:, -1])
    high = np.maximum(Z[:, 0], Z[:, -1])
    a = np.maximum(high, -low)
    o = np.maximum(np.abs(O[:, 0]), np.abs(O[:, -1]))
    steepest = _STEEPEST[name](low - E, high + E, slope)
    return E * steepest + _ROUNDING[name](a, o) * _U + (1.0 + a) * _TINY


def _softmax_error(Z: Array, O: Array, E: Array) -> Array:
    """Each p_k = exp(t_k) / sum(exp(t_i)), t = z - max z <= 0.

    An error E in every z changes p_k by a factor of at most exp(2 max E). Rounding, in u: |t_k|
    and C for exp(t_k); the sum d for its additions, C, and sum(p_i |t_i|) <= d/e; the quotient.
    """
    d = Z.shape[-1]
    t = np.max(Z.max(axis=-1, keepdims=True) - Z, axis=1)
    rounding = _U * (t + 2.0 * _C + 2.0 * d + 4.0)
    relative = rounding + 2.0 * E.max(axis=-1, keepdims=True)
    largest = np.max(O, axis=1)
    return np.asarray(np.minimum(1.0, 1.01 * largest * np.expm1(relative)) + 2.0 * _TINY)


# E of the terms of a loss: one value for "plus minus minus" per element of the output.


def _squared_error(O: Array, Y: Array, E: Array) -> Array:
    """(p - Y)^2 moves by at most 2|p - Y|E + E^2, and so does (q - Y)^2; the product
    (p - q)((p - Y) + (q - Y)) has five roundings, of which none is larger than u times its size.
    """
    plus, minus = O[:, 0], O[:, 1]
    residuals = np.abs(plus - Y) + np.abs(minus - Y)
    return 2.0 * E * (residuals + E) + 5.0 * _U * np.abs(plus - minus) * residuals + 2.0 * _TINY


def _binary_error(Z: Array, Y: Array, E: Array) -> Array:
    """softplus(z) is never steeper than min(1, exp(z)), softplus(-z) than min(1, exp(-z)).

    Their own rounding is (2C + 3)u, the products and differences add less than 5u.
    """
    zero, one = surprises(Z)
    E = E[:, None]
    rounding = (2.0 * _C + 8.0) * _U
    on_zero = E * np.exp(np.minimum(Z + E, 0.0)) + rounding * zero
    on_one = E * np.exp(np.minimum(E - Z, 0.0)) + rounding * one
    both = np.abs(1.0 - Y)[:, None] * on_zero + np.abs(Y)[:, None] * on_one
    return np.asarray(both.sum(axis=1) + 4.0 * _TINY)


def _class_error(Z: Array, Y: Array, E: Array) -> Array:
    """Label k costs c_k = log(sum_i exp(z_i - z_k)). Let p_k = exp(-c_k).

    Errors: if every z errs by at most E, z_i - z_k errs by 2E for i != k, and 1 - p_k, the share
    of these terms in the sum, grows by exp(2E) at most: c_k moves by 2E (1 - p_k) exp(2E).
    Rounding: exp(t_i) errs by |t_i| + C, its sum by d, log1p by C, all times u, relative to the
    terms or the result; t_k and the last addition by u each; products and differences by 4u.
    """
    d = Z.shape[-1]
    costs, others, below = class_costs(Z)
    widest = E.max(axis=-1, keepdims=True)[:, None]
    moved = 2.0 * widest * np.exp(2.0 * widest) * -np.expm1(-costs)
    tails = (others * below).sum(axis=-1, keepdims=True) + (2.0 * _C + d) * (costs - below)
    rounding = _U * (tails + 6.0 * costs)
    return np.asarray((np.abs(Y) * (moved + rounding).sum(axis=1)) + 4.0 * _TINY)


_TERM_ERRORS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "half_squared_error": _squared_error,
    "mean_squared_error": _squared_error,
    "binary_cross_entropy": _binary_error,
    "binary_cross_entropy_with_logits": _binary_error,
    "cross_entropy": _class_error,
    "cross_entropy_with_logits": _class_error,
}


@dataclass(frozen=True, eq=False)
class Changes:
    """change: (K,) Loss(+step) - Loss(-step), without the factor   error: (K,) its rounding bound
    smooth: (K,) no Z of a kinked layer has another sign at plus or minus than with nothing moved
    """

    change: Vector
    error: Vector
    smooth: Mask


class Rounding:
    """The errors of the network with no weight moved, and from there those of moved ones.

    E_Z[l], E_O[l]: (n, k_l)
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.E_Z, self.E_O = [np.zeros((0, 0))], [np.zeros_like(network.O[0][:, :-1])]
        for layer in range(1, len(network.weights) + 1):
            O = network.O[layer - 1][None, :, :-1]
            E_Z = self._arriving(layer, O, self.E_O[-1][None])
            Z, O = network.Z[layer][None, None], network.O[layer][None, None, :, :-1]
            self.E_Z.append(E_Z[0])
            self.E_O.append(self._activated(layer, Z, O, E_Z)[0])

    def changes(self, chunk: Sequence[Moves]) -> Changes:
        """Walk through the network with all moves of a chunk and measure what each one does."""
        network, n = self.network, len(self.network.Y)
        E, e, smooth = np.empty((0, n, 0)), np.empty((0, n)), np.empty(0, dtype=bool)
        for moved in network.walk(chunk):
            E, e, own_smooth = self._whole(moved, E, e), *self._own(moved)
            smooth &= self._same_signs(moved.layer, moved.Z[: len(smooth)], None)
            smooth = np.concatenate([smooth, own_smooth])
            if moved.layer == len(network.weights) and network.coupled:
                E = np.concatenate([E, self._rows_of(moved.own, e)])
            else:
                e = self._activated(moved.layer, moved.z, moved.o, e)
            E = self._activated(moved.layer, moved.Z, moved.O, E)
        return self._summed(moved, [E, e], smooth)

    def _activated(self, layer: int, Z: Array, O: Array, E: Array) -> Array:
        return _activation_error(self.network.activations[layer - 1], self.network.slope, Z, O, E)

    def _arriving(self, layer: int, O: Array, E: Array) -> Array:
        """E of Z = O @ W + b from |O| (K, n, k) and its E: gamma(k + 1) (|O||W| + |b|) + E |W|."""
        W = np.abs(self.network.weights[layer - 1])
        k = len(W)
        spread = _gamma(k) * np.abs(O) + E
        flat = spread.reshape(len(O) * O.shape[1], k - 1) @ W[:-1]
        flat += _gamma(k) * W[-1] + k * _TINY
        return flat.reshape(*O.shape[:2], W.shape[1])

    def _whole(self, moved: Moved, E: Array, e: Array) -> Array:
        """E of Z_l for the moves of all earlier layers; E and e are those of O_{l-1}."""
        O = moved.before
        arrived = [self._arriving(moved.layer, np.maximum(np.abs(O[:, 0]), np.abs(O[:, 1])), E)]
        if moved.previous is not None:
            # The column's old error leaves E_Z and its new one enters; subtracting the old
            # column, multiplying and adding round three times.
            columns = moved.previous.columns
            row = np.abs(self.network.weights[moved.layer - 1][columns])[:, None, :]
            old = self.E_O[moved.layer - 1].T[columns]
            size = np.max(np.abs(moved.shift), axis=1)
            rank_one = (e - old + 4.0 * _U * size)[..., None] * row
            Z = moved.Z[len(O) : len(O) + len(columns)]
            largest = np.maximum(np.abs(Z[:, 0]), np.abs(Z[:, 1]))
            base = self.E_Z[moved.layer] * (1.0 + 4.0 * _U)
            arrived.append(base + rank_one + 2.0 * _U * largest + 2.0 * _TINY)
        return np.concatenate(arrived)

    def _own(self, moved: Moved) -> tuple[Array, Mask]:
        """E of a moved column of Z_l, (K, n), and whether it kept its signs.

        Z_l[:, j] + step * O[:, i]: the error of both, the product and the sum.
        """
        own = moved.own
        if own is None:
            return np.empty((0, len(self.network.Y))), np.empty(0, dtype=bool)
        O = self.network.O[own.layer - 1].T[own.rows]
        old = np.hstack([self.E_O[own.layer - 1], np.zeros((len(O[0]), 1))]).T[own.rows]
        steps = own.steps[:, None]
        largest = np.maximum(np.abs(moved.z[:, 0]), np.abs(moved.z[:, 1]))
        e = self.E_Z[own.layer].T[own.columns] + steps * old
        e += 2.0 * _U * (largest + steps * np.abs(O)) + 2.0 * _TINY
        return e, self._same_signs(own.layer, moved.z, own)

    def _same_signs(self, layer: int, Z: Array, own: Moves | None) -> Mask:
        if self.network.activations[layer - 1] not in KINKED:
            return np.ones(len(Z), dtype=bool)
        base = self.network.Z[layer]
        signs = np.sign(base if own is None else base.T[own.columns][:, None])
        return np.asarray((np.sign(Z) == signs).all(axis=tuple(range(1, Z.ndim))))

    def _rows_of(self, own: Moves | None, e: Array) -> Array:
        E = np.tile(self.E_Z[-1], (len(e), 1, 1))
        if own is not None:
            np.put_along_axis(E, own.columns[:, None, None], e[..., None], axis=-1)
        return E

    def _summed(self, last: Moved, errors: list[Array], smooth: Mask) -> Changes:
        """The errors of all terms add up, and their sum rounds by gamma of their number."""
        change, error = [], []
        for (O, Y), E in zip(outputs_and_labels(self.network, last), errors, strict=False):
            terms = TERMS[self.network.loss](O, Y)
            rounding = _gamma(self.network.Y.size) * np.abs(terms)
            change.append(sum_of_each(terms))
            error.append(sum_of_each(_TERM_ERRORS[self.network.loss](O, Y, E) + rounding))
        return Changes(np.concatenate(change), np.concatenate(error), smooth)
