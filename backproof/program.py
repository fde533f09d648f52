"""The line to a program of any language: `cmd:./runner --flag`, which speaks JSON lines on stdio.

The words are split as in a shell (`shlex`), but no shell ever sees them. The program starts in the
user's folder: `cmd:node my_net.mjs` means the file that lies there. docs/protocol.md says what it
has to answer. It declares what it claims, so nothing is probed.
"""

import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from backproof import json_lines
from backproof.case import Case
from backproof.child import Died
from backproof.claims import Claims
from backproof.errors import TargetError
from backproof.hello import Hello, hello_in
from backproof.json_lines import AnswerError
from backproof.line import Limits
from backproof.piped import PipedProgram, Said
from backproof.protocol import Message, ProtocolError

PREFIX = "cmd:"


class ProgramLine:
    """The line to a program: starts it, asks it, replaces one that died. As `line.Line`.

    spec: as the user wrote it, with `cmd:`   folder: where the program starts, None for the user's
    hello: what the program said of itself, once started
    Raises TargetError: the words name no program.
    """

    def __init__(self, spec: str, limits: Limits, folder: Path | None = None) -> None:
        self._spec, self._limits, self._folder = spec, limits, folder
        self._words = words_of(spec, folder)
        self._program: PipedProgram | None = None
        self._alive = False
        self._asked = 0
        self.hello: Hello | None = None
        self.memory_limited = False

    @property
    def printed(self) -> str:
        return "" if self._program is None else self._program.printed

    @property
    def declared(self) -> Claims:
        assert self.hello is not None  # it has been started
        return self.hello.claims

    @property
    def name(self) -> str:
        assert self.hello is not None
        return self.hello.name

    @property
    def conventions(self) -> dict[str, str]:
        """What it declared that is not as in the contract, in words."""
        assert self.hello is not None
        found = {}
        if self.hello.layout == "columns":
            found["layout"] = "columns: X is (k_0, n) and W_l (k_l, k_{l-1}), as it declares"
        if self.hello.gives == "step":
            found["gives"] = "step: -alpha times the gradient, as it declares"
        return found

    def start(self) -> dict[str, Any]:
        """Start the program and hear what it claims. Raises TargetError: one sentence."""
        hello = self._greeted()
        if self.hello is not None and hello != self.hello:
            self.close()
            raise TargetError(
                f"{self._spec} says something else of itself each time it is started; let its "
                "`hello` be always the same."
            )
        self.hello = hello
        step = ("alpha",) if hello.gives == "step" else ()
        return {
            "takes": ("reduction", "bias", "dtype", "slope", *step),
            "memory_limited": self.memory_limited,
        }

    def _greeted(self) -> Hello:
        try:
            self._program = PipedProgram(self._words, self._limits.memory, self._folder)
        except OSError as error:
            raise TargetError(
                f"{self._spec} cannot be started ({error.strerror}); a script needs its "
                f"interpreter: cmd:python3 runner.py"
            ) from None
        self._alive, self._asked = True, 0
        self.memory_limited = self._program.memory_limited
        try:
            said = self._program.ask(json_lines.start(), self._limits.load)
            fields = _message(said, "hello", "errored")
            if fields["kind"] == "errored":
                raise AnswerError(f"it says: {json_lines.text_in(fields | {'id': 0}, 'message')}")
            return hello_in(fields)
        except Died as died:
            self._alive = False
            flushed = " Is its stdout flushed after each line?" if died.status == "timeout" else ""
            raise TargetError(
                f"{self._spec} does not say hello: {died.message}.{flushed}"
            ) from None
        except (ProtocolError, AnswerError) as error:
            self.close()
            why = str(error).rstrip(".")
            raise TargetError(f"{self._spec} does not say hello: {why}.") from None

    def ask(self, case: Case) -> Message:
        """The answer to one case: `result` with the array `gradient` (P,), `skipped` or `errored`.

        A result that is not what was asked for comes back as `errored`, with the reason.
        Raises Died; the next case then meets a new process.
        """
        if not self._alive:
            self._restart()
        assert self._program is not None
        assert self.hello is not None
        deadline = self._limits.call if self._asked else self._limits.first_call
        self._asked += 1
        question = json_lines.question(case, self._asked, self.hello.layout)
        try:
            fields = self._message(self._program.ask(question, deadline))
        except Died:
            self._alive = False
            raise
        return self._read(fields, case)

    def _read(self, fields: dict[str, Any], case: Case) -> Message:
        assert self.hello is not None
        said: dict[str, Any] = {"id": fields["id"], "traceback": "", "refuses": []}
        try:
            if fields["kind"] == "result":
                hello = self.hello
                vector = json_lines.gradient_in(fields, case, hello.gives, hello.layout)
                return Message("result", said | {"changed_inputs": []}, {"gradient": vector})
            key = "reason" if fields["kind"] == "skipped" else "message"
            said["message"] = json_lines.text_in(fields, key)
            said["traceback"] = json_lines.traceback_in(fields)
            return Message(fields["kind"], said, {})
        except AnswerError as error:
            return Message("errored", said | {"message": str(error)}, {})

    def _message(self, said: Said) -> dict[str, Any]:
        """Raises Died for a line that does not answer this question: it is out of step."""
        assert self._program is not None
        try:
            fields = _message(said, "result", "skipped", "errored")
        except ProtocolError as error:
            raise self._program.out_of_step(str(error)) from None
        given = fields.get("id")
        if isinstance(given, bool) or given != self._asked:
            got = f"the `id` {json_lines.told(given)}" if "id" in fields else "no `id`"
            raise self._program.out_of_step(f"its answer has {got}, the question had {self._asked}")
        return fields

    def ask_exactly(self, case: Case, bits: int, widened: bool) -> Message:
        """Numbers with a radius exist in Python alone."""
        note = "could not run exactly: it is a program of its own, and knows floats only"
        return Message("inexact", {"note": note, "undecidable": False}, {})

    def _restart(self) -> None:
        try:
            self.start()
        except TargetError as error:  # it could be started before
            why = str(error).rstrip(".")
            raise Died("crashed", f"started once more: {why}") from None

    def forget(self) -> None:
        """End the process; the next case is asked in a fresh one.

        It starts in the same folder: what earlier ones left in files stays.
        """
        self.close()

    def close(self) -> None:
        if self._program is not None and self._alive:
            self._program.close()
        self._alive = False


def _message(said: Said, *kinds: str) -> dict[str, Any]:
    """Raises ProtocolError; a line that is no message is the first thing to be put right."""
    fields = json_lines.message_in(said.line, *kinds)
    if said.more:
        more = json_lines.quoted(said.more.decode("utf-8", "replace"))
        raise ProtocolError(f"it wrote more than one line at once; the second is {more}")
    return fields


def words_of(spec: str, folder: Path | None = None) -> list[str]:
    """ "cmd:./runner --flag" -> ["/home/me/net/runner", "--flag"].

    A program with a slash in its name is looked for from the folder, any other on PATH.
    folder: None for the user's
    Raises TargetError: one sentence.
    """
    words = _split(spec)
    return [_program(spec, words[0], folder or Path.cwd()), *words[1:]]


def files_of(spec: str) -> list[Path]:
    """Every word that is a file: what the answers depend on, but for what is installed."""
    return [path for path in map(Path, _split(spec)) if path.is_file()]


def _split(spec: str) -> list[str]:
    try:
        words = shlex.split(spec.removeprefix(PREFIX))
    except ValueError as error:
        raise TargetError(f"{spec} cannot be split into words ({error}); close it.") from None
    if not words:
        raise TargetError(f"{spec} names no program; write cmd:./runner or cmd:node my_net.mjs")
    return words


def _program(spec: str, word: str, folder: Path) -> str:
    here = os.sep in word or "/" in word
    path = folder / word
    found = shutil.which(str(path) if here else word)
    if found is not None:
        return found
    if not path.is_file():
        where = "no such file; is it compiled?" if here else "it is not on PATH"
        raise TargetError(f"{spec}: there is no program {word} ({where})")
    if not here:
        raise TargetError(f"{spec}: {word} lies in this folder; write cmd:./{word}")
    raise TargetError(
        f"{spec}: {word} is not executable; `chmod +x {word}`, or name what runs it: "
        f"cmd:python3 {word}"
    )
