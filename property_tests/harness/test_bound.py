"""The bound on trial: no right gradient lies outside, and no wrong one is let in by slack.

The judge is `balls.py`, a pass in python-flint's balls that shares nothing with the bound.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from flint import arb
from numpy.typing import NDArray

from backproof import names
from backproof.case import Arrays, Case
from backproof.drawing import Array
from backproof.errors import BackproofError
from backproof.gradients import Gradients, Vector, flat
from oracles import bound as formulas
from oracles import bound_tables
from oracles.bound import Bound, bound_of, bounds_of, step_bound
from property_tests.harness.balls import G, Truth, truth_of
from property_tests.sides import Reference
from property_tests.space import Claims, sampled_case

HIDDEN = names.ACTIVATIONS[:-1]
DRAWN = names.REGIMES[:-1]


def every_cell() -> list[Case]:
    """Each activation with each loss, reduction and dtype, in changing regimes, shapes and forms.

    Losses that insist on no output activation get each of them, softmax included, at the output.
    """
    cells = itertools.product(names.ACTIVATIONS, names.LOSSES, names.REDUCTIONS, names.DTYPES)
    cases = []
    for i, (name, loss, reduction, dtype) in enumerate(cells):
        hidden = "identity" if name == "softmax" else name
        outputs = names.OUTPUT_ACTIVATION.get(loss, name)
        cases.append(
            Case(
                widths=(3, 5, 1 + i % 4, 2 + i % 3),
                activations=(hidden, HIDDEN[i % 10], outputs),
                loss=loss,
                reduction=reduction,
                bias=names.BIASES[i % 3],
                n=1 + i % 6,
                regime=DRAWN[i % 9],
                scale=(0, -3, 2, 0, 1)[i % 5],
                dtype=dtype,
                slope=names.SLOPES[i % 2],
                seed=i,
            )
        )
    return cases


def reference_gradient(case: Case) -> Vector:
    answer = Reference().gradients(case)
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


def many_cases() -> list[Case]:
    standard = [sampled_case(20260, i, size="standard") for i in range(200)]
    return every_cell() + standard + [sampled_case(20261, i, size="wide") for i in range(12)]


MANY = many_cases()
TRUTHS: list[Truth] = []


def truths() -> list[Truth]:
    """Of `MANY`, computed once."""
    if not TRUTHS:
        TRUTHS.extend(truth_of(case) for case in MANY)
    return TRUTHS


@pytest.mark.parametrize("family", ["numpy", "stranger"])
def test_the_reference_lies_inside(family: str) -> None:
    for case, truth, found in zip(MANY, truths(), bounds_of(MANY, family), strict=True):
        assert_inside(case, truth, reference_gradient(case), found)


@pytest.mark.parametrize("family", bound_tables.FAMILIES)
def test_the_witness_lies_inside_its_own_bound(family: str) -> None:
    for case, truth, found in zip(MANY, truths(), bounds_of(MANY, family), strict=True):
        assert_inside(case, truth, found.witness, found)


def test_pytorch_lies_inside() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from oracles.torch_autograd import TorchAutograd

    answers = TorchAutograd().gradients_of(MANY)
    for case, truth, found, answer in zip(
        MANY, truths(), bounds_of(MANY, "any"), answers, strict=True
    ):
        assert isinstance(answer, Gradients)
        assert answer.gradient is not None
        assert_inside(case, truth, answer.gradient, found)


def test_little_is_left_undecided() -> None:
    """Cross-entropies on probabilities aside, every cell has a finite bound."""
    for case, found in zip(MANY, bounds_of(MANY, "any"), strict=True):
        assert np.isfinite(found.gradient_kink).all(), case


def tightness(cases: Sequence[Case], times: float = 1.0) -> float:
    """The median of 2E / |dW|, E made looser by `times`."""
    ratios = []
    for found in bounds_of(cases):
        nonzero = found.witness != 0
        ratios.append(2 * times * found.gradient[nonzero] / np.abs(found.witness[nonzero]))
    return float(np.median(np.concatenate(ratios)))


def test_the_bound_is_tight_and_a_thousand_times_looser_is_seen() -> None:
    claims = Claims(dtypes=("float64",), regimes=("normal",))
    cases = [sampled_case(20262, i, size="standard", claims=claims) for i in range(300)]
    assert tightness(cases) <= 2e-12
    assert tightness(cases, times=1000) > 2e-12


# ---- planted: a formula without its error ----


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
        assert not np.any(bound_tables.ROWS[name](box_at(0.7)).Es)  # the derivative is exact
        return
    cases = []
    for x in np.linspace(1.01, 1.09, 5):
        b = 0.7 * (1 if name == "relu" else -1) - x * 1e9
        z = x * 1e9 + b
        Y = 1e3 if field == "Es" else float(G[name](arb(z), arb(1 / 64)))
        cases.append(given([[[1e9]]], [[x]], [[Y]], [name], biases=[[b]]))
    assert violations(cases) == 0
    original = bound_tables.ROWS[name]

    def without_field(box: bound_tables.Box) -> bound_tables.Row:
        row = original(box)
        return row._replace(**{field: 0.0 * row.o})

    monkeypatch.setitem(bound_tables.ROWS, name, without_field)
    assert violations(cases) > 0


def box_at(z: float) -> bound_tables.Box:
    array = np.full((1, 1, 1), z)
    precision, family = bound_tables.precision_of(["float64"]), bound_tables.FAMILIES["numpy"]
    return bound_tables.Box(array, 1e-9 * array, precision, 0.25 * array, family, kink=False)


# ---- the traps ----


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
        (-40.0, 1.0, set()),  # a p of 4e-18 is no trouble
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


def stepped(case: Case) -> tuple[Vector, Vector]:
    """ΔW as -alpha * dW and as seen from outside, after - before, in the case's dtype."""
    answer = Reference().gradients(case)
    assert isinstance(answer, Gradients)
    assert answer.step is not None
    before = flat(case.arrays.weights, case.arrays.biases).astype(case.dtype)
    after = before + answer.step.astype(case.dtype)
    return answer.step, (after - before).astype(np.float64)


@pytest.mark.parametrize("dtype", names.DTYPES)
@pytest.mark.parametrize("alpha", [1e-6, 0.1, 1.0, 2.0**10])
def test_steps_lie_inside_their_own_bound(alpha: float, dtype: str) -> None:
    narrow = 0
    for seed in range(8):
        case = Case((4, 6, 3), ("tanh", "identity"), n=4, alpha=alpha, dtype=dtype, seed=seed)
        truth, found = truth_of(case), bound_of(case)
        direct, seen = (truth.step_errors(step, alpha) for step in stepped(case))
        step = -alpha * found.witness
        E = {form: step_bound(case, found.gradient, step, form) for form in FORMS}
        assert not outside(direct, E["direct"]).size
        assert not outside(seen, E["after_minus_before"]).size
        narrow += len(outside(seen, E["direct"]))
    if alpha < 1e-3:
        assert narrow > 0  # so the terms of the sum and the difference are needed


FORMS = ("direct", "after_minus_before")


def test_an_overflow_is_infinite_and_never_nan() -> None:
    for name, dtype in itertools.product(names.ACTIVATIONS, names.DTYPES):
        large = np.full((2, 2), 1e37 if dtype == "float32" else 1e180)
        case = given([large], large, np.ones((2, 2)), [name], dtype=dtype)
        found = bound_of(case)
        assert np.isinf(found.gradient).all()
        assert np.isinf(found.gradient_kink).all()


def test_a_case_has_the_same_bytes_in_any_company() -> None:
    some = MANY[::5]
    for case, one, two in zip(some, bounds_of(some), bounds_of(some[::-1])[::-1], strict=True):
        alone = bound_of(case)
        for field in ("gradient", "gradient_kink", "witness"):
            assert getattr(one, field).tobytes() == getattr(two, field).tobytes()
            assert getattr(one, field).tobytes() == getattr(alone, field).tobytes()


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(BackproofError, match="`family` is 'tensorflow'; use one of numpy, any"):
        bound_of(Case((1, 1), ("relu",)), "tensorflow")


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
