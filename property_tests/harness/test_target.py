"""Hostile and broken implementations, each for real: said in words, and the next case answered."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backproof import protocol
from backproof.gradients import Failure, slots_of
from backproof.line import answers
from backproof.target import Limits, Target
from property_tests.harness.hostile import (
    BAD,
    HOSTILE,
    QUICK,
    answered,
    assert_goes_on,
    failed,
    hostile,
    line_of,
)
from property_tests.planted import EXAMPLE

# --- deeds that end or block the process ------------------------------------------------------


def test_an_endless_loop_times_out_and_says_its_line(tmp_path: Path) -> None:
    with hostile(tmp_path, "while True:\n    turns = 0") as target:
        failure = failed(target)
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
    deed = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)\nos._exit(3)"
    with hostile(tmp_path, deed, top="import time") as target:
        began = time.monotonic()
        assert failed(target).status in ("crashed", "timeout")
        assert time.monotonic() - began < 30
        assert_goes_on(target)


FORGED = protocol.encode("skipped", {"id": 0, "message": "nothing to see here"}, {})


@pytest.mark.parametrize(
    "text", ["b'x'", "b'garbage' * 1000", "bytes(64)", "b'\\x02\\0\\0\\0{}'", repr(FORGED)]
)
def test_writing_to_the_protocols_own_descriptor_is_no_answer(tmp_path: Path, text: str) -> None:
    deed = f"""for fd in range(3, 64):
    try:
        os.write(fd, {text})
    except OSError:
        pass"""
    with hostile(tmp_path, deed) as target:
        assert failed(target).status in ("crashed", "timeout")
        assert_goes_on(target)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("skipped", {"message": "no"}),
        ("errored", {"message": "no", "refuses": []}),
        ("inexact", {"note": "no", "undecidable": False}),
        ("smoked", {"problems": []}),
    ],
)
def test_a_forged_answer_that_lacks_its_words_is_none(kind: str, said: dict[str, object]) -> None:
    question = {"id": 1}
    assert answers(protocol.Message(kind, question | said), question, BAD)
    for name in said:
        assert not answers(protocol.Message(kind, question | said | {name: 7}), question, BAD)
        less = {key: value for key, value in said.items() if key != name}
        assert not answers(protocol.Message(kind, question | less), question, BAD)


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
        deadline = time.monotonic() + 60
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
    ("raise KeyError('sigmoid, I said')", "KeyError: 'sigmoid, I said' at {line}"),
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
    deed = "assert np.geterr()['over'] != 'raise'\nnp.seterr(all='raise')"
    with hostile(tmp_path, deed) as target:
        answered(target, BAD)
        answered(target, BAD)


# --- the end of the process -------------------------------------------------------------------


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
    assert gone_within(pid, 10)


PARENT = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
sys.path.insert(0, sys.argv[1])
from backproof.target import Limits, Target
from property_tests.harness.hostile import BAD, QUICK
with Target(sys.argv[2], QUICK) as target:
    print(target._line._child._process.pid, flush=True)
    {then}
"""


@needs_proc
def test_forgetting_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    deed = "raise RuntimeError(f'{os.getpid()} {os.getcwd()}')"
    with hostile(tmp_path, deed) as target:
        _, pid, folder, *_ = failed(target).message.split()
        assert alive(int(pid))
        target.forget()
        assert gone_within(int(pid), 10)
        assert not Path(folder).exists()
        _, _, another, *_ = failed(target).message.split()
        assert Path(another).is_dir()
    assert not Path(another).exists()


@needs_proc
@pytest.mark.parametrize(
    ("number", "then", "seconds"),
    [
        (signal.SIGINT, "target.gradients(BAD)", 10),
        (signal.SIGINT, "import time; time.sleep(60)", 10),
        (signal.SIGKILL, "import time; time.sleep(60)", 10),
        (signal.SIGKILL, "target.gradients(BAD)", 20),  # the child's own alarm ends the loop
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
