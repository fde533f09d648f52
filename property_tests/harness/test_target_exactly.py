"""A program in its own process, asked in exact arithmetic."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flint import arb

from backproof.ball import working
from backproof.case import Case
from backproof.claims import Claims
from backproof.errors import TargetError
from backproof.exact_arithmetic import Balls, NotExactly
from backproof.exact_wire import arrays_of, balls_of
from backproof.gradients import Failure
from backproof.target import Target
from oracles.certified import judged
from property_tests.harness.hostile import BAD, CASE, QUICK, answered, failed, hostile
from property_tests.planted import EXAMPLE


def word_of(target: Target, case: Case) -> str:
    def accused(bits: int, widened: bool) -> Balls | NotExactly:
        answer = target.exactly(case, bits, widened)
        assert not isinstance(answer, Failure), answer
        return answer

    return judged(case, accused).word


def test_the_example_is_right_over_there_as_well() -> None:
    deep = Case((4, 3, 5, 2), ("tanh", "sigmoid", "softmax"), "cross_entropy", n=6, seed=1)
    with Target(str(EXAMPLE)) as target:
        assert word_of(target, CASE) == "right"
        assert word_of(target, deep) == "right"
        assert word_of(target, replace(deep, dtype="float32")) == "right"


def test_a_mistake_of_the_last_digit_but_many_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(EXAMPLE.read_text().replace("O * (1 - O)", "O * (1 - O) + O * 2.0**-90"))
    with Target(str(path)) as target:
        assert word_of(target, replace(BAD, activations=("sigmoid", "identity"))) == "wrong"
        assert word_of(target, CASE) == "right"


def test_a_step_comes_as_the_exact_step(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    source = EXAMPLE.read_text().replace('loss, reduction="sum"', 'loss, alpha, reduction="sum"')
    end = "    return [-alpha * d for d in dW], [-alpha * d for d in db]"
    path.write_text(source.replace("    return dW, db", end))
    case = replace(CASE, alpha=0.125)
    with Target(str(path)) as stepping, Target(str(EXAMPLE)) as plain:
        assert stepping.moves
        assert not plain.moves
        step, gradient = (each.exactly(case, 200, False) for each in (stepping, plain))
        assert isinstance(step, list)
        assert isinstance(gradient, list)
        with working(400):
            assert all((8 * a + b).contains(0) for a, b in zip(step, gradient, strict=True))


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("X = X.astype(np.float32)", "a cast to float32 rounds"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("return [W.T for W in weights], biases", "dW[0] has shape (2, 3), expected (3, 2)"),
        ("while True: pass", "no answer within 2 s; it was at my_net.py line"),
    ],
)
def test_what_cannot_run_so_says_why(tmp_path: Path, deed: str, said: str) -> None:
    with hostile(tmp_path, deed, limits=replace(QUICK, exact=2.0)) as target:
        answer = target.exactly(BAD, 200, False)
        assert isinstance(answer, NotExactly)
        assert answer.note.startswith("could not run exactly: ")
        assert said in answer.note
        assert word_of(target, CASE) == "right"


def test_a_crash_and_a_case_that_is_not_claimed_are_failures(tmp_path: Path) -> None:
    with hostile(tmp_path, "os._exit(3)") as target:
        answer = target.exactly(BAD, 200, False)
        assert isinstance(answer, Failure)
        assert answer.status == "crashed"
        deep = replace(CASE, widths=(3, 2, 2, 4), activations=("tanh", "tanh", "identity"))
        skipped = Failure("skipped", "my_net: a network of 3 layers is not claimed")
        assert target.exactly(deep, 200, False) == skipped
        assert failed(target, deep) == skipped


def test_balls_cross_without_a_loss() -> None:
    with working(400):
        balls = [arb(1) / 3, -(arb(2) ** 900) / 7, arb(0), arb(5), arb("nan"), arb(1, 2.0**-30)]
        back = balls_of(arrays_of(balls))
        assert all(b.contains(a) for a, b in zip(balls, back, strict=True) if a.is_finite())
        assert all(b.rad() <= 2 * a.rad() for a, b in zip(balls, back, strict=True) if a == a)
        assert back[4].is_nan()
        assert back[3].is_exact()
    with working(5000):
        long = arb(1) / 3
        (short,) = balls_of(arrays_of([long]))
        assert short.contains(long)
        assert 0 < short.rad() < 2.0**-390


def test_frames_that_are_no_balls_are_none() -> None:
    rows = arrays_of([arb(1), arb(1)])
    rows["mids"][0, 3] = 0.5
    rows["rads"][1, 0] = np.inf
    assert all(ball.is_nan() for ball in balls_of(rows))
    with pytest.raises(ValueError, match="no balls"):
        balls_of({"mids": np.zeros((2, 3)), "rads": np.zeros((2, 2))})


def test_every_limit_of_shape_is_refused_by_name() -> None:
    case = Case((3, 2, 4), ("tanh", "identity"), n=5, alpha=0.125)
    for claims, said in [
        (Claims(depths=(1, 3)), "a network of 2 layers is not claimed"),
        (Claims(max_rows=1), "a batch of 5 rows is not claimed, 1 at most"),
        (Claims(widths=(3, 3, 4)), "`widths` (3, 2, 4) is not claimed, only (3, 3, 4)"),
        (Claims(outputs=1), "a network of 4 outputs is not claimed, only 1"),
        (Claims(alphas=(0.1, 0.5)), "`alpha` 0.125 is not claimed, only 0.1, 0.5"),
    ]:
        assert claims.refusal(case) == said
    assert Claims(widths=(3, 2, 4), outputs=4, max_rows=5, alphas=(0.125,)).refusal(case) == ""


MODULE = "def backprop(weights, biases, X, Y, activations, loss):\n    return weights, biases\n"


def test_a_function_of_a_module_is_found_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "homework"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from . import more\n" + MODULE + "other = backprop\n")
    (package / "more.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with Target("homework.nets:other", QUICK) as target:
        assert target.name == "other"
        mean = replace(CASE, reduction="mean")  # it gives the weights back, whatever the rows
        np.testing.assert_array_equal(answered(target, mean)[:6], CASE.arrays.weights[0].ravel())
    for spec in ("homework.nests:other", "homewerk.nets:other"):
        with pytest.raises(TargetError, match="is no file"):
            Target(spec)
    with pytest.raises(TargetError, match="has no function `none`; it has: backprop"):
        Target("homework.nets:none")
    (package / "more.py").write_text("1 / 0")
    with pytest.raises(TargetError, match="cannot be imported: ZeroDivisionError"):
        Target("homework.nets:other")


@pytest.mark.parametrize("said", ["two layers only", "this depth is not for me"])
def test_the_depths_are_asked_for(tmp_path: Path, said: str) -> None:
    path = tmp_path / "my_net.py"
    refuse = f'if len(weights) != 2:\n        raise ValueError("{said}")\n    '
    path.write_text(EXAMPLE.read_text().replace("    Zs, Os =", f"    {refuse}Zs, Os =", 1))
    with Target(str(path), QUICK) as target:
        assert target.claims.depths == (2,)


def test_who_takes_three_layers_is_taken_to_take_any_number() -> None:
    with Target(str(EXAMPLE)) as target:
        assert target.claims.depths == tuple(range(1, 9))
