"""The ways of the textbook agree: loop, recursion and third order, all biases, the three factors.

No oracle here: a fixed handful of networks, and beside each check a fault that it sees.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import reference_impl as ri
from property_tests.harness.reference_nets import HIDDEN, Array, Net, assert_near, assert_same, net

# Widths, activations, loss: a perceptron, the article's network, a wide one, a deep one.
NETS = [
    ([3, 1], ["sigmoid"], "binary_cross_entropy"),
    ([5, 2, 4, 3, 3, 1], ["sigmoid"] * 5, "half_squared_error"),
    ([4, 7, 3], ["gelu", "softmax"], "cross_entropy"),
    ([2, 9, 2, 5], ["softplus", "leaky_relu", "identity"], "cross_entropy_with_logits"),
    ([3, *[4] * 12, 2], [*["tanh", "elu", "silu", "relu"] * 3, "softsign"], "mean_squared_error"),
]


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
    augmented = ri.augment(weights, biases)
    W, b = ri.split(augmented)
    assert_same(W, weights)
    assert_same(b, biases)
    assert not any(np.shares_memory(a, c) for a in [*W, *b] for c in augmented)


def test_setting_the_bias_neuron_leaves_what_was_given_alone() -> None:
    Z = np.full((2, 3), 0.5)
    reset = ri.reset_to_one(ri.ACTIVATIONS["identity"])
    np.testing.assert_array_equal(reset.g(Z), [[0.5, 0.5, 1]] * 2)
    np.testing.assert_array_equal(reset.g_prime(Z, Z), [[1, 1, 0]] * 2)
    np.testing.assert_array_equal(ri.mask([Z, Z])[0], [[0.5, 0.5, 0]] * 2)
    assert (Z == 0.5).all()


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
