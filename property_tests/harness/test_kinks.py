"""Kinks on trial: every subgradient is right, nothing else is, one layer deep and more."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import reference_impl
from backproof.case import Case
from backproof.gradients import Gradients
from oracles import bound_kinks, exact_network
from oracles.bound import bound_of, bounds_of
from oracles.exact import Exact
from property_tests.adversarial import TRAITS
from property_tests.asking import installed
from property_tests.harness.inside import given, reference_gradient
from property_tests.judging import Seat, judge
from property_tests.sides import Called
from property_tests.space import Claims, sampled_case
from reference_impl import activations
from reference_impl.activations import Activation

DOC = Path(__file__).resolve().parents[2] / "docs" / "kinks.md"


@contextmanager
def slopes_at_zero(relu: float, leaky_relu: float) -> Iterator[Called]:
    """The reference with another convention."""

    def at(slope: float, other: float) -> Activation:
        return Activation(
            lambda Z: np.where(Z > 0, Z, slope * Z),
            lambda Z, O: np.where(
                Z == 0, Z.dtype.type(other), np.where(Z > 0, Z.dtype.type(1), Z.dtype.type(slope))
            ),
        )

    with (
        mock.patch.dict(activations.ACTIVATIONS, relu=at(0.0, relu)),
        mock.patch.object(activations, "leaky_relu", lambda slope: at(slope, leaky_relu)),
    ):
        yield Called("subject", reference_impl.backprop)


def words(subject: Called, cases: list[Case], family: str, *oracles: str) -> list[set[str]]:
    """Case by case, what the witnesses say about the subject."""
    seats = [seat for seat in installed() if not oracles or seat.name in oracles]
    found = judge(cases, [Seat(subject, family, is_oracle=False), *seats])
    return [{pair.verdict for pair in pairs if pair.a == "subject"} for pairs in found]


def tied(activation: str, depth: int, count: int = 12, *, alone: bool = False) -> list[Case]:
    """Small nets of whole numbers with a unit on z = 0 whose slope matters; or with one alone."""
    claims = Claims(
        activations=(activation, "identity"),
        hidden=(activation,),
        losses=("half_squared_error", "mean_squared_error"),
        regimes=("integers", "fractions", "zeros"),
        depths=(depth + 1,),
        max_width=4,
        dtypes=("float64",),
    )
    drawn = [sampled_case(31, i, size="standard", claims=claims) for i in range(30 * count)]
    bounds = bounds_of(drawn)
    kept = [
        case
        for case, bound in zip(drawn, bounds, strict=True)
        if bound.reach is not None
        and (bound.reach.high > bound.reach.low).any()
        and (bound.reach.units == 1 or not alone)
    ]
    assert len(kept) >= count
    return kept[:count]


@pytest.mark.parametrize("family", ["numpy", "stranger"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_a_subgradient_is_right_and_nothing_else_is(name: str, depth: int, family: str) -> None:
    cases = tied(name, depth)
    for slope in (0.25, 0.5, 1.0) if name == "leaky_relu" else (0.0, 0.5, 1.0):
        with slopes_at_zero(slope, max(slope, max(case.slope for case in cases))) as subject:
            said = words(subject, cases, family)
        assert not any(word - {"agree", "kink", "uninformative", "skipped"} for word in said)
    outside = (-1.0, 2.0) if name == "relu" else (-1.0, 0.0, 2.0)
    for slope in outside:
        with slopes_at_zero(slope, slope) as subject:
            said = words(subject, cases, family)
        # Two wrong slopes may by chance lead to a value that right ones lead to as well.
        assert sum("wrong" in word for word in said) >= 9


@pytest.mark.parametrize("oracle", ["torch_autograd", "jax_grad", "exact"])
@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_one_slope_outside_is_wrong_by_each_oracle_alone(name: str, oracle: str) -> None:
    if oracle not in {seat.name for seat in installed()}:
        pytest.skip(f"{oracle} is not installed")
    cases = tied(name, 1, alone=True)
    for slope in (-1.0, -1e-6, 1 + 1e-6, 2.0):
        with slopes_at_zero(slope, slope) as subject:
            assert words(subject, cases, "stranger", oracle) == [{"wrong"}] * len(cases)
    for slope in (0.25, 1.0):
        with slopes_at_zero(slope, slope) as subject:
            said = words(subject, cases, "stranger", oracle)
        assert all(word <= {"agree", "kink"} for word in said)


def test_near_the_kink_each_choice_is_right() -> None:
    """z is rounding alone: what one side finds above zero, another finds below."""
    trait = TRAITS["on the kink"]
    cases = [
        trait.twist(sampled_case(5, i, size=trait.size, claims=trait.claims)) for i in range(60)
    ]
    assert sum(bound.reach is not None for bound in bounds_of(cases)) >= 40
    with slopes_at_zero(1.0, 1.0) as subject:
        said = words(subject, cases, "numpy", "torch_autograd", "jax_grad", "exact")
    assert not any("wrong" in word for word in said)


# ---- the interval ----


def by_choice(case: Case) -> np.ndarray:
    """(choices, P): the reference's gradient for each choice of an end at each z = 0.

    Only for the net below: a hidden layer of two relu, then one, then the output.
    """
    a, found = case.arrays, []
    for first, second, third in product((0.0, 1.0), repeat=3):
        Z1 = a.X @ a.weights[0]
        O1 = np.maximum(Z1, 0)
        O2 = np.maximum(O1 @ a.weights[1], 0)
        G = (O2 @ a.weights[2] - a.Y) @ a.weights[2].T * third
        D1 = G @ a.weights[1].T * [first, second]
        of_3 = (O2.T @ (O2 @ a.weights[2] - a.Y)).ravel()
        found.append(np.concatenate([(a.X.T @ D1).ravel(), (O1.T @ G).ravel(), of_3]))
    return np.array(found)


TWO_DEEP = given(
    [np.zeros((1, 2)), [[2.0], [-3.0]], [[1.5]]], [[1.0]], [[1.0]], ["relu", "relu", "identity"]
)


def test_the_ends_are_those_of_all_choices_two_layers_deep() -> None:
    expected = by_choice(TWO_DEEP)
    answer = Exact().gradients(TWO_DEEP)
    assert isinstance(answer, Gradients)
    assert answer.gradient_ends is not None
    assert answer.kinks == 3
    assert (answer.gradient_ends[0] == expected.min(axis=0)).all()
    assert (answer.gradient_ends[1] == expected.max(axis=0)).all()
    for family in ("numpy", "any", "stranger"):
        reach = bound_of(TWO_DEEP, family).reach
        assert reach is not None
        assert reach.units == 3
        assert (reach.low == expected.min(axis=0)).all()
        assert (reach.high == expected.max(axis=0)).all()


def test_more_kinks_than_are_tried_one_by_one_have_an_interval_that_holds_all() -> None:
    narrow, wide = Exact().gradients(TWO_DEEP), None
    with mock.patch.object(exact_network, "MOST_KINKS", 2):
        wide = Exact().gradients(TWO_DEEP)
    assert isinstance(narrow, Gradients)
    assert isinstance(wide, Gradients)
    assert narrow.gradient_ends is not None
    assert wide.gradient_ends is not None
    assert (wide.gradient_ends[0] <= narrow.gradient_ends[0]).all()
    assert (wide.gradient_ends[1] >= narrow.gradient_ends[1]).all()


def test_the_interval_of_the_bound_holds_the_exact_one_and_is_little_wider() -> None:
    wider = []
    for case in [*tied("relu", 2, 30), *tied("leaky_relu", 3, 30)]:
        bound, answer = bound_of(case), Exact().gradients(case)
        assert isinstance(answer, Gradients)
        if not 1 <= answer.kinks <= exact_network.MOST_KINKS or answer.gradient_ends is None:
            continue
        assert bound.reach is not None
        assert bound.reach.units == answer.kinks
        low, high = answer.gradient_ends
        assert (bound.reach.low - bound.reach.E <= low).all()
        assert (bound.reach.high + bound.reach.E >= high).all()
        some = high - low > 1e-9 * np.abs(high)  # the ends are rounded outwards
        wider += ((bound.reach.high - bound.reach.low)[some] / (high - low)[some]).tolist()
    assert len(wider) > 100
    assert np.median(wider) == pytest.approx(1.0)


def test_rounding_and_choice_are_both_inside_the_reach() -> None:
    """Nets of ordinary numbers whose first layer is dead: every slope there is a choice."""
    rng, outside = np.random.default_rng(2), 0
    for _ in range(40):
        W = [rng.normal(size=shape) for shape in ((3, 4), (4, 4), (4, 2))]
        case = given(
            W, np.zeros((2, 3)), rng.normal(size=(2, 2)), ["relu", "tanh", "identity"],
            biases=[np.zeros(4), rng.normal(size=4), rng.normal(size=2)],
        )  # fmt: skip
        reach = bound_of(case).reach
        assert reach is not None
        for slope in (0.0, 0.3, 1.0):
            with slopes_at_zero(slope, slope):
                ours = reference_gradient(case)
            assert (ours >= reach.low - 2 * reach.E).all()
            assert (ours <= reach.high + 2 * reach.E).all()
            outside += int(((ours < reach.low) | (ours > reach.high)).sum())
    assert outside > 0  # so the E beside the ends is needed


# ---- planted in the interval itself ----


def centred(G: Any, S: Any, precision: Any) -> Any:
    """A centre with a radius instead of the products of the ends."""
    right = bound_kinks.delta.__wrapped__(G, S, precision)  # type: ignore[attr-defined]
    c, r = (G.low + G.high) / 2, (G.high - G.low) / 2
    s, t = (S.low + S.high) / 2, (S.high - S.low) / 2
    radius = abs(c) * t + s * r + r * t
    return right._replace(low=c * s - radius, high=c * s + radius)


def one_sided(G: Any, S: Any, precision: Any) -> Any:
    """All slopes as they are below zero."""
    right = bound_kinks.delta.__wrapped__(G, S, precision)  # type: ignore[attr-defined]
    return right._replace(low=G.low * S.low, high=G.high * S.low)


@pytest.mark.parametrize("fault", [centred, one_sided])
def test_a_fault_in_the_product_of_the_ends_is_seen(fault: Callable[..., Any]) -> None:
    fault_of = mock.Mock(side_effect=fault)
    original = bound_kinks.delta
    with mock.patch.object(bound_kinks, "delta", fault_of):
        bound_kinks.delta.__wrapped__ = original  # type: ignore[attr-defined]
        with pytest.raises(AssertionError):
            test_the_ends_are_those_of_all_choices_two_layers_deep()
    assert fault_of.called


# ---- conventions of the frameworks ----


def _torch() -> dict[str, Callable[[Any], Any]]:
    torch = pytest.importorskip("torch")
    return {
        "torch.relu(z)": torch.relu,
        "torch.nn.functional.leaky_relu(z, 0.25)": (
            lambda z: torch.nn.functional.leaky_relu(z, 0.25)
        ),
        "torch.maximum(z, 0 * z)": lambda z: torch.maximum(z, torch.zeros_like(z)),
        "torch.clamp(z, min=0)": lambda z: torch.clamp(z, min=0),
        "torch.where(z > 0, z, 0 * z)": lambda z: torch.where(z > 0, z, torch.zeros_like(z)),
        "torch.abs(z)": torch.abs,
    }


def _jax() -> dict[str, Callable[[Any], Any]]:
    jax = pytest.importorskip("jax")
    return {
        "jax.nn.relu(z)": jax.nn.relu,
        "jax.nn.leaky_relu(z, 0.25)": lambda z: jax.nn.leaky_relu(z, 0.25),
        "jax.numpy.maximum(z, 0)": lambda z: jax.numpy.maximum(z, 0),
        "jax.numpy.clip(z, 0)": lambda z: jax.numpy.clip(z, 0),
        "jax.lax.clamp(0.0, z, 6.0)": lambda z: jax.lax.clamp(0.0, z, 6.0),
        "jax.numpy.where(z > 0, z, 0)": lambda z: jax.numpy.where(z > 0, z, 0),
        "jax.numpy.abs(z)": jax.numpy.abs,
    }


def documented(framework: str) -> dict[str, tuple[float, float, float]]:
    """function -> derivative at 0 and the interval of subgradients, from docs/kinks.md."""
    row = rf"^\| `({framework}\..+)` \| (\S+) \| \[(\S+), (\S+)\] \|$"
    found = re.findall(row, DOC.read_text(encoding="utf-8"), re.M)
    return {name: (float(s), float(low), float(high)) for name, s, low, high in found}


def test_the_table_says_what_torch_takes() -> None:
    torch, measured = pytest.importorskip("torch"), {}
    for name, function in _torch().items():
        z = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        function(z).sum().backward()
        measured[name] = z.grad.item()
    assert measured == {name: own[0] for name, own in documented("torch").items()}


def test_the_table_says_what_jax_takes() -> None:
    jax = pytest.importorskip("jax")
    measured = {name: float(jax.grad(function)(0.0)) for name, function in _jax().items()}
    assert measured == {name: own[0] for name, own in documented("jax").items()}


def test_every_convention_is_a_subgradient() -> None:
    rows = documented("torch") | documented("jax")
    assert len(rows) >= 12
    assert all(low <= slope <= high for slope, low, high in rows.values())
