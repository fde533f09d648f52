"""What is asked of an adapted program before anything is judged: one net, no number of it twice."""

from typing import Any

import numpy as np

from backproof.adapted import Adapted
from backproof.adapters import Adapter, Net, depths_of, layers_of, names
from backproof.case import Arrays
from backproof.paths import found_at, parsed
from backproof.scripts import only_read

# Widths of a net that tells all layouts apart.
WIDTHS = (6, 5, 4, 7, 8, 9, 10, 11, 12)


def probe_widths(adapter: Adapter, depth: int) -> tuple[int, ...]:
    """All different, where the program lets us choose."""
    if adapter.widths is not None:
        return tuple(adapter.widths)
    return (*WIDTHS[:depth], adapter.outputs or (1 if adapter.labels == "flat" else 2))


def probe_arrays(adapter: Adapter, widths: tuple[int, ...]) -> Arrays:
    """Some net with these widths: no number twice."""
    layers = layers_of(widths)
    n = 1 if adapter.batch.startswith("single") else 3
    W = [np.arange(1, k * j + 1).reshape(k, j) / (8.0 * k * j) for k, j in layers]
    b = [None if adapter.bias == "none" else np.arange(1, j + 1) / 16.0 for _, j in layers]
    Y = np.zeros((n, widths[-1]))
    Y[:, 0] = 1.0
    X = np.arange(1, n * widths[0] + 1).reshape(n, widths[0]) / (4.0 * n * widths[0])
    return Arrays(tuple(W), tuple(b), X, Y)


def dtype_of(adapted: Adapted) -> str:
    """The dtype in which the program keeps its weights: float32 code is judged as such.

    Raises what the learner's code raises, PathError.
    """
    adapter = adapted.adapter
    if not adapter.W or adapted.marked is not None or adapted.unmade:
        return "float64"
    net, *_ = probe_of(adapted)
    model = adapted.model_of(net)
    path = parsed(names(adapter.W)[0], 0)
    if only_read(model, path):
        return "float64"
    there = found_at(model, path)
    found = np.array(there).dtype
    return "float32" if found == np.float32 and isinstance(there, np.ndarray) else "float64"


def probe_of(adapted: Adapted, depth: int | None = None) -> tuple[Net, Arrays, Any, Any]:
    """A net as a question would be."""
    adapter = adapted.adapter
    depth = depth or max(min(depths_of(adapter)), min(2, max(depths_of(adapter))))
    widths = probe_widths(adapter, depth)
    arrays = probe_arrays(adapter, widths)
    X, Y = adapted.inputs(arrays)
    net = adapted.net_of(probe_question(adapter, depth), arrays, X, Y)
    return net, arrays, X, Y


def probe_question(adapter: Adapter, depth: int) -> dict[str, Any]:
    """What a question says of a net, arrays apart."""
    hidden = (names(adapter.hidden) or ("",))[0]
    return {
        "activations": [hidden] * (depth - 1) + [names(adapter.output)[0]],
        "loss": names(adapter.loss)[0],
        "alpha": 0.5 if adapter.alpha is None else adapter.alpha,
        "slope": adapter.slope,
    }
