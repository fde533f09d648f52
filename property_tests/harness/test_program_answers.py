"""What programs of any language answer and claim, and how they are called: wrongly and rightly."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backproof.errors import TargetError
from backproof.exact_arithmetic import NotExactly
from backproof.gradients import Failure, slots_of
from backproof.target import Target
from property_tests.harness.hostile import BAD, CASE, answered, assert_goes_on, failed
from property_tests.harness.runners import BRISK, HELLO, UNQUOTED, command, running

# --- answers that are not what was asked for: the program lives on -------------------------------

_NUMBER = f"expected a number; {UNQUOTED}."
DEEDS = [
    ("del answer['db']", "the result has no `db`."),
    ("answer['dw'] = answer.pop('dW')", "the result has no `dW`; it has 'dw', which is not asked"),
    ("answer['loss'] = 0.5", "the result has a key 'loss'; what it may have is dW, db, id, kind."),
    ("answer['dW'] = answer['dW'][0]", "`dW` has 3 layers, expected 2."),
    ("answer['dW'] = 1.5", "`dW` is 1.5, expected a list of 2 layers."),
    ("answer['dW'][0] = turned(answer['dW'][0])", "`dW[0]` has shape (2, 3), expected (3, 2)."),
    ("answer['dW'][0] = None", "`dW[0]` is null, expected a list of 3 rows."),
    ("answer['dW'][0] = {}", "`dW[0]` is an object, expected a list of 3 rows."),
    ("answer['dW'][0][1].append(1)", "`dW[0][1]` has 3 numbers, expected 2."),
    ("answer['dW'][1] = [[]]", "`dW[1]` has shape (1, 0), expected (2, 4)."),
    ("answer['db'][0] = [answer['db'][0]]", "`db[0]` has shape (1, 2), expected (2,)."),
    ("answer['db'][1] = None", "`db[1]` is null, expected a list of 4 numbers."),
    ("answer['db'][1][3] = None", f"`db[1][3]` is null, {_NUMBER}"),
    ("answer['db'][1][3] = True", f"`db[1][3]` is true, {_NUMBER}"),
    ("answer['db'][1][3] = 'nan'", f"`db[1][3]` is the string 'nan', {_NUMBER}"),
    ("answer['db'][1][3] = '0.5'", f"`db[1][3]` is the string '0.5', {_NUMBER}"),
    ("answer['db'][1][3] = 10**400", "`db[1][3]` is larger than any double;"),
    ("answer = dict(kind='errored', id=answer['id'], message='1 / 0\\n\\x1b!')", "1 / 0  !"),
    ("answer = dict(kind='errored', id=answer['id'])", "the errored has no `message`."),
    ("answer = dict(kind='errored', id=answer['id'], message=1)", "`message` is 1, expected a str"),
]
FIRST_N = 20  # the deed number i is done to a batch of 20 + i rows


@pytest.fixture(scope="module")
def doer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    deeds = "\n".join(f"if n == {n}:\n    {deed}" for n, (deed, _) in enumerate(DEEDS, FIRST_N))
    with running(tmp_path_factory.mktemp("deeds"), deeds) as target:
        yield target


@pytest.mark.parametrize("number", range(len(DEEDS)), ids=[deed for deed, _ in DEEDS])
def test_what_is_wrong_with_an_answer_is_said_in_one_sentence(doer: Target, number: int) -> None:
    failure = failed(doer, replace(BAD, n=FIRST_N + number))
    assert failure.status == "error"
    assert failure.message.startswith(DEEDS[number][1])
    assert "\n" not in failure.message
    assert_goes_on(doer)


def test_an_answer_that_skips_gives_its_reason(tmp_path: Path) -> None:
    deed = "answer = dict(kind='skipped', id=answer['id'], reason='no sigmoid yet')"
    with running(tmp_path, deed) as target:
        assert failed(target) == Failure("skipped", "no sigmoid yet")
        assert_goes_on(target)


def test_an_answer_of_nan_and_infinity_comes_back_as_it_is(tmp_path: Path) -> None:
    deed = "answer['db'] = [['NaN', 'Infinity'], ['-Infinity', 0, -0.0, 5e-324]]"
    with running(tmp_path, deed) as target:
        vector = answered(target, BAD)
        _, b_1, _, b_2 = slots_of(BAD)
        np.testing.assert_array_equal(vector[b_1.start : b_1.stop], [np.nan, np.inf])
        np.testing.assert_array_equal(vector[b_2.start : b_2.stop], [-np.inf, 0.0, -0.0, 5e-324])
        assert np.signbit(vector[b_2.stop - 2])
        assert_goes_on(target)


# --- before anything is asked --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ("say('hi')", "it wrote '\"hi\"' on stdout, where only messages belong; print it to std"),
        ("write((json.dumps(HELLO) + '\\n') * 2)", "it wrote more than one line at once; the sec"),
        ("sys.exit(3)", "the process ended itself (exit code 3) instead of answering."),
        ("say({'kind': 'result'})", "it wrote a message of kind the string 'result', expected he"),
        ("say({'kind': 'errored', 'message': 'no GPU'})", "it says: no GPU."),
        ("say({**HELLO, 'layout': 'diagonal'})", "`layout` has the string 'diagonal'; use rows, "),
    ],
)
def test_a_program_that_does_not_say_hello_is_no_target(
    tmp_path: Path, top: str, said: str
) -> None:
    with pytest.raises(TargetError) as error:
        Target(command(tmp_path, top=f"sys.stdin.readline(); {top}"), BRISK)
    assert f"does not say hello: {said}" in str(error.value)


def test_a_hello_may_be_faster_than_its_start(tmp_path: Path) -> None:
    with Target(command(tmp_path, top="say(HELLO); sys.stdin.readline()"), BRISK) as target:
        assert_goes_on(target)


def test_a_program_that_says_nothing_at_all_may_have_forgotten_to_flush(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"within 0.5 s. Is its stdout flushed after each line?"):
        Target(command(tmp_path, top="time.sleep(60)"), replace(BRISK, load=0.5))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("cmd:", "cmd: names no program; write cmd:./runner or cmd:node my_net.mjs"),
        ("cmd:'./runner", "cmd:'./runner cannot be split into words (No closing quotation)"),
        ("cmd:./gone", "cmd:./gone: there is no program ./gone (no such file; is it compiled?)"),
        ("cmd:gone_too", "cmd:gone_too: there is no program gone_too (it is not on PATH)"),
        ("cmd:script.py", "cmd:script.py: script.py lies in this folder; write cmd:./script.py"),
        ("cmd:./script.py", "./script.py is not executable; `chmod +x ./script.py`, or name what"),
        ("cmd:./empty", "cmd:./empty cannot be started (Exec format error); a script needs its in"),
    ],
)
def test_a_command_that_is_none_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text("print()", encoding="utf-8")
    Path("empty").write_text("\0", encoding="utf-8")
    Path("empty").chmod(0o700)
    with pytest.raises(TargetError) as error:
        Target(spec)
    assert said in str(error.value)


def test_words_reach_the_program_as_they_are_and_no_shell_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deed = "answer = dict(kind='errored', id=answer['id'], message='|'.join(sys.argv[1:]))"
    spec = command(tmp_path, deed) + " '$HOME and *' a\\ b '>' out"
    with Target(spec) as target:
        assert failed(target).message == "$HOME and *|a b|>|out"
    assert [path.name for path in tmp_path.iterdir()] == ["runner.py"]


def test_a_program_starts_in_the_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path)
    monkeypatch.chdir(tmp_path)
    with Target(f"cmd:{sys.executable} -S runner.py") as target:
        assert_goes_on(target)


# --- what it declares ----------------------------------------------------------------------------


def test_what_is_not_claimed_is_not_asked(tmp_path: Path) -> None:
    with running(tmp_path, "os._exit(1)") as target:
        failure = failed(target, replace(BAD, reduction="mean"))
        assert failure == Failure("skipped", "runner: `reduction` 'mean' is not claimed")
        assert target.name == "runner"
        assert target.conventions == {}


def test_a_program_knows_no_balls(tmp_path: Path) -> None:
    with running(tmp_path) as target:
        answer = target.exactly(CASE, 100, False)
        assert isinstance(answer, NotExactly)
        assert "a program of its own" in answer.note


def test_columns_are_turned_in_question_and_answer(tmp_path: Path) -> None:
    top = """
whole = result
def result(q):
    q["weights"] = [turned(W) for W in q["weights"]]
    answer = whole(q | {"X": turned(q["X"]), "Y": turned(q["Y"])})
    return answer | {"dW": [turned(W) for W in answer["dW"]]}
"""
    columns = HELLO | {"layout": "columns"}
    with Target(command(tmp_path, top=top, hello=columns), BRISK) as target:
        assert list(target.conventions) == ["layout"]
        assert_goes_on(target)
    with Target(command(tmp_path, hello=columns), BRISK) as target:  # and rows are none
        assert failed(target, CASE).status in ("error", "crashed")


def test_a_program_that_gives_its_step_is_read_as_one(tmp_path: Path) -> None:
    top = """
whole = result
def result(q):
    answer, alpha = whole(q), q["alpha"]
    step_W = [[[-alpha * d for d in row] for row in W] for W in answer["dW"]]
    step_b = [[-alpha * d for d in b] for b in answer["db"]]
    return dict(kind="result", id=q["id"], step_W=step_W, step_b=step_b)
"""
    with Target(command(tmp_path, top=top, hello=HELLO | {"gives": "step"}), BRISK) as target:
        assert list(target.conventions) == ["gives"]
        step = answered(target, replace(CASE, alpha=0.5))
        answer = target.gradients(replace(CASE, alpha=0.5))
        assert not isinstance(answer, Failure)
        assert answer.gradient is None
    with running(tmp_path) as target:
        np.testing.assert_array_equal(step, -0.5 * answered(target, CASE))
