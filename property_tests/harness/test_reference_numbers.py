"""The numbers of the textbook: derivatives, dtypes, far-out inputs, steps and training.

The only witness is a plain central difference of the textbook's own loss.
"""

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference_impl as ri
from property_tests.harness.reference_nets import HIDDEN, Array, assert_near, assert_same, net

CELLS = [
    (output, loss)
    for loss, row in ri.LOSSES.items()
    for output in ri.ACTIVATIONS
    if row.wants in (None, output)
]


def central_differences(value: Callable[[], float], a: Array, h: float) -> Array:
    slope = np.zeros_like(a)
    for i in np.ndindex(a.shape):
        old = a[i]
        a[i] = old + h
        above = value()
        a[i] = old - h
        slope[i] = (above - value()) / (2 * h)
        a[i] = old
    return slope


def assert_agrees_with_central_differences(names: list[str], loss: str, reduction: str) -> None:
    """h = 2^-17: h^2 / 6 and 2^-53 / h are both near 1e-11; the net has no kink within h."""
    weights, biases, X, Y = net([3, 3, 2], n=4, seed=11)
    g = ri.layers_named(names)
    Z, _ = ri.forward(weights, biases, X, g)
    assert min(np.abs(z).min() for z in Z) > 1e-3  # sanity check: no kink nearby

    def value() -> float:
        return ri.loss_of(loss, ri.forward(weights, biases, X, g)[1][-1], Y, reduction)

    made = ri.backprop(weights, biases, X, Y, names, loss, reduction=reduction)
    slopes = [central_differences(value, a, 2.0**-17) for a in [*weights, *biases]]
    assert_near([*made.dW, *made.db], slopes, 1e-8)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("output", "loss"), CELLS)
def test_every_cell_agrees_with_central_differences(
    hidden: str, output: str, loss: str, reduction: str
) -> None:
    assert_agrees_with_central_differences([hidden, output], loss, reduction)


@pytest.mark.parametrize("name", [name for name in HIDDEN if name != "leaky_relu"])
def test_a_derivative_wrong_by_a_millionth_is_seen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault, in the hidden layer only: at the output it would scale all alike."""
    g_prime = ri.ACTIVATIONS[name].g_prime
    wrong = ri.ACTIVATIONS[name]._replace(g_prime=lambda Z, O: (1 + 1e-6) * g_prime(Z, O))
    monkeypatch.setitem(ri.ACTIVATIONS, name, wrong)
    output = "tanh" if name != "tanh" else "sigmoid"
    with pytest.raises(AssertionError):
        assert_agrees_with_central_differences([name, output], "half_squared_error", "sum")


@pytest.mark.parametrize("bias", ["separate", "augmented", "none"])
@pytest.mark.parametrize(("output", "loss"), CELLS)
def test_float32_stays_float32(output: str, loss: str, bias: str) -> None:
    names = [*HIDDEN, output]
    weights, biases, X, Y = net([3] * len(names) + [2], dtype=np.float32)
    biases = [None] * len(biases) if bias == "none" else biases
    alpha, slope = np.float64(0.1), np.float64(0.25)  # a scalar that would lift float32 to float64
    made = ri.backprop(
        weights, biases, X, Y, names, loss,
        alpha=alpha, reduction="mean", bias=bias, slope=slope,
    )  # fmt: skip
    arrays = [a for part in made for a in part if a is not None]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert all(np.isfinite(a).all() for a in arrays)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", list(ri.ACTIVATIONS))
def test_no_intermediate_of_an_activation_leaves_its_dtype(name: str, dtype: Any) -> None:
    Z = np.linspace(-3, 3, 8, dtype=dtype).reshape(2, 4)
    O = ri.ACTIVATIONS[name].g(Z)
    delta = ri.delta_of(np.ones_like(Z), ri.ACTIVATIONS[name], Z, O)
    assert O.dtype == delta.dtype == dtype


@pytest.mark.parametrize("name", list(ri.ACTIVATIONS))
def test_far_out_an_activation_is_still_finite(name: str) -> None:
    """No overflow on the way to a finite number; pytest makes NumPy's warnings errors here."""
    Z = np.array([[-800.0, -40.0, 0.0, 40.0, 800.0]])
    O = ri.ACTIVATIONS[name].g(Z)
    delta = ri.delta_of(np.ones_like(Z), ri.ACTIVATIONS[name], Z, O)
    assert np.isfinite(O).all()
    assert np.isfinite(delta).all()


def test_a_row_of_softmax_does_not_feel_the_others() -> None:
    far = np.array([[0.0, 1.0], [-2000.0, -2001.0], [2000.0, 2001.0]])
    p = ri.ACTIVATIONS["softmax"].g(far)
    np.testing.assert_array_equal(p, p[0, [[0, 1], [1, 0], [0, 1]]])
    losses = [ri.loss_of("cross_entropy_with_logits", z[None], np.ones((1, 2))) for z in far]
    assert losses == pytest.approx([losses[0]] * 3)


@pytest.mark.parametrize("loss", list(ri.LOSSES))
def test_a_loss_and_its_derivative_fit_for_labels_that_sum_to_anything(loss: str) -> None:
    O, Y = np.array([[0.3, 0.6], [0.9, 0.2]]), np.array([[0.5, 0.75], [0.25, 0.0]])
    slopes = central_differences(lambda: ri.loss_of(loss, O, Y), O, 2.0**-17)
    assert_near([ri.dLoss_dOutput(loss, O, Y)], [slopes], 1e-8)


@pytest.mark.parametrize("z", [-800.0, 800.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_losses_with_logits_stay_exact_where_probabilities_round_to_1(z: float, y: float) -> None:
    Z, Y = np.array([[z]]), np.array([[y]])
    binary = "binary_cross_entropy_with_logits"
    assert ri.loss_of(binary, Z, Y) == (0.0 if (z > 0) == bool(y) else 800.0)
    assert ri.dLoss_dOutput(binary, Z, Y).item() == (z > 0) - y
    Z, Y = np.array([[z, 0.0]]), np.array([[y, 1 - y]])
    assert ri.loss_of("cross_entropy_with_logits", Z, Y) == (0.0 if (z > 0) == bool(y) else 800.0)
    np.testing.assert_array_equal(
        ri.dLoss_dOutput("cross_entropy_with_logits", Z, Y), [[(z > 0) - y, y - (z > 0)]]
    )


def test_a_probability_rounded_to_its_label_passes_nothing_down() -> None:
    p, Y = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]])
    assert ri.loss_of("binary_cross_entropy", p, Y) == ri.loss_of("cross_entropy", p, Y) == 0
    assert (ri.dLoss_dOutput("binary_cross_entropy", p, Y) == 0).all()
    np.testing.assert_array_equal(ri.dLoss_dOutput("cross_entropy", p, Y), [[0, -1]])


def test_a_probability_rounded_to_the_opposite_of_its_label_is_not_made_up() -> None:
    """inf times 0: the answer is lost, and nan says so, without an exception."""
    made = ri.backprop(
        [np.array([[800.0]])], [np.zeros(1)], np.ones((1, 1)), np.zeros((1, 1)),
        ["sigmoid"], "binary_cross_entropy",
    )  # fmt: skip
    assert np.isnan(made.dW[0]).all()


def test_at_a_kink_the_slope_is_that_of_the_left() -> None:
    zero = np.zeros((1, 1))
    slopes = {name: ri.ACTIVATIONS[name].g_prime(zero, zero).item() for name in HIDDEN}
    assert (slopes["relu"], slopes["leaky_relu"], slopes["elu"]) == (0, 1 / 64, 1)


def test_the_slope_that_is_given_is_used() -> None:
    def db(slope: float) -> Array | None:
        W, X, Y = [-np.ones((1, 1))], np.ones((1, 1)), np.zeros((1, 1))
        loss = "half_squared_error"
        return ri.backprop(W, [np.zeros(1)], X, Y, ["leaky_relu"], loss, slope=slope).db[0]

    assert db(0.25) == -0.0625  # O = -slope, so dLoss/dZ = -slope * slope
    assert db(0.0) == 0


# The steps


def test_the_step_is_minus_alpha_times_the_gradient() -> None:
    made = ri.backprop(*net([3, 4, 2]), ["tanh"] * 2, "half_squared_error", alpha=0.3)
    assert_same(made.step_W, [-0.3 * dW for dW in made.dW])
    assert_same(made.step_b, [-0.3 * db for db in made.db if db is not None])


@pytest.mark.parametrize("bias", ["separate", "augmented"])
@pytest.mark.parametrize("how", ["loop", "recursion"])
def test_nothing_given_is_changed_and_nothing_returned_is_shared(bias: str, how: str) -> None:
    made = net([3, 4, 2])
    before = [a.copy() for a in [*made[0], *made[1], *made[2:]] if a is not None]
    passed = ri.backprop(*made, ["identity"] * 2, "half_squared_error", bias=bias, how=how)
    given = [a for a in [*made[0], *made[1], *made[2:]] if a is not None]
    assert_same(given, before)
    returned = [a for part in passed for a in part if a is not None]
    assert not any(np.shares_memory(a, b) for a in returned for b in given)
    assert not any(np.shares_memory(a, b) for a in returned for b in returned if a is not b)


def test_one_epoch_of_training_adds_the_steps_and_changes_nothing_given() -> None:
    weights, biases, X, Y = net([3, 4, 2])
    biases = [None, biases[1]]
    before = [W.copy() for W in weights]
    names, loss = ["tanh", "sigmoid"], "half_squared_error"
    made = ri.backprop(weights, biases, X, Y, names, loss, alpha=0.2, reduction="mean")
    W, b, losses = ri.train(
        weights, biases, X, Y, names, loss, alpha=0.2, epochs=1, reduction="mean"
    )
    assert_same(W, [a + s for a, s in zip(weights, made.step_W, strict=True)])
    summed = zip(biases, made.step_b, strict=True)
    assert_same(b, [None if a is None or s is None else a + s for a, s in summed])
    O = ri.forward(weights, biases, X, ri.layers_named(names))[1][-1]
    assert losses == [ri.loss_of(loss, O, Y, "mean")]
    assert_same(weights, before)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_learns_exclusive_or_and_keeps_the_dtype(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
    Y = np.array([[0], [1], [1], [0]], dtype)
    weights, biases = ri.initial_weights([2, 4, 1], rng, how="uniform")
    W, b, losses = ri.train(
        [w.astype(dtype) for w in weights], [v.astype(dtype) for v in biases], X, Y,
        ["tanh", "identity"], "binary_cross_entropy_with_logits", alpha=1.0, epochs=500,
    )  # fmt: skip
    assert {a.dtype for a in [*W, *b] if a is not None} == {np.dtype(dtype)}
    assert losses[-1] < 0.05 < losses[0]


@pytest.mark.parametrize("how", ["zeros", "uniform", "xavier", "he"])
def test_initial_weights_fit_and_depend_on_the_seed_alone(how: str) -> None:
    weights, biases = ri.initial_weights([40, 30, 20], np.random.default_rng(3), how)
    again, _ = ri.initial_weights([40, 30, 20], np.random.default_rng(3), how)
    assert_same(weights, again)
    assert [W.shape for W in weights] == [(40, 30), (30, 20)]
    assert [b.tolist() for b in biases] == [[0.0] * 30, [0.0] * 20]
    spread = {"zeros": 0, "uniform": 1 / 3, "xavier": 2 / 70, "he": 2 / 40}[how]
    assert np.var(weights[0]) == pytest.approx(spread, rel=0.1)


def test_zeros_keep_the_neurons_of_a_layer_alike_for_ever() -> None:
    _, _, X, Y = net([3, 4, 2])
    weights, biases = ri.initial_weights([3, 4, 2], np.random.default_rng(0), "zeros")
    weights, _, _ = ri.train(
        weights, biases, X, Y, ["sigmoid", "identity"], "half_squared_error", alpha=0.1, epochs=9
    )
    assert (weights[0] == weights[0][:, :1]).all()
    assert (weights[0] != 0).all()


def test_the_example_of_the_article_in_the_docstring_runs() -> None:
    assert doctest.testmod(ri).failed == 0
    assert doctest.testmod(ri).attempted > 4
