"""An implementation that a user names on the command line, as a side like any other.

    with Target("my_net.py:backprop") as target:
        target.claims               # what it is judged on
        target.gradients(case)      # Gradients, or a Failure that says what happened

The file is loaded in a child process. A child that loops or dies is replaced, and the next case
is asked as if nothing had happened.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.case import Case
from backproof.child import Died
from backproof.claims import Claims as Claims
from backproof.claims import doubled, inferred_reduction, inferred_slope, probed, slope_probes
from backproof.contract import LEARNING_RATES
from backproof.errors import TargetError
from backproof.gradients import Failure, Gradients, Steps, Vector
from backproof.line import Limits as Limits
from backproof.line import Line, Place, Probe
from backproof.names import MAX_BATCH, REDUCTIONS, SLOPES
from backproof.places import place_of
from backproof.program import PREFIX, ProgramLine
from backproof.protocol import Message

if TYPE_CHECKING:
    from backproof.exact_arithmetic import Balls, NotExactly


class Target:
    """FILE[:function], package.module:function or `cmd:PROGRAM`.

    A function on the contract, `backprop` where none is named, or whatever is behind an adapter:
    adapter: its file; where it is not given, `my_net_adapter.py` beside `my_net.py`, unless a
        function is named; where there is neither that nor a `backprop`, one is inferred
    folder: where a `cmd:PROGRAM` starts, None for the user's folder
    name: the function's where one was named, else the file's without its ending
    takes: what its signature asks for by name   claims: what it says it can do, by probing
    conventions: what was inferred and is held from now on, in words
    stated: "X", "Y", as far as its adapter states what the program makes of them
    lives_on: whether one model behind its adapter can be stepped several times
    proposed: the text of the adapter that was inferred where there was none, else ""
    Raises TargetError: the file cannot be loaded, its function not called, or it refuses all.
    """

    conventions: dict[str, str]

    def __init__(
        self,
        spec: str,
        limits: Limits | None = None,
        adapter: Path | str | None = None,
        folder: Path | None = None,
    ) -> None:
        self._limits = limits or Limits()
        program = ProgramLine(spec, self._limits, folder) if spec.startswith(PREFIX) else None
        self._place = Place(spec, "", "", None) if program else place_of(spec, adapter)
        self._begin(program or Line(self._place, self._limits))

    def _begin(self, line: Line | ProgramLine) -> None:
        """Load what is at the other end, and find out what it claims."""
        self._name = self._place.function or Path(self._place.file).stem
        self._deaths, self._last_death = 0, Failure("crashed", "")
        self._line = line
        self._exact_line: Line | None = None
        try:
            hello = self._line.start()
            self.takes: tuple[str, ...] = tuple(hello["takes"])
            self._gives: str = hello.get("gives", "")
            self._adapted: str = hello.get("adapted", "")
            self.proposed: str = hello.get("proposal", "")
            self.lives_on: bool = hello.get("lives_on", False)
            self.stated: tuple[str, ...] = tuple(hello.get("stated", ()))
            if self.proposed:  # it is not inferred again, neither for balls nor after a crash
                self._place = replace(self._place, adapter_source=self.proposed)
                assert isinstance(line, Line)
                line.hold(self._place)
            if isinstance(line, ProgramLine):
                self._believe(line)
            elif self._gives:
                self._claim(hello["claims"])
            else:
                self._probe(self._place)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Target":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process and everything it started."""
        self._line.close()
        if self._exact_line is not None:
            self._exact_line.close()

    def forget(self) -> None:
        """End the child; the next case is asked in a fresh process.

        What earlier calls left in variables or in files of their folder is gone with it.
        """
        self._line.forget()
        if self._exact_line is not None:
            self._exact_line.forget()

    @property
    def name(self) -> str:
        return self._name

    @property
    def moves(self) -> bool:
        """Whether it shows its step ΔW alone, and no gradient."""
        if self._gives:
            return self._gives != "gradient"
        return any(rate in self.takes for rate in LEARNING_RATES)

    @property
    def step_form(self) -> str:
        """ "after_minus_before" where ΔW is seen in the weights alone (see `Side`)."""
        return "after_minus_before" if self._gives and self.moves else "direct"

    @property
    def adapted(self) -> str:
        """How it is called, one sentence; "" for a function on the contract."""
        return self._adapted

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

    def exactly(self, case: Case, bits: int, widened: bool) -> "Balls | NotExactly | Failure":
        """The same program on numbers with a proved radius, (P,) in the order of `slots_of`.

        Of a program that shows its step alone it is the exact step.
        bits: working precision   widened: read a float constant as any that was rounded to it
        """
        from backproof.exact_arithmetic import NotExactly
        from backproof.exact_wire import balls_of

        refusal = self.claims.refusal(case)
        if refusal:
            return Failure("skipped", f"{self.name}: {refusal}")
        try:
            answer = self._line_for_exact().ask_exactly(case, bits, widened)
        except Died as died:
            if died.status == "timeout":  # in floats it may well be quick
                return NotExactly(f"could not run exactly: {died.message}")
            return Failure(died.status, died.message)
        if answer.kind == "inexact":
            return NotExactly(answer.fields["note"], answer.fields["undecidable"])
        return balls_of(answer.arrays)

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
        gradient, step = (None, vector) if self.moves else (vector, None)
        made = answer.arrays.get
        return Gradients(gradient, step, X=made("X"), Y=made("Y"))

    def stated_loss(self, case: Case) -> float | Failure:
        """The loss that a program behind an adapter says it descends (`Adapter.stated_loss`)."""
        answer = self._of_adapter(lambda line: line.stated_loss(case), "loss")
        return answer if isinstance(answer, Failure) else float(answer.arrays["value"][0])

    def steps(self, case: Case, count: int) -> Steps | Failure:
        """One model, built once, its weights set once, stepped `count` times."""
        answer = self._of_adapter(lambda line: line.steps(case, count), "stepped")
        if isinstance(answer, Failure):
            return answer
        before, moved = (answer.arrays[name].astype(np.float64).T for name in ("before", "moved"))
        names = (tuple(map(str, answer.fields.get(of, ()))) for of in ("resets", "uncalled"))
        return Steps(before, moved, *names)

    def _of_adapter(self, ask: Callable[[Line], Message], kind: str) -> Message | Failure:
        """The answer of a kind to what only a program behind an adapter is asked."""
        assert isinstance(self._line, Line)
        try:
            answer = ask(self._line)
        except Died as died:
            return Failure(died.status, died.message)
        return answer if answer.kind == kind else Failure("error", answer.fields["message"])

    def smoke(self) -> list[str]:
        """What does not work, one sentence each: who is at fault, and what to do; or empty.

        It tells a broken adapter from a program that is wrong, before anything is judged. Of a
        function or a program without one: whether it answers at all.
        """
        if self._gives and isinstance(self._line, Line):
            try:
                return self._line.smoke(self._first_case())
            except Died as died:
                many = ", or `run` asks it for many steps" if died.status == "timeout" else ""
                return [f"in one step, {died.message}; the implementation is at fault{many}."]
        answer = self.gradients(self._first_case())
        return [f"{answer.message}."] if isinstance(answer, Failure) else []

    def _line_for_exact(self) -> Line | ProgramLine:
        """A process of its own behind an adapter: what a module keeps would be balls afterwards."""
        if not self._gives:
            return self._line
        if self._exact_line is None:
            self._exact_line = Line(self._place, self._limits)
        return self._exact_line

    def _claim(self, told: dict[str, Any]) -> None:
        """The claims that an adapter makes, and the reduction, which is inferred."""
        named = {name: _tuples(value) for name, value in told.items() if name != "max_rows"}
        rows = told["max_rows"] or MAX_BATCH
        self.claims = Claims(**named, max_rows=rows, reductions=REDUCTIONS)
        self.conventions, self._cut_short = {}, False
        reduction = REDUCTIONS[0]
        if rows > 1:
            reduction, self.conventions["reduction"] = self._reduction(self._first_case())
        self.claims = replace(self.claims, reductions=(reduction,))

    def _first_case(self) -> Case:
        """A net among the claims, no width twice where they can be chosen."""
        claims = self.claims
        depth = max(min(claims.depths), min(2, max(claims.depths)))
        output, loss = claims.combinations[0]
        rates = claims.alphas or ((2.0**10,) if self.moves else (1.0,))
        return Case(
            claims.widths or (*_WIDTHS[:depth], claims.outputs or 2),
            (*(claims.hidden[:1] * (depth - 1)), output),
            loss,
            claims.reductions[0],
            claims.biases[0],
            n=min(4, claims.max_rows),
            alpha=rates[0],
            dtype=claims.dtypes[0],
            slope=claims.slopes[0],
            seed=1,
        )

    def _believe(self, program: ProgramLine) -> None:
        """A program declares what a function is probed for."""
        self._name, self.claims = program.name, program.declared
        self.conventions, self._cut_short = program.conventions, False

    def _probe(self, place: Place) -> None:
        """Find out claims and conventions."""
        assert isinstance(self._line, Line)
        probe = Probe(self._line, self.takes)
        found = probed(probe)
        if found is None:
            raise TargetError(
                f"{place.shown}: `{place.function or 'backprop'}` refuses every network it was "
                f"asked about, the first one with {probe.first_refusal}"
            )
        self.claims, base = found
        self._cut_short = probe.cut_short
        self.conventions = {}
        if self.claims.biases == ("separate",) and probe.needs_biases:
            self.conventions["bias"] = f"it has networks with biases alone ({probe.needs_biases})"
        if "reduction" not in self.takes:
            self.claims = replace(self.claims, reductions=REDUCTIONS)  # either, until it is known
            reduction, self.conventions["reduction"] = self._reduction(base)
            self.claims = replace(self.claims, reductions=(reduction,))
        if "slope" not in self.takes and "leaky_relu" in self.claims.activations:
            slope, self.conventions["slope"] = self._slope(
                replace(base, reduction=self.claims.reductions[0])
            )
            self.claims = replace(self.claims, slopes=(slope,))

    def _slope(self, base: Case) -> tuple[float, str]:
        seen: dict[float, Vector] = {}
        for slope, case in slope_probes(self.claims, base).items():
            answer = self._vector(case)
            if isinstance(answer, Failure):
                seen = {}
                break
            seen[slope] = answer
        found = inferred_slope(seen)
        if found is None or found == SLOPES[0]:
            return SLOPES[0], "1/64 in leaky_relu: the signature has no `slope`"
        return found, f"{found:g} in leaky_relu: seen in what one unit gives"

    def _vector(self, case: Case) -> Vector | Failure:
        answer = self.gradients(case)
        return answer if isinstance(answer, Failure) else answer.vector

    def _reduction(self, base: Case) -> tuple[str, str]:
        found = self._reduction_at(base)
        if "taken as" in found[1] and self.moves and self.claims.alphas is None:
            # Weights that move too early move twice as far: it is seen where they hardly move.
            slow = self._reduction_at(replace(base, alpha=_SLOW_RATE))
            found = found if "taken as" in slow[1] else slow
        return found

    def _reduction_at(self, base: Case) -> tuple[str, str]:
        vectors: list[Vector] = []
        for case in (base, doubled(base)):
            answer = self._vector(case)
            if isinstance(answer, Failure):
                return "sum", f"taken as sum: the probe got no answer ({answer.message})"
            vectors.append(answer)
        return inferred_reduction(*vectors)


# Half the digits of a step are left beside its weight, and four are asked for.
_SLOW_RATE = 2.0**-26
_WIDTHS = (3, 5, 4, 7, 8, 10, 11, 12)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
