"""Right formulas that cancel, as strangers write them: never wrong, and the room for them needed.

Each is the reference with one activation written another way, judged as a stranger's code is. Where
exp overflows, such code returns NaN, and that is wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pytest

import reference_impl
from backproof.case import Case
from backproof.gradients import Gradients
from property_tests.asking import installed
from property_tests.harness.inside import given
from property_tests.judging import Seat, judge
from property_tests.sides import Called
from property_tests.space import Claims, sampled_case
from reference_impl import activations
from reference_impl.activations import Activation

COUNT = 300
Function = Callable[[Any], Any]


def tanh_of_exps(Z: Any) -> Any:
    return (np.exp(Z) - np.exp(-Z)) / (np.exp(Z) + np.exp(-Z))


def tanh_by_sigmoid(Z: Any) -> Any:
    return 2 / (1 + np.exp(-2 * Z)) - 1


def sigmoid_by_tanh(Z: Any) -> Any:
    return (1 + np.tanh(Z / 2)) / 2


def softplus(Z: Any) -> Any:
    return np.logaddexp(Z, 0)


# name -> (activation, g of Z, g' of Z and O)
STRANGERS: dict[str, tuple[str, Function, Callable[[Any, Any], Any]]] = {
    "tanh of exps": ("tanh", tanh_of_exps, lambda Z, O: 1 - O**2),
    "tanh by sigmoid": ("tanh", tanh_by_sigmoid, lambda Z, O: 1 - O**2),
    "tanh, 4 / (a + b)^2": ("tanh", np.tanh, lambda Z, O: 4 / (np.exp(Z) + np.exp(-Z)) ** 2),
    "sigmoid by tanh": ("sigmoid", sigmoid_by_tanh, lambda Z, O: O * (1 - O)),
    "softplus' by softplus": ("softplus", softplus, lambda Z, O: 1 - np.exp(-O)),
    "softplus' by tanh": ("softplus", softplus, lambda Z, O: sigmoid_by_tanh(Z)),
    "silu by tanh": (
        "silu",
        lambda Z: Z * sigmoid_by_tanh(Z),
        lambda Z, O: sigmoid_by_tanh(Z) * (1 + Z * (1 - sigmoid_by_tanh(Z))),
    ),
}


@contextmanager
def written(name: str) -> Iterator[Called]:
    activation, g, g_prime = STRANGERS[name]

    def backprop(*given: Any, **named: Any) -> Any:
        with np.errstate(all="ignore"):
            return reference_impl.backprop(*given, **named)

    own = {activation: Activation(g, g_prime)}
    with mock.patch.dict(activations.ACTIVATIONS, own):
        yield Called("stranger", backprop)


@cache
def drawn(activation: str) -> list[Case]:
    claims = Claims(
        hidden=(activation,),
        activations=(activation, "identity", "sigmoid", "softmax"),
        depths=(2, 3, 4, 5),
    )
    return [sampled_case(71, i, size="standard", claims=claims) for i in range(COUNT)]


def verdicts(subject: Called, cases: list[Case], family: str) -> list[str]:
    """Case by case, against torch or else exact."""
    witness = next(s for s in installed() if s.name in ("torch_autograd", "exact"))
    found = judge(cases, [Seat(subject, family, is_oracle=False), witness])
    return [pairs[0].verdict for pairs in found if pairs]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_right_formula_of_a_stranger_is_never_wrong(name: str) -> None:
    cases = drawn(STRANGERS[name][0])
    with written(name) as subject:
        answers = subject.gradients_of(cases)
        said = verdicts(subject, cases, "stranger")
    numbers = [isinstance(a, Gradients) and bool(np.isfinite(a.gradient).all()) for a in answers]  # type: ignore[arg-type]
    assert sum(numbers) >= 0.95 * COUNT
    right = [word for word, number in zip(said, numbers, strict=True) if number]
    assert "wrong" not in right
    assert right.count("agree") >= 0.9 * COUNT


@pytest.mark.parametrize("name", STRANGERS)
def test_the_room_is_for_strangers_alone(name: str) -> None:
    """The bound of the reference's own formulas leaves these outside, wherever they cancel."""
    activation, _, _ = STRANGERS[name]
    x = -np.linspace(20, 36, 9) if "by" in name and activation != "tanh" else np.logspace(-9, -5, 9)
    # Without a label to subtract, a squared error shows the relative error of a small o or s.
    cases = [
        given([[[v]], [[1.0]]], [[1.0]], [[3.0]], [activation, "identity"]) for v in x.tolist()
    ]
    with written(name) as subject:
        assert "wrong" not in verdicts(subject, cases, "stranger")
        outside = verdicts(subject, cases, "numpy").count("wrong")
    assert (outside > 0) == (name != "tanh, 4 / (a + b)^2")  # cosh is relatively accurate


def test_where_exp_overflows_the_code_is_wrong() -> None:
    case = given([[[800.0]], [[1.0]]], [[1.0]], [[3.0]], ["tanh", "identity"])
    with written("tanh of exps") as subject:
        assert verdicts(subject, [case], "stranger") == ["wrong"]
    with written("tanh by sigmoid") as subject:
        assert verdicts(subject, [case], "stranger") == ["agree"]


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("slip", [1e-9, 1e-6])
def test_a_slip_in_such_a_formula_is_seen(name: str, slip: float) -> None:
    activation, g, g_prime = STRANGERS[name]
    cases = drawn(activation)[:100]
    planted = {name: (activation, g, lambda Z, O: g_prime(Z, O) * Z.dtype.type(1 + slip))}
    cases = [case for case in cases if case.dtype == "float64"]
    with mock.patch.dict(STRANGERS, planted), written(name) as subject:
        assert verdicts(subject, cases, "stranger").count("wrong") >= 0.8 * len(cases)
