"""What it means to lie inside the bound, and cases from arrays as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backproof.case import Arrays, Case
from backproof.gradients import Gradients, Vector
from oracles.bound import Bound
from property_tests.harness.balls import Truth
from property_tests.sides import REFERENCE


def reference_gradient(case: Case) -> Vector:
    answer = REFERENCE.gradients(case)
    assert isinstance(answer, Gradients)
    assert answer.gradient is not None
    return answer.gradient


def outside(errors: Vector, E: Vector) -> NDArray[np.intp]:
    """Indices of elements that lie outside a finite bound."""
    return np.flatnonzero(np.isfinite(E) & ~(errors <= E))


def assert_inside(case: Case, truth: Truth, computed: Vector, found: Bound) -> None:
    """Inside the bound; inside the kinked one where a sign really cannot be decided."""
    __tracebackhide__ = True
    assert not np.isnan(found.gradient).any(), f"{case}: E is NaN"
    assert (found.gradient_kink >= found.gradient).all(), f"{case}: kinked E < E"
    errors = truth.errors(computed)
    E = found.gradient_kink if truth.kinked else found.gradient
    out = outside(errors, E)
    assert not out.size, f"{case}: element {out[0]} is off by {errors[out[0]]}, E is {E[out[0]]}"


def given(
    weights: Sequence[Any],
    X: Any,
    Y: Any,
    activations: Sequence[str],
    loss: str = "half_squared_error",
    biases: Sequence[Any] | None = None,
    dtype: str = "float64",
    **fields: Any,
) -> Case:
    """A case from arrays as they are."""
    Ws = tuple(np.array(W, dtype=dtype, ndmin=2) for W in weights)
    bs = tuple(None if biases is None else np.array(b, dtype=dtype) for b in biases or Ws)
    X, Y = np.array(X, dtype=dtype, ndmin=2), np.array(Y, dtype=dtype, ndmin=2)
    return Case(
        widths=(X.shape[1], *(W.shape[1] for W in Ws)),
        activations=tuple(activations),
        loss=loss,
        bias="none" if biases is None else "separate",
        n=len(X),
        regime="real",
        dtype=dtype,
        given=Arrays(Ws, bs, X, Y),
        **fields,
    )
