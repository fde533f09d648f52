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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from backproof.case import Case
from backproof.errors import BackproofError
from backproof.gradients import Vector, flat
from oracles.bound_blocks import Block, Layers, Places, blocks_of
from oracles.bound_kinks import Between, Slopes, backward_both_ways
from oracles.bound_losses import DELTAS, Output, WithError, g, over_rows, product
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
    layers = _forward(block, family, kink=False)
    z, Ez, *row = _of_outputs(block, layers[:6])
    at_output = F3_output_deltas(block, family, (z, Ez), Row(*row))
    gradient, E = layers.gradient, layers.E
    D = _part(at_output, slice(0))
    for layer in range(block.depth, 0, -1):
        alive = block.alive[layer]
        # The cases whose output this layer is join those that come from above.
        D = _joined(D, _part(at_output, slice(block.alive[layer + 1], alive)))
        precision = block.precision.of(slice(alive))
        dW, db = F5_gradients(layers.outputs(layer - 1, alive), D, block.n[:alive], precision)
        gradient[:alive, layer - 1, :-1], E[:alive, layer - 1, :-1] = dW
        gradient[:alive, layer - 1, -1:], E[:alive, layer - 1, -1:] = db
        if layer > 1:
            G = F6_outputs_below(D, block.W(layer), block.fan_out(layer), precision)
            delta = F4_delta(G, layers.slopes(layer - 1, alive), precision)
            D = _real(delta, block.neurons[layer - 1][:alive])
    vectors = block.unpadded(gradient), block.unpadded(E, _finished), layers.counts()
    return list(map(Passed, *vectors))


def _both_ways(block: Block, family: Family) -> list[Reach]:
    """The same with every slope that an undecided sign allows (`bound_kinks.py`)."""
    layers = _forward(block, family, kink=True)
    either = layers.undecided
    slopes = Slopes(
        np.where(either, _lower_slopes(block), layers.s),
        np.where(either, 1.0, layers.s),
        np.where(either, 0.0, layers.Es),
    )
    z, Ez, o, Eo, low, high, Es = _of_outputs(block, (*layers[:4], *slopes))
    lower = higher = F3_output_deltas(block, family, (z, Ez), Row(o, Eo, low, Es))
    if (low != high).any():
        higher = F3_output_deltas(block, family, (z, Ez), Row(o, Eo, high, Es))
    D = Between(
        np.minimum(lower[0], higher[0]),
        np.maximum(lower[0], higher[0]),
        np.maximum(lower[1], higher[1]),
    )
    low, high, E = backward_both_ways(block, layers.outputs, slopes, D)
    vectors = block.unpadded(low), block.unpadded(high), block.unpadded(E, _finished)
    return list(map(Reach, *vectors, layers.counts()))


def _lower_slopes(block: Block) -> Array:
    """(L + 1, K, 1, 1): slopes below zero of layers with a kink; of others they have no meaning."""
    slopes = np.zeros((block.depth + 1, len(block.cases), 1, 1))
    for own, activations in zip(slopes, block.activations, strict=True):
        if "leaky_relu" in activations:
            leaky = activations["leaky_relu"]
            own[leaky] = block.slope[leaky]
    return slopes


def _forward(block: Block, family: Family, *, kink: bool) -> Layers:
    found = Layers.of(block)
    for layer in range(1, block.depth + 1):
        alive = block.alive[layer]
        terms = block.fan_in(layer) + block.biased[:alive]
        O, precision = found.outputs(layer - 1, alive), block.precision.of(slice(alive))
        Z = F1_weighted_sum(O, block.W(layer), block.b(layer), terms, precision)
        units = block.units(layer)
        row, signs = F2_activated(block, units, Z, family, kink)
        found.z[layer, :alive], found.Ez[layer, :alive] = Z
        for values, array in zip((*row, signs), found[2:7], strict=True):
            units.put(values, array[layer])
    return found


def _of_outputs(block: Block, layers: Sequence[Array]) -> list[Array]:
    """Of arrays (L + 1, K, ...) what belongs to every case's own output layer: (K, ...)."""
    cases = np.arange(len(block.cases))
    return [array[block.depths, cases] for array in layers]


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
    block: Block, units: Places, Z: WithError, family: Family, kink: bool
) -> tuple[Row, Mask]:
    """O = g(Z) and S = g'(Z) by the rows of `bound_tables.py`; and where signs are undecided.

    All (M, 1, 1), for the neurons of one layer.
    """
    z, E = units.of(Z[0]), units.of(Z[1])
    precision, slope = block.precision.of_each(units.cases), block.slope.take(units.cases, axis=0)
    rows, signs = [], np.zeros(z.shape, dtype=bool)
    for name, own in units.pieces.items():
        box = Box(z[own], E[own], precision.of(own), slope[own], family, kink)
        rows.append(row_of(name, box))
        if name in KINKED:
            signs[own] = undecided(box)
    o, Eo, s, Es = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return Row(o, closed(Eo, precision), s, closed(Es, precision)), signs


def F3_output_deltas(block: Block, family: Family, Z: Sequence[Array], row: Row) -> WithError:
    """delta of every case's output layer by the functions of `bound_losses.py`."""
    D, ED = np.zeros((2, *block.Y.shape))
    for places in block.output_places():
        deltas = [
            DELTAS[out.loss, softmax](out)
            for softmax, out in _outputs(block, places, family, Z, row)
        ]
        neurons = places.of(block.output_neurons)
        for parts, array in zip(zip(*deltas, strict=True), (D, ED), strict=True):
            places.put(np.where(neurons, np.concatenate(parts), 0.0), array)
    return D, ED


def _outputs(
    block: Block, places: Places, family: Family, Z: Sequence[Array], row: Row
) -> Iterator[tuple[bool, Output]]:
    """Piece by piece, with whether the output activation is a softmax."""
    padded = (*Z, *row, block.Y, block.output_neurons)
    per_case = (block.output_width, block.factor, block.roundings)
    arrays = [places.of(array) for array in padded]
    numbers = [number.take(places.cases, axis=0) for number in per_case]
    precision = block.precision.of_each(places.cases)
    for (loss, softmax), own in places.pieces.items():
        z, E, o, Eo, s, Es, Y, neurons = (array[own] for array in arrays)
        width, factor, roundings = (number[own] for number in numbers)
        yield (
            softmax,
            Output(
                loss=loss,
                Z=z,
                EZ=E,
                row=Row(o, Eo, s, Es),
                Y=Y,
                neurons=neurons,
                width=width,
                factor=factor,
                roundings=roundings,
                precision=precision.of(own),
                family=family,
            ),
        )


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
    E_b = over_rows(rounding * top + Ed)
    return (
        (turned @ d, closed(E_W + underflow, precision)),
        (over_rows(d), closed(E_b + underflow, precision)),
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
