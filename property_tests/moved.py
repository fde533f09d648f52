"""Whether a step is what comes out where delta goes down through weights that have moved already.

For a program whose learning rate is written into it: a rate next to nothing, which would tell a
mistake of order from every other, cannot be set there. But the step itself says where its weights
went, W + ΔW, and with W + ΔW in place of W in some layers, every array must be right.
"""

import numpy as np

from backproof.case import Case
from backproof.drawing import Array as AnyArray
from backproof.gradients import Vector
from property_tests.derived import per_layer, rows_of
from property_tests.exact_layers import Array, ExactLayers, exact_layers


def used_after_moving(case: Case, step: Vector, tolerance: float) -> bool:
    """Whether W + ΔW of some layers, in place of W on the way back, explains all of the step.

    case: with the rate that counts   step: (P,) as the program gave it, all arrays together
    tolerance: of an array's norm
    """
    rows = [exact_layers(rows_of(case, [row])) for row in range(case.n)]
    moves = per_layer(case, step)
    deltas, found = [row.delta for row in rows], False
    for l in reversed(range(case.depth)):
        if l < case.depth - 1:
            W = np.asarray(case.arrays.weights[l + 1], dtype=np.float64)
            ways = [_below(rows, deltas, way, l) for way in (W, W + moves[0][l + 1])]
        else:
            ways = [deltas]
        fits = [_fits(case, rows, way, l, moves, tolerance) for way in ways]
        if not any(fits):
            return False
        deltas = ways[fits.index(True)]
        found |= not fits[0]
    return found


def _below(rows: list[ExactLayers], deltas: list[Array], W: Array, l: int) -> list[Array]:
    """delta of layer l + 1, counted from 1, for each row: (W @ delta) * g'."""
    return [(W @ delta) * row.slopes[l] for row, delta in zip(rows, deltas, strict=True)]


def _fits(
    case: Case,
    rows: list[ExactLayers],
    deltas: list[Array],
    l: int,
    moves: tuple[list[AnyArray], list[AnyArray | None]],
    tolerance: float,
) -> bool:
    """Whether ΔW and Δb of a layer are what these deltas make of them."""
    rate = -case.alpha / (case.n if case.reduction == "mean" else 1)
    pairs = list(zip(rows, deltas, strict=True))
    dW = rate * np.sum([np.outer(row.O_below[l], delta) for row, delta in pairs], axis=0)
    db = rate * np.sum(deltas, axis=0)
    W, b = case.arrays.weights[l], case.arrays.biases[l]
    if not _near(moves[0][l], dW, W, tolerance):
        return False
    step_b = moves[1][l]
    return step_b is None or b is None or _near(step_b, db, b, tolerance)


def _near(a: AnyArray, exact: Array, old: AnyArray, tolerance: float) -> bool:
    """To a tolerance, and to what after - before rounds away."""
    lost = 4 * float(np.finfo(old.dtype).eps) * float(np.linalg.norm(old))
    off = float(np.linalg.norm(np.asarray(a, dtype=np.float64) - exact))
    return off <= tolerance * float(np.linalg.norm(exact)) + lost
