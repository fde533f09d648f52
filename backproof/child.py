"""The harness' end of one child process: start it, ask it, kill it.

The child is a Python of its own in its own process group: a crash, an endless loop or a huge
allocation in a learner's code ends the child and nothing else.
"""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from backproof import protocol
from backproof.drawing import Array
from backproof.protocol import Message, ProtocolError

_MOST_PRINTED = 4096
_CRASH_REPORT = "Fatal Python error: "  # it lists our own frames; what it says of theirs is read

# Load our package from this very folder, whatever else is called backproof; sys.path gets nothing
# for it, so neither a clone's `reports` nor site-packages comes before anything.
_BOOTSTRAP = """\
import importlib.util, sys
spec = importlib.util.spec_from_file_location("backproof", sys.argv[1])
package = sys.modules["backproof"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from backproof.worker import main
main()
"""

# One thread is fastest for nets this small, and the same bytes come out every time.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


class Died(Exception):
    """The child is gone. status: "timeout" or "crashed"; message: how, and at which line."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Child:
    """A child process that runs `worker.py`.

    folder: its working directory   file: the learner's, to find its lines in a crash report
    """

    def __init__(self, folder: Path, file: Path) -> None:
        self._file = file
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, str(Path(__file__).with_name("__init__.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,  # Ctrl-C reaches the harness alone; killed as one group
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Message | Exception | None] = queue.SimpleQueue()
        self._busy = False
        # Pipes are written and read in a thread: a deadline then holds on every platform, even
        # for a child that never reads, or whose own children keep the pipe open.
        self._talker = threading.Thread(target=self._talk, daemon=True)
        self._drain = Tail(self._process)
        self._talker.start()

    def ask(
        self, kind: str, fields: dict[str, Any], arrays: Mapping[str, Array], deadline: float
    ) -> Message:
        """Send a message and wait for the answer, `deadline` seconds at most.

        Raises Died; the child is then gone.
        """
        self._busy = True
        self._requests.put(protocol.encode(kind, {**fields, "deadline": deadline}, arrays))
        try:
            answer = self._answers.get(timeout=deadline)
        except queue.Empty:
            if self._process.poll() is not None:  # but something of it holds the pipe
                raise Died("crashed", self._cause_of_death(None)) from None
            where = self._line_when_aborted()
            self.close()
            raise Died("timeout", f"no answer within {deadline:g} s{where}") from None
        if isinstance(answer, Message):
            self._busy = False
            return answer
        raise Died("crashed", self._cause_of_death(answer))

    @property
    def printed(self) -> str:
        """The last 4 kB that the child wrote to stdout or stderr, before its faulthandler spoke."""
        return self._drain.text.partition(_CRASH_REPORT)[0]

    def close(self) -> None:
        """End the child: kindly if it waits for a question, by force if it does not."""
        if not self._busy:
            self._requests.put(protocol.encode("stop", {}, {}))
            with suppress(queue.Empty):
                self._answers.get(timeout=1)  # the end of the stream
        end_group(self._process)
        self._process.wait()
        self._requests.put(None)
        for thread in (self._talker, self._drain):
            thread.join(timeout=0.2)  # or longer, without us: a runaway grandchild has its pipe

    def _talk(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(OSError), stdin, stdout:  # closing flushes, and nobody may be left to read
            while (frame := self._requests.get()) is not None:
                answer: Message | Exception | None
                try:
                    stdin.write(frame)
                    stdin.flush()
                    answer = protocol.read(stdout)
                except (OSError, ValueError, ProtocolError) as error:
                    answer = error
                self._answers.put(answer)
                if not isinstance(answer, Message):
                    return

    def _line_when_aborted(self) -> str:
        """End an endless loop with SIGABRT: the child's faulthandler then says where it was."""
        if not hasattr(os, "killpg"):
            return ""
        self._process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.5)
            self._drain.join(timeout=0.5)
        return self._line_of_crash().replace(" at ", "; it was at ", 1)

    def _line_of_crash(self) -> str:
        """ " at my_net.py line 7", from the report that the child's faulthandler printed."""
        report = self._drain.text.rpartition("(most recent call first)")[2]
        found = re.search(rf'File "{re.escape(str(self._file))}", line (\d+)', report)
        return f" at {self._file.name} line {found[1]}" if found else ""

    def _cause_of_death(self, answer: Exception | None) -> str:
        """In words. The child is gone after this."""
        try:
            code: int | None = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        if code is None:
            what = "closed" if answer is None or isinstance(answer, OSError) else "wrote into"
            return f"it {what} the channel on which the harness hears its answers"
        return how_it_ended(code) + (self._line_of_crash() if code < 0 else "")


class Tail(threading.Thread):
    """Keeps the last 4 kB of what a process writes to stderr, until that ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._stderr, self._kept = process.stderr, b""
        self.start()

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def run(self) -> None:
        stderr = self._stderr
        assert stderr is not None
        with suppress(OSError), stderr:
            while chunk := os.read(stderr.fileno(), 2**16):
                self._kept = (self._kept + chunk)[-_MOST_PRINTED:]


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its group, and all that it started where there are groups."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def how_it_ended(code: int) -> str:
    """A process that is gone, by its exit code."""
    if code < 0:
        return f"the process was ended by {signal_name(-code)}"
    return f"the process ended itself (exit code {code}) instead of answering"


def signal_name(number: int) -> str:
    """ "SIGSEGV (segmentation fault)"."""
    with suppress(ValueError):
        name = signal.Signals(number).name
        return f"{name} ({(signal.strsignal(number) or name).lower()})"
    return f"signal {number}"
