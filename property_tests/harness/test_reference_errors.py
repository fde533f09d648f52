# ruff: noqa: E501 (a table of sentences)
"""What the textbook refuses, and the one sentence in which it says so."""

from typing import Any

import numpy as np
import pytest

import reference_impl as ri

ONES = np.ones
HALF = "half_squared_error"


def call(**changed: Any) -> ri.Pass:
    """A call that is right (5 rows, 3-4-2, tanh and identity), but for what is `changed`."""
    weights, biases = ri.initial_weights([3, 4, 2], np.random.default_rng(5))
    right: dict[str, Any] = {
        "weights": weights,
        "biases": biases,
        "X": ONES((5, 3)),
        "Y": ONES((5, 2)),
        "activations": ["tanh", "identity"],
        "loss": HALF,
    }
    return ri.backprop(**(right | changed))


def with_one(value: float, shape: tuple[int, ...] = (5, 3), dtype: Any = np.float64) -> Any:
    array = np.ones(shape, dtype)
    array.flat[-1] = value
    return array


VALUE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"activations": ["step", "identity"]}, r"^`activations\[0\]` is 'step', which is not differentiable: its slope is 0 or none, so no loss can be passed down; use 'sigmoid'\.$"),
    ({"activations": ["tanh", "sigmod"]}, r"^`activations\[1\]` is 'sigmod'; give one of identity, sigmoid, .*softmax\.$"),
    ({"activations": ["tanh", ["relu"]]}, r"^`activations\[1\]` is \['relu'\]; give one of identity"),
    ({"activations": ["softmax", "identity"]}, r"^`activations\[0\]` is 'softmax'; use it in the output layer only\.$"),
    ({"activations": ["tanh"]}, r"^`activations` has 1 entries, `weights` has 2; give one for each"),
    ({"weights": []}, r"^`weights` has 0 entries, .* and one layer at least\.$"),
    ({"biases": [ONES(4)]}, r"^`biases` has 1 entries, `weights` has 2; give one for each layer"),
    ({"biases": [None, None]}, r"^`biases` has 2 None for 2 layers, but `bias` is 'separate': give .* 'separate' some array\.$"),
    ({"bias": "none"}, r"^`biases` has 0 None for 2 layers, but `bias` is 'none': give 'none' only None"),
    ({"bias": "augmented", "biases": [ONES(4), None]}, r"^`biases` has 1 None for 2 layers, but `bias` is 'augmented': .* 'augmented' no None"),
    ({"loss": "mse"}, r"^`loss` is 'mse'; give one of half_squared_error, .*cross_entropy_with_logits\.$"),
    ({"loss": "cross_entropy"}, r"^`activations` ends in 'identity'; `loss` 'cross_entropy' needs 'softmax' there\.$"),
    ({"loss": "binary_cross_entropy"}, r"`loss` 'binary_cross_entropy' needs 'sigmoid' there\.$"),
    ({"loss": "cross_entropy_with_logits", "activations": ["tanh", "softmax"]}, r"^`activations` ends in 'softmax'; .* needs 'identity' there\.$"),
    ({"loss": "binary_cross_entropy_with_logits", "activations": ["tanh", "sigmoid"]}, r"ends in 'sigmoid'; .* needs 'identity' there\.$"),
    ({"reduction": "average"}, r"^`reduction` is 'average'; give one of sum, mean\.$"),
    ({"bias": "yes"}, r"^`bias` is 'yes'; give one of separate, augmented, none\.$"),
    ({"how": "magic"}, r"^`how` is 'magic'; give one of loop, recursion\.$"),
    ({"X": ONES(3)}, r"^`X` has the shape \(3,\); give it the shape \(n, k_0\)\.$"),
    ({"X": ONES((5, 4))}, r"^`weights\[0\]` has the shape \(3, 4\); give it the shape \(4, k_1\)\.$"),
    ({"weights": [ONES((3, 4)), ONES((2, 4))]}, r"^`weights\[1\]` has the shape \(2, 4\); give it the shape \(4, k_2\)\.$"),
    ({"biases": [ONES((1, 4)), ONES(2)]}, r"^`biases\[0\]` has the shape \(1, 4\); give it the shape \(4,\)\.$"),
    ({"biases": [ONES(4), ONES(1)]}, r"^`biases\[1\]` has the shape \(1,\); give it the shape \(2,\)\.$"),
    ({"Y": ONES(5)}, r"^`Y` has the shape \(5,\); give it the shape \(5, 2\)\.$"),
    ({"Y": ONES((4, 2))}, r"^`Y` has the shape \(4, 2\); give it the shape \(5, 2\)\.$"),
    ({"X": ONES((0, 3)), "Y": ONES((0, 2))}, r"^`X` is empty, shape \(0, 3\); give one row and column at least\.$"),
    ({"weights": [ONES((3, 0)), ONES((0, 2))]}, r"^`weights\[0\]` is empty, shape \(3, 0\)"),
    ({"X": with_one(np.nan)}, r"^`X` holds nan; give finite numbers\.$"),
    ({"Y": with_one(-np.inf, (5, 2))}, r"^`Y` holds -inf; give finite numbers\.$"),
    ({"weights": [with_one(np.inf, (3, 4)), ONES((4, 2))]}, r"^`weights\[0\]` holds inf; give finite"),
    ({"biases": [ONES(4), with_one(np.nan, (2,))]}, r"^`biases\[1\]` holds nan; give finite numbers"),
    ({"X": with_one(-1e-310)}, r"^`X` holds the subnormal number -1e-310, which frameworks may take for 0; give 0 or a larger one\.$"),
    ({"Y": with_one(5e-324, (5, 2))}, r"^`Y` holds the subnormal number 5e-324"),
    ({"weights": [with_one(1e-309, (3, 4)), ONES((4, 2))]}, r"^`weights\[0\]` holds the subnormal number"),
    ({"biases": [ONES(4), with_one(1e-309, (2,))]}, r"^`biases\[1\]` holds the subnormal number"),
    ({"alpha": 0}, r"^`alpha` is 0; give a positive, finite number \(float64\)\.$"),
    ({"alpha": -0.1}, r"^`alpha` is -0\.1; give a positive"),
    ({"alpha": np.inf}, r"^`alpha` is inf; give a positive"),
    ({"alpha": np.nan}, r"^`alpha` is nan; give a positive"),
    ({"alpha": 10**400}, r"^`alpha` is 1000+; give a positive"),
    ({"alpha": "0.1"}, r"^`alpha` is '0\.1'; give a positive"),
    ({"slope": 1.5}, r"^`slope` is 1\.5; give a number from 0 to 1\.$"),
    ({"slope": -1e-9}, r"^`slope` is -1e-09; give a number from 0 to 1\.$"),
    ({"slope": np.nan}, r"^`slope` is nan; give a number"),
    ({"slope": None}, r"^`slope` is None; give a number"),
]  # fmt: skip
TYPE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"X": [[1.0, 2.0, 3.0]]}, r"^`X` is a list; give a NumPy array of floats\.$"),
    ({"X": np.ma.ones((5, 3))}, r"^`X` is a MaskedArray; give a NumPy array of floats\.$"),
    ({"weights": [None, ONES((4, 2))]}, r"^`weights\[0\]` is a NoneType; give a NumPy array"),
    ({"biases": [ONES(4), 0.0]}, r"^`biases\[1\]` is a float; give a NumPy array of floats\.$"),
    ({"X": ONES((5, 3), np.int64)}, r"^`X` holds int64; give floats \(float64 or float32\)\.$"),
    ({"weights": [ONES((3, 4), np.int64), ONES((4, 2))]}, r"^`weights\[0\]` holds int64; give floats"),
    ({"Y": ONES((5, 2), bool)}, r"^`Y` holds bool; give floats"),
    ({"Y": ONES((5, 2), np.float16)}, r"^`Y` holds float16; give floats"),
    ({"Y": ONES((5, 2), np.float32)}, r"^`Y` is float32 and `X` is float64; give all the same dtype\.$"),
    ({"weights": ONES((1, 3, 2))}, r"^`weights` is a ndarray; give a list, one per layer\.$"),
    ({"biases": None}, r"^`biases` is a NoneType; give a list, one per layer\.$"),
    ({"activations": "tanh"}, r"^`activations` is a str; give a list, one per layer\.$"),
]  # fmt: skip


def test_the_call_that_the_faults_are_planted_in_is_right() -> None:
    assert [dW.shape for dW in call().dW] == [(3, 4), (4, 2)]


@pytest.mark.parametrize(("changed", "sentence"), VALUE_ERRORS)
def test_a_wrong_value_is_refused_in_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(**changed)


@pytest.mark.parametrize(("changed", "sentence"), TYPE_ERRORS)
def test_a_wrong_type_is_refused_in_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        call(**changed)


@pytest.mark.parametrize("alpha", [1e-60, 1e60])
def test_alpha_is_judged_in_the_dtype_of_the_arrays(alpha: float) -> None:
    a, b, c = ONES((2, 2), np.float32), ONES(2, np.float32), ONES((1, 2), np.float32)
    with pytest.raises(ValueError, match=r"^`alpha` is 1e.60; give a positive, .* \(float32\)\.$"):
        ri.backprop([a], [b], c, c, ["relu"], HALF, alpha=alpha)


def test_subnormal_means_below_the_smallest_normal_of_the_dtype() -> None:
    """In float32 the normal numbers begin at 1.1754944e-38."""
    for dtype, normal in (np.float64, 1.1e-38), (np.float32, 1.2e-38):
        X: Any = np.array([[normal]]).astype(dtype)
        ri.backprop([X], [None], X, X, ["relu"], HALF, bias="none")
    X = np.array([[1.1e-38]]).astype(np.float32)
    with pytest.raises(ValueError, match=r"^`X` holds the subnormal number 1\.1e-38, which"):
        ri.backprop([X], [None], X, X, ["relu"], HALF, bias="none")


def test_recursion_refuses_what_is_too_deep_and_the_loop_does_not() -> None:
    depth = 401
    args = [ONES((1, 1))] * depth, [None] * depth, ONES((1, 1)), ONES((1, 1))
    rest: tuple[list[str], str] = ["identity"] * depth, HALF
    assert len(ri.backprop(*args, *rest, bias="none").dW) == depth
    with pytest.raises(ValueError, match=r"^`weights` has over 400 layers, too deep; use the loop"):
        ri.backprop(*args, *rest, bias="none", how="recursion")
    just_right = args[0][1:], args[1][1:], *args[2:], rest[0][1:], rest[1]
    assert len(ri.backprop(*just_right, bias="none", how="recursion").dW) == 400


def test_softmax_says_that_it_has_no_derivative_per_neuron() -> None:
    with pytest.raises(ValueError, match=r"^softmax has no g'\(Z\) per neuron"):
        ri.ACTIVATIONS["softmax"].g_prime(ONES((1, 2)), ONES((1, 2)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"alpha": -1}, r"^`alpha` is -1; give a positive, finite number"),
        ({"reduction": "max"}, r"^`reduction` is 'max'; give one of sum, mean"),
        ({"biases": [None]}, r"^`biases` has 1 entries, `weights` has 2"),
    ],
)
def test_training_refuses_like_backprop(changed: dict[str, Any], sentence: str) -> None:
    weights, biases = ri.initial_weights([3, 4, 2], np.random.default_rng(5))
    given: dict[str, Any] = {"biases": biases, "alpha": 1.0, "epochs": 1} | changed
    with pytest.raises(ValueError, match=sentence):
        ri.train(
            weights, X=ONES((5, 3)), Y=ONES((5, 2)), activations=["tanh"] * 2, loss=HALF, **given
        )


def test_unknown_initial_weights_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^`how` is 'magic'; give one of zeros, uniform, xavier, he"
    ):
        ri.initial_weights([3, 2], np.random.default_rng(0), how="magic")
