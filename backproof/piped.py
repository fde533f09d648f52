"""A program of any language behind three pipes: one line goes in, one line comes out.

It may be silent, flood its pipes, never read, die or hang: a deadline holds all the same, and
ends the program with everything it started.
"""

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NamedTuple

from backproof.child import ENVIRONMENT, Died, Tail, end_group, how_it_ended
from backproof.json_lines import MOST_LINE_BYTES, quoted, stop

_MOST_WAITING = 8  # answers to nothing that are kept; the pipe then fills up and holds the program


class Said(NamedTuple):
    """A line from the program, and what came together with it: more than one line was said."""

    line: bytes
    more: bytes


class PipedProgram:
    """A running program. Words go to the system as they are: no shell reads them.

    It starts in a process group of its own. Raises OSError where the system cannot start it.
    folder: where it starts, as the words may name files there; None for the user's folder
    memory: bytes of data (heap and writable mappings) it may have   memory_limited: is that held?
    """

    def __init__(
        self, words: Sequence[str], memory: int | None, folder: Path | None = None
    ) -> None:
        self._process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,  # Ctrl-C reaches the harness alone; killed as one group
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.memory_limited = _limit(self._process.pid, memory)
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Said | str] = queue.SimpleQueue()  # str: the end, and how
        self._begun = bytearray()
        self._busy = self._unread = self._greeted = False
        # A thread per pipe: a deadline then holds on every platform, even for a program that
        # never reads, or whose own children keep a pipe open.
        threads = [threading.Thread(target=t, daemon=True) for t in (self._write, self._listen)]
        for thread in threads:
            thread.start()
        self._tail = Tail(self._process)
        self._threads = [*threads, self._tail]

    def ask(self, line: bytes, deadline: float) -> Said:
        """Write a line and wait for one, `deadline` seconds at most.

        Raises Died: status "timeout", "crashed", or "error" where it spoke unasked or without end.
        The program is then gone.
        """
        if self._greeted:  # a program that says hello at once may be faster than its `start`
            self._refuse_early_lines()
        self._busy = self._unread = True
        self._requests.put(line)
        try:
            said = self._answers.get(timeout=deadline)
        except queue.Empty:
            raise self._late(deadline) from None
        if isinstance(said, str):
            raise self._ended(said)
        self._busy, self._greeted = False, True
        return said

    def out_of_step(self, what: str) -> Died:
        """End a program that did not answer what was asked; how to say so."""
        self._busy = True
        self.close()
        return Died("error", what)

    @property
    def printed(self) -> str:
        """The last 4 kB on stderr."""
        return self._tail.text

    def close(self) -> None:
        """End the program: kindly if it waits for a question, by force if it does not."""
        if not self._busy:
            self._requests.put(stop())
            self._requests.put(None)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
        end_group(self._process)
        self._process.wait()
        self._requests.put(None)
        for thread in self._threads:
            thread.join(timeout=0.2)  # or longer, without us: a runaway grandchild has its pipe

    def _refuse_early_lines(self) -> None:
        with suppress(queue.Empty):
            said = self._answers.get_nowait()
            if isinstance(said, str):
                raise self._ended(said)
            raise self.out_of_step(f"it wrote unasked: {_text(said.line)}")

    def _late(self, deadline: float) -> Died:
        code, begun = self._process.poll(), bytes(self._begun)
        self._busy = True
        self.close()
        if code is not None:  # but something of it holds the pipe
            return Died("crashed", self._last_words(how_it_ended(code)))
        why = ""
        if begun:
            why = f"; it wrote {_text(begun)} and no end of the line"
        elif self._unread:
            why = "; it did not read the question to its end"
        return Died("timeout", f"no answer within {deadline:g} s{why}")

    def _ended(self, how: str) -> Died:
        """The stream is over: because the process is, or because it can't be followed further."""
        self._busy = True
        if how == _TOO_LONG:
            return self.out_of_step(how)
        try:
            how = how_it_ended(self._process.wait(timeout=1))
        except subprocess.TimeoutExpired:
            pass  # it lives, and has closed a pipe
        self.close()
        return Died("crashed", self._last_words(how))

    def _last_words(self, how: str) -> str:
        said, where = last_words(self.printed)
        return f"{how}; its last line on stderr is {quoted(said)}{where}" if said else how

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            with stdin:
                while (line := self._requests.get()) is not None:
                    rest = memoryview(line)
                    while rest:
                        rest = rest[stdin.write(rest) :]
                    self._unread = False
        except (OSError, ValueError):
            self._answers.put(_CLOSED.format("stdin"))

    def _listen(self) -> None:
        stdout, begun = self._process.stdout, self._begun
        assert stdout is not None
        with suppress(OSError), stdout:
            while chunk := os.read(stdout.fileno(), 2**16):
                begun += chunk
                if len(begun) > MOST_LINE_BYTES:
                    return self._answers.put(_TOO_LONG)
                if b"\n" in chunk:
                    line, _, more = bytes(begun).strip().partition(b"\n")
                    begun.clear()
                    if line:
                        self._answers.put(Said(line, more))
                if self._answers.qsize() > _MOST_WAITING:
                    return None
        return self._answers.put(_CLOSED.format("stdout"))


def last_words(stderr: str) -> tuple[str, str]:
    """What a program said last on stderr, and " at my_net.mjs line 7" where a traceback says so.

    Python writes its innermost frame above what happened; Node and Java write theirs below it.
    """
    lines = [line for line in stderr.splitlines() if line.strip()]
    if not lines:
        return "", ""
    last = next((i for i in reversed(range(len(lines))) if not _BELOW.match(lines[i])), -1)
    above = next((i for i in reversed(range(last)) if lines[i][0] != " "), -1)
    frames = [*filter(None, map(_PYTHON.match, lines[above + 1 : last]))][-1:]
    frames += filter(None, map(_FRAME.match, lines[last + 1 :]))
    if not frames:
        return lines[last], ""
    file, line = frames[0].groups()
    return lines[last], f" at {PurePath(file).name} line {line}"


_PYTHON = re.compile(r' +File "(.+)", line (\d+)')
# "    at backprop (file:///home/me/my_net.mjs:7:9)", "\tat Main.main(Main.java:7)"
_FRAME = re.compile(r"\s+at .*?([^\s(:]+):(\d+)(?::\d+)?\)?$")
# What Node and Java write below what happened; Node ends with its version.
_BELOW = re.compile(r"\s+at |Node\.js v\d")

_TOO_LONG = f"it wrote a line of more than {MOST_LINE_BYTES} bytes"
_CLOSED = "it closed its {} and went on running"


def _text(line: bytes) -> str:
    return quoted(line[:400].decode("utf-8", "replace"))


def _limit(pid: int, memory: int | None) -> bool:
    """Hold the memory of a process that has just started; True where that works: on Linux.

    What is limited is data. Limiting the address space, as for Python, would end programs of
    Node, Go or Java at once: they reserve far more addresses than they ever use.
    """
    if sys.platform != "linux":
        return False
    import resource

    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind
        if memory is not None:
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
        return memory is not None
    except (OSError, ValueError):  # it is gone already; or we are held ourselves
        return False
