"""The line to the child process: starts it, asks it, replaces one that died."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backproof.case import Case
from backproof.child import Child, Died
from backproof.drawing import Array
from backproof.errors import TargetError
from backproof.protocol import VERSION, Message, question_of


@dataclass(frozen=True)
class Limits:
    """What an implementation may use. Times in seconds, memory in bytes of address space.

    load: to import the file   first_call: the first answer of a process, which may compile
    call: every other answer   exact: an answer in exact arithmetic   memory: None for no limit
    patience: processes that may die one after the other before nothing more is asked
    """

    load: float = 30.0
    first_call: float = 10.0
    call: float = 5.0
    exact: float = 20.0
    memory: int | None = 4 * 2**30
    patience: int = 3


@dataclass(frozen=True)
class Place:
    """What a user named: a file or a module, and in it a function.

    shown: as the user wrote it   file: absolute   module: "" where a file was named
    function: None for `backprop`   adapter: absolute, or ""   adapter_source: its text instead
    """

    shown: str
    file: str
    module: str
    function: str | None
    adapter: str = ""
    adapter_source: str = ""


class Line:
    """The line to the child process: starts it, asks it, replaces one that died."""

    def __init__(self, place: Place, limits: Limits) -> None:
        self._place, self._limits = place, limits
        self._folder = _neutral_folder()
        self._child: Child | None = None
        self._alive = False
        self._asked = 0
        self.memory_limited = False

    @property
    def printed(self) -> str:
        return "" if self._child is None else self._child.printed

    def start(self) -> dict[str, Any]:
        """Start a child and load the file. Returns what the child says of what it found there.

        Raises TargetError: one sentence.
        """
        place = self._place
        self._child = Child(Path(self._folder.name), Path(place.file))
        self._alive, self._asked = True, 0
        start = {
            "protocol": VERSION,
            "path": place.file,
            "module": place.module,
            "search": str(Path.cwd()) if place.module else "",
            "shown": place.shown,
            "function": place.function,
            "adapter": place.adapter,
            "adapter_source": place.adapter_source,
            "memory": self._limits.memory,
        }
        try:
            hello = self._child.ask("start", start, {}, self._limits.load)
        except Died as died:
            self._alive = False
            raise TargetError(f"{place.shown} cannot be imported: {died.message}.") from None
        if hello.kind != "hello":
            raise TargetError(hello.fields["message"])
        self.memory_limited = hello.fields["memory_limited"]
        return hello.fields

    def hold(self, place: Place) -> None:
        """What a new child is to load from now on."""
        self._place = place

    def ask(self, case: Case) -> Message:
        """The answer to one case. Raises Died; the next case then meets a new child."""
        return self._asked_for("gradients", case, {}, self._limits.call)

    def ask_exactly(self, case: Case, bits: int, widened: bool) -> Message:
        """The answer in exact arithmetic. Raises Died, likewise."""
        how = {"bits": bits, "widened": widened}
        return self._asked_for("exactly", case, how, self._limits.exact)

    def smoke(self, case: Case) -> list[str]:
        """What is wrong with the adapter. Raises Died."""
        answer = self._asked_for("smoke", case, {}, self._limits.first_call)
        return [str(each) for each in answer.fields.get("problems", ())]

    def stated_loss(self, case: Case) -> Message:
        """The loss that the program states, in `value`. Raises Died, likewise."""
        return self._asked_for("loss", case, {}, self._limits.call)

    def steps(self, case: Case, count: int) -> Message:
        """Several steps of one model: `before` and `moved`, (P, count). Raises Died, likewise."""
        return self._asked_for("steps", case, {"count": count}, self._limits.call)

    def _asked_for(self, kind: str, case: Case, how: dict[str, Any], deadline: float) -> Message:
        if not self._alive:
            self._restart()
        assert self._child is not None
        if not self._asked:
            deadline = max(deadline, self._limits.first_call)
        self._asked += 1
        question = question_of(case, self._asked) | how
        try:
            answer = self._child.ask(kind, question, arrays_of(case), deadline)
        except Died:
            self._alive = False
            raise
        if not answers(answer, question, case):
            self.close_child()
            raise Died(
                "crashed", "it wrote into the channel on which the harness hears its answers"
            )
        return answer

    def _restart(self) -> None:
        try:
            self.start()
        except TargetError as error:  # it could be loaded before
            self.close_child()
            raise Died("crashed", f"loaded a second time: {error}") from None

    def close_child(self) -> None:
        if self._child is not None and self._alive:
            self._child.close()
        self._alive = False

    def forget(self) -> None:
        self.close()
        self._folder = _neutral_folder()

    def close(self) -> None:
        self.close_child()
        self._folder.cleanup()


def _neutral_folder() -> "TemporaryDirectory[str]":
    """A place where nothing that lies where the user stands is read or written by accident."""
    return TemporaryDirectory(prefix="backproof-", ignore_cleanup_errors=True)


class Probe:
    """The implementation as `claims.probed` sees it.

    A probe that ends the process counts as claimed. So that an endless loop in every one of them
    does not take minutes, the rest is then claimed without being asked (`cut_short`).
    needs_biases: what it said to a network without biases, if that was a refusal
    """

    def __init__(self, line: Line, takes: tuple[str, ...]) -> None:
        self._line, self.takes = line, takes
        self._timeouts = self._crashes = 0
        self.first_refusal = self.needs_biases = ""

    @property
    def cut_short(self) -> bool:
        return self._timeouts >= 1 or self._crashes >= 3

    def refuses(self, case: Case, *names: str) -> bool:
        if self.cut_short:
            return False
        try:
            answer = self._line.ask(case)
        except Died as died:
            self._timeouts += died.status == "timeout"
            self._crashes += died.status == "crashed"
            return False
        refused = answer.kind == "skipped" or any(
            name in names for name in answer.fields.get("refuses", ())
        )
        if refused and not self.first_refusal:
            self.first_refusal = answer.fields["message"]
        if refused and case.bias == "none":
            self.needs_biases = answer.fields["message"]
        return refused


def arrays_of(case: Case) -> dict[str, Array]:
    arrays = case.arrays
    named = {f"weights[{layer}]": W for layer, W in enumerate(arrays.weights)}
    named |= {f"biases[{layer}]": b for layer, b in enumerate(arrays.biases) if b is not None}
    return {**named, "X": arrays.X, "Y": arrays.Y}


def answers(answer: Message, question: dict[str, Any], case: Case) -> bool:
    """Whether a message is an answer to this very question, in form."""
    if answer.fields.get("id") != question["id"]:
        return False
    if answer.kind == "loss":
        return "value" in answer.arrays and answer.arrays["value"].shape == (1,)
    if answer.kind == "stepped":
        found = (answer.arrays.get(name) for name in ("before", "moved"))
        shape = (_parameters(case), question["count"])
        return all(array is not None and array.shape == shape for array in found)
    for name, form in _FIELDS.get(answer.kind, {}).items():
        if not isinstance(answer.fields.get(name), form):
            return False
    if answer.kind not in _NUMBERS:
        return answer.kind in _FIELDS
    for letter in ("X", "Y"):  # what an adapter states that becomes of them
        made = answer.arrays.get(letter)
        if made is not None and made.shape != getattr(case.arrays, letter).shape:
            return False
    name = _NUMBERS[answer.kind]
    return name in answer.arrays and len(answer.arrays[name]) == _parameters(case)


# What an answer must say, by its kind.
_FIELDS: dict[str, dict[str, type]] = {
    "result": {"changed_inputs": list},
    "skipped": {"message": str},
    "errored": {"message": str, "refuses": list},
    "inexact": {"note": str, "undecidable": bool},
    "smoked": {"problems": list},
}
# Kinds of answers that carry numbers, and the array in which each parameter has a row.
_NUMBERS = {"result": "gradient", "exact": "mids"}


def _parameters(case: Case) -> int:
    """P, the number of weights and biases."""
    rows = 0 if case.bias == "none" else 1
    return sum((k + rows) * j for k, j in pairwise(case.widths))
