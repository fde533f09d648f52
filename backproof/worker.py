"""The program of the child process: load a learner's file, answer one case after the other.

Whatever the learner's code does happens here: it may print, crash, loop, change its inputs or
return nonsense. The harness lives in another process (`child.py`) and only reads messages.
This keeps accidents apart; it is no sandbox against hostile code.
"""

import faulthandler
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from backproof import __version__, protocol
from backproof.drawing import Array
from backproof.loading import LoadError, load
from backproof.replies import Reply


class Learner(Protocol):
    """What was loaded: a function on the contract, or something behind an adapter."""

    def told(self) -> dict[str, Any]:
        """What the harness wants to know before the first question."""
        ...

    def answer(self, message: protocol.Message) -> Reply: ...

    def exactly(self, message: protocol.Message) -> Reply: ...


def main() -> NoReturn:
    """Answer until `stop`, or until the harness is gone."""
    requests, answers = _pipes_out_of_reach()
    faulthandler.enable(all_threads=False)  # a segfault, or the harness' SIGABRT, says its line
    sys.dont_write_bytecode = True  # nothing appears beside the learner's file
    sys.path[:] = without_the_clone(sys.path, Path(__file__).parent)
    start = protocol.read(requests)
    if start is not None:
        _serve(start, requests, answers)
    with suppress(Exception):
        sys.stdout.flush()
    os._exit(0)  # threads that the learner left behind do not hold the process


def without_the_clone(entries: list[str], package: Path) -> list[str]:
    """sys.path without the folder in which a clone has `reports` and the rest of the suite.

    An editable install, or PYTHONPATH, puts that folder there, and a learner's own `reports.py`
    would come after ours. A wheel has the suite inside the package: beside it lies site-packages.
    """
    if (package / "_suite").is_dir():
        return entries
    clone = package.resolve().parent
    return [entry for entry in entries if Path(entry).resolve() != clone]


def _pipes_out_of_reach() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol off 0 and 1: `print` then goes to stderr, and reading stdin gives EOF."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


# A question's kind, and what answers it.
_QUESTIONS = {
    "gradients": "answer",
    "exactly": "exactly",
    "smoke": "smoke",
    "loss": "stated_loss",
    "steps": "steps",
}


def _serve(start: protocol.Message, requests: BinaryIO, answers: BinaryIO) -> None:
    me = os.getpid()

    def say(kind: str, fields: dict[str, Any], arrays: dict[str, Array]) -> None:
        if os.getpid() != me:
            os._exit(1)  # the learner forked, and its child came back into this loop
        answers.write(protocol.encode(kind, fields, arrays))
        answers.flush()

    limited = _limit_memory(start.fields["memory"])
    try:
        learner = _loaded(start.fields)
        hello = _hello(learner, limited)
    except LoadError as error:
        return say("errored", {"message": str(error)}, {})
    say("hello", hello, {})
    while (message := protocol.read(requests)) is not None and message.kind in _QUESTIONS:
        # Should the harness die first, nobody is left to end an endless loop.
        _alarm(math.ceil(message.fields["deadline"]) + 2)
        reply = getattr(learner, _QUESTIONS[message.kind])(message)
        _alarm(0)
        with suppress(Exception):
            sys.stdout.flush()
        say(*reply)


def _loaded(start: dict[str, Any]) -> Learner:
    if start["adapter"] or start["adapter_source"]:
        from backproof.behind_adapter import load_adapted  # a function needs none of it

        return load_adapted(start)
    if start["function"] is None and not start["module"]:
        from backproof.behind_adapter import has_function, load_proposed

        if not has_function(start["path"]):
            return load_proposed(start)
    return load(start)


def _hello(learner: Learner, limited: bool) -> dict[str, Any]:
    return {
        "protocol": protocol.VERSION,
        "version": __version__,
        "language": f"python {sys.version.split()[0]}",
        **learner.told(),
        "memory_limited": limited,
    }


def _limit_memory(most: int | None) -> bool:
    """Limit the address space. Returns whether that holds: macOS takes the limit and ignores it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind
        if most is not None:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return most is not None and sys.platform == "linux"
    except (ImportError, ValueError, OSError):
        return False


def _alarm(seconds: int) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)  # its default action ends the process
