"""Follow-through marks on trial: each planted mistake is marked in the layers that it is in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.case import Case
from backproof.claims import Claims
from backproof.conventions import Factor
from backproof.grades import NetMarks
from backproof.gradients import Failure, Gradients, flat
from property_tests.follow_through import marked, nets_to_mark, one_instance
from property_tests.nets import Nets
from property_tests.planted import EXAMPLE, PLANTED
from property_tests.trying import exact_answer

DEEP = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), n=1, seed=1)
SQUARE = Case((3, 3, 3, 3), ("tanh", "sigmoid", "tanh"), n=1, seed=3)

Marks = list[tuple[str, str, str]]


def program(*changes: tuple[str, str]) -> Callable[..., Any]:
    source = EXAMPLE.read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(source, "planted", "exec"), names)
    return names["backprop"]


def planted(name: str) -> Callable[..., Any]:
    return program(*next(bug.changes for bug in PLANTED if bug.name == name))


def answer_of(backprop: Callable[..., Any], case: Case) -> Gradients:
    arrays = case.arrays
    given = [*arrays.weights], [*arrays.biases], arrays.X, arrays.Y
    dW, db = backprop(*given, case.activations, case.loss, case.reduction, case.slope)
    db = [None if b is None else d for b, d in zip(arrays.biases, db, strict=True)]
    return Gradients(flat(dW, db), None)


def marks_of(backprop: Callable[..., Any], case: Case = DEEP) -> Marks:
    """(delta, dW, db) of each layer, the output's first."""
    return words(marked(case, answer_of(backprop, case), Factor()))


def words(net: NetMarks | None) -> Marks:
    assert net is not None
    return [layer.words for layer in net.layers]


R, W = "right", "wrong"
ALL_RIGHT = [(R, R, R)] * 3


def test_a_right_program_is_right_in_every_layer_of_every_net() -> None:
    cases = [*nets_to_mark(Nets(Claims()))]
    assert len(cases) == 5
    hidden = {name for case in cases for name in case.activations[:-1]}
    assert hidden >= {"sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu"}
    for case in cases:
        assert words(marked(case, exact_answer(case), Factor())) == ALL_RIGHT
    assert marks_of(program()) == ALL_RIGHT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The derivative is missing on both ways down; what uses the wrong delta uses it rightly.
        ("no_hidden_derivative", [(R, R, R), (W, R, R), (W, R, R)]),
        ("raw_error", [(R, R, R), (W, R, R), (W, R, R)]),
        ("db_zero", [(R, R, W)] * 3),
        ("dW_1_zero", [(R, R, R), (R, R, R), (R, W, R)]),
        # Only layer 2 is sigmoid: one wrong slope, and layer 1 follows from the wrong delta.
        ("derivative_at_activation", [(R, R, R), (W, R, R), (R, R, R)]),
        ("db_mean", ALL_RIGHT),  # one instance: the mean of its rows is their sum
    ],
)
def test_a_mistake_is_marked_in_the_layer_that_it_is_in(name: str, expected: Marks) -> None:
    assert marks_of(planted(name)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # dW_l transposed, on a net where the shapes cannot tell.
        ([("Os[layer].T @ delta)", "(Os[layer].T @ delta).T)")], [(R, W, R)] * 3),
        # The output's delta is wrong: everything below follows from it.
        ([("loss, activations[-1], Zs[-1], Os[-1], Y, slope)",
           "loss, activations[-1], Zs[-1], Os[-1], 2 * Y, slope)")],
         [(W, R, R), (R, R, R), (R, R, R)]),
        # Z instead of O enters dW: not the form of an outer product with O, above the first layer.
        ([("Os[layer].T @ delta)", "([X, *Zs])[layer].T @ delta)")],
         [(R, W, R), (R, W, R), (R, R, R)]),
        # W instead of W.T on the way down.
        ([("delta @ weights[layer].T", "delta @ weights[layer]")],
         [(R, R, R), (W, R, R), (W, R, R)]),
    ],
)  # fmt: skip
def test_marks_on_a_square_net(changes: list[tuple[str, str]], expected: Marks) -> None:
    assert marks_of(program(*changes), SQUARE) == expected


def test_a_factor_of_the_conventions_is_no_mistake_and_another_one_is() -> None:
    exact = exact_answer(DEEP)
    assert exact.gradient is not None
    twice = Gradients(2 * exact.gradient, None)
    assert words(marked(DEEP, twice, Factor(two=1))) == ALL_RIGHT
    assert words(marked(DEEP, twice, Factor())) == [(W, R, R), (R, R, R), (R, R, R)]


def test_steps_are_marked_like_gradients() -> None:
    case = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), n=1, seed=1, alpha=0.5)
    exact = exact_answer(case)
    assert exact.step is not None
    assert words(marked(case, Gradients(None, exact.step), Factor())) == ALL_RIGHT
    assert words(marked(case, Gradients(None, -exact.step), Factor()))[0] == (W, R, R)


def test_a_net_without_biases_is_marked_by_its_weights() -> None:
    case = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), bias="none", n=1, seed=1)
    assert marks_of(program(), case) == [(R, R, "-")] * 3
    assert marks_of(planted("no_hidden_derivative"), case) == [
        (R, R, "-"), (W, R, "-"), (W, R, "-")]  # fmt: skip


def test_what_is_no_number_is_not_marked() -> None:
    assert marked(DEEP, Failure("crashed", "gone"), Factor()) is None
    exact = exact_answer(DEEP)
    assert exact.gradient is not None
    broken = exact.gradient.copy()
    broken[0] = np.nan
    assert marked(DEEP, Gradients(broken, None), Factor()) is None


def test_the_first_instance_of_a_batch_is_taken_alone() -> None:
    case = Case((4, 3, 5, 2), ("tanh", "sigmoid", "tanh"), n=6, seed=1)
    alone = one_instance(case)
    assert alone.n == 1
    assert np.array_equal(alone.arrays.X[0], case.arrays.X[0])
    assert one_instance(DEEP) is DEEP
