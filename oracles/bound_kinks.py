"""Undecided signs taken either way: between which ends a right gradient may lie.

Where rounding cannot decide the sign of z under relu or leaky_relu, g'(z) may be any slope s from
`slope` to 1, unit by unit and row by row: at z = 0 exactly each of them is a subgradient. One
choice of all these slopes makes one net, X^s is its exact value, X_hat^s what a right
implementation computes with the same choice. Beside low, high stands an E with

    low - E <= X^s <= high + E    and    |X_hat^s - X^s| <= E    for every choice,

so that X_hat^s lies in [low - 2E, high + 2E]. Forward there is nothing to choose: g is continuous.
Backward this is interval arithmetic for the choice, and beside it E by the same F4 to F6 as in
`bound.py`, written with the larger end where they have |X|. The ends are computed in float64, with
no more roundings than X_hat may have, so they are off by at most E too.

Kept apart, choice and rounding both stay tight: slopes between 0 and 1 two layers deep have a
product between 0 and 1, where a centre with a radius would allow -1/2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oracles.bound_blocks import Block
from oracles.bound_losses import Sized, g, over_rows, product
from oracles.bound_tables import Array, Mask, Precision, closed


class Between(NamedTuple):
    """low, high and E of a number: see the head of this file."""

    low: Array
    high: Array
    E: Array

    @property
    def size(self) -> Array:
        """The larger |end|."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def top(self) -> Array:
        """At least |X^s| and every |X_hat^s|."""
        return self.size + 2.0 * self.E

    def of(self, cases: slice) -> "Between":
        return Between(*(array[cases] for array in self))


class Slopes(NamedTuple):
    """g'(z) of one layer: its two ends, the same where the sign is decided, and its rounding."""

    low: Array
    high: Array
    E: Array


def backward_both_ways(
    block: Block, O: Sequence[Sized], slopes: Slopes, at_output: Between
) -> Between:
    """dLoss/dW and dLoss/db, laid out as the parameters.

    O: of each layer, for the cases that have one more   slopes: (L + 1, K, n, k)
    at_output: delta of the outputs
    """
    found = Between(*(np.zeros_like(block.parameters) for _ in Between._fields))
    D = at_output.of(slice(0))
    for layer in range(block.depth, 0, -1):
        alive = block.alive[layer]
        D = _joined(D, at_output.of(block.ends(layer)))
        precision = block.precision.of(slice(alive))
        dW, db = gradients(O[layer - 1], D, block.n[:alive], precision)
        for array, of_W, of_b in zip(found, dW, db, strict=True):
            array[:alive, layer - 1, :-1], array[:alive, layer - 1, -1:] = of_W, of_b
        if layer > 1:
            G = outputs_below(D, block.W(layer), block.fan_out(layer), precision)
            S = Slopes(*(array[layer - 1, :alive] for array in slopes))
            D = _real(delta(G, S, precision), block.neurons[layer - 1][:alive])
    return found


def delta(G: Between, S: Slopes, precision: Precision) -> Between:
    """F4: all products of an end with an end; E is that of the largest."""
    a, b, c, d = (x * s for x in (G.low, G.high) for s in (S.low, S.high))
    low = np.minimum(np.minimum(a, b), np.minimum(c, d))
    high = np.maximum(np.maximum(a, b), np.maximum(c, d))
    largest = np.maximum(np.abs(S.low), np.abs(S.high))
    _, E = product((G.size, G.E), (largest, S.E), precision)
    return Between(low, high, E)


def gradients(O: Sized, D: Between, n: Array, precision: Precision) -> tuple[Between, Between]:
    """F5: dW = O^T @ delta and db = its sum over the rows."""
    o, Eo, size = (array.swapaxes(1, 2) for array in O)
    top, underflow = D.top, 2.0 * n * precision.eta
    each = g(n, precision) * top + D.E
    E_W, E_b = size @ each + Eo @ top, over_rows(each)
    up, down = np.maximum(o, 0.0), np.minimum(o, 0.0)
    return (
        Between(
            up @ D.low + down @ D.high,
            up @ D.high + down @ D.low,
            closed(E_W + underflow, precision),
        ),
        Between(
            over_rows(D.low),
            over_rows(D.high),
            closed(E_b + underflow, precision),
        ),
    )


def outputs_below(D: Between, W: Array, fan_out: Array, precision: Precision) -> Between:
    """F6: dLoss/dO of the layer below = delta @ W^T."""
    turned = W.swapaxes(1, 2)
    up, down = np.maximum(turned, 0.0), np.minimum(turned, 0.0)
    E = (g(fan_out, precision) * D.top + D.E) @ np.abs(turned)
    return Between(
        D.low @ up + D.high @ down,
        D.high @ up + D.low @ down,
        closed(E + 2.0 * fan_out * precision.eta, precision),
    )


def _real(D: Between, neurons: Mask) -> Between:
    """Zero where there is only padding, so that nothing of it enters a sum."""
    return Between(*(np.where(neurons, array, 0.0) for array in D))


def _joined(D: Between, more: Between) -> Between:
    return Between(*(np.concatenate(pair) for pair in zip(D, more, strict=True)))
