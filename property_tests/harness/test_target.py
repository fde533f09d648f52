"""A user's implementation as a side: right, refusing, broken and hostile ones, each for real."""

import importlib.util
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import backproof
from backproof import protocol
from backproof.case import Case
from backproof.claims import inferred_reduction
from backproof.drawing import Array
from backproof.errors import TargetError
from backproof.gradients import Failure, Gradients, Vector, slots_of
from backproof.protocol import ProtocolError
from backproof.target import Limits, Target
from property_tests.planted import EXAMPLE, PLANTED, PlantedBug, write_planted

CASE = Case((3, 2, 4), ("tanh", "identity"), n=5, seed=1)
BAD = Case((3, 2, 4), ("sigmoid", "identity"), n=5, seed=2)  # the one that misbehaves
QUICK = Limits(first_call=2.0, call=2.0)

# Right for tanh below identity with the article's loss; does what {deed} says in the `BAD` case.
# It refuses all else, so that few probes are asked and none of them sees the deed.
HOSTILE = """\
import os, sys
import numpy as np

{top}

def backprop(weights, biases, X, Y, activations, loss):
    if loss != "half_squared_error" or len(weights) != 2 or activations[1] != "identity":
        raise NotImplementedError(f"{{activations}} with {{loss}}")
    if activations[0] == "sigmoid":
        if len(X) == 5:
            {deed}
    elif activations[0] != "tanh":
        raise NotImplementedError(activations[0])
    O_1 = np.tanh(X @ weights[0] + biases[0])
    delta_2 = O_1 @ weights[1] + biases[1] - Y
    delta_1 = delta_2 @ weights[1].T * (1 - O_1**2)
    dW, db = [X.T @ delta_1, O_1.T @ delta_2], [delta_1.sum(axis=0), delta_2.sum(axis=0)]
    return dW, db
"""


@contextmanager
def hostile(folder: Path, deed: str, *, top: str = "", limits: Limits = QUICK) -> Iterator[Target]:
    path = folder / "my_net.py"
    path.write_text(HOSTILE.format(top=top, deed=deed.replace("\n", "\n" + " " * 12)))
    with Target(str(path), limits) as target:
        yield target


def line_of(folder: Path, text: str) -> str:
    lines = (folder / "my_net.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"my_net.py line {number}"


def answered(target: Target, case: Case) -> Vector:
    answer = target.gradients(case)
    assert isinstance(answer, Gradients), answer
    vector = answer.step if answer.gradient is None else answer.gradient
    assert vector is not None
    return vector


def failed(target: Target, case: Case = BAD) -> Failure:
    answer = target.gradients(case)
    assert isinstance(answer, Failure), answer
    return answer


def closed_form(case: Case) -> Vector:
    """The gradient of tanh below identity, half the squared error, row by row, from scratch."""
    W1, W2 = case.arrays.weights
    b1, b2 = (b for b in case.arrays.biases if b is not None)
    total = np.zeros(sum(slot.stop - slot.start for slot in slots_of(case)))
    for x, y in zip(case.arrays.X, case.arrays.Y, strict=True):
        hidden = np.array([np.tanh(sum(x * W1[:, j]) + b1[j]) for j in range(len(b1))])
        error = np.array([sum(hidden * W2[:, j]) + b2[j] - y[j] for j in range(len(b2))])
        below = np.array([sum(error * W2[j]) / np.cosh(np.arctanh(hidden[j])) ** 2
                          for j in range(len(b1))])  # fmt: skip
        total += np.concatenate(
            [np.outer(x, below).ravel(), below, np.outer(hidden, error).ravel(), error]
        )
    return total


def assert_goes_on(target: Target) -> None:
    """After whatever happened, the next case is answered, and rightly."""
    np.testing.assert_allclose(answered(target, CASE), closed_form(CASE), rtol=1e-12)


# --- deeds that end or block the process ----------------------------------------------------------


def test_an_endless_loop_times_out_and_says_its_line(tmp_path: Path) -> None:
    with hostile(tmp_path, "while True:\n    turns = 0") as target:
        began = time.monotonic()
        failure = failed(target)
        assert time.monotonic() - began < 5
        assert failure.status == "timeout"
        assert failure.message.startswith("no answer within 2 s; it was at my_net.py line ")
        assert_goes_on(target)


def test_a_loop_that_swallows_every_exception_times_out(tmp_path: Path) -> None:
    deed = """while True:
    try:
        raise KeyboardInterrupt
    except BaseException:
        pass"""
    with hostile(tmp_path, deed) as target:
        assert failed(target).status == "timeout"
        assert_goes_on(target)


def test_a_sleep_that_blocks_the_abort_signal_times_out(tmp_path: Path) -> None:
    top = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGABRT])"
    with hostile(tmp_path, "time.sleep(60)", top=top) as target:
        assert failed(target) == Failure("timeout", "no answer within 2 s")
        assert_goes_on(target)


def test_an_exit_without_an_answer_is_a_crash_and_no_pass(tmp_path: Path) -> None:
    with hostile(tmp_path, "os._exit(0)") as target:
        said = "the process ended itself (exit code 0) instead of answering"
        assert failed(target) == Failure("crashed", said)
        assert_goes_on(target)


def test_a_segfault_names_its_signal_and_line(tmp_path: Path) -> None:
    with hostile(tmp_path, "ctypes.string_at(0)", top="import ctypes") as target:
        where = line_of(tmp_path, "ctypes.string_at(0)")
        said = f"the process was ended by SIGSEGV (segmentation fault) at {where}"
        assert failed(target) == Failure("crashed", said)
        assert_goes_on(target)


def test_a_forked_copy_does_not_answer_a_second_time(tmp_path: Path) -> None:
    with hostile(tmp_path, "os.fork()") as target:
        answered(target, BAD)
        for _ in range(3):
            assert_goes_on(target)


def test_a_grandchild_that_keeps_the_pipes_open_does_not_hold_the_harness(tmp_path: Path) -> None:
    deed = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(4)\n    os._exit(0)\nos._exit(3)"
    with hostile(tmp_path, deed, top="import time") as target:
        began = time.monotonic()
        assert failed(target).status in ("crashed", "timeout")
        assert time.monotonic() - began < 3.5
        assert_goes_on(target)


@pytest.mark.parametrize("text", ["b'x'", "b'garbage' * 1000", "bytes(64)", "b'\\x02\\0\\0\\0{}'"])
def test_writing_to_the_protocols_own_descriptor_is_no_answer(tmp_path: Path, text: str) -> None:
    deed = f"""for fd in range(3, 64):
    try:
        os.write(fd, {text})
    except OSError:
        pass"""
    with hostile(tmp_path, deed) as target:
        assert failed(target).status in ("crashed", "timeout")
        assert_goes_on(target)


@pytest.mark.skipif(sys.platform != "linux", reason="no other platform holds a memory limit")
def test_a_huge_allocation_is_refused_within_the_memory_limit(tmp_path: Path) -> None:
    limits = replace(QUICK, memory=2 * 2**30)
    with hostile(tmp_path, "np.ones((30, 2**27))", limits=limits) as target:
        assert target.memory_limited
        failure = failed(target)
        assert failure.status == "error"
        assert "MemoryError: Unable to allocate 30.0 GiB" in failure.message
        assert failure.message.endswith(line_of(tmp_path, "np.ones((30"))
        assert_goes_on(target)


def test_after_some_deaths_in_a_row_nothing_more_is_asked(tmp_path: Path) -> None:
    with hostile(tmp_path, "os._exit(7)") as target:
        said = "the process ended itself (exit code 7) instead of answering"
        answers = target.gradients_of([BAD] * 5)
        assert answers[:3] == [Failure("crashed", said)] * 3
        assert (
            answers[3:]
            == [Failure("crashed", f"not asked, for the 3 cases before ended its process: {said}")]
            * 2
        )


def test_deaths_that_are_apart_do_not_add_up(tmp_path: Path) -> None:
    with hostile(tmp_path, "os._exit(7)") as target:
        for _ in range(4):
            assert failed(target).message.startswith("the process ended itself (exit code 7)")
            assert_goes_on(target)


# --- deeds that the process survives --------------------------------------------------------------


def test_printing_a_hundred_thousand_lines_neither_blocks_nor_fills_memory(tmp_path: Path) -> None:
    deed = "for turn in range(100_000):\n    print('turn', turn)"
    with hostile(tmp_path, deed, limits=Limits()) as target:
        answered(target, BAD)
        assert_goes_on(target)
        deadline = time.monotonic() + 5
        while "turn 99999\n" not in target.printed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert target.printed.endswith("turn 99999\n")
        assert len(target.printed) <= 4096


@pytest.mark.parametrize("read", ["input()", "raise EOFError(repr(sys.stdin.read()))"])
def test_reading_stdin_gives_the_end_of_the_file(tmp_path: Path, read: str) -> None:
    with hostile(tmp_path, read) as target:
        failure = failed(target)
        assert failure.status == "error"
        assert failure.message.startswith("EOFError: ")
        assert_goes_on(target)


DEEDS = [
    ("1 / 0", "ZeroDivisionError: division by zero at {line}"),
    ("sys.exit('enough')", "SystemExit: enough at {line}"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt at {line}"),
    ("raise ValueError('two\\nlines \\x1b[31m')", "ValueError: two lines  [31m at {line}"),
    ("raise KeyError('tanh, I said')", "KeyError: 'tanh, I said' at {line}"),
    ("np.ones((2, 3)) @ X[0][:2]", "ValueError: matmul: "),
    ("helper(X)", "RuntimeError: deep at my_net.py line 5"),
    ("return None", "it returned None, expected (dW, db); is a `return` missing?"),
    ("return (1, 2, 3)", "it returned 3 results, expected 2, (dW, db)."),
    ("return dict(dW=1)", "it returned an object of type dict, expected (dW, db)."),
    ("return X, None", "dW has {n} arrays, expected 2, one per layer."),
    ("return [X], biases", "dW has 1 arrays, expected 2, one per layer."),
    ("return 1.0, biases", "dW is an object of type float, expected a list of arrays, one per"),
    ("return [W.T for W in weights], biases", "dW[0] has shape (2, 3), expected (3, 2)."),
    ("return weights, [b[None] for b in biases]", "db[0] has shape (1, 2), expected (2,)."),
    ("return weights, [None, None]", "db[0] is None, expected an array of shape (2,)."),
    ("return [W + 0j for W in weights], biases", "dW[0] has dtype complex128, expected real"),
    ("return [W > 0 for W in weights], biases", "dW[0] has dtype bool, expected real numbers."),
    ("return [[[1], [1, 2]], weights[1]], biases", "dW[0] cannot be read as an array: "),
    ("return [W.astype(object) for W in weights], biases", "dW[0] has dtype object, expected"),
    ("weights[1][0, 0] += 1", "it changed its input `weights[1]` in place; work on a copy."),
    ("biases[0] -= 1; X *= 2", "it changed its input `biases[0]`, `X` in place; work on"),
    ("weights[0] = weights[0] - 1", "it changed its input `weights[0]` in place"),
    ("activations.pop(); activations.append('tanh')", "it changed its input `activations` in"),
    ("Y.shape = Y.shape[::-1]; Y = Y.reshape(-1, 4)", "it changed its input `Y` in place"),
]
FIRST_N = 20  # the deed number i is done to a batch of 20 + i rows


@pytest.fixture(scope="module")
def doer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Path]]:
    folder = tmp_path_factory.mktemp("deeds")
    top = "def helper(X):\n    raise RuntimeError('deep')"
    path = folder / "my_net.py"
    path.write_text(HOSTILE.format(top=top, deed="pass").replace("    elif", DOER + "    elif"))
    with Target(str(path), QUICK) as target:
        yield target, folder


DOER = "".join(
    f"        if len(X) == {n}:\n            {deed}  # deed {n}\n"
    for n, (deed, _) in enumerate(DEEDS, FIRST_N)
)


@pytest.mark.parametrize("number", range(len(DEEDS)), ids=[deed for deed, _ in DEEDS])
def test_what_a_function_did_instead_is_said_in_one_sentence(
    doer: tuple[Target, Path], number: int
) -> None:
    target, folder = doer
    n, said = FIRST_N + number, DEEDS[number][1]
    failure = failed(target, replace(BAD, n=n))
    assert failure.status == "error"
    assert (
        said.replace("{n}", str(n)).replace("{line}", line_of(folder, f"# deed {n}"))
        in failure.message
    )
    assert "\n" not in failure.message
    assert_goes_on(target)


def test_an_answer_of_nan_and_infinity_comes_back_as_it_is(tmp_path: Path) -> None:
    with hostile(
        tmp_path, "return [W * np.nan for W in weights], [b / 0 for b in biases]"
    ) as target:
        vector = answered(target, BAD)
        W_1, b_1, *_ = slots_of(BAD)
        assert np.isnan(vector[W_1.start : W_1.stop]).all()
        assert np.isinf(vector[b_1.start : b_1.stop]).all()
        assert_goes_on(target)


def test_error_state_set_by_the_function_ends_with_its_call(tmp_path: Path) -> None:
    deed = "np.seterr(all='raise')"
    with hostile(tmp_path, deed, top="seen = []") as target:
        answered(target, BAD)
        assert_goes_on(target)


# --- files that cannot be asked at all ------------------------------------------------------------

RIGHT = "def backprop(weights, biases, X, Y, activations, loss):\n    return weights, biases\n"


@pytest.mark.parametrize(
    ("source", "function", "said"),
    [
        (
            "x = 1\n",
            "",
            "{path} has no function `backprop(weights, biases, X, Y, activations, loss)`; "
            "write one or name yours: {path}:function",
        ),
        (RIGHT, ":learn", "{path} has no function `learn`; it has: backprop."),
        ("backprop = 3\n", "", "{path}: `backprop` is a int, not a function."),
        ("a = 1\ndef f(:\n", "", "{path} cannot be read as Python 3."),
        ("print 'hello'\n", "", "Missing parentheses in call to 'print'"),
        ("a = 1\nb = a / 0\n", "", "ZeroDivisionError: division by zero at my_net.py line 2; what"),
        ("import sys\nsys.exit(0)\n", "", "cannot be imported: SystemExit: 0 at my_net.py line 2;"),
        ("import os\nos._exit(0)\n", "", "{path} cannot be imported: the process ended itself (ex"),
        ("while True: pass\n", "", "{path} cannot be imported: no answer within 1 s; it was at my"),
        (
            "def backprop(X, Y):\n    pass\n",
            "",
            "{path}: `backprop` cannot be called as `backprop(weights, biases, X, Y, activations, "
            "loss)` (too many positional arguments)",
        ),
        (
            "def backprop(weights, biases, X, Y, activations, loss, depth):\n    pass\n",
            "",
            "(missing a required argument: 'depth'); give what is yours alone a default value.",
        ),
        (
            "def backprop(*arguments):\n    raise NotImplementedError('to do')\n",
            "",
            "{path}: `backprop` refuses every network it was asked about, the first one with "
            "NotImplementedError: to do at my_net.py line 2",
        ),
    ],
)
def test_a_file_that_cannot_be_asked_is_one_clear_sentence(
    tmp_path: Path, source: str, function: str, said: str
) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(source)
    with pytest.raises(TargetError) as caught:
        Target(f"{path}{function}", Limits(load=1.0 if "while" in source else 30.0))
    assert said.format(path=path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.py", "missing.py:train", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(TargetError, match=r"is no file; give the Python file to be judged\."):
        Target(str(tmp_path / name))


def test_files_beside_it_shadow_nothing_of_ours_and_reports_is_theirs(tmp_path: Path) -> None:
    for name in ("json", "numpy", "struct", "backproof", "faulthandler"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the learner\\'s {name}')\n")
    for name in ("reports", "oracles"):
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    top = "import json, reports, oracles\nassert reports.MINE and oracles.MINE and json.dumps"
    with hostile(tmp_path, "pass", top=top) as target:
        assert_goes_on(target)
    assert not list(tmp_path.glob("**/__pycache__"))


def test_a_file_may_be_called_like_a_library_and_lie_under_a_strange_path(tmp_path: Path) -> None:
    folder = tmp_path / "mes réseaux: 1"
    folder.mkdir()
    path = folder / "json.py"
    path.write_text(EXAMPLE.read_text())
    with Target(f"{path}:backprop") as target:
        assert target.name == "backprop"
        answered(target, CASE)
    with Target(str(path)) as target:
        assert target.name == "json"


def test_it_runs_in_an_empty_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    deed = "raise RuntimeError(repr((os.getcwd(), os.listdir('.'))))"
    with hostile(tmp_path, deed) as target:
        folder, content = eval_free_pair(failed(target).message)
        assert content == "[]"
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def eval_free_pair(message: str) -> tuple[str, str]:
    inside = message.partition("(")[2].rpartition(")")[0]
    folder, _, content = inside.partition(", ")
    return folder.strip("'"), content


# --- claims, conventions, what is passed by name --------------------------------------------------


def test_the_example_claims_all_that_it_has_and_nothing_else() -> None:
    with Target(str(EXAMPLE)) as target:
        claims = target.claims
        assert target.name == "my_net"
        assert target.takes == ("reduction", "slope")
        assert target.conventions == {}
    assert set(backproof.names.ACTIVATIONS) - set(claims.activations) == {"gelu"}
    assert claims.losses == backproof.names.LOSSES
    assert claims.reductions == ("sum", "mean")
    assert claims.biases == ("separate", "none")
    assert claims.dtypes == ("float64", "float32")
    assert claims.slopes == (1 / 64, 1 / 4)


def test_names_that_are_refused_are_skipped_with_the_reason(tmp_path: Path) -> None:
    with hostile(tmp_path, "pass") as target:
        assert target.claims.activations == ("identity", "sigmoid", "tanh")
        assert target.claims.hidden == ("sigmoid", "tanh")
        assert target.claims.losses == ("half_squared_error",)
        assert failed(target, replace(CASE, activations=("relu", "identity"))) == Failure(
            "skipped", "my_net: relu in a hidden layer is not claimed"
        )
        assert failed(target, replace(CASE, loss="mean_squared_error")) == Failure(
            "skipped", "my_net: mean_squared_error with identity at the output is not claimed"
        )
        said = "my_net: `bias` 'augmented' is not claimed"
        assert failed(target, replace(CASE, bias="augmented")) == Failure("skipped", said)
        single = Case((3, 4), ("identity",), n=5)  # it was probed with two layers only
        assert failed(target, single).status == "skipped"
        assert "NotImplementedError: ['identity']" in failed(target, single).message


@pytest.mark.parametrize(
    ("refusal", "claimed"),
    [
        ("raise KeyError(name)", False),
        ("raise ValueError(f'{name} is unknown here')", False),
        ("raise NotImplementedError", False),
        ("raise ValueError('no such thing')", True),  # says nothing of a name: an error
        ("raise TypeError(name)", True),
        ("raise ValueError('leaky_' + name)", True),  # part of another name
    ],
)
def test_only_a_refusal_that_carries_the_name_makes_the_claim_smaller(
    tmp_path: Path, refusal: str, claimed: bool
) -> None:
    path = tmp_path / "net.py"
    head = "def backprop(weights, biases, X, Y, activations, loss):\n    for name in activations:\n"
    tail = f"        if name == 'relu':\n            {refusal}\n    return weights, biases\n"
    path.write_text(head + tail)
    with Target(str(path)) as target:
        assert ("relu" in target.claims.activations) is claimed
        reduction = target.claims.reductions[0]
        failure = failed(target, Case((3, 2), ("relu",), reduction=reduction, n=2))
        assert failure.status == ("error" if claimed else "skipped")


def test_an_endless_loop_in_the_probes_does_not_take_minutes(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("def backprop(*arguments):\n    while True: pass\n")
    began = time.monotonic()
    with Target(str(path), QUICK) as target:
        assert target.claims.activations == backproof.names.ACTIVATIONS
        assert "the probe got no answer (no answer within 2 s" in target.conventions["reduction"]
        assert failed(target, CASE).status == "timeout"
    assert time.monotonic() - began < 20


def test_names_that_probing_did_not_get_to_are_refused_later_without_harm(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import os\ndef backprop(weights, biases, X, Y, activations, loss):\n"
        "    if 'sigmoid' in activations or 'tanh' in activations or 'relu' in activations:\n"
        "        os._exit(1)\n"
        "    if 'gelu' in activations:\n"
        "        raise KeyError('gelu')\n"
        "    return [W * len(X) for W in weights], biases\n"
    )
    with Target(str(path), QUICK) as target:
        assert "gelu" in target.claims.activations
        assert target.claims.reductions == ("sum",)
        answer = failed(target, Case((3, 2), ("gelu",), n=2))
        assert answer == Failure("skipped", "KeyError: 'gelu' at net.py line 6")


REDUCED = """\
def backprop(weights, biases, X, Y, activations, loss):
    delta = X @ weights[-1] + biases[-1] - Y if len(weights) == 1 else X @ weights[0] @ weights[1]
    if activations != ["identity"]:
        raise NotImplementedError
    delta = {delta}
    return [X.T @ delta], [delta.sum(axis=0)]
"""


@pytest.mark.parametrize(
    ("delta", "reduction", "words"),
    [
        ("delta", "sum", "sum: with every row twice the gradient is 2 times"),
        ("delta / len(X)", "mean", "mean: with every row twice the gradient is 1 times"),
        ("7 * delta / len(X)", "mean", "mean: with every row twice the gradient is 1 times"),
        ("delta / len(X) ** 2", "sum", "taken as sum: with every row twice the gradient is 0.5 t"),
        ("delta * 0", "sum", "taken as sum: with every row twice the gradient is nan times"),
    ],
)
def test_the_reduction_is_read_off_where_it_cannot_be_asked_for(
    tmp_path: Path, delta: str, reduction: str, words: str
) -> None:
    path = tmp_path / "net.py"
    path.write_text(REDUCED.format(delta=delta))
    with Target(str(path)) as target:
        assert target.claims.reductions == (reduction,)
        assert target.conventions["reduction"].startswith(words)
        assert target.conventions["slope"] == "1/64 in leaky_relu: the signature has no `slope`"
        assert target.claims.slopes == (1 / 64,)


def test_a_reduction_is_not_read_off_noise() -> None:
    once = np.array([1.0, 2.0])
    assert inferred_reduction(once, 2 * once)[0] == "sum"
    assert inferred_reduction(once, once)[0] == "mean"
    assert inferred_reduction(once, 1.01 * once)[0] == "sum"


def test_case_fields_are_passed_to_who_asks_for_them_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "def backprop(W, b, X, Y, g, loss, lr, *, reduction, slope=0.01, dtype=None, bias=True,\n"
        "             **kwargs):\n"
        "    assert bias is True and not kwargs, (bias, kwargs)\n"
        "    if len(X) == 5:\n"
        "        raise RuntimeError(f'{lr} {reduction} {slope} {dtype}')\n"
        "    return W, b\n"
    )
    with Target(str(path)) as target:
        assert target.takes == ("lr", "reduction", "slope", "dtype")
        assert target.claims.biases == ("separate", "none")  # its `bias` is another word
        case = replace(CASE, alpha=0.125, reduction="mean", slope=1 / 4)
        assert failed(target, case).message.startswith("RuntimeError: 0.125 mean 0.25 float64 at")


def test_a_learning_rate_in_the_signature_makes_the_answer_a_step(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    source = EXAMPLE.read_text().replace('loss, reduction="sum"', 'loss, alpha, reduction="sum"')
    end = "    return [-alpha * d for d in dW], [-alpha * d for d in db]"
    path.write_text(source.replace("    return dW, db", end))
    case = replace(CASE, alpha=0.1)
    with Target(str(path)) as stepping, Target(str(EXAMPLE)) as plain:
        answer = stepping.gradients(case)
        assert isinstance(answer, Gradients)
        assert answer.gradient is None
        assert stepping.step_form == "direct"
        np.testing.assert_array_equal(answer.step, -0.1 * answered(plain, case))


# --- the right example, and the planted bugs ------------------------------------------------------


def loss_by_hand(case: Case, parameters: list[list[float]]) -> float:
    """The loss of one case in plain floats, formula by formula, for differences below."""
    from math import erf, exp, log, sqrt, tanh

    def g(name: str, z: float) -> float:
        return {
            "identity": lambda: z,
            "sigmoid": lambda: 1 / (1 + exp(-z)),
            "tanh": lambda: tanh(z),
            "relu": lambda: z if z > 0 else 0.0,
            "leaky_relu": lambda: z if z > 0 else case.slope * z,
            "elu": lambda: z if z > 0 else exp(z) - 1,
            "softplus": lambda: log(1 + exp(z)),
            "gelu": lambda: z * (1 + erf(z / sqrt(2))) / 2,
            "silu": lambda: z / (1 + exp(-z)),
            "softsign": lambda: z / (1 + abs(z)),
        }[name]()

    total = 0.0
    for x, y in zip(case.arrays.X.tolist(), case.arrays.Y.tolist(), strict=True):
        o, at = x, 0
        for j_count, name in zip(case.widths[1:], case.activations, strict=True):
            W, b = parameters[at], parameters[at + 1]
            at += 2
            z = [
                sum(o[i] * W[i * j_count + j] for i in range(len(o))) + b[j] for j in range(j_count)
            ]
            powers = [exp(value) for value in z]
            o = [p / sum(powers) for p in powers] if name == "softmax" else [g(name, v) for v in z]
        total += row_loss(case.loss, o, y)
    return total / (case.n if case.reduction == "mean" else 1)


def row_loss(loss: str, o: list[float], y: list[float]) -> float:
    from math import exp, log

    pairs = list(zip(o, y, strict=True))
    if loss == "half_squared_error":
        return sum((a - b) ** 2 for a, b in pairs) / 2
    if loss == "mean_squared_error":
        return sum((a - b) ** 2 for a, b in pairs) / len(o)
    if loss.startswith("binary"):
        if loss.endswith("logits"):
            pairs = [(1 / (1 + exp(-a)), b) for a, b in pairs]
        return -sum(b * log(a) + (1 - b) * log(1 - a) for a, b in pairs) / len(o)
    if loss.endswith("logits"):
        powers = [exp(a) for a in o]
        pairs = [(power / sum(powers), b) for power, b in zip(powers, y, strict=True)]
    return -sum(b * log(a) for a, b in pairs)


def differences(case: Case) -> Vector:
    """Central differences of `loss_by_hand`, one parameter after the other."""
    arrays = [
        part for pair in zip(case.arrays.weights, case.arrays.biases, strict=True) for part in pair
    ]
    parameters = [part.ravel().tolist() for part in arrays if part is not None]
    step, found = 2.0**-17, []
    for part in parameters:
        for place in range(len(part)):
            kept = part[place]
            losses = []
            for part[place] in (kept + step, kept - step):
                losses.append(loss_by_hand(case, parameters))
            part[place] = kept
            found.append((losses[0] - losses[1]) / (2 * step))
    return np.array(found)


def test_the_example_is_right_in_every_cell_that_it_claims() -> None:
    with Target(str(EXAMPLE)) as target:
        claims = target.claims
        cells = [(hidden, *pair) for hidden in claims.hidden for pair in claims.combinations]
        assert len(cells) == 9 * 24
        for number, (hidden, output, loss) in enumerate(cells):
            reduction = claims.reductions[number % 2]
            case = Case((3, 2, 3), (hidden, output), loss, reduction, n=2, seed=number, slope=1 / 4)
            # Differences over 2**-17 are off by some 1e-10 (truncation) and 1e-11 (rounding) of
            # the loss's size; a wrong formula is off in the first or second digit.
            np.testing.assert_allclose(
                answered(target, case), differences(case), rtol=1e-6, atol=1e-7, err_msg=f"{case}"
            )


def test_there_are_many_planted_bugs_and_each_has_its_own_name() -> None:
    assert len({bug.name for bug in PLANTED}) == len(PLANTED) >= 14


@pytest.fixture(scope="module")
def right() -> Iterator[Target]:
    with Target(str(EXAMPLE)) as target:
        yield target


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_shows_where_its_row_says_and_nowhere_else(
    bug: PlantedBug, tmp_path: Path, right: Target
) -> None:
    with Target(str(write_planted(bug, tmp_path))) as planted:
        expected = answered(right, bug.case)
        if bug.verdict == "error":
            failure = failed(planted, bug.case)
            assert failure.status == "error"
            assert bug.message in failure.message
            return
        for _ in range(bug.call):
            got = answered(planted, bug.case)
    wrong = {
        f"d{slot.letter}_{slot.layer}"
        for slot in slots_of(bug.case)
        if not np.array_equal(got[slot.start : slot.stop], expected[slot.start : slot.stop])
    }
    assert wrong == set(bug.wrong)


def test_writing_a_planted_bug_insists_on_its_text(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"db_mean: 'delta' occurs \d+ times"):
        write_planted(replace(PLANTED[7], changes=(("delta", "x"),)), tmp_path)


# --- the end of the process, the wire, the speed --------------------------------------------------


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_closing_ends_the_child_and_what_it_started(tmp_path: Path) -> None:
    deed = "import subprocess\nraise RuntimeError(subprocess.Popen(['sleep', '60']).pid)"
    with hostile(tmp_path, deed) as target:
        pid = int(failed(target).message.split()[1])
        assert alive(pid)
    assert gone_within(pid, 1)


PARENT = """\
import sys
sys.path.insert(0, sys.argv[1])
from backproof.target import Limits, Target
from property_tests.harness.test_target import BAD, QUICK
with Target(sys.argv[2], QUICK) as target:
    print(target._line._child._process.pid, flush=True)
    {then}
"""


@needs_proc
@pytest.mark.parametrize(
    ("number", "then", "seconds"),
    [
        (signal.SIGINT, "target.gradients(BAD)", 2),
        (signal.SIGINT, "import time; time.sleep(60)", 2),
        (signal.SIGKILL, "import time; time.sleep(60)", 2),
        (signal.SIGKILL, "target.gradients(BAD)", 8),  # the child's own alarm ends the loop
    ],
)
def test_no_child_outlives_a_harness_that_is_interrupted_or_killed(
    tmp_path: Path, number: int, then: str, seconds: float
) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(HOSTILE.format(top="", deed="while True: pass"))
    root = str(EXAMPLE.parent.parent)
    command = [sys.executable, "-c", PARENT.format(then=then), root, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert alive(pid)
        parent.send_signal(number)
        assert gone_within(pid, seconds)


def frame_of(header: bytes, payload: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "little") + header + payload


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"\x01", "the stream ends inside a frame"),
        (b"\xff\xff\xff\xff", "4294967295 bytes of header; the limit is 65536"),
        (frame_of(b"{}")[:-1], "the stream ends inside a frame"),
        (frame_of(b"nonsense"), "header is no JSON"),
        (frame_of(b"\xff\xfe"), "header is no JSON"),
        (frame_of(b"[1]"), "names no kind"),
        (frame_of(b'{"kind": 1}'), "names no kind"),
        (frame_of(b'{"kind": "result"}'), "does not list its arrays"),
        (frame_of(b'{"kind": "result", "arrays": [1]}'), "something else than arrays"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "|O", [1]]]}'), "something else than arr"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", ["1"]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [-1]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [true]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [9999999]]]}'), "bytes of arrays"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [2]]]}', bytes(15)), "ends inside"),
    ],
)
def test_a_frame_that_is_none_is_refused(frame: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        protocol.read(io.BytesIO(frame))


def test_a_message_crosses_the_wire_bit_for_bit() -> None:
    odd = np.array([[0.0, -0.0, np.nan], [np.inf, 5e-324, 1 / 3]])
    arrays: dict[str, Array] = {"a": odd, "b": odd.T, "c": odd[0].astype(np.float32)}
    with np.errstate(all="ignore"):
        frame = protocol.encode("result", {"id": 3, "text": "Δ\n"}, arrays)
    stream = io.BytesIO(frame * 2)
    for _ in range(2):
        message = protocol.read(stream)
        assert message is not None
        assert (message.kind, message.fields) == ("result", {"id": 3, "text": "Δ\n"})
        for name, array in arrays.items():
            assert message.arrays[name].tobytes() == array.tobytes()
            assert message.arrays[name].shape == array.shape
            assert message.arrays[name].dtype == array.dtype
    assert protocol.read(stream) is None


def test_what_the_other_end_would_refuse_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="`a` has dtype int64; only float64 and float32 go"):
        protocol.encode("result", {}, {"a": np.arange(3)})  # type: ignore[dict-item]
    with pytest.raises(ProtocolError, match="bytes of arrays; the limit is"):
        protocol.encode("result", {}, {"a": np.zeros(3 * 2**20)})
    with pytest.raises(ProtocolError, match="bytes of header; the limit is"):
        protocol.encode("result", {"text": "x" * 70_000}, {})


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loaded", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_wire_changes_no_bit_of_an_answer() -> None:
    backprop: Callable[..., tuple[list[Array], list[Array]]] = loaded(EXAMPLE).backprop
    with Target(str(EXAMPLE)) as target:
        for dtype in ("float64", "float32"):
            case = replace(CASE, dtype=dtype)
            a = case.arrays
            dW, db = backprop(a.weights, a.biases, a.X, a.Y, case.activations, case.loss)
            expected = np.concatenate(
                [part.ravel() for pair in zip(dW, db, strict=True) for part in pair]
            )
            np.testing.assert_array_equal(answered(target, case), expected.astype(np.float64))


def test_the_expected_answer_and_the_token_never_cross_the_wire(tmp_path: Path) -> None:
    deed = """import gc
held = [item for item in gc.get_objects() if isinstance(item, dict) and "loss" in item]
raise RuntimeError(sorted(next(item for item in held if "id" in item)))"""
    with hostile(tmp_path, deed) as target:
        said = failed(target).message
    assert "'loss'" in said
    for word in ("seed", "regime", "token", "gradient", "scale"):
        assert word not in said.partition("RuntimeError: ")[2].partition(" at ")[0]


def test_the_worker_alone_imports_nothing_but_numpy_and_the_standard_library() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import backproof.worker, backproof.target; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    command = [sys.executable, "-P", "-c", code, str(EXAMPLE.parent.parent)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.sep).stdout
    foreign = set(out.split()) - set(sys.stdlib_module_names) - {"numpy", "backproof", "__main__"}
    assert not {name for name in foreign if not name.startswith(("_", "sitecustomize"))}
