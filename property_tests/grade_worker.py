"""A process that judges submissions one after the other, for `backproof grade`.

It is started once per job of `--jobs` and lives on: the machine is measured once, and the exact
answers of the ladder's nets, the dearest part of a check, are found once for the whole class. Each
submission still runs in a process of its own, as under `check`.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from backproof.case import Case
from backproof.checked import Checked, CheckResult
from backproof.errors import BackproofError, TargetError
from backproof.exact_arithmetic import Balls, NotExactly
from backproof.grades import Judged, NetMarks
from backproof.gradients import Failure, Gradients, Steps
from backproof.program import PREFIX
from backproof.target import Limits, Target
from backproof.tokens import case_of
from oracles.elementary import as_measured
from property_tests import follow_through, grade_store
from property_tests.check_run import told_claims
from property_tests.checking import Climb
from property_tests.ladder import VERSION
from property_tests.nets import Nets
from property_tests.submissions import copied


@dataclass(frozen=True)
class Job:
    """What to judge. path: below the worker's folder   out: of the results

    program: `cmd:` and words, from the student's folder; "" for a function or behind an adapter
    """

    key: str
    path: str
    function: str
    adapter: str
    program: str
    time_limit: float
    out: str


class Timed(Target):
    """A target whose time is up at some point: from then on it is not asked any more."""

    def __init__(self, spec: str, adapter: str, seconds: float, folder: Path | None) -> None:
        self._until, self._seconds = time.monotonic() + seconds, seconds
        limits = Limits()
        super().__init__(
            spec,
            Limits(
                load=min(limits.load, seconds),
                first_call=min(limits.first_call, seconds),
                call=min(limits.call, seconds),
                exact=min(limits.exact, seconds),
                patience=2,
            ),
            adapter=adapter or None,
            folder=folder,
        )

    def _is_up(self) -> Failure | None:
        if time.monotonic() < self._until:
            return None
        said = f"not asked, for the {self._seconds:g} s of one submission were used up"
        return Failure("timeout", said)

    def gradients(self, case: Case) -> Gradients | Failure:
        return self._is_up() or super().gradients(case)

    def exactly(self, case: Case, bits: int, widened: bool) -> Balls | NotExactly | Failure:
        return self._is_up() or super().exactly(case, bits, widened)

    def stated_loss(self, case: Case) -> float | Failure:
        return self._is_up() or super().stated_loss(case)

    def steps(self, case: Case, count: int) -> Steps | Failure:
        return self._is_up() or super().steps(case, count)


def judge(job: Job, widened: dict[str, str]) -> Judged:
    """One submission, whatever it does.

    widened: what was measured of this machine
    """
    try:
        with (
            copied(Path.cwd(), job.path) if job.program else nullcontext() as folder,
            Timed(_spec(job), job.adapter, job.time_limit, folder) as target,
        ):
            climb = Climb(target)
            results = tuple(climb.results())
            checked = _checked(job, climb, results, widened)
            marks = tuple(_marks(climb, checked))
    except TargetError as error:
        # A child that died while it loaded the file is the error's context, and says how.
        status = getattr(error.__context__, "status", "error")
        return Judged(job.key, status, str(error), None, ())
    return Judged(job.key, "answered", "", checked, marks)


def _spec(job: Job) -> str:
    if job.program:
        return job.program
    path = f"./{job.path}" if job.path.startswith(PREFIX) else job.path
    return path if job.adapter else f"{path}:{job.function}"


def _checked(
    job: Job, climb: Climb, results: tuple[CheckResult, ...], widened: dict[str, str]
) -> Checked:
    target, notes = climb.target, [f"{name}: {said}" for name, said in widened.items()]
    notes += climb.trial.notes
    return Checked(
        name=target.name,
        target=job.path,
        adapted=target.adapted,
        conventions=climb.conventions,
        claims=told_claims(target.claims),
        results=results,
        ladder=VERSION,
        notes=tuple(notes),
    )


def _marks(climb: Climb, checked: Checked) -> Iterator[NetMarks]:
    """Of the case that broke first, and of the nets that everybody gets."""
    for case, of in _cases_to_mark(climb, checked):
        answer = climb.target.gradients(case)
        found = follow_through.marked(case, answer, climb.trial.factors.of_loss(case.loss), of)
        if found is not None:
            yield found


def _cases_to_mark(climb: Climb, checked: Checked) -> Iterator[tuple[Case, str]]:
    first = checked.first_broken
    if first is not None and first.check.rung == "contract":
        return  # without arrays in their shapes there is nothing to read off
    if first is not None and first.case is not None and not first.case.token.startswith("file:"):
        case = follow_through.one_instance(case_of(first.case.token))
        if case.regime in _PLAIN and not climb.target.claims.refusal(case):
            yield case, first.check.id
    for case in follow_through.nets_to_mark(Nets(climb.target.claims, moves=climb.target.moves)):
        yield case, ""


# In the others, units are off or saturated, and more than one value is right.
_PLAIN = ("normal", "fractions", "real")


# The process.


def main() -> None:
    """Jobs as lines of JSON on stdin, a line on stdout for each that is judged and stored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends us
    signal.signal(signal.SIGTERM, _end)
    with as_measured() as widened:
        for line in sys.stdin:
            job = Job(**json.loads(line))
            print(json.dumps(_answer(job, widened)), flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(1)  # an exception: the submission's process is ended on the way up


def _answer(job: Job, widened: dict[str, str]) -> dict[str, str]:
    try:
        judged = judge(job, widened)
        grade_store.write(Path(job.out), judged)
    except BackproofError as error:
        return {"failed": str(error)}
    except Exception as error:  # the next submission is judged all the same
        return {"failed": f"{type(error).__name__}: {error}"}
    return {}


def line_of(job: Job) -> str:
    """A job as the worker reads it; ASCII, so that any file name survives."""
    return json.dumps(asdict(job)) + "\n"
