"""Exact arithmetic on trial: what runs, what refuses, what is put back, and what crosses a wire."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from backproof.ball import Ball, Undecidable, ball_of, exact_input, working
from backproof.ball_array import BallArray, CannotRun, exact_numpy, inputs_of
from backproof.case import Case
from backproof.exact_arithmetic import (
    NotExactly,
    Question,
    balls_from,
    enclosures_of,
    exact_answer,
)
from backproof.loading import function_in
from oracles.certified import certified, judged
from property_tests.exactly import off_by, program_exactly, reference_exactly
from property_tests.harness.balls import truth_of
from property_tests.harness.inside import given
from property_tests.harness.styles import STYLES
from property_tests.planted import EXAMPLE, PLANTED, write_planted
from property_tests.space import Claims, sampled_case

TANH = Case((3, 4, 2), ("tanh", "identity"), n=7, seed=3)


def style_case(hidden: str) -> Case:
    return Case((3, 4, 2), (hidden, "identity"), n=7, seed=3)


def asked(backprop: Callable[..., Any]) -> Callable[[Question], Any]:
    return lambda q: backprop(q.weights, q.biases, q.X, q.Y)


@pytest.mark.parametrize("name", STYLES)
def test_a_style_runs_or_says_why_not(name: str) -> None:
    style = STYLES[name]
    found = certified(style_case(style.hidden), asked(style.backprop))
    assert (found.word, style.note in found.note) == (style.word, True), found.note
    if style.word in ("wrong", "rounded"):
        off = found.relative.max()
        assert style.off <= off < (1e-15 if style.word == "rounded" else np.inf)
    if not style.note:
        assert found.note == ""


@pytest.mark.parametrize("name", [name for name in STYLES if STYLES[name].word == "right"])
def test_a_style_that_runs_gives_the_same_on_floats(name: str) -> None:
    """The styles are programs, not puzzles: on floats they give the gradient, too."""
    case = style_case(STYLES[name].hidden)
    arrays = case.arrays
    dW, db = STYLES[name].backprop(
        [W.copy() for W in arrays.weights],
        [np.array(b) for b in arrays.biases],
        arrays.X.copy(),
        arrays.Y.copy(),
    )
    flat = np.concatenate([g.ravel() for pair in zip(dW, db, strict=True) for g in pair])
    # The bound is not at stake here, only that the style computes this at all.
    assert (truth_of(case).errors(flat) < 1e-12).all()


def test_the_answer_encloses_what_other_balls_say() -> None:
    """`certified` relies on one judge; here another one says the same."""
    for i in range(40):
        case = sampled_case(33, i, size="standard", claims=Claims(regimes=("normal", "tiny")))
        answer = exact_answer(case.arrays, reference_exactly(case), bits=400)
        assert not isinstance(answer, NotExactly)
        for ours, theirs in zip(answer, truth_of(case).gradient, strict=True):
            assert ours.overlaps(theirs)


def test_an_undecidable_sign_is_a_note() -> None:
    # z = 3 * (1/3) - 1 by way of exp and log: zero, and no number of bits can tell.
    def ask(q: Question) -> Any:
        z = np.log(np.exp(q.X)) - q.X
        return [q.X.T @ (z * (z > 0))], [z.sum(axis=0)]

    case = Case((1, 1), ("relu",), n=1, seed=1)
    found = certified(case, ask)
    assert found.words == ()
    assert found.note.startswith("could not run exactly: the sign of ")
    assert found.note.endswith(" is undecidable")
    assert found.bits == 5000


def test_more_bits_decide_what_fewer_leave_open() -> None:
    """1 - tanh² at z = 200 cancels 577 bits; 200 are not enough, and it is not called wrong."""
    case = given([[[200.0]], [[1.0]]], [[1.0]], [[0.0]], ("tanh", "identity"))
    found = certified(case, reference_exactly(case))
    assert (found.word, found.bits) == ("right", 1000)


def test_a_kink_has_more_than_one_right_value() -> None:
    case = given([[[1.0]], [[1.0]]], [[0.0]], [[3.0]], ("relu", "identity"), biases=[[0.0], [0.0]])

    def with_slope(slope: float) -> str:
        def ask(q: Question) -> Any:
            Z = q.X @ q.weights[0] + q.biases[0]
            d2 = np.maximum(Z, 0) @ q.weights[1] + q.biases[1] - q.Y
            d1 = d2 @ q.weights[1].T * np.where(Z > 0, 1, np.where(Z < 0, 0, slope))
            return [q.X.T @ d1, np.maximum(Z, 0).T @ d2], [d1.sum(axis=0), d2.sum(axis=0)]

        return certified(case, ask).word

    assert [with_slope(s) for s in (0.0, 0.5, 1.0, 1.5)] == ["right", "kink", "kink", "wrong"]


def test_planted_mistakes_are_wrong_exactly_where_they_are(tmp_path: Any) -> None:
    tried = 0
    for bug in PLANTED:
        path = write_planted(bug, tmp_path)
        backprop = function_in(str(path), path.name, None).function
        found = certified(bug.case, program_exactly(bug.case, backprop))
        if bug.verdict == "wrong" and bug.wrong and bug.call == 1:
            tried += 1
            expected = "undecided" if bug.name in ("float32_inside", "nan") else "wrong"
            assert found.word == expected, f"{bug.name}: {found.word} {found.note}"
    assert tried >= 25


def test_the_example_is_right_in_exact_arithmetic() -> None:
    backprop = function_in(str(EXAMPLE), "my_net.py", None).function
    names = tuple(name for name in Claims().hidden if name != "gelu")
    for i in range(60):
        claims = Claims(hidden=names, activations=names, regimes=("normal", "fractions", "one_hot"))
        case = sampled_case(34, i, size="standard", claims=claims)
        found = certified(case, program_exactly(case, backprop))
        assert found.word == "right", f"{case}: {found.word} {found.note}"


def test_constants_excuse_no_mistake_beside_them() -> None:
    """ "rounded" is for constants alone: with 1/m and a derivative off by 1e-14, it is wrong."""
    case = Case((3, 4, 2), ("tanh", "identity"), n=7, seed=5)

    def ask(q: Question) -> Any:
        dW, db = reference_exactly(case, off_by(1 + 2**-46, 0))(q)
        return [1 / 7 * g * 7 for g in dW], db

    assert certified(case, ask).word == "wrong"


@pytest.mark.parametrize(
    "cast",
    [
        float,
        int,
        complex,
        math.floor,
        lambda z: np.array([1.0])[z],
        lambda z: np.zeros(1).__setitem__(0, z),
        lambda z: np.asarray([z], dtype=np.float64),
        lambda z: inputs_of(np.ones(2)).view(np.ndarray).astype(float),
        lambda z: np.add(np.ones(1), inputs_of(np.ones(1)), out=np.zeros(1)),
        lambda z: inputs_of(np.ones(2)).astype(np.float32),
        lambda z: np.cbrt(inputs_of(np.ones(2))),
    ],
)
def test_no_cast_is_silent(cast: Callable[[Ball], Any]) -> None:
    with pytest.raises((TypeError, IndexError)):
        cast(ball_of(0.5))


@pytest.mark.parametrize(
    ("question", "of_two"),
    [
        (lambda z: z > 0, True),
        (lambda z: z <= 0, False),
        (lambda z: z == 0, False),
        (lambda z: z != 0, True),
        (bool, True),
        (lambda z: 0 < z, True),
    ],
)
def test_a_comparison_is_certain_or_raises(question: Callable[[Ball], Any], of_two: bool) -> None:
    with pytest.raises(Undecidable, match="the sign of"):
        question(Ball(arb(0, 1e-9)))
    assert question(Ball(arb(2, 1))) is of_two


def test_a_ball_is_printed_as_what_no_cast_reads() -> None:
    shown = f"loss {Ball(arb(1.5)):.2f}"
    assert shown == "loss ~1.50"
    with pytest.raises(ValueError, match="could not convert"):
        float(shown.removeprefix("loss "))


def test_a_sum_takes_a_shape_as_a_number_of_numpy_does() -> None:
    total = np.sum(inputs_of(np.array([1.0, 0.5]))).reshape(1, 1)
    assert type(total) is BallArray
    assert total.shape == (1, 1)
    assert bool(total[0, 0] == 1.5)


def test_balls_refuse_to_be_keys() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        {ball_of(1)}


def test_everything_is_put_back() -> None:
    before = vars(np).copy(), vars(math).copy(), ctx.prec
    found: list[object] = []

    def fails() -> None:
        with working(333), exact_numpy():
            found.extend([np.zeros(2), math.sqrt(2)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(map(type, found)) == [BallArray, Ball]
    assert (vars(np), vars(math), ctx.prec) == before


def test_whole_numbers_stay_what_they_are() -> None:
    with exact_numpy():
        assert np.zeros(3, dtype=int).dtype == np.int64
        assert np.array([1, 2]).dtype == np.int64
        assert np.array([True]).dtype == np.bool_
        assert np.ones(2, np.float32).dtype == np.float32


def test_what_an_empty_array_holds_is_no_number() -> None:
    found = certified(TANH, lambda q: ([np.empty(W.shape) for W in q.weights], q.biases))
    assert found.words[:12] == ("undecided",) * 12
    assert "undecided" in found.note


def test_a_wrong_shape_cannot_be_judged() -> None:
    found = certified(TANH, lambda q: ([W.T for W in q.weights], q.biases))
    assert (
        found.note == "could not run exactly: ValueError: dW[0] has shape (4, 3), expected (3, 4)"
    )


def test_an_answer_crosses_as_whole_numbers() -> None:
    asked_for = []

    def far_away(bits: int, widened: bool) -> Any:
        asked_for.append((bits, widened))
        answer = exact_answer(TANH.arrays, reference_exactly(TANH), bits=bits, widened=widened)
        assert not isinstance(answer, NotExactly)
        wire = enclosures_of(answer)
        assert all(isinstance(part, int) for e in wire for pair in e for part in pair or ())
        with working(bits):
            back = balls_from(wire)
            assert all(
                a.overlaps(b) and a.mid() == b.mid() for a, b in zip(answer, back, strict=True)
            )
        return back

    assert judged(TANH, far_away).word == "right"
    assert asked_for == [(200, False)]
    nothing = enclosures_of([arb("nan"), arb("inf")])
    assert nothing == [(None, None), (None, None)]
    assert all(ball.is_nan() for ball in balls_from(nothing))


def test_inputs_are_the_floats_themselves() -> None:
    with working(200, widened=True):
        assert exact_input(0.1).x.is_exact()
        assert not ball_of(0.1).x.is_exact()
        assert ball_of(0.1).x.contains(arb(1) / 10)
        assert ball_of(2.0).x.is_exact()
        assert ball_of(1 / 64).x.is_exact()
    assert ball_of(0.1).x.is_exact()


def test_no_warning_is_left_behind() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certified(TANH, reference_exactly(TANH))


def test_cannot_run_is_a_type_error() -> None:
    assert issubclass(CannotRun, TypeError)


def test_random_numbers_are_drawn_as_ever() -> None:
    """NumPy's generators are compiled: they write floats into an array of balls, and crash."""
    with working(200), exact_numpy():
        drawn = [np.random.randn(3, 5), np.random.default_rng(0).normal(size=(3, 5))]  # noqa: NPY002
        assert all(type(array) is np.ndarray and array.dtype == np.float64 for array in drawn)
        np.random.default_rng(0).shuffle(np.array([1.5, 2.5]))
