"""Many cases of different shapes as one block of arrays with a leading case axis K.

Every array is padded with zeros to the same box, (n, k) of at least (8, 8). The size of the box
follows from the case alone and not from its neighbours, so a case gets the same bytes in any
company. The deepest case comes first; layer l then concerns a prefix of the block.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from oracles.bound_tables import Array, Mask, Precision, precision_of

Rows = NDArray[np.intp]

_LEAST = 8  # a smaller box would save arithmetic but make more and smaller blocks
_MOST_ELEMENTS = 2**15  # of one (K, n, k) array: a handful of these fit into the cache

# softmax is taken together with the loss, from Z; relu is a leaky one whose `slope` is 0.
_SAME_ROW = {"softmax": "identity", "relu": "leaky_relu"}
# What the squared errors differ in is in `factor` and `roundings`.
_SAME_DELTA = {("half_squared_error", own): ("mean_squared_error", own) for own in (False, True)}


class Places(NamedTuple):
    """What is real in padded (K, n, k) arrays: neurons (m = 1), or rows (m = k), in pieces.

    To the formulas each of them is what a case is, with its own box of 1 row and m columns. So
    nothing is computed for padding, and a piece is a slice.

    at: (M,) where they lie in an array of (K n k / m, m)   cases: (M,) whose they are
    pieces: one for each name that cases are grouped by
    """

    m: int
    at: Rows
    cases: Rows
    pieces: dict[Any, slice]

    def of(self, padded: NDArray[Any]) -> NDArray[Any]:
        """(K, n, k) -> (M, 1, m). Of fewer cases too: then anything, for those that are missing."""
        return padded.reshape(-1, self.m).take(self.at, axis=0, mode="clip")[:, None]

    def put(self, values: NDArray[Any], padded: NDArray[Any]) -> None:
        """(M, 1, m) into its places in (K, n, k)."""
        if self.m == 1:  # along a single axis it is much faster
            padded.reshape(-1)[self.at] = values.reshape(-1)
        else:
            padded.reshape(-1, self.m)[self.at] = values[:, 0]


@dataclass(frozen=True, eq=False)
class Block:
    """K cases, the deepest first, padded to boxes of n rows and k columns.

    X, Y: (K, n, k)   parameters: (K, L, k + 1, k), W_l and below it b_l
    filled: (sum of all P,) where the flattened `parameters` are more than padding
    alive[l]: how many cases have a layer l (1..L + 1)
    neurons[l], output_neurons: (K, n, k) where layer l (0..L) has real rows and neurons
    activations[l], outputs: which rows of the block each name of layer l (1..L), and each pair of
        loss and output activation, concerns
    widths: (K, L + 1), 0 beyond the output   depths: (K,)
    n, biased (1 or 0), output_width, factor, roundings: (K, 1, 1)
    factor: dLoss/dO = factor * (O - Y) for a squared error, and likewise for the others
    roundings: how many a right implementation may make in dLoss/dO of a squared error
    slope: (L + 1, K, 1, 1) below zero, in the dtype of the case; 0 where it is not a leaky_relu's
    """

    cases: Sequence[Case]
    X: Array
    Y: Array
    parameters: Array
    filled: Rows
    alive: Sequence[int]
    neurons: Sequence[Mask]
    activations: Sequence[dict[str, Rows]]
    outputs: dict[tuple[str, bool], Rows]
    output_neurons: Mask
    widths: NDArray[np.int64]
    depths: NDArray[np.int64]
    precision: Precision
    n: Array
    biased: Array
    output_width: Array
    factor: Array
    roundings: Array
    slope: Array

    @property
    def K(self) -> int:
        return len(self.cases)

    @property
    def depth(self) -> int:
        return len(self.activations) - 1

    def part(self, cases: Rows) -> "Block":
        """Some of the cases, in the same box."""
        return _packed([self.cases[i] for i in cases.tolist()], *self.X.shape[1:])

    def ends(self, layer: int) -> slice:
        """The cases whose output this layer is."""
        return slice(self.alive[layer + 1], self.alive[layer])

    def W(self, layer: int) -> Array:
        """(alive, k, k) of one layer."""
        return self.parameters[: self.alive[layer], layer - 1, :-1]

    def b(self, layer: int) -> Array:
        """(alive, 1, k) of one layer."""
        return self.parameters[: self.alive[layer], layer - 1, -1:]

    def fan_in(self, layer: int) -> Array:
        """(alive, 1, 1): how many neurons feed one of this layer, the bias not counted."""
        return _per_case(self.widths[: self.alive[layer], layer - 1])

    def fan_out(self, layer: int) -> Array:
        """(alive, 1, 1): how many neurons of this layer one of the layer below feeds."""
        return _per_case(self.widths[: self.alive[layer], layer])

    def units(self, layer: int) -> Places:
        """The neurons of one layer, row by row of the batch, in pieces by activation."""
        return _places(self.activations[layer], _SAME_ROW, self.neurons[layer], 1)

    def output_places(self) -> list[Places]:
        """Of every case's output layer, in pieces by loss and output activation: rows where a
        softmax belongs to it, for its elements hang together, else neurons."""
        by_row, alone = dict[Any, Rows](), dict[Any, Rows]()
        for (loss, softmax), cases in self.outputs.items():
            with_softmax = softmax or loss == "cross_entropy_with_logits"
            (by_row if with_softmax else alone)[loss, softmax] = cases
        there, k = self.output_neurons, self.Y.shape[2]
        rows = [_places(by_row, _SAME_DELTA, there[:, :, 0], k)] if by_row else []
        return rows + ([_places(alone, _SAME_DELTA, there, 1)] if alone else [])

    def unpadded(
        self, values: Array, finished: Callable[[Array], Array] = lambda values: values
    ) -> list[Array]:
        """(K, L, k + 1, k), laid out as `parameters` -> one flat vector (P,) per case.

        finished: what is still done with each element
        """
        ends = np.arange(1, len(self.cases) + 1) * self.parameters[0].size
        stops = self.filled.searchsorted(ends).tolist()
        run = finished(values.reshape(-1).take(self.filled))
        return [run[start:stop] for start, stop in pairwise([0, *stops])]


def blocks_of(cases: Sequence[Case]) -> Iterator[tuple[list[int], Block]]:
    """Blocks that hold all cases, each with the positions its cases came from."""
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for position, case in enumerate(cases):
        groups[_box(case.n), _box(max(case.widths))].append(position)
    for (n, k), positions in groups.items():
        positions.sort(key=lambda position: -cases[position].depth)
        most = max(1, _MOST_ELEMENTS // (n * k))
        for start in range(0, len(positions), most):
            part = positions[start : start + most]
            yield part, _packed([cases[position] for position in part], n, k)


def _box(size: int) -> int:
    """The next power of two."""
    return max(_LEAST, 1 << (size - 1).bit_length())


def _packed(cases: Sequence[Case], n: int, k: int) -> Block:
    depth = cases[0].depth
    widths = np.zeros((len(cases), depth + 1), dtype=np.int64)
    for i, case in enumerate(cases):
        widths[i, : case.depth + 1] = case.widths
    depths, rows = (np.array([(case.depth, case.n) for case in cases])).T
    biased = np.array([case.bias != "none" for case in cases])
    alive = [int((depths >= layer).sum()) for layer in range(depth + 2)]
    neurons = [_neurons(rows, widths[:, layer], n, k) for layer in range(depth + 1)]
    at_output = widths[np.arange(len(cases)), depths]
    output_neurons = _neurons(rows, at_output, n, k)
    parameters = np.zeros((len(cases), depth, k + 1, k))
    activations = [{}, *(_by_activation(cases[: alive[l]], l) for l in range(1, depth + 1))]
    filled = _filled(widths, biased, k).reshape(-1).nonzero()[0]
    parameters.reshape(-1)[filled] = _run(_parameters(cases))
    return Block(
        cases=cases,
        X=_scattered(neurons[0], [case.arrays.X for case in cases]),
        Y=_scattered(output_neurons, [case.arrays.Y for case in cases]),
        parameters=parameters,
        filled=filled,
        alive=alive,
        neurons=neurons,
        activations=activations,
        outputs=_grouped([(case.loss, case.activations[-1] == "softmax") for case in cases]),
        output_neurons=output_neurons,
        widths=widths,
        depths=depths,
        precision=precision_of([case.dtype for case in cases]),
        n=_per_case(rows),
        biased=_per_case(biased),
        output_width=_per_case(at_output),
        factor=_per_case([_factor(case) for case in cases]),
        roundings=_per_case([_roundings(case) for case in cases]),
        slope=_slopes(cases, activations),
    )


def _places(groups: dict[Any, Rows], same: dict[Any, Any], real: Mask, m: int) -> Places:
    """groups: names of the first cases, all of them   same: which names are one piece with another
    real: (K, ...) what is real of each case
    """
    names = sorted(groups, key=lambda name: same.get(name, name))
    cases, each = np.concatenate([groups[name] for name in names]), real[0].size
    found = real[cases].reshape(-1).nonzero()[0]
    # Of the case, in the order of `cases`; a box has a power of two of places.
    turn = found >> (each.bit_length() - 1)
    ends = list(itertools.accumulate(len(groups[name]) for name in names))
    pieces, start = dict[Any, slice](), 0
    for name, stop in zip(names, turn.searchsorted(ends).tolist(), strict=True):
        piece = same.get(name, name)
        pieces[piece] = slice(pieces[piece].start if piece in pieces else start, stop)
        start = stop
    own = cases.take(turn)
    return Places(m, found + (own - turn) * each, own, pieces)


def _per_case(values: object) -> Array:
    return np.asarray(values, dtype=np.float64)[:, None, None]


def _neurons(rows: NDArray[np.int64], widths: NDArray[np.int64], n: int, k: int) -> Mask:
    return (np.arange(n)[:, None] < rows[:, None, None]) & (np.arange(k) < widths[:, None, None])


def _filled(widths: NDArray[np.int64], biased: Mask, k: int) -> Mask:
    """Where `parameters` has numbers; read in C order it is the order of `slots_of`."""
    row, column = np.arange(k + 1)[:, None], np.arange(k)
    fan_in, fan_out = widths[:, :-1, None, None], widths[:, 1:, None, None]
    is_bias = (row == k) & biased[:, None, None, None]
    return ((row < fan_in) | is_bias) & (column < fan_out)


def _scattered(where: Mask, arrays: Sequence[NDArray[np.floating]]) -> Array:
    padded = np.zeros(where.shape)
    padded[where] = _run(arrays)
    return padded


def _run(arrays: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    return np.concatenate([array.ravel() for array in arrays])


def _parameters(cases: Sequence[Case]) -> list[NDArray[np.floating]]:
    """W_1, b_1, W_2, ... of the first case, then of the next."""
    pairs = [
        pair for case in cases for pair in zip(case.arrays.weights, case.arrays.biases, strict=True)
    ]
    return [array for pair in pairs for array in pair if array is not None]


def _grouped(keys: Sequence[object]) -> dict:  # type: ignore[type-arg]
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        groups[key].append(i)
    return {key: np.array(rows) for key, rows in groups.items()}


def _by_activation(cases: Sequence[Case], layer: int) -> dict[str, Rows]:
    """cases: the deepest first"""
    return _grouped([case.activations[layer - 1] for case in cases])


def _slopes(cases: Sequence[Case], activations: Sequence[dict[str, Rows]]) -> Array:
    """(L + 1, K, 1, 1); every side has them in the dtype of the case."""
    each = _per_case([np.dtype(case.dtype).type(case.slope) for case in cases])
    slopes = np.zeros((len(activations), *each.shape))
    for own, groups in zip(slopes, activations, strict=True):
        if "leaky_relu" in groups:
            own[groups["leaky_relu"]] = each[groups["leaky_relu"]]
    return slopes


def _factor(case: Case) -> float:
    per_row = {
        "mean_squared_error": 2.0 / case.widths[-1],
        "binary_cross_entropy": 1.0 / case.widths[-1],
        "binary_cross_entropy_with_logits": 1.0 / case.widths[-1],
    }.get(case.loss, 1.0)
    return per_row / case.n if case.reduction == "mean" else per_row


def _roundings(case: Case) -> float:
    """O - Y, alone where no factor follows; else two factors or quotients, and one to spare."""
    return 1.0 if case.loss == "half_squared_error" and case.reduction == "sum" else 4.0
