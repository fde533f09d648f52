"""Mistakes of order of a program whose learning rate is written into it.

A rate next to nothing, which would tell a mistake of order from every other, cannot be set there.
So the mistake is made here, with exact derivatives, and what comes out is held against the step.
Where delta goes down through weights that have moved, the step itself says where they went: with
W + ΔW in place of W in some layers, every array must be right.
"""

from collections.abc import Callable

import numpy as np

from backproof.case import Case
from backproof.drawing import Array as AnyArray
from backproof.gradients import Vector, flat
from property_tests.derived import at_weights, per_layer, rows_of
from property_tests.exact_layers import Array, ExactLayers, exact_layers


@np.errstate(all="ignore")  # a step may be anything
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


@np.errstate(all="ignore")
def within_the_batch(
    case: Case, step: Vector, gradient: Callable[[Case], Vector], tolerance: float
) -> str:
    """What explains a step if weights move after each row of the batch; "" if nothing does.

    case: with the rate that counts   gradient: the exact one, of one row at some weights
    """
    wanted = float(np.linalg.norm(step)) * tolerance
    for summed, said in ((False, _ONE_BY_ONE), (True, _SO_FAR)):
        for rate in (case.alpha, case.alpha / case.n):
            moved = _row_by_row(case, rate, gradient, summed)
            if float(np.linalg.norm(step - moved)) <= wanted:
                return said
    return ""


_ONE_BY_ONE = "it is what comes out if W moves after each row, and the next row meets another W"
_SO_FAR = "it is what comes out if W moves after each row, by the sum of the rows so far"


def _row_by_row(
    case: Case, rate: float, gradient: Callable[[Case], Vector], summed: bool
) -> Vector:
    """(P,) where the weights went. summed: each move is by all the gradients so far."""
    start = flat(case.arrays.weights, case.arrays.biases)
    at, total = start.copy(), np.zeros_like(start)
    for row in range(case.n):
        found = gradient(at_weights(rows_of(case, [row]), at))
        total = total + found if summed else found
        at = at - rate * total
        if not np.isfinite(at).all():
            break  # no step is equal to that
    return at - start
