"""What a message says of the mistake, beside its numbers."""

from pathlib import Path

import pytest

from backproof.target import Target
from property_tests.checking import Climb

PROGRAM = """\
import numpy as np
def backprop(weights, biases, X, Y, activations, loss):
    if loss != "half_squared_error" or activations[-1] != "identity":
        raise NotImplementedError
    if set(activations[:-1]) - {"tanh"}:
        raise NotImplementedError
    O = [X]
    for W, b in zip(weights[:-1], biases):
        O.append(np.tanh(O[-1] @ W + b))
    delta = O[-1] @ weights[-1] + biases[-1] - Y
    dW, db = [], []
    for l in reversed(range(len(weights))):
        dW.insert(0, O[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        error = delta @ weights[l].T
        delta = error * (1 - O[l] ** 2)
    return dW, db
"""
RATE = ("activations, loss)", "activations, loss, lr)")
IDENTITY = [('"tanh"', '"identity"'), ("np.tanh", ""), ("1 - O[l] ** 2", "np.ones_like(O[l])")]
DOWN = "delta @ weights[l].T"
# PROP_BIAS and PROP_MEAN of the mistakes that people make.
WITH_BIAS = (DOWN, f"{DOWN} + (biases[l - 1] if l else 0.0)")
MEAN = (DOWN, f"{DOWN} / weights[l].shape[1]")


def broken(folder: Path, *changes: tuple[str, str]) -> tuple[str, str, str]:
    """The check that breaks first: its id, its question, its message."""
    text = PROGRAM
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "net.py"
    path.write_text(text)
    with Target(str(path)) as target:
        first = next(result for result in Climb(target).results() if result.status == "fail")
    return first.check.id, first.check.asks, first.message


@pytest.mark.parametrize("change", [WITH_BIAS, MEAN], ids=["b added", "the mean"])
def test_what_comes_down_wrong_is_asked_about_and_named(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    id, asks, message = broken(tmp_path, change)
    assert id == "activation.tanh"
    assert asks == "g and g' of tanh, and delta @ W.T to the layer below"
    assert message.endswith("; delta_2 is right: is delta_1 = (delta_2 @ W_2.T) * g'(Z_1)?")
    assert ("dW_1, db_1 are 0.5 times what" in message) is (change == MEAN)
    id, asks, message = broken(tmp_path, *IDENTITY, change)
    assert id == "activation.identity"
    assert asks == "delta @ W.T to the layer below, where g' is 1: identity"
    assert message.endswith("; delta_2 is right: is delta_1 = delta_2 @ W_2.T, where g' is 1?")


@pytest.mark.parametrize(
    "change",
    [
        (
            "O[-1] @ weights[-1]",
            "0.9 * O[-1] @ weights[-1] if len(weights) > 1 else X @ weights[0]",
        ),
        ("O[l].T @ delta)", "O[l].T @ (delta if l or len(X) == 1 else delta[::-1]))"),
    ],
    ids=["the output is wrong", "dW_1 alone is wrong"],
)
def test_where_delta_is_right_or_wrong_already_nothing_comes_down_wrong(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    assert "is delta_1 =" not in broken(tmp_path, change)[2]


@pytest.mark.parametrize(
    ("dW", "db", "said"),
    [
        ("", "", "are -0.0009766 times what they should be; it is not multiplied by -alpha: is it"),
        ("-", "-", "are 0.0009766 times what they should be; it is not multiplied by alpha"),
        ("lr * ", "lr * ", "are -1 times what they should be; it moves up the loss: is it multi"),
    ],
)
def test_what_is_left_out_of_a_step_is_named(tmp_path: Path, dW: str, db: str, said: str) -> None:
    given = [("O[l].T @ delta)", f"{dW}O[l].T @ delta)"), ("delta.sum(", f"{db}delta.sum(")]
    id, _, message = broken(tmp_path, RATE, *given)
    assert id == "linear.layer"
    assert f"ΔW_1, Δb_1 {said}" in message


def test_what_one_array_lacks_is_not_said_of_the_step(tmp_path: Path) -> None:
    given = [("O[l].T @ delta)", "-lr * O[l].T @ delta)"), ("delta.sum(", "lr * delta.sum(")]
    _, _, message = broken(tmp_path, RATE, *given)
    assert "Δb_1 is -1 times what it should be, the others are right" in message
    assert "alpha" not in message
