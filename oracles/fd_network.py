"""The loss of a network whose weights are moved one at a time: forward passes, no derivative.

Every case is computed in float64. The arrays of a float32 case widen exactly, so its truth is the
same, and a step small enough to be useful would vanish in float32.

Moving one weight W_l[i, j] moves only column j of Z_l. The next layer then changes by one rank-1
term, and only from there on does a moved network need matrix products, one per layer for a whole
chunk of them at once.

The functions here resemble those of other folders and stand apart on purpose: a witness that
shared its forward pass with the accused would share its mistakes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.gradients import Vector

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# tanh of a layer with small Z: there a few u of 1 would not be enough.
SMALL_TANH, _SMALL = "small_tanh", 2.0**-4

_ERFC = np.frompyfunc(math.erfc, 1, 1)


def _sigmoid(Z: Array) -> Array:
    e = np.exp(-np.abs(Z))
    return np.where(Z >= 0, 1.0, e) / (1.0 + e)


def _tanh(Z: Array, out: Array | None = None) -> Array:
    """1 - 2/(exp(2Z) + 1), good to a few u of 1 and twice as fast as np.tanh without AVX-512."""
    t = np.multiply(Z, 2.0, out=out)
    np.exp(t, out=t)
    t += 1.0
    np.divide(2.0, t, out=t)
    return np.subtract(1.0, t, out=t)


def _gelu(Z: Array) -> Array:
    # erfc keeps its relative accuracy in the left tail, where 1 + erf has none.
    return Z * (0.5 * np.asarray(_ERFC(Z * -math.sqrt(0.5)), dtype=np.float64))


def _softmax(Z: Array) -> Array:
    e = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# O = g(Z, slope); only leaky_relu has a slope.
ACTIVATIONS: dict[str, Callable[[Array, float], Array]] = {
    "identity": lambda Z, slope: Z,
    "sigmoid": lambda Z, slope: _sigmoid(Z),
    "tanh": lambda Z, slope: _tanh(Z),
    SMALL_TANH: lambda Z, slope: np.tanh(Z),
    "relu": lambda Z, slope: np.maximum(Z, 0.0),
    "leaky_relu": lambda Z, slope: np.where(Z > 0, Z, slope * Z),
    "elu": lambda Z, slope: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0.0))),
    "softplus": lambda Z, slope: np.maximum(Z, 0.0) + np.log1p(np.exp(-np.abs(Z))),
    "gelu": lambda Z, slope: _gelu(Z),
    "silu": lambda Z, slope: Z * _sigmoid(Z),
    "softsign": lambda Z, slope: Z / (1.0 + np.abs(Z)),
    "softmax": lambda Z, slope: _softmax(Z),
}

# Where Z is not needed any more, O may take its place in memory.
_OVERWRITING: dict[str, Callable[[Array, float], Array]] = {
    "tanh": lambda Z, slope: _tanh(Z, out=Z),
}

# Each pair O, Z holds "plus" at [:, 0] and "minus" at [:, 1]. The result has one term per element
# of the output, so that what did not move cancels to exactly zero before anything is summed.


def squared_terms(O: Array, Y: Array) -> Array:
    """(p - Y)^2 - (q - Y)^2 as a product, which loses nothing to cancellation."""
    plus, minus = O[:, 0], O[:, 1]
    terms = plus - Y
    terms += minus - Y
    terms *= plus - minus
    return terms


def surprises(Z: Array) -> tuple[Array, Array]:
    """-log(1 - sigmoid(Z)) and -log(sigmoid(Z)), what a label 0 and a label 1 cost."""
    tail = np.log1p(np.exp(-np.abs(Z)))
    return tail + np.maximum(Z, 0.0), tail + np.maximum(-Z, 0.0)


def binary_terms(Z: Array, Y: Array) -> Array:
    """Binary cross-entropy through the logits."""
    zero, one = surprises(Z)
    return (1.0 - Y) * (zero[:, 0] - zero[:, 1]) + Y * (one[:, 0] - one[:, 1])


def class_costs(Z: Array) -> tuple[Array, Array, Array]:
    """-log softmax(Z), what each class would cost as the label, and the two parts it is made of.

    The largest logit is left out of the sum: log1p then keeps the tail of a sure answer.
    """
    below = Z.max(axis=-1, keepdims=True) - Z
    others = np.exp(-below)
    np.put_along_axis(others, below.argmin(axis=-1)[..., None], 0.0, axis=-1)
    return np.log1p(others.sum(axis=-1, keepdims=True)) + below, others, below


def class_terms(Z: Array, Y: Array) -> Array:
    """Cross-entropy through the logits."""
    costs = class_costs(Z)[0]
    return Y * (costs[:, 0] - costs[:, 1])


TERMS: dict[str, Callable[[Array, Array], Array]] = {
    "half_squared_error": squared_terms,
    "mean_squared_error": squared_terms,
    "binary_cross_entropy": binary_terms,
    "binary_cross_entropy_with_logits": binary_terms,
    "cross_entropy": class_terms,
    "cross_entropy_with_logits": class_terms,
}


class Moves(NamedTuple):
    """Weights of one layer to be moved, each by +step and by -step.

    layer: 1..L   rows, columns: (K,) of W_l, where row k_{l-1} stands for the bias   steps: (K,)
    """

    layer: int
    rows: Indices
    columns: Indices
    steps: Vector


class Moved(NamedTuple):
    """How one layer looks in all the moved networks that differ there; axis 1 is plus, minus.

    own: the moves of this layer, or None; only one column differs, z and o: (K_own, 2, n)
    Z, O: (K, 2, n, k_l) of the moves of all earlier layers, in their order
    before: O_{l-1} of the moves that reach this layer whole, and
    shift: (K_prev, 2, n) by how much the column of the layer before differs, previous: its moves
    """

    layer: int
    own: Moves | None
    z: Array
    o: Array
    Z: Array
    O: Array
    before: Array
    previous: Moves | None
    shift: Array


@dataclass(frozen=True, eq=False)
class Network:
    """A case in float64: its arrays, and Z_l and O_l as they are with no weight moved.

    weights[l-1]: (k_{l-1} + 1, k_l) with the bias as the last row, zero where there is none
    biased: is that row a parameter?
    O[l]: (n, k_l + 1) with a last column of ones   Z[l]: (n, k_l), Z[0] unused
    activations: with identity at the output where the loss takes logits
    factor: what the terms of the loss are multiplied by
    """

    weights: tuple[Array, ...]
    biased: bool
    activations: tuple[str, ...]
    slope: float
    Z: tuple[Array, ...]
    O: tuple[Array, ...]
    Y: Array
    loss: str
    factor: float

    @property
    def parameters(self) -> tuple[Array, ...]:
        """All that can be moved, layer by layer; their rows in a row are the flat order."""
        return self.weights if self.biased else tuple(W[:-1] for W in self.weights)

    @property
    def coupled(self) -> bool:
        """Does one output column depend on another? Then a moved column moves its whole row."""
        return self.activations[-1] == "softmax" or self.loss.startswith("cross_entropy")

    def walk(self, chunk: Sequence[Moves], *, keep_Z: bool = True) -> Iterator[Moved]:
        """Forward through the layers with all moves of a chunk at once, from its first layer on.

        chunk: moves of different layers, in ascending order. Where the loss couples the columns,
        the moves of the output layer stand at the end of its Z and O as well.
        keep_Z: False is faster, and leaves nothing of use in Z and z
        """
        by_layer, n = {moves.layer: moves for moves in chunk}, len(self.Y)
        O, shift, previous = np.empty((0, 2, n, 0)), np.empty((0, 2, n)), None
        for layer in range(chunk[0].layer, len(self.weights) + 1):
            before, own = O, by_layer.get(layer)
            Z = self._arriving(layer, before, previous, shift)
            z = np.empty((0, 2, n)) if own is None else self._column(own)
            if layer == len(self.weights) and self.coupled:
                Z = np.concatenate([Z, self._rows_of(own, z)])
            O, o = self._activated(layer, Z, keep_Z), z
            if self.activations[layer - 1] != "softmax":
                o = self._activated(layer, z, keep_Z)
            yield Moved(layer, own, z, o, Z, O, before, previous, shift)
            previous = own
            shift = o if own is None else o - self.O[layer].T[own.columns][:, None]

    def _activated(self, layer: int, Z: Array, keep_Z: bool) -> Array:
        name = self.activations[layer - 1]
        g = ACTIVATIONS[name] if keep_Z else _OVERWRITING.get(name, ACTIVATIONS[name])
        return g(Z, self.slope)

    def _column(self, own: Moves) -> Array:
        """Column j of Z_l with W_l[i, j] moved by +-step: Z_l[:, j] +- step * O_{l-1}[:, i]."""
        rise = own.steps[:, None] * self.O[own.layer - 1].T[own.rows]
        column = self.Z[own.layer].T[own.columns]
        z = np.empty((len(rise), 2, len(self.Y)))
        np.add(column, rise, out=z[:, 0])
        np.subtract(column, rise, out=z[:, 1])
        return z

    def _arriving(self, layer: int, O: Array, previous: Moves | None, shift: Array) -> Array:
        """Z_l of the moves of all earlier layers."""
        W = self.weights[layer - 1]
        m, n, k = len(O), len(self.Y), W.shape[1]
        Z = np.empty((m + len(shift), 2, n, k))
        if m:
            np.matmul(O.reshape(m * 2 * n, -1), W[:-1], out=Z[:m].reshape(m * 2 * n, k))
            Z[:m] += W[-1]
        if previous is not None:  # rank 1: one column of O_{l-1} times one row of W_l
            np.multiply(shift[..., None], W[previous.columns][:, None, None, :], out=Z[m:])
            Z[m:] += self.Z[layer]
        return Z

    def _rows_of(self, own: Moves | None, z: Array) -> Array:
        """The whole Z_L of moves that differ in one column."""
        Z = np.tile(self.Z[-1], (len(z), 2, 1, 1))
        if own is not None:
            np.put_along_axis(Z, own.columns[:, None, None, None], z[..., None], axis=-1)
        return Z


def network_of(case: Case) -> Network:
    """The case in float64, with its forward pass made."""
    arrays, activations = case.arrays, list(case.activations)
    if "cross_entropy" in case.loss:
        activations[-1] = "identity"
    weights, Z = [], [np.empty((case.n, 0))]
    O = [_with_ones(arrays.X.astype(np.float64))]
    for W, b, name in zip(arrays.weights, arrays.biases, tuple(activations), strict=True):
        row = np.zeros(W.shape[1]) if b is None else b
        weights.append(np.vstack([W, row]).astype(np.float64))
        Z.append(O[-1][:, :-1] @ weights[-1][:-1] + weights[-1][-1])
        if name == "tanh" and np.abs(Z[-1]).max() < _SMALL:
            activations[len(weights) - 1] = name = SMALL_TANH
        O.append(_with_ones(ACTIVATIONS[name](Z[-1], case.slope)))
    return Network(
        tuple(weights),
        case.bias != "none",
        tuple(activations),
        case.slope,
        tuple(Z),
        tuple(O),
        arrays.Y.astype(np.float64),
        case.loss,
        _factor(case),
    )


def _with_ones(O: Array) -> Array:
    return np.hstack([O, np.ones((len(O), 1))])


def _factor(case: Case) -> float:
    """Sum or mean over the rows; half, mean or sum over the outputs of a row."""
    factor = 1.0 / case.n if case.reduction == "mean" else 1.0
    if case.loss == "half_squared_error":
        return factor * 0.5
    return factor if case.loss.startswith("cross_entropy") else factor / case.widths[-1]


def outputs_and_labels(network: Network, last: Moved) -> list[tuple[Array, Array]]:
    """What the terms of the loss are made of: whole outputs first, then lone columns if any."""
    pairs = [(last.O, network.Y[None])]
    if last.own is not None and not network.coupled:
        pairs.append((last.o, network.Y.T[last.own.columns]))
    return pairs


def loss_change(network: Network, last: Moved) -> Vector:
    """Loss(+step) - Loss(-step) of every move, in order, without the factor: (K,)."""
    terms = [TERMS[network.loss](O, Y) for O, Y in outputs_and_labels(network, last)]
    return np.concatenate([sum_of_each(term) for term in terms])


def sum_of_each(terms: Array) -> Vector:
    """The sum over all axes but the first."""
    return np.asarray(terms.sum(axis=tuple(range(1, terms.ndim))))
