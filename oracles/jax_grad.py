"""The witness JAX: one compiled program for all architectures, the derivative by `jax.grad`.

JAX compiles anew for every shape, a third of a second each, and random architectures never
repeat. So every network is padded to one of a few boxes, and its activations and its loss are
numbers that the program reads (`oracles/jax_program.py`). Padding is exact: inputs, weights and
derivatives of padding are all zero, and adding a zero rounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.drawing import Array
from backproof.errors import MissingExtraError
from backproof.gradients import Failure, Gradients, Vector
from oracles.jax_cache import Compilations, persistent_cache
from oracles.jax_program import BOXES, ELEMENTWISE, LOSSES, Box, answer_of

Mask = NDArray[np.bool_]


class JaxGrad:
    """dLoss/dW and dLoss/db by `jax.grad`, ΔW = -alpha * gradient in the same compiled program.

    Runs on the CPU; float64 is switched on only while it computes, and no setting of JAX is left
    changed. One program per box and dtype is compiled when it is first needed and kept in the
    user's cache folder for the next process (`oracles/jax_cache.py`). The answer to a case has the
    same bits alone and in any company.
    Raises MissingExtraError if jax cannot be imported.
    """

    name = "jax_grad"
    step_form = "direct"

    def __init__(self) -> None:
        try:
            import jax
        except ImportError as missing:
            raise MissingExtraError(
                f"`jax_grad` needs JAX ({missing}); type: python -m pip install 'backproof[jax]'"
            ) from missing
        self._jax = jax

    def gradients(self, case: Case) -> Gradients | Failure:
        """The gradient and the step of one case, float64 vectors of shape (P,)."""
        return self.gradients_of([case])[0]

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """The same for many cases, in order; cases of one box and dtype share a call."""
        groups: dict[tuple[Box, str], list[int]] = {}
        for index, case in enumerate(cases):
            groups.setdefault((_box_of(case), case.dtype), []).append(index)
        answers: dict[int, Gradients | Failure] = {}
        for (box, dtype), indices in groups.items():
            for start in range(0, len(indices), box.lanes):
                block = indices[start : start + box.lanes]
                found = self._block(box, dtype, [cases[index] for index in block])
                answers.update(zip(block, found, strict=True))
        return [answers[index] for index in range(len(cases))]

    def _block(self, box: Box, dtype: str, cases: list[Case]) -> list[Gradients | Failure]:
        """One call of the compiled program; a block with fewer cases has empty lanes."""
        lanes, parameters = _padded(cases, box, dtype)
        try:
            # The compiled program takes these shapes and dtypes only, so a call cannot compile.
            with self._jax.enable_x64(True):
                gradient, step = _compiled(box, dtype)(lanes)
        except RuntimeError as fault:  # XLA's own errors, out of memory included
            return [Failure("error", f"jax stopped at this case: {fault}") for _ in cases]
        both = zip(_unpadded(gradient, parameters), _unpadded(step, parameters), strict=True)
        return [Gradients(*vectors) for _, vectors in zip(cases, both, strict=False)]


# What this process compiled, and what it found in the cache folder: at most one program per box
# and dtype. `property_tests/bench.py` and the tests read it.
compilations = Compilations()


@cache
def _compiled(box: Box, dtype: str) -> Any:
    """The program of one box and dtype, from the cache folder or compiled now."""
    import jax

    shapes, _ = _padded([], box, dtype)
    with (
        jax.enable_x64(True),
        jax.default_device(jax.devices("cpu")[0]),
        persistent_cache(compilations),
    ):
        return jax.jit(answer_of(box)).lower(shapes).compile()


def _box_of(case: Case) -> Box:
    """The smallest box that holds the case; the last one holds every case."""
    for box in BOXES[:-1]:
        if case.depth <= box.depth and max(case.widths) <= box.width and case.n <= box.rows:
            return box
    return BOXES[-1]


def _padded(cases: list[Case], box: Box, dtype: str) -> tuple[dict[str, NDArray[Any]], Mask]:
    """The arrays of one call, and where among its parameters those of the cases stand.

    Layers stand at the end and padding in front, so that the last layer is always the output.
    parameters: (lanes, depth, width + 1, width), W of a layer and below it its b: read row by
    row, the elements inside the mask come in the order of `slots_of`.
    """
    lanes, depth, width, rows = box.lanes, box.depth, box.width, box.rows
    widths = np.zeros((lanes, depth + 1), dtype=np.int32)
    activations = np.full((lanes, depth), -1, dtype=np.int32)  # -1: padding, no layer
    whole = np.zeros((3, lanes), dtype=np.int32)
    real = np.ones((3, lanes), dtype=dtype)
    for lane, case in enumerate(cases):
        widths[lane, depth - case.depth :] = case.widths
        activations[lane, depth - case.depth :] = _numbers_of_activations(case)
        whole[:, lane] = case.n, case.bias != "none", LOSSES.index(_loss_name(case))
        with np.errstate(over="ignore"):  # an alpha beyond float32 is infinite there
            real[:, lane] = case.alpha, case.slope, _divisor(case)
    inputs = [case.widths[0] for case in cases] + [0] * (lanes - len(cases))
    n, has_bias = whole[0], whole[1] == 1

    row, column = np.ogrid[: width + 1, :width]
    in_W = row < widths[:, :-1, None, None]
    in_b = (row == width) & has_bias[:, None, None, None]
    is_layer = (activations >= 0)[:, :, None, None]
    parameters = (in_W | in_b) & (column < widths[:, 1:, None, None]) & is_layer
    is_row = np.arange(rows)[:, None] < n[:, None, None]
    return {
        "parameters": _spread(parameters, (p for case in cases for p in _parameters(case)), dtype),
        "X": _spread(
            is_row & (column < np.array(inputs)[:, None, None]),
            (case.arrays.X for case in cases),
            dtype,
        ),
        "Y": _spread(
            is_row & (column < widths[:, -1, None, None]), (case.arrays.Y for case in cases), dtype
        ),
        "activations": activations,
        "n": n,
        "outputs": widths[:, -1],
        "loss": whole[2],
        "alpha": real[0],
        "slope": real[1],
        "divisor": real[2],
    }, parameters


def _parameters(case: Case) -> Iterable[Array]:
    for W, b in zip(case.arrays.weights, case.arrays.biases, strict=True):
        yield W
        if b is not None:
            yield b


def _spread(mask: Mask, arrays: Iterable[Array], dtype: str) -> NDArray[Any]:
    """Zeros outside the mask; inside it the arrays, one after the other, row by row."""
    spread = np.zeros(mask.shape, dtype=dtype)
    parts = [array.ravel() for array in arrays]
    if parts:
        spread[mask] = np.concatenate(parts)
    return spread


def _unpadded(spread: Any, mask: Mask) -> list[Vector]:
    """The vector (P,) of each lane, float64; empty for an empty lane."""
    elements = np.asarray(spread)[mask].astype(np.float64)
    return np.split(elements, np.cumsum(mask.sum(axis=(1, 2, 3)))[:-1])


def _numbers_of_activations(case: Case) -> list[int]:
    """Positions in ELEMENTWISE. Where the loss starts from the logits, Z_L stays as it is."""
    names = list(case.activations)
    if _loss_name(case) != "squared_error":
        names[-1] = "identity"
    return [ELEMENTWISE.index(name) for name in names]


def _loss_name(case: Case) -> str:
    """The loss by its name in LOSSES: all but the plain squared error start from the logits."""
    if case.loss.endswith("squared_error"):
        softmax = case.activations[-1] == "softmax"
        return "squared_error_of_softmax" if softmax else "squared_error"
    return case.loss.removesuffix("_with_logits")


def _divisor(case: Case) -> int:
    """What the plain sum over rows and outputs is divided by."""
    k = case.widths[-1]
    per_row = {"half_squared_error": 2, "mean_squared_error": k}
    of_loss = k if case.loss.startswith("binary") else per_row.get(case.loss, 1)
    return of_loss * (case.n if case.reduction == "mean" else 1)
