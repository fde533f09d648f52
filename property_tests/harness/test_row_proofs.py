"""Every row of the table of activations is proved, and a row that is too small is shown the box.

`row_proofs.py` says what is claimed and what lies outside of the subdivision.
"""

import itertools
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings

from oracles import bound_tables
from oracles.bound_tables import FAMILIES, Box, Parts, precision_of
from property_tests.harness import rounded
from property_tests.harness.formulas import FORMULAS
from property_tests.harness.intervals import Interval
from property_tests.harness.row_proofs import (
    Claims,
    binary_claims,
    domain_of,
    proof,
    row_claims,
)

NIGHTLY = settings.get_current_profile_name() == "nightly"
# Where a family writes nothing of its own, its row is that of the family before.
ROWS = [(name, family) for name in FORMULAS for family in FORMULAS[name]]


def claims_of(name: str, family: str) -> Claims:
    domain = domain_of(name, nightly=NIGHTLY)
    if name == "binary_cross_entropy":
        return binary_claims(family, domain)
    return row_claims(name, family, domain)


@pytest.mark.parametrize(
    ("name", "family"), [*ROWS, *(("binary_cross_entropy", family) for family in FAMILIES)]
)
def test_the_row_is_proved(name: str, family: str) -> None:
    found = proof(claims_of(name, family), domain_of(name, nightly=NIGHTLY))
    assert found.counterexample is None, found.counterexample
    assert found.cells > 1000


def test_every_activation_is_proved_here_or_below() -> None:
    assert {*FORMULAS, *bound_tables.PIECEWISE_LINEAR} == set(bound_tables.PARTS)


@pytest.mark.parametrize("slope", [0.0, 1 / 64, 1 / 4, 1.0])
@pytest.mark.parametrize("name", bound_tables.PIECEWISE_LINEAR)
def test_piecewise_linear_rows_at_every_corner(name: str, slope: float) -> None:
    """With E = 1, for the claim scales with E. Where the signs of x and z_hat do not change,
    |g(z_hat) - g(x)| is largest at a corner: z, x = z +- 1 and z_hat = x +- 1, or zero; and
    between whole numbers z moves a corner evenly. So quarters miss no largest value."""
    quarters = np.arange(-16, 17) / 4.0
    corners = [
        (z, x, z_hat)
        for z, x, z_hat in itertools.product(quarters, repeat=3)
        if abs(x - z) <= 1.0 and abs(z_hat - x) <= 1.0 and abs(z_hat - z) <= 2.0
    ]
    z, x, z_hat = np.array(corners).T[:, :, None, None]
    slope = {"identity": 1.0, "relu": 0.0}.get(name, slope)
    own = bound_tables.PARTS[name](box_of_one(z, slope))
    moved = np.abs(np.where(z_hat > 0, z_hat, slope * z_hat) - np.where(x > 0, x, slope * x))
    assert (moved <= own.L1).all()
    assert (moved == own.L1).any()
    # Another slope than the witness' is found only where its sign is undecided.
    decided = ~bound_tables.undecided(box_of_one(z, slope)) | (name == "identity")
    for other in (x, z_hat):
        assert (own.s == np.where(other > 0, 1.0, slope))[decided].all()
    assert not (own.r1 + own.L2).any()


def box_of_one(z: np.ndarray, slope: float) -> Box:
    precision = precision_of(["float64"] * len(z))
    slopes = np.full((len(z), 1, 1), slope)
    return Box(z, np.ones_like(z), precision, slopes, FAMILIES["numpy"])


# ---- planted ----


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "softplus", "gelu", "silu"])
def test_a_planted_C_of_1_is_shown_the_box(name: str) -> None:
    with mock.patch.object(bound_tables, "C", 1.0):
        found = proof(claims_of(name, "numpy"), domain_of(name))
    assert found.counterexample is not None
    assert "is too small by" in found.counterexample
    assert f"{name} (numpy): r" in found.counterexample


def test_a_planted_C_of_1_is_seen_in_a_binary_cross_entropy() -> None:
    with mock.patch.object(bound_tables, "C", 1.0):
        found = proof(claims_of("binary_cross_entropy", "numpy"), domain_of("sigmoid"))
    assert found.counterexample is not None


@pytest.mark.parametrize("part", ["r0", "L1", "r1", "L2"])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_halved_part_is_shown_the_box(name: str, part: str) -> None:
    if name == "leaky_relu" and part != "r0":
        return  # proved at its corners
    original = bound_tables.PARTS[name]
    share = 0.4 if name == "leaky_relu" else 0.5  # of 2u, of which u is one to spare

    def smaller(box: Box) -> Parts:
        own = original(box)
        return own._replace(**{part: share * getattr(own, part)})

    with mock.patch.dict(bound_tables.PARTS, {name: smaller}):
        found = proof(claims_of(name, "numpy"), domain_of(name))
    assert found.counterexample is not None
    assert f"{part} is too small" in found.counterexample


# ---- the tools ----


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (2.0 + abs(y)),
    lambda x, y: x**2,
    lambda x, y: abs(x),
    lambda x, y: np.exp(x),
    lambda x, y: np.tanh(x),
    lambda x, y: np.maximum(x, y),
    lambda x, y: np.where(x > y, x, y + 1.0),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_intervals_hold_what_they_stand_for(operation: Callable[[Any, Any], Any]) -> None:
    ends = np.sort(np.random.default_rng(0).normal(size=(2, 2, 500)), axis=1)
    whole = operation(*(Interval(lo, hi) for lo, hi in ends))
    for t, share in itertools.product((0.0, 0.3, 1.0), repeat=2):
        (a, b), (c, d) = ends
        found = operation(a + t * (b - a), c + share * (d - c))
        close = 1e-15 * np.abs(found) + 1e-15
        assert (whole.lo - close <= found).all()
        assert (found <= whole.hi + close).all()


def test_roundings_are_counted() -> None:
    """By hand: 1 - o errs by u of itself, times o, and o by 8u, which 1 - 2o takes on."""
    z = Interval(np.array([0.5]))
    o = 1.0 / (1.0 + np.exp(-0.5))
    tanh = rounded.tanh(rounded.exact(z))
    assert tanh.error == pytest.approx(8.0 * np.tanh(0.5), rel=1e-6)
    sigma = 1.0 / (1.0 + rounded.exp(-rounded.exact(z)))
    by_hand = 8.0 * o * (1 - o) + 2.0 * o
    assert sigma.error == pytest.approx(by_hand, rel=1e-6)
    s = sigma * (1.0 - sigma)
    assert s.error == pytest.approx(by_hand * abs(1 - 2 * o) + 2.0 * o * (1 - o), rel=1e-5)
