"""The bound on trial: each formula and each row of the table is seen to need its error.

The judge is `balls.py`, a pass in python-flint's balls that shares nothing with the bound.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from flint import arb

from backproof.case import Case
from backproof.claims import HIDDEN
from oracles import bound as formulas
from oracles import bound_tables
from oracles.bound import bounds_of
from property_tests.harness.balls import G, truth_of
from property_tests.harness.inside import given, outside, reference_gradient


def without_error(found: Any) -> Any:
    """What a formula returned, its E set to 0: (X, E), (Row, signs) or two of (X, E)."""
    if isinstance(found, bound_tables.Row):
        return found._replace(Eo=0.0 * found.Eo, Es=0.0 * found.Es)
    first, second = found
    if isinstance(first, bound_tables.Row):
        return without_error(first), second
    if isinstance(first, tuple):
        return without_error(first), without_error(second)
    return first, 0.0 * second


def violations(cases: Sequence[Case]) -> int:
    total = 0
    for case, found in zip(cases, bounds_of(cases), strict=True):
        errors = truth_of(case).errors(reference_gradient(case))
        total += len(outside(errors, found.gradient))
    return total


# Z = 0.1 * 3e7 - 0.3 * 1e7 leaves nothing but rounding; so does dLoss/dO = 0.3 * 0.7 - 0.7 * 0.3
# of the other net. At z = 10 rounding is all there is of 1 - tanh(z)^2.
CANCELLING = given([[[3e7], [-1e7]]], [[0.1, 0.3]], [[0.0]], ["identity"])
CANCELLING_BACKWARD = given([[[1.0]], [[0.3, 0.7]]], [[1.0]], [[-0.4, 1.0]], ["identity"] * 2)
SATURATED = given([[[10.3]], [[0.9]]], [[1.0]], [[0.3]], ["tanh", "identity"])


@pytest.mark.parametrize(
    ("formula", "case"),
    [
        ("F1_weighted_sum", CANCELLING),
        ("F2_activated", SATURATED),
        ("F3_output_deltas", CANCELLING),
        ("F4_delta", SATURATED),
        ("F5_gradients", SATURATED),
        ("F6_outputs_below", CANCELLING_BACKWARD),
    ],
)
def test_a_formula_without_its_error_is_seen(
    formula: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert violations([case]) == 0
    original = getattr(formulas, formula)
    monkeypatch.setattr(formulas, formula, lambda *args: without_error(original(*args)))
    assert violations([case]) > 0


@pytest.mark.parametrize("field", ["Eo", "Es"])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_row_without_one_of_its_errors_is_seen(
    name: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x w + b loses seven digits of z: far labels show it in g', near ones in g."""
    if field == "Es" and name in ("identity", "relu", "leaky_relu"):
        assert not np.any(bound_tables.row_of(name, box_at(0.7)).Es)  # the derivative is exact
        return
    cases = []
    for x in np.linspace(1.01, 1.09, 5):
        b = 0.7 * (1 if name == "relu" else -1) - x * 1e9
        z = x * 1e9 + b
        Y = 1e3 if field == "Es" else float(G[name](arb(z), arb(1 / 64)))
        cases.append(given([[[1e9]]], [[x]], [[Y]], [name], biases=[[b]]))
    assert violations(cases) == 0
    original = bound_tables.PARTS[name]
    parts = ("r0", "L1") if field == "Eo" else ("r1", "L2")

    def without_field(box: bound_tables.Box) -> bound_tables.Parts:
        own = original(box)
        return own._replace(**dict.fromkeys(parts, 0.0 * own.o))

    for own in bound_tables.KINKED if name in bound_tables.KINKED else [name]:
        monkeypatch.setitem(bound_tables.PARTS, own, without_field)
    assert violations(cases) > 0


def box_at(z: float) -> bound_tables.Box:
    array = np.full((1, 1, 1), z)
    precision, family = bound_tables.precision_of(["float64"]), bound_tables.FAMILIES["numpy"]
    return bound_tables.Box(array, 1e-9 * array, precision, 0.25 * array, family)
