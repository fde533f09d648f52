"""An implementation that a user names on the command line, as a side like any other.

    with Target("my_net.py:backprop") as target:
        target.claims               # what it is judged on
        target.gradients(case)      # Gradients, or a Failure that says what happened

The file is loaded in a child process. A child that loops or dies is replaced, and the next case
is asked as if nothing had happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np

from backproof.case import Case
from backproof.child import Child, Died
from backproof.claims import Claims as Claims
from backproof.claims import doubled, inferred_reduction, probed
from backproof.drawing import Array
from backproof.errors import TargetError
from backproof.gradients import Failure, Gradients, Vector
from backproof.names import REDUCTIONS
from backproof.protocol import VERSION, Message
from backproof.worker import LEARNING_RATES


@dataclass(frozen=True)
class Limits:
    """What an implementation may use. Times in seconds, memory in bytes of address space.

    load: to import the file   first_call: the first answer of a process, which may compile
    call: every other answer   memory: None for no limit
    patience: processes that may die one after the other before nothing more is asked
    """

    load: float = 30.0
    first_call: float = 10.0
    call: float = 5.0
    memory: int | None = 4 * 2**30
    patience: int = 3


class Target:
    """FILE[:function] on the contract; `backprop` where no function is named.

    name: the function's where one was named, else the file's without its ending
    takes: what its signature asks for by name   claims: what it says it can do, by probing
    conventions: what was inferred and is held from now on, in words
    Raises TargetError: the file cannot be loaded, its function not called, or it refuses all.
    """

    def __init__(self, spec: str, limits: Limits | None = None) -> None:
        shown, function = _file_and_function(spec)
        self._name = function or Path(shown).stem
        self._limits = limits or Limits()
        self._deaths, self._last_death = 0, Failure("crashed", "")
        self._line = _Line(shown, function, self._limits)
        try:
            self.takes = self._line.start()
            self._probe(shown, function)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Target":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process and everything it started."""
        self._line.close()

    def forget(self) -> None:
        """End the child; the next case is asked in a fresh process.

        What earlier calls left in variables or in files of their folder is gone with it.
        """
        self._line.forget()

    @property
    def name(self) -> str:
        return self._name

    @property
    def step_form(self) -> str:
        return "direct"

    @property
    def printed(self) -> str:
        """The last 4 kB that the process of the latest answer wrote to stdout and stderr."""
        return self._line.printed

    @property
    def memory_limited(self) -> bool:
        """Whether this platform can hold `Limits.memory`."""
        return self._line.memory_limited

    def gradients(self, case: Case) -> Gradients | Failure:
        """What the function returns; the step alone where it takes a learning rate."""
        refusal = self.claims.refusal(case)
        if refusal:
            return Failure("skipped", f"{self.name}: {refusal}")
        if self._deaths >= self._limits.patience:
            said = f"not asked, for the {self._deaths} cases before ended its process: "
            return replace(self._last_death, message=said + self._last_death.message)
        try:
            answer = self._line.ask(case)
        except Died as died:
            self._deaths += 1
            self._last_death = Failure(died.status, died.message)
            return self._last_death
        self._deaths = 0
        return self._read(case, answer)

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """One case after the other."""
        return [self.gradients(case) for case in cases]

    def _read(self, case: Case, answer: Message) -> Gradients | Failure:
        fields = answer.fields
        if answer.kind == "skipped":
            return Failure("skipped", fields["message"])
        if answer.kind == "errored":
            # A name that probing did not get to is "not claimed" when it is refused only now.
            late = self._cut_short and fields["refuses"]
            return Failure("skipped" if late else "error", fields["message"])
        if fields["changed_inputs"]:
            names = ", ".join(f"`{name}`" for name in fields["changed_inputs"])
            return Failure("error", f"it changed its input {names} in place; work on a copy.")
        vector = answer.arrays["gradient"].astype(np.float64)
        steps = any(rate in self.takes for rate in LEARNING_RATES)
        return Gradients(None, vector) if steps else Gradients(vector, None)

    def _probe(self, shown: str, function: str | None) -> None:
        """Find out claims and conventions."""
        probe = _Probe(self._line, self.takes)
        found = probed(probe)
        if found is None:
            raise TargetError(
                f"{shown}: `{function or 'backprop'}` refuses every network it was asked about, "
                f"the first one with {probe.first_refusal}"
            )
        self.claims, base = found
        self._cut_short = probe.cut_short
        self.conventions: dict[str, str] = {}
        if "slope" not in self.takes:
            self.conventions["slope"] = "1/64 in leaky_relu: the signature has no `slope`"
        if "reduction" not in self.takes:
            self.claims = replace(self.claims, reductions=REDUCTIONS)  # either, until it is known
            reduction, self.conventions["reduction"] = self._reduction(base)
            self.claims = replace(self.claims, reductions=(reduction,))

    def _reduction(self, base: Case) -> tuple[str, str]:
        vectors: list[Vector] = []
        for case in (base, doubled(base)):
            answer = self.gradients(case)
            if isinstance(answer, Failure):
                return "sum", f"taken as sum: the probe got no answer ({answer.message})"
            vector = answer.step if answer.gradient is None else answer.gradient
            assert vector is not None  # a target gives one of the two
            vectors.append(vector)
        return inferred_reduction(*vectors)


class _Line:
    """The line to the child process: starts it, asks it, replaces one that died."""

    def __init__(self, shown: str, function: str | None, limits: Limits) -> None:
        self._shown, self._function, self._limits = shown, function, limits
        self._file = Path(shown).resolve()
        if not self._file.is_file():
            raise TargetError(f"{shown} is no file; give the Python file to be judged.")
        self._folder = _neutral_folder()
        self._child: Child | None = None
        self._alive = False
        self._asked = 0
        self.memory_limited = False

    @property
    def printed(self) -> str:
        return "" if self._child is None else self._child.printed

    def start(self) -> tuple[str, ...]:
        """Start a child and load the file. Returns what the signature takes by name.

        Raises TargetError: one sentence.
        """
        self._child = Child(Path(self._folder.name), self._file)
        self._alive, self._asked = True, 0
        start = {
            "protocol": VERSION,
            "path": str(self._file),
            "shown": self._shown,
            "function": self._function,
            "memory": self._limits.memory,
        }
        try:
            hello = self._child.ask("start", start, {}, self._limits.load)
        except Died as died:
            self._alive = False
            raise TargetError(f"{self._shown} cannot be imported: {died.message}.") from None
        if hello.kind != "hello":
            raise TargetError(hello.fields["message"])
        self.memory_limited = hello.fields["memory_limited"]
        return tuple(hello.fields["takes"])

    def ask(self, case: Case) -> Message:
        """The answer to one case. Raises Died; the next case then meets a new child."""
        if not self._alive:
            self._restart()
        assert self._child is not None
        deadline = self._limits.call if self._asked else self._limits.first_call
        self._asked += 1
        question = _question(case, self._asked)
        try:
            answer = self._child.ask("gradients", question, _arrays(case), deadline)
        except Died:
            self._alive = False
            raise
        if not _answers(answer, question, case):
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


class _Probe:
    """The implementation as `claims.probed` sees it.

    A probe that ends the process counts as claimed. So that an endless loop in every one of them
    does not take minutes, the rest is then claimed without being asked (`cut_short`).
    """

    def __init__(self, line: _Line, takes: tuple[str, ...]) -> None:
        self._line, self.takes = line, takes
        self._timeouts = self._crashes = 0
        self.first_refusal = ""

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
        return refused


def _file_and_function(spec: str) -> tuple[str, str | None]:
    """ "my_net.py:train" -> ("my_net.py", "train"); a colon inside a path stays there."""
    file, _, function = spec.rpartition(":")
    if file and function.isidentifier() and not Path(spec).is_file():
        return file, function
    return spec, None


def _question(case: Case, number: int) -> dict[str, Any]:
    """What a network is asked about, arrays apart. Not the case itself: nothing gives away how
    it was drawn."""
    return {
        "id": number,
        "activations": case.activations,
        "loss": case.loss,
        "reduction": case.reduction,
        "bias": case.bias,
        "alpha": case.alpha,
        "slope": case.slope,
        "dtype": case.dtype,
    }


def _arrays(case: Case) -> dict[str, Array]:
    arrays = case.arrays
    named = {f"weights[{layer}]": W for layer, W in enumerate(arrays.weights)}
    named |= {f"biases[{layer}]": b for layer, b in enumerate(arrays.biases) if b is not None}
    return {**named, "X": arrays.X, "Y": arrays.Y}


def _answers(answer: Message, question: dict[str, Any], case: Case) -> bool:
    """Whether a message is an answer to this very question, in form."""
    if answer.fields.get("id") != question["id"]:
        return False
    if answer.kind != "result":
        return answer.kind in ("skipped", "errored")
    if "gradient" not in answer.arrays:
        return False
    return answer.arrays["gradient"].shape == (_parameters(case),)


def _parameters(case: Case) -> int:
    """P, the number of weights and biases."""
    rows = 0 if case.bias == "none" else 1
    return sum((k + rows) * j for k, j in pairwise(case.widths))
