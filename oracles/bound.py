"""How far a right implementation may lie from the exact gradient: a rigorous running error bound.

Forward and backward once more, with E_X >= |X_hat - X| beside every X. No rtol, no atol: each
constant is derived, here or in `bound_tables.py` and `bound_losses.py`.

Words: X is exact, X_hat what a right implementation computes in its dtype, X_w the witness' value
in float64: a forward and backward pass of its own, with stable formulas, that shares nothing with
`reference_impl` on purpose. u = 2**-53 or 2**-24, eta the smallest normal, g(n) = nu / (1 - nu).

Whose values feed the bound. Only the witness', so a subject that is wrong never widens its own
bound. Where a formula needs |X_hat|, it takes |X_w| + 2 E_X: |X| <= |X_w| + E_X and
|X_hat| <= |X| + E_X, for the witness is itself a right implementation and within E_X. That holds
for float32 too: the witness computes in float64, where u is smaller still, on the same inputs
(a float32 is exact in float64), so it lies within the E_X of u = 2**-24 with room to spare.

Kinks. Where rounding cannot decide the sign of z under relu or leaky_relu, `gradient` takes the
witness' sign (z > 0 or not), and `reach` says between which ends a gradient lies that has any slope
there from the one below to the one above (`bound_kinks.py`). elu with alpha = 1 has no kink.

Assumed: sums in any order, with or without fused multiply-add; exp, tanh and their like within
C u, which `elementary.py` measures on the machine that runs; flushing of subnormals allowed;
inputs exact (`Case` refuses subnormals).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from backproof.case import Case
from backproof.errors import BackproofError
from backproof.gradients import Vector, flat
from oracles.bound_blocks import Block, blocks_of
from oracles.bound_kinks import Between, Slopes, backward_both_ways
from oracles.bound_losses import DELTAS, Output, WithError, g, product
from oracles.bound_tables import (
    FAMILIES,
    KINKED,
    Array,
    Box,
    Family,
    Mask,
    Precision,
    Row,
    closed,
    precision_of,
    row_of,
    undecided,
)


class Reach(NamedTuple):
    """Where right gradients lie if undecided signs are taken either way: all (P,).

    low, high: the ends of the exact ones   E: how far from its exact one any of them may lie, and
        how uncertain the ends are, so that right ones lie in [low - 2E, high + 2E]
    units: how many signs are undecided, each row of the batch counted
    """

    low: Vector
    high: Vector
    E: Vector
    units: int


@dataclass(frozen=True, eq=False)
class Bound:
    """How far any right implementation of a family may lie from the exact gradient of one case.

    gradient: (P,) E with undecided kinks resolved as the witness did; infinite: nothing is certain
    gradient_kink: (P,) how far two right answers may lie apart, undecided signs taken either way;
        >= gradient, and the same array where all signs are decided
    witness: (P,) the witness' own gradient in float64
    reach: where undecided signs lead; None where all are decided
    """

    gradient: Vector
    gradient_kink: Vector
    witness: Vector
    reach: Reach | None = None


def bound_of(case: Case, family: str = "numpy") -> Bound:
    """The bound of one case; `bounds_of` gives the same bytes for many at once, and faster."""
    return bounds_of([case], family)[0]


def bounds_of(cases: Sequence[Case], family: str = "numpy") -> list[Bound]:
    """The bound of every case, in order.

    family: which right formulas it is for, a key of `bound_tables.FAMILIES`: "numpy" (the table's
    formulas), "any" (PyTorch, JAX; cross-entropies through logits), "stranger" (the union).
    Raises BackproofError for another name.
    """
    if family not in FAMILIES:
        raise BackproofError(f"`family` is {family!r}; use one of {', '.join(FAMILIES)}.")
    rules = FAMILIES[family]
    smooth = _by_case(cases, lambda block: _forward_and_backward(block, rules))
    kinked = [i for i, own in enumerate(smooth) if own.undecided]
    reaches = _by_case([cases[i] for i in kinked], lambda block: _both_ways(block, rules))
    bounds = [Bound(own.E, own.E, own.gradient) for own in smooth]
    for i, reach in zip(kinked, reaches, strict=True):
        bounds[i] = _with_reach(bounds[i], reach)
    return bounds


def _with_reach(bound: Bound, reach: Reach) -> Bound:
    known = np.isfinite(reach.E)
    low, high = np.where(known, reach.low, -np.inf), np.where(known, reach.high, np.inf)
    with np.errstate(all="ignore"):
        apart = _finished(high - low + 3.0 * reach.E)
    return replace(
        bound,
        gradient_kink=np.maximum(bound.gradient, apart),
        reach=Reach(low, high, np.maximum(bound.gradient, reach.E), reach.units),
    )


def step_bound(case: Case, bound_vector: Vector, step: Vector, step_form: str) -> Vector:
    """E of ΔW = -alpha * dW from E of dW: all (P,).

    step: ΔW, the witness' or the side's own (it enters with a factor u)
    step_form: "direct": alpha in the dtype, its product with the gradient, one to spare: 3 u|ΔW|.
        "after_minus_before": the sum W1 = W0 + ΔW and the difference W1 - W0 round as well, each
        by u times its result, and may underflow.
    """
    precision = Precision(*(number.ravel() for number in precision_of([case.dtype])))
    u, eta = precision.u, precision.eta
    with np.errstate(all="ignore"):
        E = case.alpha * bound_vector + 3.0 * u * np.abs(step) + eta
        if step_form == "after_minus_before":
            before = flat(case.arrays.weights, case.arrays.biases)
            E = E + u * (np.abs(before + step) + np.abs(step)) + 2.0 * eta
        return _finished(closed(E, precision))


def _finished(E: Array) -> Array:
    """Room for the rounding of the bound's own arithmetic, which adds and multiplies E >= 0."""
    return E * (1.0 + 1e-9)


class Passed(NamedTuple):
    """What one pass found for one case: (P,) gradient and E, and how many signs are undecided."""

    gradient: Vector
    E: Vector
    undecided: int


Found = TypeVar("Found", Passed, Reach)


def _by_case(cases: Sequence[Case], one_pass: Callable[[Block], Sequence[Found]]) -> list[Found]:
    """One pass over all cases, block by block, in the order of the cases."""
    found: dict[int, Found] = {}
    for positions, block in blocks_of(cases):
        with np.errstate(all="ignore"):
            found.update(zip(positions, one_pass(block), strict=True))
    return [found[position] for position in range(len(cases))]


def _forward_and_backward(block: Block, family: Family) -> list[Passed]:
    """The witness' forward and backward pass, with an E beside every value."""
    rows, Z, undecided = _forward(block, family, kink=False)
    gradient, E = np.zeros_like(block.parameters), np.zeros_like(block.parameters)
    at_output = F3_output_deltas(
        block, family, _of_outputs(block, Z), Row(*_of_outputs(block, rows))
    )
    D = _part(at_output, slice(0))
    for layer in range(block.depth, 0, -1):
        alive = block.alive[layer]
        # The cases whose output this layer is join those that come from above.
        D = _joined(D, _part(at_output, slice(block.alive[layer + 1], alive)))
        precision, O = block.precision.of(slice(alive)), (rows[layer - 1].o, rows[layer - 1].Eo)
        dW, db = F5_gradients(_part(O, slice(alive)), D, block.n[:alive], precision)
        gradient[:alive, layer - 1, :-1], E[:alive, layer - 1, :-1] = dW
        gradient[:alive, layer - 1, -1:], E[:alive, layer - 1, -1:] = db
        if layer > 1:
            G = F6_outputs_below(D, block.W(layer), block.fan_out(layer), precision)
            S = _part((rows[layer - 1].s, rows[layer - 1].Es), slice(alive))
            D = _real(F4_delta(G, S, precision), block.neurons[layer - 1][:alive])
    ends = [_finished(own) for own in block.unpadded(E)]
    vectors = block.unpadded(gradient), ends, _counts(block, undecided)
    return [Passed(*own) for own in zip(*vectors, strict=True)]


def _both_ways(block: Block, family: Family) -> list[Reach]:
    """The same with every slope that an undecided sign allows (`bound_kinks.py`)."""
    rows, Z, undecided = _forward(block, family, kink=True)
    below = [_lower_slopes(block, layer) for layer in range(len(rows))]
    slopes = [
        Slopes(
            np.where(either, low, row.s),
            np.where(either, 1.0, row.s),
            np.where(either, 0.0, row.Es),
        )
        for row, low, either in zip(rows, below, undecided, strict=True)
    ]
    at_output = _of_outputs(block, slopes)
    row = Row(*_of_outputs(block, rows))
    lower, higher = (
        F3_output_deltas(block, family, _of_outputs(block, Z), row._replace(s=s, Es=at_output[2]))
        for s in at_output[:2]
    )
    D = Between(
        np.minimum(lower[0], higher[0]),
        np.maximum(lower[0], higher[0]),
        np.maximum(lower[1], higher[1]),
    )
    low, high, E = backward_both_ways(block, [(row.o, row.Eo) for row in rows], slopes, D)
    vectors = (block.unpadded(array) for array in (low, high, _finished(E)))
    return [Reach(*own) for own in zip(*vectors, _counts(block, undecided), strict=True)]


def _lower_slopes(block: Block, layer: int) -> Array:
    """(alive, 1, 1): the slope below zero of a layer with a kink; of another it has no meaning."""
    slopes = np.zeros((block.alive[layer] if layer else len(block.cases), 1, 1))
    leaky = block.activations[layer].get("leaky_relu")
    if leaky is not None:
        slopes[leaky] = block.slope[leaky]
    return slopes


def _counts(block: Block, undecided: Sequence[Mask]) -> list[int]:
    counts = np.zeros(len(block.cases), dtype=np.int64)
    for own in undecided:
        counts[: len(own)] += own.sum(axis=(1, 2))
    counted: list[int] = counts.tolist()
    return counted


def _forward(
    block: Block, family: Family, *, kink: bool
) -> tuple[list[Row], list[WithError], list[Mask]]:
    """Of every layer (X is layer 0): the row, Z, and where its signs are undecided."""
    nothing = np.zeros_like(block.X)
    rows, Z = [Row(block.X, nothing, nothing, nothing)], [(nothing, nothing)]
    undecided = [np.zeros(block.X.shape, dtype=bool)]
    for layer in range(1, block.depth + 1):
        alive = block.alive[layer]
        O = _part((rows[-1].o, rows[-1].Eo), slice(alive))
        terms = block.fan_in(layer) + block.biased[:alive]
        precision = block.precision.of(slice(alive))
        Z.append(F1_weighted_sum(O, block.W(layer), block.b(layer), terms, precision))
        row, signs = F2_activated(block, layer, Z[-1], family, kink)
        rows.append(row)
        undecided.append(signs)
    return rows, Z, undecided


def _of_outputs(block: Block, layers: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    """Of what all layers have (layer 0 first), the part of every case's own output layer."""
    found = tuple(np.zeros_like(block.Y) for _ in layers[0])
    for layer in range(1, block.depth + 1):
        for array, own in zip(found, layers[layer], strict=True):
            array[: block.alive[layer]] = own
    return found


def F1_weighted_sum(
    O: WithError, W: Array, b: Array, terms: Array, precision: Precision
) -> WithError:
    """Z = O @ W + b: g(terms) (|O_hat||W| + |b|) + EO |W|.

    In any order, the bias first, last or as a row of ones (Higham 2002, section 3.1). Each product
    and each sum may underflow.
    """
    (o, Eo), size, rounding = O, np.abs(W), g(terms, precision)
    E = (rounding * _top(o, Eo) + Eo) @ size + rounding * np.abs(b)
    return o @ W + b, closed(E + 2.0 * terms * precision.eta, precision)


def F2_activated(
    block: Block, layer: int, Z: WithError, family: Family, kink: bool
) -> tuple[Row, Mask]:
    """O = g(Z) and S = g'(Z) by the rows of `bound_tables.py`; and where signs are undecided."""
    z, E = Z
    row = Row(*(np.zeros_like(z) for _ in Row._fields))
    signs = np.zeros(z.shape, dtype=bool)
    for name, cases in block.activations[layer].items():
        precision, neurons = block.precision.of(cases), block.neurons[layer][cases]
        box = Box(z[cases], E[cases], precision, block.slope[cases], family, kink)
        # softmax is taken together with the loss, from Z.
        o, Eo, s, Es = row_of("identity" if name == "softmax" else name, box)
        row.o[cases], row.Eo[cases] = _real((o, closed(Eo, precision)), neurons)
        row.s[cases], row.Es[cases] = s, closed(Es, precision)
        if name in KINKED:
            signs[cases] = undecided(box) & neurons
    return row, signs


def F3_output_deltas(block: Block, family: Family, Z: tuple[Array, ...], row: Row) -> WithError:
    """delta of every case's output layer by the functions of `bound_losses.py`."""
    D, ED = np.zeros_like(block.Y), np.zeros_like(block.Y)
    for (loss, softmax), cases in block.outputs.items():
        neurons = block.output_neurons[cases]
        output = Output(
            loss=loss,
            Z=Z[0][cases],
            EZ=Z[1][cases],
            row=Row(*(field[cases] for field in row)),
            Y=block.Y[cases],
            neurons=neurons,
            width=block.output_width[cases],
            factor=block.factor[cases],
            roundings=block.roundings[cases],
            precision=block.precision.of(cases),
            family=family,
        )
        D[cases], ED[cases] = _real(DELTAS[loss, softmax](output), neurons)
    return D, ED


def F4_delta(G: WithError, S: WithError, precision: Precision) -> WithError:
    """delta = G * g'(Z), elementwise: |G| ES + (|S| + ES) EG + 2u|D|."""
    return product(G, S, precision)


def F5_gradients(
    O: WithError, D: WithError, n: Array, precision: Precision
) -> tuple[WithError, WithError]:
    """dW = O^T @ delta and db = its sum over the n rows: like F1, with an error on both sides."""
    (o, Eo), (d, Ed), rounding = O, D, g(n, precision)
    top, size, underflow = _top(d, Ed), _top(o, Eo), 2.0 * n * precision.eta
    turned, Eturned = o.swapaxes(1, 2), (rounding * size + Eo).swapaxes(1, 2)
    E_W = Eturned @ top + size.swapaxes(1, 2) @ Ed
    E_b = (rounding * top + Ed).sum(axis=1, keepdims=True)
    return (
        (turned @ d, closed(E_W + underflow, precision)),
        (d.sum(axis=1, keepdims=True), closed(E_b + underflow, precision)),
    )


def F6_outputs_below(D: WithError, W: Array, fan_out: Array, precision: Precision) -> WithError:
    """dLoss/dO of the layer below = delta @ W^T: g(m) |D_hat||W|^T + ED |W|^T."""
    (d, Ed), turned = D, W.swapaxes(1, 2)
    E = (g(fan_out, precision) * _top(d, Ed) + Ed) @ np.abs(turned)
    return d @ turned, closed(E + 2.0 * fan_out * precision.eta, precision)


def _top(X: Array, E: Array) -> Array:
    """At least |X| and every |X_hat|, from the witness' X."""
    return np.abs(X) + 2.0 * E


def _real(X: WithError, neurons: Mask) -> WithError:
    """Zero where there is only padding, so that nothing of it enters a sum."""
    return np.where(neurons, X[0], 0.0), np.where(neurons, X[1], 0.0)


def _part(X: WithError, cases: slice) -> WithError:
    return X[0][cases], X[1][cases]


def _joined(X: WithError, more: WithError) -> WithError:
    return np.concatenate([X[0], more[0]]), np.concatenate([X[1], more[1]])
