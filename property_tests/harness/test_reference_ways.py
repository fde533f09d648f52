"""The ways of the textbook agree with each other, and with central differences of its own loss.

No oracle here, a fixed handful of networks, and beside each check a fault that it sees.
"""

import doctest
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference_impl as ri

Array = NDArray[Any]
Net = tuple[list[Array], list[Any], Array, Array]

HIDDEN = [name for name in ri.ACTIVATIONS if name != "softmax"]
CELLS = [
    (output, loss)
    for loss, row in ri.LOSSES.items()
    for output in ri.ACTIVATIONS
    if row.wants in (None, output)
]
# Widths, activations, loss: a perceptron, the article's network, a wide one, a deep one.
NETS = [
    ([3, 1], ["sigmoid"], "binary_cross_entropy"),
    ([5, 2, 4, 3, 3, 1], ["sigmoid"] * 5, "half_squared_error"),
    ([4, 7, 3], ["gelu", "softmax"], "cross_entropy"),
    ([2, 9, 2, 5], ["softplus", "leaky_relu", "identity"], "cross_entropy_with_logits"),
    ([3, *[4] * 12, 2], [*["tanh", "elu", "silu", "relu"] * 3, "softsign"], "mean_squared_error"),
]


def net(widths: Sequence[int], *, n: int = 3, dtype: Any = np.float64, seed: int = 5) -> Net:
    """Weights, biases, X, and labels whose rows are probabilities."""
    rng = np.random.default_rng(seed)
    weights, biases = ri.initial_weights(widths, rng)
    X = rng.normal(size=(n, widths[0]))
    Y = rng.dirichlet(np.ones(widths[-1] + 1), n)[:, :-1]
    Y = Y / Y.sum(axis=1, keepdims=True) if widths[-1] > 1 else Y
    return (
        [W.astype(dtype) for W in weights],
        [rng.normal(size=b.shape).astype(dtype) for b in biases],
        X.astype(dtype),
        Y.astype(dtype),
    )


def assert_same(ours: Sequence[Array | None], theirs: Sequence[Array | None]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def assert_near(ours: Sequence[Array | None], theirs: Sequence[Array | None], tol: float) -> None:
    """Each array within `tol` of the largest element of all, the unit in which they were added."""
    assert len(ours) == len(theirs)
    largest = max(np.abs(b).max() for b in theirs if b is not None)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.shape == b.shape
            assert np.abs(a - b).max() <= tol * largest


# The ways agree


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("widths", "names", "loss"), NETS)
def test_loop_and_recursion_agree_to_the_bit(
    widths: list[int], names: list[str], loss: str, dtype: Any
) -> None:
    made = net(widths, dtype=dtype)
    loop = ri.backprop(*made, names, loss, alpha=0.1, how="loop")
    recursion = ri.backprop(*made, names, loss, alpha=0.1, how="recursion")
    for part in ri.Pass._fields:
        assert_same(getattr(loop, part), getattr(recursion, part))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("widths", "names", "loss"), NETS)
def test_updating_as_it_goes_ends_at_the_same_weights_to_the_bit(
    widths: list[int], names: list[str], loss: str, dtype: Any
) -> None:
    weights, biases, X, Y = net(widths, dtype=dtype)
    biases[0] = None if len(biases) > 1 else biases[0]
    Z, O = ri.forward(weights, biases, X, ri.layers_named(names))
    top = ri.dLoss_dOutput(loss, O[-1], Y)
    made = ri.backprop(weights, biases, X, Y, names, loss, alpha=0.3)
    new = ri.backward_updating_as_it_goes(
        top, weights, biases, Z, O, ri.layers_named(names), alpha=0.3
    )
    assert_same(new[0], [W + s for W, s in zip(weights, made.step_W, strict=True)])
    summed = zip(biases, made.step_b, strict=True)
    assert_same(new[1], [None if b is None or s is None else b + s for b, s in summed])


def test_updating_one_line_too_early_would_be_seen() -> None:
    """The planted fault: the new W passes the loss down. Only the top layer stays right."""
    widths, names, loss = NETS[1]
    made, g = net(widths), ri.layers_named(names)
    Z, O = ri.forward(*made[:3], g)
    weights, dLoss_dO = list(made[0]), ri.dLoss_dOutput(loss, O[-1], made[3])
    for l in reversed(range(len(weights))):
        delta = ri.delta_of(dLoss_dO, g[l], Z[l], O[l + 1])
        weights[l] = weights[l] + -0.3 * (O[l].T @ delta)
        dLoss_dO = delta @ weights[l].T
    steps = ri.backprop(*made, names, loss, alpha=0.3).step_W
    right = [np.array_equal(a, W + s) for a, W, s in zip(weights, made[0], steps, strict=True)]
    assert right == [False] * 4 + [True]


@pytest.mark.parametrize("how", ["loop", "recursion"])
@pytest.mark.parametrize(("widths", "names", "loss"), NETS)
def test_a_vector_and_a_neuron_of_ones_are_the_same_bias(
    widths: list[int], names: list[str], loss: str, how: str
) -> None:
    made = net(widths)
    vector = ri.backprop(*made, names, loss, how=how)
    neuron = ri.backprop(*made, names, loss, how=how, bias="augmented")
    assert_near(neuron.dW, vector.dW, 1e-13)
    assert_near(neuron.db, vector.db, 1e-13)


@pytest.mark.parametrize(("widths", "names", "loss"), NETS)
def test_no_bias_is_a_bias_of_zero(widths: list[int], names: list[str], loss: str) -> None:
    weights, biases, X, Y = net(widths)
    zero = ri.backprop(weights, [np.zeros_like(b) for b in biases], X, Y, names, loss)
    none = ri.backprop(weights, [None] * len(biases), X, Y, names, loss, bias="none")
    assert_same(none.dW, zero.dW)
    assert none.db == none.step_b == [None] * len(biases)


def augmented_pass(
    made: Net, W: list[Array], names: Sequence[str], loss: str, *, masked: bool
) -> list[Array]:
    """dW of augmented matrices, by the article's two ways to keep the bias neurons at 1."""
    g = ri.layers_named(names)
    g = [ri.reset_to_one(a, masked) for a in g[:-1]] + g[-1:]
    Z, O = ri.forward(W, [None] * len(W), ri.with_ones(made[2]), g)
    assert all((o[:, -1] == 1).all() for o in O[:-1])  # reset after every layer
    dW, _ = ri.backward_loop(ri.dLoss_dOutput(loss, O[-1], made[3]), W, Z, O, g)
    return ri.mask(dW) if masked else dW


@pytest.mark.parametrize(("widths", "names", "loss"), NETS)
def test_the_masked_way_is_right_while_the_mask_holds(
    widths: list[int], names: list[str], loss: str
) -> None:
    made = net(widths)
    W = ri.augment(made[0], made[1])
    reset = augmented_pass(made, W, names, loss, masked=False)
    masked = augmented_pass(made, W, names, loss, masked=True)
    assert_near(masked, reset, 1e-13)
    assert all((dW[:, -1] == 0).all() for dW in [*reset[:-1], *masked[:-1]])


def test_the_masked_way_leaks_once_the_mask_was_forgotten() -> None:
    """The reason for the advice: weights into the bias neurons mean nothing, but are followed."""
    widths, names, loss = [3, 4, 5, 2], ["softplus", "silu", "identity"], "half_squared_error"
    made = net(widths)
    W = ri.augment(made[0], made[1])
    clean = augmented_pass(made, W, names, loss, masked=False)
    for matrix in W[:-1]:
        matrix[:, -1] = 0.5
    reset = augmented_pass(made, W, names, loss, masked=False)
    masked = augmented_pass(made, W, names, loss, masked=True)
    assert_near(reset, clean, 1e-13)
    assert np.abs(masked[0] - clean[0]).max() > 0.01 * np.abs(clean[0]).max()


def test_split_undoes_augment() -> None:
    weights, biases, _, _ = net([5, 2, 4, 3, 3, 1])
    W, b = ri.split(ri.augment(weights, biases))
    assert_same(W, weights)
    assert_same(b, biases)


@pytest.mark.parametrize("name", HIDDEN)
def test_three_factors_regroup_to_delta(name: str) -> None:
    """Every layer of the article's network below its output, for one instance."""
    names, g = [name] * 5, ri.layers_named([name] * 5)
    weights, biases, X, Y = net([5, 2, 4, 3, 3, 1], n=1)
    Z, O = ri.forward(weights, biases, X, g)
    upstream = ri.dLoss_dOutput("half_squared_error", O[-1], Y)
    made = ri.backprop(weights, biases, X, Y, names, "half_squared_error")
    for l in reversed(range(4)):
        g_prime_next = g[l + 1].g_prime(Z[l + 1], O[l + 2])[0]
        g_prime = g[l].g_prime(Z[l], O[l + 1])[0]
        dW, delta = ri.three_factors(upstream[0], weights[l + 1], g_prime_next, O[l][0], g_prime)
        assert_near([dW], [made.dW[l]], 1e-13)
        assert_near([delta], [made.db[l]], 1e-13)  # one instance: the sum over rows is delta
        upstream = ri.delta_of(upstream, g[l + 1], Z[l + 1], O[l + 2]) @ weights[l + 1].T


# The numbers


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
