"""The answer of one side to one case: the gradient and the step, flat, in one fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from backproof.case import Case
from backproof.drawing import Array

Vector = NDArray[np.float64]


class Slot(NamedTuple):
    """Where the elements of one parameter array stand in a flat vector of all P parameters.

    letter: "W" or "b"   layer: 1..L   shape: of the array   start, stop: its range
    """

    letter: str
    layer: int
    shape: tuple[int, ...]
    start: int
    stop: int


def slots_of(case: Case) -> tuple[Slot, ...]:
    """The fixed order of all parameters: W_1, b_1, W_2, b_2, ...; each array row by row."""
    slots, start = [], 0
    for layer, (k, j) in enumerate(zip(case.widths, case.widths[1:], strict=False), 1):
        shapes = [("W", (k, j))] if case.bias == "none" else [("W", (k, j)), ("b", (j,))]
        for letter, shape in shapes:
            stop = start + int(np.prod(shape))
            slots.append(Slot(letter, layer, shape, start, stop))
            start = stop
    return tuple(slots)


def flat(Ws: Sequence[Array], bs: Sequence[Array | None]) -> Vector:
    """Arrays per layer -> one float64 vector (P,) in the order of `slots_of`."""
    parts = []
    for W, b in zip(Ws, bs, strict=True):
        parts.append(np.asarray(W, dtype=np.float64).ravel())
        if b is not None:
            parts.append(np.asarray(b, dtype=np.float64).ravel())
    return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Gradients:
    """What one side says about one case.

    gradient: (P,) dLoss/dW and dLoss/db, or None where the side shows only the step
    step:     (P,) ΔW and Δb as this side made them itself, or None without a learning rate
    gradient_bar, step_bar: (P,) how far it may be off by its own account: of an estimate;
        infinity where an element was not estimated at all; of an exact answer the proved radius
    gradient_low, step_low: (P,) of an exact answer alone: what its rounding to float64 left over,
        so that |x - exact| is |(x - gradient) - gradient_low|
    gradient_ends: (2, P) of an exact answer at a kink: the smallest and the largest value that
        other slopes there lead to, which are right as well
    kinks: how many units of how many rows stand on a kink, together
    X, Y: (n, k_0) and (n, k_L), what an adapter states that the program makes of them before it
        computes, which is where its answer is judged; None where it takes them as they are
    """

    gradient: Vector | None
    step: Vector | None
    gradient_bar: Vector | None = None
    step_bar: Vector | None = None
    gradient_low: Vector | None = None
    step_low: Vector | None = None
    gradient_ends: NDArray[np.float64] | None = None
    kinks: int = 0
    X: Array | None = None
    Y: Array | None = None

    @property
    def vector(self) -> Vector:
        """(P,) the gradient, or the step of a side that shows only that."""
        vector = self.step if self.gradient is None else self.gradient
        assert vector is not None  # a side gives one of the two
        return vector


@dataclass(frozen=True)
class Failure:
    """A side that gave no answer to a case. status: "error", "timeout", "crashed", "skipped"."""

    status: str
    message: str


class Side(Protocol):
    """The accused and the witnesses answer the same question, so each can be put on trial.

    step_form: how the side makes its step: "direct" (-alpha * gradient) or "after_minus_before"
        (weights after the update minus weights before it), which costs a cancellation
    """

    @property
    def name(self) -> str: ...

    @property
    def step_form(self) -> str: ...

    def gradients(self, case: Case) -> Gradients | Failure:
        """The gradient and the step of one case."""
        ...

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """The same for many cases at once, in order; a side may batch them inside."""
        ...


class Steps(NamedTuple):
    """What one model did, step by step.

    before, moved: (K, P), W before a step and what it moved it by
    resets: names in the program of what sets gradients back, such as zero_grad, where it calls it
    uncalled: the same where nothing in its file does
    """

    before: Vector
    moved: Vector
    resets: tuple[str, ...]
    uncalled: tuple[str, ...]
