"""Backprop of many cases at once with NumPy, as plain as it can be: what the bound's cost is
measured by.

It is batched in the same manner as the bound, over the same padded blocks (`oracles.bound_blocks`):
one product of stacked matrices per layer and block, one call of g and g' per activation in it. The
functions are the textbook's.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.gradients import Vector
from oracles.bound_blocks import Block, blocks_of
from reference_impl.activations import ACTIVATIONS, Activation, leaky_relu, sigmoid
from reference_impl.losses import over

Array = NDArray[np.float64]


def batched_gradients(cases: Sequence[Case]) -> list[Vector]:
    """dLoss/dW and dLoss/db of every case in float64, (P,) each, in order."""
    found: dict[int, Vector] = {}
    for positions, block in blocks_of(cases):
        with np.errstate(all="ignore"):
            found.update(zip(positions, _backprop(block), strict=True))
    return [found[position] for position in range(len(cases))]


def _backprop(block: Block) -> list[Vector]:
    """Padding has weights of 0, so nothing comes out of it once the output's delta is 0 there."""
    Z, O = [block.X], [block.X]
    for layer in range(1, block.depth + 1):
        Z.append(O[-1][: block.alive[layer]] @ block.W(layer) + block.b(layer))
        O.append(_outputs(block, layer, Z[-1]))
    at_output = _deltas(block, Z, O)
    gradient, delta = np.zeros_like(block.parameters), at_output[:0]
    for layer in range(block.depth, 0, -1):
        alive = block.alive[layer]
        # The cases whose output this layer is join those that come from above.
        delta = np.concatenate([delta, at_output[block.alive[layer + 1] : alive]])
        below = O[layer - 1][:alive]
        gradient[:alive, layer - 1, :-1] = below.swapaxes(1, 2) @ delta
        gradient[:alive, layer - 1, -1] = delta.sum(axis=1)
        if layer > 1:
            slopes = _slopes(block, layer - 1, Z[layer - 1][:alive], below)
            delta = (delta @ block.W(layer).swapaxes(1, 2)) * slopes
    return block.unpadded(gradient)


def _named(name: str, slope: Array) -> Activation:
    # A slope per case: `leaky_relu` takes an array as well as a number.
    if name == "leaky_relu":
        return leaky_relu(slope)  # type: ignore[arg-type]
    return ACTIVATIONS[name]


def _outputs(block: Block, layer: int, Z: Array) -> Array:
    O = np.empty_like(Z)
    for name, cases in block.activations[layer].items():
        z = Z[cases]
        O[cases] = z if name == "softmax" else _named(name, block.slope[layer, cases]).g(z)
    return O


def _slopes(block: Block, layer: int, Z: Array, O: Array) -> Array:
    """g'(Z) of the first len(Z) cases: those that go on above this layer."""
    slopes = np.empty_like(Z)
    for name, cases in block.activations[layer].items():
        cases = cases[cases < len(Z)]
        # Of a softmax it is never asked for: it stands at the output.
        if name != "softmax" and len(cases):
            own = _named(name, block.slope[layer, cases])
            slopes[cases] = own.g_prime(Z[cases], O[cases])
    return slopes


def _deltas(block: Block, Z: list[Array], O: list[Array]) -> Array:
    """dLoss/dZ of every case's own output layer, 0 where there is only padding."""
    top, out = np.zeros_like(block.Y), np.zeros_like(block.Y)
    for layer in range(1, block.depth + 1):
        top[: block.alive[layer]], out[: block.alive[layer]] = Z[layer], O[layer]
    delta = np.zeros_like(block.Y)
    for (loss, softmax), cases in block.outputs.items():
        factor, neurons = block.factor[cases], block.output_neurons[cases]
        z, o, y = top[cases], out[cases], block.Y[cases]
        if softmax or loss == "cross_entropy_with_logits":
            own = _through_softmax(loss, z, y, neurons, factor)
        elif loss == "binary_cross_entropy_with_logits":
            own = factor * (sigmoid(z) - y)
        elif loss == "binary_cross_entropy":
            own = factor * over(o - y, o * (1 - o)) * (o * (1 - o))
        else:
            own = factor * (o - y)
        delta[cases] = np.where(neurons, own, 0.0)
    # The squared errors of elementwise outputs still lack their g'(Z).
    squared = [i for i, case in enumerate(block.cases) if case.loss.endswith("squared_error")]
    by_name = defaultdict[str, list[int]](list)
    for i in squared:
        by_name[block.cases[i].activations[-1]].append(i)
    for name, rows in by_name.items():
        if name not in ("softmax", "identity"):
            last = np.array(rows)
            activation = _named(name, block.slope[block.depths[last], last])
            delta[last] *= activation.g_prime(top[last], out[last])
    return delta


def _through_softmax(
    loss: str, Z: Array, Y: Array, neurons: NDArray[np.bool_], factor: Array
) -> Array:
    e = np.exp(np.where(neurons, Z - np.where(neurons, Z, -np.inf).max(-1, keepdims=True), -np.inf))
    p = e / e.sum(axis=-1, keepdims=True)
    if loss == "cross_entropy_with_logits":
        return factor * (p * Y.sum(axis=-1, keepdims=True) - Y)
    G = factor * (-over(Y, p) if loss == "cross_entropy" else p - Y)
    return p * (G - (G * p).sum(axis=-1, keepdims=True))
