"""Cases made from a case: other rows, other labels, other units; with given arrays, and nothing
changed that is not named."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backproof.case import Arrays, Case
from backproof.drawing import Array
from backproof.gradients import Failure, Gradients, Vector, flat, slots_of

Rows = NDArray[np.intp] | Sequence[int]
PerLayer = tuple[list[Array], list[Array | None]]


def with_arrays(
    case: Case,
    *,
    weights: Sequence[Array] | None = None,
    biases: Sequence[Array | None] | None = None,
    X: Array | None = None,
    Y: Array | None = None,
) -> Case:
    """The same question about other numbers; n follows from X. What is not given stays."""
    old = case.arrays
    X, Y = old.X if X is None else X, old.Y if Y is None else Y
    weights = old.weights if weights is None else weights
    biases = old.biases if biases is None else biases
    given = Arrays(
        tuple(_frozen(W) for W in weights),
        tuple(None if b is None else _frozen(b) for b in biases),
        _frozen(X),
        _frozen(Y),
    )
    return replace(case, n=len(X), given=given)


def _frozen(array: Array) -> Array:
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    return array


def seen_by(case: Case, answer: Gradients | Failure) -> Case:
    """The case with the X and Y that a program makes of its own, where an adapter states them."""
    if isinstance(answer, Failure) or (answer.X is None and answer.Y is None):
        return case
    return with_arrays(case, X=answer.X, Y=answer.Y)


def made_row_by_row(answers: Sequence[Gradients | Failure]) -> bool:
    """Whether what a program makes of X and Y is, in each row, what it makes of that row alone.

    Where it standardises over the batch it is not. answers: to a batch, then to each of its rows
    """
    batch, rows = answers[0], answers[1:]
    if isinstance(batch, Failure):
        return True
    for whole, name in ((batch.X, "X"), (batch.Y, "Y")):
        if whole is not None:
            alone = [getattr(row, name) for row in rows if isinstance(row, Gradients)]
            if len(alone) < len(rows) or not np.allclose(alone, whole[:, None]):
                return False
    return True


def rows_of(case: Case, rows: Rows) -> Case:
    """The case of these rows of the batch, in this order; a row may come more than once."""
    return with_arrays(case, X=case.arrays.X[rows], Y=case.arrays.Y[rows])


def with_units_permuted(case: Case, layer: int, order: Rows) -> Case:
    """The same function: the units of a hidden layer (1..L-1) stand in another order."""
    arrays = case.arrays
    weights, biases = permuted(list(arrays.weights), list(arrays.biases), layer, order)
    return with_arrays(case, weights=weights, biases=biases)


def permuted(Ws: Sequence[Array], bs: Sequence[Array | None], layer: int, order: Rows) -> PerLayer:
    """Weights, or their gradients, after the units of a hidden layer changed places."""
    new_W, new_b = list(Ws), list(bs)
    b = bs[layer - 1]
    new_W[layer - 1] = Ws[layer - 1][:, order]  # what leads into the units
    new_b[layer - 1] = None if b is None else b[order]
    new_W[layer] = Ws[layer][order]  # what leads out of them
    return new_W, new_b


def per_layer(case: Case, vector: Vector) -> PerLayer:
    """(P,) -> the arrays it stands for; the way back from `flat`."""
    Ws: list[Array] = []
    bs: list[Array | None] = [None] * case.depth
    for slot in slots_of(case):
        array = vector[slot.start : slot.stop].reshape(slot.shape)
        if slot.letter == "W":
            Ws.append(array)
        else:
            bs[slot.layer - 1] = array
    return Ws, bs


def with_units_permuted_back(case: Case, vector: Vector, layer: int, order: Rows) -> Vector:
    """(P,) of the permuted case, in the order of the case it was made from."""
    return flat(*permuted(*per_layer(case, vector), layer, np.argsort(order)))


def slope_as_written(case: Case) -> Case | None:
    """The same numbers with the slope of leaky_relu as it is written; None where that is no other.

    In single precision a slope of 0.01 is float32(0.01), as every side has it. A program that runs
    on balls has 0.01 itself, which is as right: nothing of its own is rounded there.
    """
    held = float(np.dtype(case.dtype).type(case.slope))
    if "leaky_relu" not in case.activations or held == case.slope:
        return None
    old = case.arrays
    given = Arrays(
        tuple(_frozen(W.astype(np.float64)) for W in old.weights),
        tuple(None if b is None else _frozen(b.astype(np.float64)) for b in old.biases),
        _frozen(old.X.astype(np.float64)),
        _frozen(old.Y.astype(np.float64)),
    )
    return replace(case, dtype="float64", given=given)


def after_step(case: Case, answer: Gradients) -> Case:
    """The same case one step later."""
    step = answer.step
    if step is None:
        assert answer.gradient is not None
        step = -case.alpha * answer.gradient
    arrays = case.arrays
    return at_weights(case, flat(arrays.weights, arrays.biases) + step)


def at_weights(case: Case, vector: Vector) -> Case:
    """The same case at other weights and biases, (P,)."""
    Ws, bs = per_layer(case, vector)
    dtype = np.dtype(case.dtype)
    return with_arrays(
        case,
        weights=[_tidy(W, dtype) for W in Ws],
        biases=[None if b is None else _tidy(b, dtype) for b in bs],
    )


def _tidy(array: Array, dtype: np.dtype[np.floating]) -> Array:
    """In the case's dtype, and subnormals as the zeros that some machines make of them."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return np.where(np.abs(array) < np.finfo(dtype).smallest_normal, dtype.type(0), array)
