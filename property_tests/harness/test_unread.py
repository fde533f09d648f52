"""Who is asked for more than they meant is told how to say so, and nobody else is."""

from pathlib import Path

import pytest

from property_tests.check_run import Request, check
from property_tests.planted import PLANTED, write_planted

SIGMOID = """\
import numpy as np
def g(Z, name):
    if name == "sigmoid":
        O = 1 / (1 + np.exp(-Z))
    return O
def backprop(weights, biases, X, Y, activations, loss):
    {top}
    O = [X]
    for W, b, name in zip(weights, biases, activations):
        O.append(g(O[-1] @ W + b, {name}))
    delta, dW, db = (O[-1] - Y) * O[-1] * (1 - O[-1]), [], []
    for l in reversed(range(len(weights))):
        dW.insert(0, O[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        delta = delta @ weights[l].T * O[l] * (1 - O[l])
    return dW, db
"""
_CLAIM_LESS = ": let it raise NotImplementedError for what it does not have, and it claims less"
_NOT_MEANT = "if it is not meant to have sigmoid/identity with half_squared_error" + _CLAIM_LESS
_WHATEVER = "its answer is the same whatever `{}` says" + _CLAIM_LESS
_REFUSES = "if set(activations) != {'sigmoid'} or loss != 'half_squared_error': "


@pytest.mark.parametrize(
    ("top", "name", "said"),
    [
        ("", "name", (_NOT_MEANT,)),  # UnboundLocalError: no `else`
        ("assert set(activations) == {'sigmoid'}", "name", (_NOT_MEANT,)),
        ("", "'sigmoid'", (_WHATEVER.format("activations"), _WHATEVER.format("loss"))),
        (f"{_REFUSES}raise NotImplementedError", "name", ()),
    ],
)
def test_who_does_not_refuse_is_told_to(
    tmp_path: Path, top: str, name: str, said: tuple[str, ...]
) -> None:
    path = tmp_path / "net.py"
    path.write_text(SIGMOID.format(top=top, name=name))
    checked, _ = check(Request(str(path)))
    assert checked.exit_code == (1 if said else 0)
    assert checked.advice == said


@pytest.mark.parametrize("name", ["tanh_derivative", "no_hidden_derivative", "ascent", "crash"])
def test_a_mistake_is_no_reason_to_refuse(tmp_path: Path, name: str) -> None:
    bug = next(bug for bug in PLANTED if bug.name == name)
    checked, _ = check(Request(str(write_planted(bug, tmp_path))))
    assert checked.exit_code == 1
    assert checked.advice == ()
