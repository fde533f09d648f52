"""Whose gradient is not that of the loss it prints fails, in a sentence that names both."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import reference_impl
from backproof.case import Case
from backproof.names import LOSSES, REDUCTIONS
from backproof.target import Target
from oracles.exact_loss import loss_of
from property_tests.check_run import Request, check
from property_tests.harness.test_check import named
from property_tests.stated_loss import Values, told

PROGRAM = """\
import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def forward(p, X):
    H = np.tanh(X @ p["W1"] + p["b1"])
    return H, sigmoid(H @ p["W2"] + p["b2"])


def cost(p, X, Y):
    H, O = forward(p, X)
    return ((O - Y) ** 2).mean()


def gradient(p, X, Y):
    H, O = forward(p, X)
    d_2 = (O - Y) * O * (1 - O)
    d_1 = d_2 @ p["W2"].T * (1 - H**2)
    return {"W1": X.T @ d_1, "b1": d_1.sum(0), "W2": H.T @ d_2, "b2": d_2.sum(0)}
"""
ADAPTER = """\
from backproof.adapters import Adapter


class Mine(Adapter):
    hidden, output, loss = "tanh", "sigmoid", "half_squared_error"
    gives = "gradient"

    def run(self, model, X, Y):
        return self.module.gradient(model.params, X, Y)

    def stated_loss(self, model, X, Y):
        return self.module.cost(model.params, X, Y)
"""
MEAN_OF_SQUARES = "((O - Y) ** 2).mean()"
CROSS = "-(Y * np.log(O + {0}) + (1 - Y) * np.log(1 - O + {0})).sum()"
OF_CROSS = ("d_2 = (O - Y) * O * (1 - O)", "d_2 = O - Y")


def net(folder: Path, cost: str, *changes: tuple[str, str]) -> str:
    texts = [PROGRAM, ADAPTER]
    for old, new in ((MEAN_OF_SQUARES, cost), *changes):
        (at,) = [at for at, text in enumerate(texts) if text.count(old) == 1]
        texts[at] = texts[at].replace(old, new)
    for name, text in zip(("net.py", "net_adapter.py"), texts, strict=True):
        (folder / name).write_text(text)
    return str(folder / "net.py")


BINARY = ("half_squared_error", "binary_cross_entropy")


@pytest.mark.parametrize(
    ("cost", "changes"),
    [
        (MEAN_OF_SQUARES, ()),
        ("0.5 * np.linalg.norm(O - Y) ** 2 + 3", ()),
        (CROSS.format("1e-9"), (OF_CROSS, BINARY)),
        ("np.array([[((Y - O) ** 2).sum()]])", ()),
    ],
    ids=["a mean for a sum", "a constant more", "an epsilon in the logarithm", "an array of one"],
)
def test_a_multiple_of_the_loss_passes(
    tmp_path: Path, cost: str, changes: tuple[tuple[str, str], ...]
) -> None:
    spec = net(tmp_path, cost, *changes)
    checked, _ = check(Request(spec))
    assert checked.exit_code == 0
    stated = named(checked, "loss.stated")
    assert (stated.status, stated.cases) == ("pass", 6)
    with Target(spec) as target:
        assert target.smoke() == []


@pytest.mark.parametrize(
    ("cost", "changes", "gradient_of", "what"),
    [
        ("0.5 * np.linalg.norm(O - Y)", (), "half_squared_error", "constant"),
        (CROSS.format("0"), (), "half_squared_error", "constant"),
        (MEAN_OF_SQUARES, (OF_CROSS, BINARY), "binary_cross_entropy", "constant"),
        ("-((O - Y) ** 2).sum()", (), "half_squared_error", "positive"),
        (f"{MEAN_OF_SQUARES} + 0.1 * (p['W1'] ** 2).sum()", (), "half_squared_error", "constant"),
        ("abs(O - Y).sum()", (), "half_squared_error", "constant"),
        ("np.linalg.norm(O - Y) + 1e8", (), "half_squared_error", "constant"),
        ("3.0", (), "half_squared_error", "positive"),
    ],
    ids=[
        *("no square", "cross entropy", "squares", "its sign", "a term for W", "absolute values"),
        *("no square beside 1e8", "a number"),
    ],
)
def test_another_loss_fails_and_both_are_named(
    tmp_path: Path, cost: str, changes: tuple[tuple[str, str], ...], gradient_of: str, what: str
) -> None:
    checked, _ = check(Request(net(tmp_path, cost, *changes)))
    first = checked.first_broken
    assert first is not None
    assert first.check.id == "loss.stated"
    assert first.message.startswith(
        f"the gradient is that of {gradient_of}; the loss that the program states is no {what} "
        f"multiple of it: where it is "
    )
    passed = [result.check.id for result in checked.results if result.status == "pass"]
    assert f"loss.{gradient_of}.sigmoid" in passed
    assert "training.steps" in passed  # nothing stands on what is printed


def test_where_nothing_is_stated_nothing_is_asked(tmp_path: Path) -> None:
    cut = ADAPTER[ADAPTER.index("    def stated_loss") :]
    checked, _ = check(Request(net(tmp_path, MEAN_OF_SQUARES, (cut, ""))))
    assert "loss.stated" not in {result.check.id for result in checked.results}


def test_what_raises_is_an_error_with_its_line(tmp_path: Path) -> None:
    checked, _ = check(Request(net(tmp_path, "eror(O)")))
    stated = named(checked, "loss.stated")
    assert stated.status == "error"
    assert stated.message == "NameError: name 'eror' is not defined at net.py line 15"


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ("eror(O)", "`stated_loss` raises NameError: name 'eror' is not defined at net.py line"),
        ("O", "`stated_loss` returned a ndarray, expected one number"),
        ("None", "`stated_loss` returned None, expected one number"),
        ("(Y**2).sum()", "what `stated_loss` returns does not change with the weights"),
    ],
)
def test_smoke_says_what_is_wrong_with_it(tmp_path: Path, cost: str, said: str) -> None:
    with Target(net(tmp_path, cost)) as target:
        (problem,) = target.smoke()
    assert problem.startswith(said)


def test_values_that_tell_too_little_are_not_judged() -> None:
    case = Case((3, 2), ("sigmoid",), n=2)
    near = Values([case] * 3, [1.0, 1.01, 1.02], [1.0, 2.0, 7.0])
    assert told(near)[0] == "inconclusive"
    infinite = Values([case] * 3, [1.0, 2.0, 3.0], [1.0, float("inf"), 3.0])
    assert told(infinite) == ("inconclusive", "a loss has no finite value")


_WANTS = {loss: reference_impl.LOSSES[loss].wants for loss in LOSSES}
_ENDINGS = [(loss, _WANTS[loss] or output) for loss in LOSSES for output in
            (("identity", "gelu", "softmax") if _WANTS[loss] is None else ("",))]  # fmt: skip


@pytest.mark.parametrize(("ending", "reduction"), list(product(_ENDINGS, REDUCTIONS)))
def test_the_exact_value_of_a_loss_is_that_of_the_textbook(
    ending: tuple[str, str], reduction: str
) -> None:
    """Two formulas, of O here and of Z there."""
    loss, output = ending
    case = Case((3, 4, 2), ("tanh", output), loss, reduction, n=5, seed=11)
    arrays = case.arrays
    layers = reference_impl.layers_named(case.activations, case.slope)
    O = reference_impl.forward(list(arrays.weights), list(arrays.biases), arrays.X, layers)[1][-1]
    value = reference_impl.loss_of(loss, O, arrays.Y, reduction)
    assert np.isclose(loss_of(case), value, rtol=1e-12)
