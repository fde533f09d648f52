"""A run: cases drawn first and written, then judged block by block, then the failures looked into.

Everything goes into `run.jsonl` as it happens. A block of cases is judged whole or not at all and
always in the same company, so a run that was killed and resumed writes the same bytes as one that
was not.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from backproof import casefiles
from backproof.case import Case
from backproof.errors import BackproofError, RunFileError
from backproof.records import (
    CaseLine,
    DetailLine,
    Header,
    PairRecord,
    ResultLine,
    Run,
    ShrunkLine,
)
from backproof.runfile import Line, line_of, read_lines
from backproof.tokens import token_of
from property_tests import outcome
from property_tests.judging import Seat, judge, worst_verdict
from property_tests.shrinking import shrink

# Small enough for a progress bar and a cheap restart, large enough for the batched oracles.
BLOCK = 256
_TAIL_BYTES = 2**16  # the last line of a run file, its footer, is shorter
# The worst cases that are shown with every layer and parameter.
WORST = 100
# Tries, not seconds, end a search: the same run must shrink to the same case on every machine.
MOST_TRIES, NO_DEADLINE = 400, float("inf")
# A mistake fails in many cases; a few cells, one smallest net each, are what a person looks at.
MOST_SHRUNK = 4

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Docket:
    """What is to be judged, before anything is: the header and the cases in order."""

    header: Header
    cases: tuple[Case, ...]
    lines: tuple[CaseLine, ...]


def case_line(index: int, case: Case, origin: str = "drawn") -> CaseLine:
    """A case as its line in the run file."""
    return CaseLine(
        index=index,
        token=token_of(case),
        size=case.size,
        widths=case.widths,
        activations=case.activations,
        loss=case.loss,
        reduction=case.reduction,
        bias=case.bias,
        n=case.n,
        alpha=case.alpha,
        regime=case.regime,
        scale=case.scale,
        dtype=case.dtype,
        slope=case.slope,
        origin=origin,
    )


def hash_of(lines: Sequence[CaseLine]) -> str:
    """SHA-256 over all case lines, in order."""
    return hashlib.sha256("".join(map(line_of, lines)).encode()).hexdigest()


def conduct(
    docket: Docket,
    seats: Sequence[Seat],
    path: Path,
    *,
    resume: bool = False,
    rows_all: bool = False,
    progress: Progress = lambda phase, done, total: None,
) -> Run:
    """Judge every case of the docket, writing `path` as it goes.

    With `resume`, whole blocks that stand in `path` already are kept. Ctrl-C keeps what was
    computed: the footer then says `complete: false`, and the exit code in it is 130.
    Raises RunFileError where `path` holds another run than the docket, BackproofError where it
    cannot be written.
    """
    results = _kept_results(docket, path) if resume else []
    run = Run(docket.header, list(docket.lines), results)
    try:
        if not resume:
            _set_aside_if_unfinished(path)
        with _rewritten(path, run) as file:
            try:
                _judge_rest(docket, seats, run, file, rows_all, progress)
                _look_into(docket, seats, run, file, path.parent, rows_all, progress)
                run.footer = outcome.footer(run)
                file.write(line_of(run.footer))
            except KeyboardInterrupt:
                run.footer = outcome.interrupted(run)
        if not run.footer.complete:
            _rewritten(path, run).close()  # it may have come in the middle of a block
    except OSError as error:
        raise BackproofError(
            f"{path} cannot be written ({error.strerror or error}); what stands there is kept, "
            "and --resume goes on from it."
        ) from None
    return run


def _set_aside_if_unfinished(path: Path) -> None:
    """A run that was stopped may be hours of work; starting another one must not cost it."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, _TAIL_BYTES), os.SEEK_END)
        last = file.read().rstrip().rpartition(b"\n")[2]
    if not (b'"kind":"footer"' in last and b'"complete":true' in last):
        path.replace(path.with_name("stopped-run.jsonl"))


def _kept_results(docket: Docket, path: Path) -> list[ResultLine]:
    """The results of whole blocks that an earlier start of the same run left behind."""
    if not path.exists():
        return []
    found: list[Line] = []
    try:
        found.extend(read_lines(path))
    except RunFileError:
        pass  # killed in the middle of a line: what stands before it is whole
    if not found or found[0] != docket.header:
        differ = outcome.difference(found[0] if found else None, docket.header)
        raise RunFileError(
            f"{path} holds another run ({differ}); give the same arguments, or another --out."
        )
    results = [line for line in found if isinstance(line, ResultLine)]
    in_order = [line.index for line in results] == list(range(len(results)))
    if not in_order:
        raise RunFileError(f"{path} has results out of order; start again without --resume.")
    whole = len(results) if len(results) == len(docket.cases) else len(results) // BLOCK * BLOCK
    return results[:whole]


def _rewritten(path: Path, run: Run) -> TextIO:
    """`path` open for appending, holding exactly this run; never half of it.

    The lines are written beside it first: a full disk must not cost the run that stands there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    lines: list[Line] = [run.header, *run.cases, *run.results, *run.details, *run.shrunk]
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(map(line_of, lines))
        if run.footer is not None:
            file.write(line_of(run.footer))
    part.replace(path)
    return path.open("a", encoding="utf-8", newline="\n")


def _judge_rest(
    docket: Docket,
    seats: Sequence[Seat],
    run: Run,
    file: TextIO,
    rows_all: bool,
    progress: Progress,
) -> None:
    total = len(docket.cases)
    progress("judging", len(run.results), total)
    for start in range(len(run.results), total, BLOCK):
        judged = judge(docket.cases[start : start + BLOCK], seats, details=rows_all)
        subject = docket.header.subject
        block = [
            ResultLine(
                index, worst_verdict([pair for pair in pairs if subject in (pair.a, pair.b)]), pairs
            )
            for index, pairs in enumerate(judged, start)
        ]
        file.writelines(map(line_of, block))
        file.flush()
        run.results += block
        progress("judging", len(run.results), total)


def _look_into(
    docket: Docket,
    seats: Sequence[Seat],
    run: Run,
    file: TextIO,
    folder: Path,
    rows_all: bool,
    progress: Progress,
) -> None:
    """Every layer of the worst cases; the smallest net of each kind of failure."""
    worst = [] if rows_all else outcome.worst_agreeing(run.results, WORST)
    for start in range(0, len(worst), BLOCK):
        indices = worst[start : start + BLOCK]
        judged = judge([docket.cases[index] for index in indices], seats, details=True)
        made = [DetailLine(i, pairs) for i, pairs in zip(indices, judged, strict=True)]
        file.writelines(map(line_of, made))
        run.details += made
    cells = list(outcome.cells(run).items())[:MOST_SHRUNK]
    for done, (cell, index) in enumerate(cells):
        progress("shrinking", done, len(cells))
        found = _shrunk(docket, seats, cell, run.results[index], folder)
        if all(found.case.token != other.case.token for other in run.shrunk):
            file.write(line_of(found))
            run.shrunk.append(found)


def _shrunk(
    docket: Docket, seats: Sequence[Seat], cell: outcome.Cell, result: ResultLine, folder: Path
) -> ShrunkLine:
    """The smallest case in which the same pair disagrees, asked again without a memory."""
    pair_seats = [seat for seat in seats if seat.name in (cell.a, cell.b)]

    def judged(case: Case) -> tuple[PairRecord, ...]:
        (pairs,) = judge([case], pair_seats, details=True)
        return pairs

    def fails(case: Case) -> bool:
        return any(outcome.fails_alike(pair, cell) for pair in judged(case))

    index = result.index
    found = docket.cases[index]
    smallest = shrink(found, fails, max_tries=MOST_TRIES, deadline_seconds=NO_DEADLINE)
    for seat in pair_seats:
        getattr(seat.side, "forget", lambda: None)()
    what, pairs = str(cell), judged(smallest)
    if not any(outcome.fails_alike(pair, cell) for pair in pairs):
        # What failed in company and not alone cannot be shown on a case of its own.
        what = f"{what}, but only after earlier calls"
        smallest, pairs = found, result.pairs
    if smallest.given is not None:
        casefiles.save(smallest, folder / "cases")
    return ShrunkLine(index, what, case_line(index, smallest, "shrunk"), pairs)
