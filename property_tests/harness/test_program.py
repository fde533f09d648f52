"""Programs of any language that misbehave: said in words, and the next case is answered."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backproof.case import Case
from backproof.gradients import Failure
from backproof.piped import last_words
from property_tests.harness.hostile import BAD, CASE, answered, assert_goes_on, failed
from property_tests.harness.runners import BRISK, UNQUOTED, running, wait_for_mark
from property_tests.harness.test_target import alive, gone_within, needs_proc

# --- what cannot be an answer: the program is ended ----------------------------------------------

_ENDED = "the process ended itself (exit code {}) instead of answering"

# deed, status, what is said
ENDED = {
    "silent": ("time.sleep(60)", "timeout", "no answer within 1 s"),
    "an endless loop": ("while True: pass", "timeout", "no answer within 1 s"),
    "no end of the line": (
        "write('{\"kind\"')\ntime.sleep(60)",
        "timeout",
        "no answer within 1 s; it wrote '{\"kind\"' and no end of the line",
    ),
    "ends well": ("os._exit(0)", "crashed", _ENDED.format(0)),
    "ends with a word": (
        "sys.exit('no memory')",
        "crashed",
        _ENDED.format(1) + "; its last line on stderr is 'no memory'",
    ),
    "segfault": (
        "import ctypes; ctypes.string_at(0)",
        "crashed",
        "the process was ended by SIGSEGV (segmentation fault)",
    ),
    "ends half way": ("write('{\"kind\":'); os._exit(2)", "crashed", _ENDED.format(2)),
    "closes stdout": (
        "os.close(1); time.sleep(60)",
        "crashed",
        "it closed its stdout and went on running",
    ),
    "text": (
        "write('loss = 0.25\\n')",
        "error",
        "it wrote 'loss = 0.25' on stdout, where only messages belong; print it to stderr",
    ),
    "no JSON": (
        "write('{\"kind\": result}\\n')",
        "error",
        "it wrote a line that is no JSON from character 10 on, 'result}' (Expecting value)",
    ),
    "no UTF-8": (
        "sys.stdout.buffer.write(bytes([123, 255, 10]))",
        "error",
        "it wrote a line that is no UTF-8",
    ),
    "too deep": (
        "write('{\"kind\":' + '[' * 10**6 + '\\n')",
        "error",
        "it wrote a line that no reader of JSON takes",
    ),
    "a number without end": (
        "write('{\"kind\":' + '1' * 10**5 + '}\\n')",
        "error",
        "it wrote a line that no reader of JSON takes",
    ),
    "a bare NaN": (
        "answer['db'][0][0] = math.nan",
        "error",
        f"it wrote 'NaN' without quotes; {UNQUOTED}",
    ),
    "nan as C prints it": (
        "write('{\"dW\":[[[-nan]]]}\\n')",
        "error",
        f"it wrote '-nan]]]}}' without quotes; {UNQUOTED}",
    ),
    "larger than a double": (
        "write('{\"dW\":[[[1e999]]]}\\n')",
        "error",
        f"it wrote 1e999, which no double holds; {UNQUOTED}",
    ),
    "a key twice": (
        'write(\'{"id":1,"id":1}\\n\')',
        "error",
        "it wrote the key 'id' twice into one object",
    ),
    "another kind": (
        "answer['kind'] = 'resutl'",
        "error",
        "it wrote a message of kind the string 'resutl', expected result or skipped or errored",
    ),
    "a wrong id": (
        "answer['id'] += 7",
        "error",
        "its answer has the `id` 8, the question had 1",
    ),
    "a string for an id": (
        "answer['id'] = '1'",
        "error",
        "its answer has the `id` the string '1', the question had 1",
    ),
    "true for an id": (
        "answer['id'] = True",
        "error",
        "its answer has the `id` true, the question had 1",
    ),
    "no id": ("del answer['id']", "error", "its answer has no `id`, the question had 1"),
    "two answers at once": (
        "write((json.dumps(answer) + '\\n') * 2); time.sleep(60)",
        "error",
        'it wrote more than one line at once; the second is \'{"kind": "result", ',
    ),
    "a line without end": (
        "while True: write('x' * 2**16)",
        "error",
        "it wrote a line of more than 4194304 bytes",
    ),
    "a flood of lines": (
        "while True: write('turn\\n' * 1000)",
        "error",
        "it wrote 'turn' on stdout, where only messages belong; print it to stderr",
    ),
}


@pytest.mark.parametrize("name", ENDED)
def test_what_is_no_answer_is_said_and_the_next_case_is_answered(tmp_path: Path, name: str) -> None:
    deed, status, said = ENDED[name]
    with running(tmp_path, deed) as target:
        failure = failed(target)
        assert failure.status == status
        assert failure.message.startswith(said)
        assert len(failure.message) < 250
        assert "\n" not in failure.message
        assert_goes_on(target)


def test_a_second_answer_that_comes_late_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    deed = "say(answer); time.sleep(0.2); say(answer | {'id': 2}); leave_a_mark(); time.sleep(60)"
    with running(tmp_path, deed) as target:
        answered(target, BAD)
        wait_for_mark(tmp_path)  # it has answered question 2 before that is asked
        time.sleep(0.05)
        failure = failed(target, CASE)
        assert failure.status == "error"
        assert failure.message.startswith('it wrote unasked: \'{"kind": "result", "id": 2, ')
        assert_goes_on(target)


def test_a_program_that_stops_reading_does_not_hold_the_harness(tmp_path: Path) -> None:
    large = Case((64, 64, 64), ("tanh", "identity"), n=2)  # more than a pipe holds
    with running(tmp_path, "say(answer); time.sleep(60)") as target:
        answered(target, BAD)
        said = "no answer within 1 s; it did not read the question to its end"
        assert failed(target, large) == Failure("timeout", said)
        answered(target, large)


def test_a_program_that_closes_its_stdin_is_told_from_a_slow_one(tmp_path: Path) -> None:
    deed = "say(answer); os.close(0); leave_a_mark(); time.sleep(60)"
    with running(tmp_path, deed) as target:
        answered(target, BAD)
        wait_for_mark(tmp_path)
        assert failed(target, CASE) == Failure("crashed", "it closed its stdin and went on running")
        assert_goes_on(target)


def test_a_million_lines_on_stderr_neither_block_nor_fill_memory(tmp_path: Path) -> None:
    deed = "for turn in range(1000): sys.stderr.write(f'turn {turn}\\n' * 1000)"
    with running(tmp_path, deed, limits=replace(BRISK, first_call=20.0)) as target:
        answered(target, BAD)
        assert_goes_on(target)
        deadline = time.monotonic() + 5
        while "turn 999\n" not in target.printed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert target.printed.endswith("turn 999\n")
        assert len(target.printed) <= 4096


@pytest.mark.skipif(sys.platform != "linux", reason="no other platform holds a memory limit")
def test_a_huge_allocation_is_refused_within_the_memory_limit(tmp_path: Path) -> None:
    with running(tmp_path, "answer = bytearray(30 * 2**30)") as target:
        assert target.memory_limited
        said = _ENDED.format(1) + "; its last line on stderr is 'MemoryError' at runner.py line 40"
        assert failed(target) == Failure("crashed", said)
        assert_goes_on(target)


def test_after_some_deaths_in_a_row_nothing_more_is_asked(tmp_path: Path) -> None:
    with running(tmp_path, "os._exit(7)") as target:
        answers = target.gradients_of([BAD] * 4)
        assert answers[:3] == [Failure("crashed", _ENDED.format(7))] * 3
        said = f"not asked, for the 3 cases before ended its process: {_ENDED.format(7)}"
        assert answers[3] == Failure("crashed", said)


@needs_proc
def test_closing_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    deed = (
        "pid = subprocess.Popen(['sleep', '60']).pid\n"
        "answer = {'kind': 'errored', 'id': question['id'], 'message': f'{pid} {os.getpid()}'}"
    )
    with running(tmp_path, deed) as target:
        pids = [int(pid) for pid in failed(target).message.split()]
        assert all(map(alive, pids))
    assert all(gone_within(pid, 5) for pid in pids)


@needs_proc
def test_forgetting_starts_a_fresh_process(tmp_path: Path) -> None:
    deed = "answer = {'kind': 'errored', 'id': question['id'], 'message': str(os.getpid())}"
    with running(tmp_path, deed) as target:
        first, again = failed(target).message, failed(target).message
        assert first == again
        target.forget()
        assert gone_within(int(first), 5)
        assert failed(target).message != first
        assert_goes_on(target)


def test_a_waiting_program_hears_stop_and_ends_by_itself(tmp_path: Path) -> None:
    top = "import atexit\natexit.register(leave_a_mark)"
    with running(tmp_path, top=top) as target:
        assert_goes_on(target)
    assert (tmp_path / "runner.py.mark").exists()


def test_a_program_that_cannot_start_again_is_a_crash(tmp_path: Path) -> None:
    top = (
        "from pathlib import Path\nonce = Path(__file__ + '.once')\n"
        "if once.exists(): sys.exit('locked')\nonce.touch()"
    )
    with running(tmp_path, "os._exit(1)", top=top) as target:
        assert failed(target).message == _ENDED.format(1)
        failure = failed(target, CASE)
        assert failure.status == "crashed"
        assert failure.message.startswith("started once more: cmd:")
        assert failure.message.endswith("its last line on stderr is 'locked'")


def test_a_program_that_claims_something_else_each_time_is_refused(tmp_path: Path) -> None:
    top = "HELLO['version'] = str(os.getpid())"
    with running(tmp_path, "os._exit(1)", top=top) as target:
        failed(target)
        failure = failed(target, CASE)
        assert failure.status == "crashed"
        assert "says something else of itself each time it is started" in failure.message


PYTHON = """\
Traceback (most recent call last):
  File "/home/me/runner.py", line 9, in <module>
    answer(question)
  File "/home/me/net.py", line 31, in backward
    return delta[9]
           ~~~~~^^^
IndexError: list index out of range
"""
NODE = """\
file:///home/me/net.mjs:7
  throw new Error("boom");
  ^

Error: boom
    at backward (file:///home/me/net.mjs:7:9)
    at Socket.emit (node:events:524:28)

Node.js v20.1.0
"""
SYNTAX = '  File "x.py", line 3\n    x ==\nSyntaxError: invalid\n'
JAVA = 'Exception in thread "main" java.lang.RuntimeException: boom\n\tat Net.main(Net.java:12)\n'


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (PYTHON, ("IndexError: list index out of range", " at net.py line 31")),
        (NODE, ("Error: boom", " at net.mjs line 7")),
        (JAVA, (JAVA.splitlines()[0], " at Net.java line 12")),
        (f"{PYTHON}giving up\n", ("giving up", "")),  # that one was caught
        (f"{PYTHON}\n{JAVA}", (JAVA.splitlines()[0], " at Net.java line 12")),
        ("no memory\n\n", ("no memory", "")),
        ("    at odds with us\n", ("    at odds with us", "")),
        (SYNTAX, ("SyntaxError: invalid", " at x.py line 3")),
        ("", ("", "")),
    ],
    ids=["Python", "Node", "Java", "caught", "two", "words", "frames alone", "syntax", "none"],
)  # fmt: skip
def test_the_last_words_have_the_line_where_a_traceback_says_it(
    stderr: str, said: tuple[str, str]
) -> None:
    assert last_words(stderr) == said
