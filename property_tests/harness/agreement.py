"""Two witnesses side by side: the cells they are asked about, and where their answers differ.

Two right implementations lie at most 2 E apart, E of the family that holds every right formula
(`oracles/bound.py`).
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from backproof.case import Case
from backproof.claims import HIDDEN
from backproof.gradients import Gradients, Vector, slots_of
from backproof.names import BIASES, OUTPUT_ACTIVATION, REDUCTIONS
from backproof.tokens import token_of
from oracles.bound import bounds_of, step_bound


def cells(loss: str, dtype: str) -> list[Case]:
    """Each activation x reduction x bias that exists with this loss, hidden and at the output."""
    networks = [(name, OUTPUT_ACTIVATION.get(loss, name)) for name in HIDDEN]
    if loss not in OUTPUT_ACTIVATION:
        networks.append(("tanh", "softmax"))
    return [
        Case((3, 4, 2), network, loss, reduction, bias, 5, 0.1, "normal", 0, dtype, seed)
        for seed, (network, reduction, bias) in enumerate(product(networks, REDUCTIONS, BIASES))
    ]


class Shown(NamedTuple):
    """Both vectors of an answer, which neither witness may withhold."""

    gradient: Vector
    step: Vector


def answered(side: Any, cases: Sequence[Case]) -> list[Shown]:
    answers = side.gradients_of(cases)
    assert [type(answer) for answer in answers] == [Gradients] * len(cases)
    return [Shown(answer.gradient, answer.step) for answer in answers]


def disagreements(cases: Sequence[Case], a: Any, b: Any) -> list[str]:
    """One sentence for each case in which gradient or step of two sides lie beyond their bounds."""
    with np.errstate(all="ignore"):
        found = zip(
            cases, bounds_of(cases, "any"), answered(a, cases), answered(b, cases), strict=True
        )
        return [
            sentence
            for case, bound, of_a, of_b in found
            for sentence in (
                _worst(case, "dLoss/d", of_a.gradient, of_b.gradient, 2 * bound.gradient_kink),
                _worst(case, "step of ", of_a.step, of_b.step, _apart(case, bound, a, b)),
            )
            if sentence
        ]


def _apart(case: Case, bound: Any, a: Any, b: Any) -> Vector:
    """How far the steps of two sides may lie apart: each side's form costs its own rounding."""
    E, step = bound.gradient_kink, -case.alpha * bound.witness
    return step_bound(case, E, step, a.step_form) + step_bound(case, E, step, b.step_form)


def _worst(case: Case, what: str, x: Vector, y: Vector, bound: Vector) -> str | None:
    beyond = ~(np.abs(x - y) <= bound) & np.isfinite(bound)  # a NaN is beyond
    if not beyond.any():
        return None
    at = int(np.argmax(beyond))
    slot = next(slot for slot in slots_of(case) if slot.start <= at < slot.stop)
    index = [int(i) for i in np.unravel_index(at - slot.start, slot.shape)]
    return f"{what}{slot.letter}_{slot.layer}{index} = {x[at]} and {y[at]}: {token_of(case)}"
