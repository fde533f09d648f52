"""What the passes of a block hand on from layer to layer, and where they keep it.

Matrices are multiplied in padded boxes, (K, n, k); all that concerns a neuron alone is computed
without the padding, (M, 1, 1), see `bound_blocks.Places`.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from oracles.bound_blocks import Block, Places, Rows
from oracles.bound_losses import Sized
from oracles.bound_tables import Array, Mask, Precision, Row


class Units(NamedTuple):
    """The neurons of one layer, row by row: what F2 found, (M, 1, 1), and where they lie."""

    places: Places
    precision: Precision
    row: Row
    undecided: Mask


class Last(NamedTuple):
    """Z and the row of every case's own output layer, (K, n, k); anything in the padding."""

    z: Array
    Ez: Array
    o: Array
    Eo: Array
    s: Array
    Es: Array


class OfCases(NamedTuple):
    """What the forward pass found for some cases, as a block of their own has it.

    outputs, last: as in `Layers`   s, Es, undecided: (L + 1, K, n, k), 0 in the padding
    """

    outputs: list[Sized]
    last: Last
    s: Array
    Es: Array
    undecided: Mask


class Layers(NamedTuple):
    """What the passes of a block find, for the cases that have a layer l, `alive[l]` of them.

    o, Eo: (L + 1, K, n, k), X being O of layer 0; 0 in the padding
    outputs[l]: the same of the cases that have a layer more, as both passes use it
    units[l - 1]: of layer l   D, ED: (K, n, k), delta of one layer after the other
    gradient, E: laid out as the parameters
    """

    o: Array
    Eo: Array
    outputs: list[Sized]
    units: list[Units]
    last: Last
    D: Array
    ED: Array
    gradient: Array
    E: Array

    @classmethod
    def of(cls, block: Block) -> "Layers":
        """With X, and padding; what the passes write is as yet anything.

        In one piece of memory: of many smaller ones the system would take back most after every
        block, and giving them again, page by page, took a fifth of the time of all.
        """
        shape, parameters = (block.depth + 1, *block.X.shape), block.parameters.shape
        sizes = [2 * math.prod(shape), 8 * block.X.size, 2 * math.prod(parameters)]
        first, second, _ = itertools.accumulate(sizes)
        memory = np.empty(sum(sizes))
        o, Eo = memory[:first].reshape(2, *shape)
        *last, D, ED = memory[first:second].reshape(8, *block.X.shape)
        gradient, E = memory[second:].reshape(2, *parameters)
        for padded in (o, Eo):
            for own, alive in zip(padded, block.alive, strict=False):
                own[:alive] = 0.0
        o[0] = block.X
        return cls(o, Eo, [], [], Last(*last), D, ED, gradient, E)

    def counts(self) -> Rows:
        """How many signs of each case are undecided."""
        cases = [own.places.cases[own.undecided.reshape(-1)] for own in self.units]
        return np.bincount(np.concatenate(cases), minlength=self.o.shape[1])

    def of_cases(self, cases: Rows) -> OfCases:
        """cases: in order"""
        depth = sum(len(O.X) > cases[0] for O in self.outputs)
        padded = np.zeros((3, depth + 1, len(cases), *self.o.shape[2:]))
        outputs = []
        for layer, (O, units) in enumerate(zip(self.outputs[:depth], self.units, strict=False), 1):
            own = cases[: cases.searchsorted(len(O.X))]
            outputs.append(Sized(*(array[own] for array in O)))
            # Which of the units stands in which place of these cases; 0 for none.
            number = np.zeros(O.X.size, dtype=np.intp)
            number[units.places.at] = np.arange(1, len(units.places.at) + 1)
            chosen = number.reshape(O.X.shape)[own]
            for array, found in zip(
                padded, (units.row.s, units.row.Es, units.undecided), strict=True
            ):
                array[layer, : len(own)] = np.where(chosen > 0, found.reshape(-1)[chosen - 1], 0.0)
        s, Es, undecided = padded
        last = Last(*(array[cases] for array in self.last))
        return OfCases(outputs, last, s, Es, undecided > 0.0)
