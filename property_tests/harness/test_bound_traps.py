"""The bound on trial where a naive one fails: errors that cancel, p = 0 or 1, kinks, strangers.

The judge is `balls.py`, a pass in python-flint's balls that shares nothing with the bound.
"""

from collections.abc import Callable

import numpy as np
import pytest

from backproof import names
from backproof.case import Case
from backproof.drawing import Array
from backproof.gradients import flat
from oracles import bound_tables
from oracles.bound import bound_of
from property_tests.harness.balls import truth_of
from property_tests.harness.inside import assert_inside, given, outside, reference_gradient


def test_a_forward_pass_a_million_times_too_large_gets_no_wider_bound() -> None:
    case = Case((3, 4, 2), ("tanh", "identity"), bias="none", n=5, seed=1)
    (W_1, W_2), X = case.arrays.weights, case.arrays.X
    Z = X @ W_1
    O = np.tanh(Z) * 1e6
    delta = O @ W_2 - case.arrays.Y
    below = (delta @ W_2.T) * (1 - np.tanh(Z) ** 2)
    wrong = flat([X.T @ below, O.T @ delta], [None, None])
    assert len(outside(truth_of(case).errors(wrong), bound_of(case).gradient)) == len(wrong)


@pytest.mark.parametrize("dtype", names.DTYPES)
@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("loss", ["half_squared_error", "mean_squared_error"])
def test_softmax_with_a_squared_loss(loss: str, scale: float, dtype: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(10):
        W, X = scale * rng.normal(size=(4, 5)), rng.normal(size=(6, 4))
        case = given([W], X, rng.normal(size=(6, 5)), ["softmax"], loss, dtype=dtype)
        assert np.isfinite(bound_of(case).gradient).all()
        assert_inside(case, truth_of(case), reference_gradient(case), bound_of(case))


def binary(z: float, label: float, loss: str = "binary_cross_entropy") -> Case:
    activation = "sigmoid" if loss == "binary_cross_entropy" else "identity"
    return given([z], [[1.0]], [[label]], [activation], loss)


def test_binary_cross_entropy_at_30_is_not_widened_by_independent_errors() -> None:
    """g' and dLoss/dp have errors of 1 % there, but the same ones: they cancel."""
    case = binary(30.0, label=0.0)
    found = bound_of(case)
    assert found.gradient[0] / found.witness[0] < 3e-15
    assert_inside(case, truth_of(case), reference_gradient(case), found)


@pytest.mark.parametrize(
    ("z", "label", "inconclusive"),
    [
        (40.0, 0.0, {"numpy", "stranger"}),  # 1/(1 - p) is 1/0
        (40.0, 1.0, {"stranger"}),  # 0/0 unless somebody thought of it
        (-800.0, 1.0, {"numpy", "stranger"}),
        (-800.0, 0.0, {"stranger"}),
        (40.0, 0.5, {"numpy", "stranger"}),
        (-40.0, 1.0, {"stranger"}),  # a p of 4e-18 is no trouble, but (1 + tanh(z / 2)) / 2 is 0
        (-30.0, 1.0, set()),
    ],
)
def test_a_probability_rounded_to_0_or_1_is_inconclusive_on_probabilities_only(
    z: float, label: float, inconclusive: set[str]
) -> None:
    for family in bound_tables.FAMILIES:
        on_probabilities = bound_of(binary(z, label), family).gradient
        assert np.isinf(on_probabilities).all() == (family in inconclusive)
        on_logits = binary(z, label, "binary_cross_entropy_with_logits")
        assert np.isfinite(bound_of(on_logits, family).gradient).all()


def test_a_softmax_probability_of_0_is_inconclusive_under_a_label_only() -> None:
    W = [[800.0, 0.0, -800.0]]
    seen = given([W], [[1.0]], [[0.0, 1.0, 0.0]], ["softmax"], "cross_entropy")
    unseen = given([W], [[1.0]], [[1.0, 0.0, 0.0]], ["softmax"], "cross_entropy")
    assert np.isinf(bound_of(seen).gradient).all()
    assert np.isfinite(bound_of(unseen).gradient).all()
    assert np.isfinite(bound_of(seen, "any").gradient).all()
    assert np.isinf(bound_of(unseen, "stranger").gradient).all()


@pytest.mark.parametrize(
    ("loss", "output"), [("cross_entropy", "softmax"), ("cross_entropy_with_logits", "identity")]
)
def test_labels_that_do_not_sum_to_1(loss: str, output: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        W, X, Y = rng.normal(size=(4, 5)), rng.normal(size=(3, 4)), rng.uniform(0, 2, size=(3, 5))
        case = given([W], X, Y, [output], loss)
        assert_inside(case, truth_of(case), reference_gradient(case), bound_of(case))


@pytest.mark.parametrize(("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.25)])
def test_at_a_tie_the_kinked_bound_takes_every_subgradient_and_the_other_none(
    name: str, slope: float
) -> None:
    case = given([[[1.0], [-1.0]]], [[0.5, 0.5]], [[2.0]], [name], slope=slope)
    found = bound_of(case)
    assert (found.gradient < found.gradient_kink).all()
    assert_inside(case, truth_of(case), reference_gradient(case), found)
    for derivative in (0.5, 1.0):  # jnp.maximum takes 0.5 here, jax.nn.leaky_relu 1
        errors = truth_of(case).errors(case.arrays.X[0] * -2.0 * derivative)
        assert len(outside(errors, found.gradient)) == 2
        assert len(outside(errors, found.gradient_kink)) == 0
    errors = truth_of(case).errors(case.arrays.X[0] * -2.0 * 1.5)  # no subgradient
    assert len(outside(errors, found.gradient_kink)) == 2


def test_without_an_undecided_sign_there_is_one_bound() -> None:
    found = bound_of(Case((3, 4, 2), ("relu", "leaky_relu"), n=3, seed=5))
    assert found.gradient_kink is found.gradient


# ---- where numbers end ----


@pytest.mark.parametrize(("dtype", "z"), [("float64", 1e155), ("float32", 1e19), ("float32", 1e25)])
def test_a_quotient_rule_whose_power_underflows_is_right(dtype: str, z: float) -> None:
    """(1 + |z|)^-2 is 0 in JAX, which leaves 1 / (1 + |z|) of a derivative that is all but 0."""
    case = given([[[z]]], [[1.0]], [[0.5]], ["softsign"], dtype=dtype)
    a, kind = np.array(z, dtype), np.finfo(dtype)
    with np.errstate(over="ignore"):
        power = 1 / ((1 + a) * (1 + a))
        power = np.where(power < kind.smallest_normal, 0, power)
        computed = np.ravel((a / (1 + a) - dtype_of(0.5, a)) * (1 / (1 + a) - a * power))
    errors = truth_of(case).errors(computed.astype(np.float64))
    assert (errors <= bound_of(case, "any").gradient).all()
    assert (errors > 1e10 * bound_of(case, "numpy").gradient).all()


def dtype_of(number: float, like: Array) -> Array:
    return np.array(number, like.dtype)


@pytest.mark.parametrize("late", [False, True])
def test_where_a_sum_overflows_before_its_mean_nothing_is_certain(late: bool) -> None:
    """2 (O - Y) / 2 / 64 is as right as (O - Y) / 64; PyTorch and JAX overflow here as well."""
    z = 1.6e308 if late else 1.6e300
    X, Y = np.zeros((64, 1)), np.zeros((64, 1))
    X[0] = 0.9
    case = given([[[z]]], X, Y, ["identity"], reduction="mean")
    with np.errstate(over="ignore"):
        computed = np.ravel(X.T @ (2 * (X * z) / 2 / 64))
    assert np.isfinite(computed).all() == (not late)
    assert np.isinf(bound_of(case).gradient).all() == late


# ---- what a stranger may write ----


def jacobian(Z: Array, Y: Array) -> Array:
    """Cross-entropy on probabilities through the whole Jacobian of the softmax."""
    p = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    return np.stack(
        [(np.diag(row) - np.outer(row, row)) @ G for row, G in zip(p, -Y / p, strict=True)]
    )


def two_fractions(Z: Array, Y: Array) -> Array:
    p = 1 / (1 + np.exp(-Z))
    return (-Y / p + (1 - Y) / (1 - p)) / Y.shape[1] * (p * (1 - p))


def elu_by_exp(Z: Array, Y: Array) -> Array:
    o = np.where(Z > 0, Z, np.exp(Z) - 1)
    return (o - Y) * np.where(Z > 0, 1, o + 1)


def softplus_by_log(Z: Array, Y: Array) -> Array:
    return (np.log(1 + np.exp(Z)) - Y) / (1 + np.exp(-Z))


def cosh(Z: Array, Y: Array) -> Array:
    return (np.tanh(Z) - Y) / np.cosh(Z) ** 2


@pytest.mark.parametrize("dtype", names.DTYPES)
@pytest.mark.parametrize(
    ("activation", "loss", "delta"),
    [
        ("softmax", "cross_entropy", jacobian),
        ("sigmoid", "binary_cross_entropy", two_fractions),
        ("elu", "half_squared_error", elu_by_exp),
        ("softplus", "half_squared_error", softplus_by_log),
        ("tanh", "half_squared_error", cosh),
    ],
)
def test_other_right_formulas_lie_inside_the_bound_of_a_stranger(
    activation: str, loss: str, delta: Callable[[Array, Array], Array], dtype: str
) -> None:
    rng = np.random.default_rng(11)
    outside_the_table = 0
    for i in range(60):
        W, X = 2.0 ** (i % 4 - 1) * rng.normal(size=(3, 4)), rng.normal(size=(2, 3))
        # Without a label to subtract, a squared error shows the relative error of a small o.
        Y = rng.dirichlet(np.ones(4), size=2) if "entropy" in loss else np.zeros((2, 4))
        case = given([W], X, Y, [activation], loss, dtype=dtype)
        a, truth = case.arrays, truth_of(case)
        with np.errstate(divide="ignore", invalid="ignore"):
            computed = flat([a.X.T @ delta(a.X @ a.weights[0], a.Y)], [None])
        assert_inside(case, truth, computed, bound_of(case, "stranger"))
        outside_the_table += len(outside(truth.errors(computed), bound_of(case).gradient))
    if activation in ("elu", "softplus"):
        assert outside_the_table > 0  # so these terms are needed
