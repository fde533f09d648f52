"""What a run comes to: its footer, its exit code, and which cases deserve a second look."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from backproof.records import Footer, Header, PairRecord, ResultLine, Run
from backproof.runfile import Line

AGREES, DISAGREES, BROKEN, GAP, INTERRUPTED = 0, 1, 2, 3, 130

# More inconclusive elements than this share (float64, outside `saturated`), and the run proves
# too little to be called agreement.
MOST_INCONCLUSIVE = 0.01
# Of right code, 8 in 2e7 elements lie outside a finite difference's bar; a thousand times as many
# say that the finite differences themselves are broken.
MOST_BARS_EXCEEDED, FEW_BARS = 4e-4, 20

_FINITE_DIFFERENCE = "finite_difference"


class Cell(NamedTuple):
    """One kind of failure: which pair, in which parameter, at the output or below it."""

    a: str
    b: str
    parameter: str
    where: str

    def __str__(self) -> str:
        return f"{self.a} x {self.b}: {self.parameter} {self.where}"


def cell_of(pair: PairRecord) -> Cell | None:
    """The kind of failure of a comparison; None for one that is not proved wrong."""
    if pair.verdict == "error":
        return Cell(pair.a, pair.b, "no answer", pair.failure.partition(":")[0])
    if pair.verdict != "wrong" or pair.worst is None:
        return None
    return Cell(pair.a, pair.b, pair.worst.parameter, "is wrong")


def cells(run: Run) -> dict[Cell, int]:
    """Each kind of failure with the first case that shows it; a mistake is named once, not once
    per oracle."""
    found: dict[Cell, int] = {}
    seen: set[tuple[str, str, str]] = set()
    for result in run.results:
        for pair in result.pairs:
            cell = cell_of(pair)
            if cell is None or _FINITE_DIFFERENCE in (pair.a, pair.b):
                continue
            kind = (cell.a, cell.parameter, cell.where)
            if kind not in seen:
                seen.add(kind)
                found[cell] = result.index
    return found


def worst_agreeing(results: Sequence[ResultLine], most: int) -> list[int]:
    """The cases that came nearest to their bound without leaving it, worst first."""
    ranked = sorted(
        (-_largest_error(result.pairs), result.index)
        for result in results
        if all(not pair.parameters for pair in result.pairs)
    )
    return [index for _, index in ranked[:most]]


def _largest_error(pairs: Iterable[PairRecord]) -> float:
    """In units of the bound; a finite difference's bar is an estimate and does not rank."""
    errors = [
        pair.worst.error_in_bounds
        for pair in pairs
        if pair.worst is not None and _FINITE_DIFFERENCE not in (pair.a, pair.b)
    ]
    return max((error for error in errors if not math.isnan(error)), default=0.0)


def footer(run: Run) -> Footer:
    """The verdict on a whole run, with the reason in words."""
    subject = run.header.subject
    counts: dict[str, int] = {}
    made = disagreements = oracle_disagreements = 0
    subject_failed = oracle_failed = 0
    for result in run.results:
        for pair in result.pairs:
            made += pair.verdict != "error"
            about_subject = subject in (pair.a, pair.b)
            if pair.verdict == "error":
                blamed = pair.failure.startswith(f"{subject} ")
                subject_failed += blamed
                oracle_failed += not blamed
            if not about_subject:
                oracle_disagreements += pair.verdict == "wrong"
                continue
            for word, number in pair.counts.items():
                counts[word] = counts.get(word, 0) + number
        disagreements += result.verdict == "wrong"
    code, reason = _judgement(
        run, disagreements, oracle_disagreements, subject_failed, oracle_failed, counts
    )
    return Footer(
        complete=True,
        promised=run.header.promised,
        made=made,
        counts=counts,
        disagreements=disagreements,
        oracle_disagreements=oracle_disagreements,
        exit_code=code,
        reason=reason,
    )


def _judgement(
    run: Run,
    disagreements: int,
    oracle_disagreements: int,
    subject_failed: int,
    oracle_failed: int,
    counts: dict[str, int],
) -> tuple[int, str]:
    """The exit code and why; a proved disagreement outranks a gap."""
    subject = run.header.subject
    if disagreements:
        return DISAGREES, f"{subject} is wrong in {_many(disagreements, 'case')}"
    if subject_failed:
        return DISAGREES, f"{subject} gave no answer in {_many(subject_failed, 'check')}"
    if oracle_disagreements:
        return DISAGREES, f"the oracles disagree in {_many(oracle_disagreements, 'comparison')}"
    if oracle_failed:
        return GAP, f"an oracle gave no answer in {_many(oracle_failed, 'check')}"
    made = sum(len(result.pairs) for result in run.results)
    if made != run.header.promised:
        return GAP, f"{run.header.promised} checks were promised and {made} made"
    inconclusive = _inconclusive_share(run)
    if inconclusive > MOST_INCONCLUSIVE:
        return GAP, f"{inconclusive:.1%} of the float64 elements were inconclusive"
    exceeded, checked = _bars_exceeded(run)
    if exceeded > max(FEW_BARS, MOST_BARS_EXCEEDED * checked):
        return GAP, f"finite differences missed their own bar in {exceeded} of {checked} elements"
    if not made:
        return GAP, "no oracle was there to compare with"
    return AGREES, ""


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _inconclusive_share(run: Run) -> float:
    """Of the subject's float64 elements outside the `saturated` regime."""
    inconclusive = judged = 0
    for line, result in zip(run.cases, run.results, strict=False):
        if line.dtype != "float64" or line.regime == "saturated":
            continue
        for pair in result.pairs:
            if run.header.subject in (pair.a, pair.b):
                inconclusive += pair.counts.get("inconclusive", 0)
                judged += sum(
                    number
                    for word, number in pair.counts.items()
                    if word not in ("unchecked", "fd_bar_exceeded")
                )
    return inconclusive / judged if judged else 0.0


def _bars_exceeded(run: Run) -> tuple[int, int]:
    exceeded = checked = 0
    for result in run.results:
        for pair in result.pairs:
            if _FINITE_DIFFERENCE in (pair.a, pair.b):
                exceeded += pair.counts.get("fd_bar_exceeded", 0)
                checked += pair.counts.get("agree", 0)
    return exceeded, checked


def interrupted(run: Run) -> Footer:
    """The footer of a run that was stopped by Ctrl-C; what stands above it is kept."""
    whole = footer(run)
    values = asdict(whole) | {
        "complete": False,
        "exit_code": INTERRUPTED,
        "reason": f"interrupted after {len(run.results)} of {len(run.cases)} cases",
    }
    return Footer(**values)


def difference(found: Line | None, wanted: Header) -> str:
    """In which field two headers differ, in words."""
    if not isinstance(found, Header):
        return "its first line is no header"
    for name, value in vars(wanted).items():
        if getattr(found, name) != value:
            return f"its `{name}` is {getattr(found, name)!r:.80}, not {value!r:.80}"
    return "its header differs"
