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
witness' slope (that of z > 0 or not), and `reach` says between which ends a gradient lies that has
any slope there from the one below to the one above (`bound_kinks.py`). elu with alpha = 1 has no
kink.

Assumed: sums in any order, with or without fused multiply-add; exp, tanh and their like within
C u, which `elementary.py` measures on the machine that runs; flushing of subnormals allowed;
inputs exact (`Case` refuses subnormals).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backproof.case import Case
from backproof.errors import BackproofError
from backproof.gradients import Vector, flat
from oracles.bound_blocks import Block, Places, blocks_of
from oracles.bound_kinks import Between, Slopes, backward_both_ways
from oracles.bound_layers import Last, Layers, OfCases, Units
from oracles.bound_losses import (
    DELTAS,
    SOFTMAX_DELTAS,
    Output,
    Sized,
    WithError,
    g,
    over_rows,
    product,
    sized,
    softmax,
)
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


class Bound(NamedTuple):
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
    found: dict[int, Bound] = {}
    for positions, block in blocks_of(cases):
        with np.errstate(all="ignore"):
            found.update(zip(positions, _bounds_of_block(block, rules), strict=True))
    return [found[position] for position in range(len(cases))]


def _bounds_of_block(block: Block, family: Family) -> list[Bound]:
    layers = _forward(block, family)
    gradients, errors = _backward(block, family, layers)
    bounds = [Bound(E, E, gradient) for gradient, E in zip(gradients, errors, strict=True)]
    undecided = layers.counts()
    kinked = undecided.nonzero()[0]
    if len(kinked):
        reaches = _both_ways(block.part(kinked), family, layers.of_cases(kinked))
        for case, *reach in zip(kinked, *reaches, undecided[kinked].tolist(), strict=True):
            bounds[case] = _with_reach(bounds[case], Reach(*reach))
    return bounds


def _with_reach(bound: Bound, reach: Reach) -> Bound:
    known = np.isfinite(reach.E)
    low, high = np.where(known, reach.low, -np.inf), np.where(known, reach.high, np.inf)
    apart = _finished(high - low + 3.0 * reach.E)
    return bound._replace(
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


def _backward(block: Block, family: Family, layers: Layers) -> tuple[list[Vector], list[Vector]]:
    """The gradient of the witness, undecided signs taken as it has them, and its E."""
    at_output = F3_output_deltas(block, family, layers.last)
    gradient, E, D = layers.gradient, layers.E, (layers.D, layers.ED)
    for layer in range(block.depth, 0, -1):
        alive, ends = block.alive[layer], block.ends(layer)
        # The cases whose output this layer is join those that come from above.
        D[0][ends], D[1][ends] = at_output[0][ends], at_output[1][ends]
        delta, precision = sized((D[0][:alive], D[1][:alive])), block.precision.of(slice(alive))
        dW, db = F5_gradients(layers.outputs[layer - 1], delta, block.n[:alive], precision)
        gradient[:alive, layer - 1, :-1], E[:alive, layer - 1, :-1] = dW
        gradient[:alive, layer - 1, -1:], E[:alive, layer - 1, -1:] = db
        if layer > 1:
            G = F6_outputs_below(delta, block.W(layer), block.fan_out(layer), precision)
            _below(layers.units[layer - 2], G, D)
    return block.unpadded(gradient), block.unpadded(E, _finished)


def _below(units: Units, G: WithError, D: WithError) -> None:
    """F4, neuron by neuron, from arrays to arrays; where there is only padding, D is zero.

    Of cases that end in this layer G has nothing, and D anything until their outputs join.
    """
    places, precision = units.places, units.precision
    G_of_units = places.of(G[0]), closed(places.of(G[1]), precision)
    delta = F4_delta(G_of_units, (units.row.s, units.row.Es), precision)
    for values, padded in zip(delta, D, strict=True):
        padded[: len(G[0])] = 0.0
        places.put(values, padded)


def _both_ways(block: Block, family: Family, layers: OfCases) -> tuple[list[Vector], ...]:
    """low, high and E with every slope that an undecided sign allows (`bound_kinks.py`)."""
    either, last, outermost = layers.undecided, layers.last, (block.depths, np.arange(block.K))
    slopes = Slopes(
        np.where(either, block.slope, layers.s),
        np.where(either, 1.0, layers.s),
        np.where(either, 0.0, layers.Es),
    )
    low, high, Es = (array[outermost] for array in slopes)
    lower = higher = F3_output_deltas(block, family, last._replace(s=low, Es=Es))
    if (low != high).any():
        higher = F3_output_deltas(block, family, last._replace(s=high, Es=Es))
    D = Between(
        np.minimum(lower[0], higher[0]),
        np.maximum(lower[0], higher[0]),
        np.maximum(lower[1], higher[1]),
    )
    low, high, E = backward_both_ways(block, layers.outputs, slopes, D)
    return block.unpadded(low), block.unpadded(high), block.unpadded(E, _finished)


def _forward(block: Block, family: Family) -> Layers:
    """Where a sign is undecided nothing has to be chosen, for g is continuous."""
    found = Layers.of(block)
    for layer in range(1, block.depth + 1):
        alive = block.alive[layer]
        terms = block.fan_in(layer) + block.biased[:alive]
        O = sized((found.o[layer - 1, :alive], found.Eo[layer - 1, :alive]))
        found.outputs.append(O)
        precision = block.precision.of(slice(alive))
        Z = F1_weighted_sum(O, block.W(layer), block.b(layer), terms, precision)
        places = block.units(layer)
        box = _box_of_units(block, layer, places, Z, family)
        row, signs = F2_activated(box, places)
        found.units.append(Units(places, box.precision, row, signs))
        places.put(row.o, found.o[layer])
        places.put(row.Eo, found.Eo[layer])
        for own, padded in zip((box.z, box.E, *row), found.last, strict=True):
            places.put(own, padded)
    return found


def F1_weighted_sum(O: Sized, W: Array, b: Array, terms: Array, precision: Precision) -> WithError:
    """Z = O @ W + b: g(terms) (|O_hat||W| + |b|) + EO |W|; to be closed without the padding.

    In any order, the bias first, last or as a row of ones (Higham 2002, section 3.1). Each product
    and each sum may underflow.
    """
    (o, Eo, top), size, rounding = O, np.abs(W), g(terms, precision)
    E_b = rounding * np.abs(b) + 2.0 * terms * precision.eta
    E = (rounding * top + Eo) @ size + E_b
    return o @ W + b, E


def _box_of_units(block: Block, layer: int, places: Places, Z: WithError, family: Family) -> Box:
    """(M, 1, 1), for the neurons of one layer."""
    precision, slope = block.precision.of_each(places.cases), block.slope[layer]
    E = closed(places.of(Z[1]), precision)
    return Box(places.of(Z[0]), E, precision, slope.take(places.cases, axis=0), family)


def F2_activated(box: Box, places: Places) -> tuple[Row, Mask]:
    """O = g(Z) and S = g'(Z) by the rows of `bound_tables.py`; and where signs are undecided."""
    rows, signs = [], np.zeros(box.z.shape, dtype=bool)
    for name, own in places.pieces.items():
        piece = box.of(own)
        rows.append(row_of(name, piece))
        if name in KINKED:
            signs[own] = undecided(piece)
    o, Eo, s, Es = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return Row(o, closed(Eo, box.precision), s, closed(Es, box.precision)), signs


def F3_output_deltas(block: Block, family: Family, last: Last) -> WithError:
    """delta of every case's output layer by the functions of `bound_losses.py`."""
    D, ED = np.zeros((2, *block.Y.shape))
    for places in block.output_places():
        whole = _outputs(block, places, family, last)
        pieces = places.pieces.items()
        if places.m == 1:
            deltas = [DELTAS[key](whole.of(own, key[0])) for key, own in pieces]
        else:
            p = softmax(whole)
            deltas = [SOFTMAX_DELTAS[key](whole.of(own, key[0]), p.of(own)) for key, own in pieces]
        neurons = places.of(block.output_neurons)
        for parts, array in zip(zip(*deltas, strict=True), (D, ED), strict=True):
            places.put(np.where(neurons, np.concatenate(parts), 0.0), array)
    return D, ED


def _outputs(block: Block, places: Places, family: Family, last: Last) -> Output:
    """Of all cases that are in these places, whatever their loss."""
    z, E, o, Eo, s, Es, Y, neurons = map(places.of, (*last, block.Y, block.output_neurons))
    per_case = (block.output_width, block.factor, block.roundings)
    width, factor, roundings = (number.take(places.cases, axis=0) for number in per_case)
    return Output(
        loss="",
        Z=z,
        EZ=E,
        row=Row(o, Eo, s, Es),
        Y=Y,
        neurons=neurons,
        width=width,
        factor=factor,
        roundings=roundings,
        precision=block.precision.of_each(places.cases),
        family=family,
    )


def F4_delta(G: WithError, S: WithError, precision: Precision) -> WithError:
    """delta = G * g'(Z), elementwise: |G| ES + (|S| + ES) EG + 2u|D|."""
    return product(G, S, precision)


def F5_gradients(O: Sized, D: Sized, n: Array, precision: Precision) -> tuple[WithError, WithError]:
    """dW = O^T @ delta and db = its sum over the n rows: like F1, with an error on both sides."""
    (o, Eo, size), (d, Ed, top) = (_turned(array) for array in O), D
    each, underflow = g(n, precision) * top + Ed, 2.0 * n * precision.eta
    E_W, E_b = size @ each + Eo @ top, over_rows(each)
    return (
        (o @ d, closed(E_W + underflow, precision)),
        (over_rows(d), closed(E_b + underflow, precision)),
    )


def F6_outputs_below(D: Sized, W: Array, fan_out: Array, precision: Precision) -> WithError:
    """dLoss/dO of the layer below = delta @ W^T: g(m) |D_hat||W|^T + ED |W|^T; to be closed."""
    (d, Ed, top), turned = D, _turned(W)
    E = (g(fan_out, precision) * top + Ed) @ np.abs(turned) + 2.0 * fan_out * precision.eta
    return d @ turned, E


def _turned(X: Array) -> Array:
    return X.swapaxes(1, 2)
