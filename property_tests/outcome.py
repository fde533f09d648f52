"""What a run comes to: its footer, its exit code, and which cases deserve a second look."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
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
    """One kind of failure of one pair of sides, in words."""

    a: str
    b: str
    what: str

    def __str__(self) -> str:
        return self.what


def cell_of(pair: PairRecord) -> Cell | None:
    """The kind of failure of a comparison; None for one that is not proved wrong."""
    if pair.verdict == "error":
        kind = pair.failure.partition(":")[0]
        return Cell(pair.a, pair.b, f"{pair.failed} gave no answer ({kind})")
    if pair.verdict != "wrong" or pair.worst is None:
        return None
    wrong = pair.worst.parameter.replace("step_", "Δ")
    return Cell(pair.a, pair.b, f"{pair.a} and {pair.b} differ in {wrong}")


def fails_alike(pair: PairRecord, cell: Cell) -> bool:
    """Whether a smaller case shows the failure still: the same two sides, any array of theirs.

    In a small net one mistake often spoils dW and db alike, so the array is not held fixed.
    """
    found = cell_of(pair)
    if found is None or (found.a, found.b) != (cell.a, cell.b):
        return False
    return (pair.verdict == "error") == cell.what.endswith(")")


def cells(run: Run) -> dict[Cell, int]:
    """Each kind of failure with the first case that shows it; a mistake is named once, not once
    per oracle."""
    found: dict[Cell, int] = {}
    seen: set[tuple[str, str]] = set()
    for result in run.results:
        for pair in result.pairs:
            cell = cell_of(pair)
            if cell is None or _FINITE_DIFFERENCE in (pair.a, pair.b):
                continue
            kind = (cell.a, cell.what.replace(cell.b, ""))
            if kind not in seen:
                seen.add(kind)
                found[cell] = result.index
    return found


def worst_agreeing(results: Sequence[ResultLine], most: int) -> list[int]:
    """The cases that came nearest to their bound without leaving it, worst first."""
    ranked = sorted(
        (-largest_error(result.pairs), result.index)
        for result in results
        if all(not pair.parameters for pair in result.pairs)
    )
    return [index for _, index in ranked[:most]]


def largest_error(pairs: Iterable[PairRecord]) -> float:
    """In units of the bound; a finite difference's bar is an estimate and does not rank."""
    errors = [
        pair.worst.error_in_bounds
        for pair in pairs
        if pair.worst is not None and _FINITE_DIFFERENCE not in (pair.a, pair.b)
    ]
    return max((error for error in errors if not math.isnan(error)), default=0.0)


@dataclass
class _Tally:
    """What is counted over all results. agreeing: elements, per oracle held against the subject."""

    made: int = 0
    skipped: int = 0
    disagreements: int = 0
    oracle_disagreements: int = 0
    subject_failed: int = 0
    oracle_failed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    agreeing: dict[str, int] = field(default_factory=dict)


def _tallied(run: Run) -> _Tally:
    subject, tally = run.header.subject, _Tally()
    for result in run.results:
        tally.disagreements += result.verdict == "wrong"
        for pair in result.pairs:
            tally.made += pair.verdict not in ("error", "skipped")
            tally.skipped += pair.verdict == "skipped"
            if pair.verdict == "error":
                tally.subject_failed += pair.failed == subject
                tally.oracle_failed += pair.failed != subject
            if pair.a != subject:
                tally.oracle_disagreements += pair.verdict == "wrong"
                continue
            tally.agreeing.setdefault(pair.b, 0)
            tally.agreeing[pair.b] += pair.counts.get("agree", 0)
            for word, number in pair.counts.items():
                tally.counts[word] = tally.counts.get(word, 0) + number
    return tally


def footer(run: Run) -> Footer:
    """The verdict on a whole run, with the reason in words."""
    tally = _tallied(run)
    code, reason = _judgement(run, tally)
    return Footer(
        complete=True,
        promised=run.header.promised,
        made=tally.made,
        counts=tally.counts,
        disagreements=tally.disagreements,
        oracle_disagreements=tally.oracle_disagreements,
        exit_code=code,
        reason=reason,
    )


def _judgement(run: Run, tally: _Tally) -> tuple[int, str]:
    """The exit code and why; a proved disagreement outranks a gap."""
    subject = run.header.subject
    if tally.disagreements:
        return DISAGREES, f"{subject} is wrong in {many(tally.disagreements, 'case')}"
    if tally.subject_failed:
        return DISAGREES, f"{subject} gave no answer in {many(tally.subject_failed, 'check')}"
    if tally.oracle_disagreements:
        return DISAGREES, f"the oracles disagree in {many(tally.oracle_disagreements, 'check')}"
    if tally.oracle_failed:
        return GAP, f"an oracle gave no answer in {many(tally.oracle_failed, 'check')}"
    if tally.made + tally.skipped != run.header.promised:
        return GAP, f"{run.header.promised} checks were promised and {tally.made} made"
    return _gap(run, tally)


def _gap(run: Run, tally: _Tally) -> tuple[int, str]:
    """Nothing is wrong; but was enough judged to say that it agrees?"""
    subject = run.header.subject
    if len(run.header.sides) == 1:
        return GAP, "no oracle was there to compare with"
    for name in run.header.sides[1:]:
        if not tally.agreeing.get(name):
            return GAP, f"not one element of {subject} could be judged by {name}"
    inconclusive = _inconclusive_share(run)
    if inconclusive > MOST_INCONCLUSIVE:
        return GAP, f"{inconclusive:.1%} of the float64 elements were inconclusive"
    exceeded, checked = _bars_exceeded(run)
    if exceeded > max(FEW_BARS, MOST_BARS_EXCEEDED * checked):
        return GAP, f"finite differences missed their own bar in {exceeded} of {checked} elements"
    return AGREES, ""


def many(number: int, noun: str) -> str:
    """1 case, 2 cases."""
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
