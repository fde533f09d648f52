"""Questions that tell how a program is to be called: a batch, or its instances one by one?"""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.adapted import Adapted, Both
from backproof.adapters import Net
from backproof.case import Arrays
from backproof.drawing import Array
from backproof.probe_nets import probe_of


def is_one_by_one(adapted: Adapted) -> bool:
    """Whether a batch is its first instance alone, or each instance with an update of its own.

    Raises what the program raises.
    """
    net, arrays, X, Y = probe_of(adapted)
    whole = adapted.parameters(net, arrays, X, Y)
    others = adapted.parameters(*asked(adapted, net, _but_the_first(arrays)))
    if all(np.array_equal(a, b) for a, b in zip(whole[0], others[0], strict=True)):
        return True
    now = arrays
    for row in range(len(arrays.X)):
        alone = replace(now, X=arrays.X[row : row + 1], Y=arrays.Y[row : row + 1])
        now = _moved(now, adapted.parameters(*asked(adapted, net, alone)))
    return all(
        np.allclose(new - old, d, rtol=1e-9, atol=1e-12)
        for new, old, d in zip(now.weights, arrays.weights, whole[0], strict=True)
    )


def _but_the_first(arrays: Arrays) -> Arrays:
    """The same first instance, and others."""
    X, Y = arrays.X.copy(), arrays.Y.copy()
    X[1:] /= 2
    Y[1:] += 0.25
    return replace(arrays, X=X, Y=Y)


def asked(adapted: Adapted, net: Net, arrays: Arrays) -> tuple[Net, Arrays, Any, Any]:
    """The same question about other arrays."""
    X, Y = adapted.inputs(arrays)
    question = {name: getattr(net, name) for name in ("activations", "loss", "alpha", "slope")}
    return adapted.net_of(question, arrays, X, Y), arrays, X, Y


def answer_of(adapted: Adapted, net: Net, arrays: Arrays) -> tuple[Arrays, Array]:
    """The same arrays, and all that the program gives for them in one vector."""
    W, b = adapted.parameters(*asked(adapted, net, arrays))
    both = [each for pair in zip(W, b, strict=True) for each in pair if each is not None]
    return arrays, np.concatenate([np.ravel(each) for each in both])


def lively(arrays: Arrays, turn: int) -> Arrays:
    """Numbers of both signs and of some size: near 0 all formulas look alike, and a rectifier whose
    units are all above 0 is like a leaky one. turn: others each time"""
    weights = tuple(
        _waving(W, layer + turn) * (3 / len(W)) for layer, W in enumerate(arrays.weights)
    )
    return replace(arrays, weights=weights, X=_waving(arrays.X, 7))


def _waving(array: Array, start: int) -> Array:
    return np.cos(2.4 * np.arange(array.size) + start).reshape(array.shape)


def _moved(arrays: Arrays, step: Both) -> Arrays:
    weights = tuple(W + d for W, d in zip(arrays.weights, step[0], strict=True))
    pairs = zip(arrays.biases, step[1], strict=True)
    return replace(
        arrays, weights=weights, biases=tuple(None if b is None else b + d for b, d in pairs)
    )
