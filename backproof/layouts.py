"""In which shape somebody keeps a layer's numbers, read off the shapes of a net of unequal widths.

Ours are W (k, j) and b (j,). Theirs may be (j, k), (k,) where j = 1, (1, j), (j, 1), and the bias
may be the first or the last row of W, for an input that is always 1 or -1.
"""

from typing import Any

import numpy as np

Shape = tuple[int, ...]


class LayoutError(Exception):
    """Numbers that are no such parameter, in whatever layout: one sentence."""


def squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def turned(shape: Shape, ours: Shape) -> bool | None:
    """Whether theirs is ours transposed; None where both fit. Raises LayoutError where none does.

    Axes of length 1 come and go.
    """
    plain = squeezed(shape) == squeezed(ours)
    transposed = squeezed(shape) == squeezed(ours[::-1])
    if not (plain or transposed):
        raise LayoutError(f"shape {shape}, expected {ours}" + _or_turned(ours))
    return None if plain and transposed else transposed


def _or_turned(ours: Shape) -> str:
    return f" or {ours[::-1]}" if len(ours) > 1 and ours[0] != ours[1] else ""


def ours_of(array: Any, shape: Shape, turn: bool) -> Any:
    """Their array in our shape. turn: where both would fit. Raises LayoutError."""
    found = turned(np.shape(array), shape)
    if turn if found is None else found:
        return np.reshape(array, shape[::-1]).T
    return np.reshape(array, shape)


def theirs_of(array: Any, shape: Shape, turn: bool) -> Any:
    """Our array in their shape, likewise."""
    found = turned(shape, array.shape)
    return np.reshape(array.T if (turn if found is None else found) else array, shape)


def with_bias(W: Any, b: Any, place: str, bias_input: float) -> Any:
    """W with the bias as its first or last row, for an input of `bias_input`."""
    row = np.reshape(b * bias_input, (1, -1))
    return np.concatenate([row, W] if place == "first" else [W, row])


def without_bias(M: Any, place: str, bias_input: float) -> tuple[Any, Any]:
    """W and b of such a matrix; of its gradient the gradients, for b = bias_input * row."""
    W, row = (M[1:], M[0]) if place == "first" else (M[:-1], M[-1])
    return W, row * bias_input
