"""What a person sees in the terminal: progress, the verdict, one case in numbers.

On a terminal there is colour and a progress bar; elsewhere (a log, CI, NO_COLOR) the same in
plain lines. Names and messages come from outside and are printed as text, never as markup.
"""

import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from backproof import names
from backproof.gradients import Failure, slots_of
from backproof.records import CaseLine, PairRecord, ResultLine, Run, condition
from backproof.replayed import Replayed
from backproof.sentences import place, sentence, shape_of

_PIPE_WIDTH = 1000
_NOT_ELEMENTS = ("unchecked", "fd_bar_exceeded")


class Screen:
    """Prints to stdout; progress goes to stderr, so that output can be piped."""

    def __init__(self) -> None:
        # A pipe or a log has no width: nothing is cut off there.
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        self.out = Console(highlight=False, soft_wrap=True, width=width)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._phase = ""
        self._tenth = -1

    def say(self, text: str) -> None:
        """One line about what is going on."""
        self._end_bar()
        self.err.print(Text(f"backproof: {text}"))

    def progress(self, phase: str, done: int, total: int) -> None:
        """A bar on a terminal; elsewhere a plain line at each tenth."""
        if self.err.is_terminal:
            self._advance_bar(phase, done, total)
            return
        tenth = 10 * done // total if total else 10
        if (phase, tenth) != (self._phase, self._tenth):
            self._phase, self._tenth = phase, tenth
            self.err.print(Text(f"backproof: {phase} {done} of {total}"))

    def _advance_bar(self, phase: str, done: int, total: int) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self.err, transient=True)
            self._bar.start()
        if phase != self._phase:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._phase = phase
            self._bar.add_task(phase, total=total)
        self._bar.update(self._bar.task_ids[-1], completed=done)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._phase = ""

    def verdict(self, run: Run, paths: Sequence[Path]) -> None:
        """The run in a few lines: does it agree, what is wrong first, where to look."""
        self._end_bar()
        style = "bold green" if run.footer and run.footer.exit_code == 0 else "bold red"
        self.out.print(Text(headline(run), style=style))
        folder = paths[-1].parent if paths else None
        for line in (*_failures(run, folder), *_remarks(run)):
            self.out.print(Text(line))
        if paths:
            self.out.print(Text(f"look at {paths[-1]}"))

    def replay(self, replayed: Replayed) -> None:
        """One case: what it is, every number of every side, and every comparison."""
        self.out.print(Text(f"case {replayed.token}", style="bold"))
        self.out.print(Text(described(replayed.case)))
        for name, how in replayed.missing.items():
            self.out.print(Text(f"{name} is missing and is not counted: {how}"))
        for name, answer in replayed.answers.items():
            if isinstance(answer, Failure):
                self.out.print(Text(f"{name} gave no answer, {answer.status}: {answer.message}"))
        self.out.print(_numbers(replayed))
        self.out.print(_comparisons(replayed.pairs))


def headline(run: Run) -> str:
    """The verdict on a run as one sentence."""
    footer, subject = run.footer, run.header.subject
    if footer is None:
        return f"This run is not whole: {len(run.results)} of {run.header.cases} cases were judged."
    checks = f"{footer.made} of {footer.promised} promised checks made"
    if not footer.complete:
        return f"This run is incomplete ({footer.reason}): {footer.disagreements} wrong so far."
    if footer.exit_code != 0:
        return f"{footer.reason} ({checks})."
    worst = max(_errors(run), default=0.0)
    return (
        f"{subject} agrees in {_agreeing(run)}: 0 wrong, {checks}; "
        f"the largest error is {worst:.2g} of what rounding explains."
    )


def _agreeing(run: Run) -> str:
    """How many cases agree in every element that was compared, and what the others are."""
    words = [result.verdict for result in run.results]
    cases = f"{len(words)} case{'' if len(words) == 1 else 's'}"
    others = {word: words.count(word) for word in dict.fromkeys(words) if word != "agree"}
    if not others:
        return f"all {cases}" if len(words) != 1 else cases
    told = ", ".join(f"{number} {word}" for word, number in others.items())
    return f"{words.count('agree')} of {cases} ({told})"


def _errors(run: Run) -> Iterator[float]:
    """In units of the bound, of the subject's pairs; a finite difference's bar is no bound."""
    for result in run.results:
        for pair in result.pairs:
            if run.header.subject in (pair.a, pair.b) and pair.b != "finite_difference":
                if pair.worst is not None and pair.worst.error_in_bounds >= 0:
                    yield pair.worst.error_in_bounds


def _failures(run: Run, folder: Path | None) -> Iterator[str]:
    """The smallest case of each kind of failure, then the worst case, in words."""
    for shrunk in run.shrunk:
        yield f"smallest case: {shrunk.cell}"
        yield from _failure(run, shrunk.case, shrunk.pairs, folder)
    failing = [result for result in run.results if result.verdict in ("wrong", "error")]
    if failing:
        worst = max(failing, key=_badness)
        yield "worst case:"
        yield from _failure(run, run.cases[worst.index], _subject_first(run, worst), folder)
    if len(failing) > 1:
        yield f"{len(failing)} cases fail; agreement.csv has all."


def _badness(result: ResultLine) -> float:
    """In units of the bound; an answer that is no number, or none at all, is the worst."""
    errors = [pair.worst.error_in_bounds for pair in result.pairs if pair.worst is not None]
    return max((math.inf if math.isnan(e) else e for e in errors), default=math.inf)


def _subject_first(run: Run, result: ResultLine) -> list[PairRecord]:
    return [pair for pair in result.pairs if run.header.subject in (pair.a, pair.b)]


def _failure(
    run: Run, case: CaseLine, pairs: Sequence[PairRecord], folder: Path | None
) -> Iterator[str]:
    failing = [pair for pair in pairs if pair.verdict in ("wrong", "error")]
    if not failing:
        return
    yield f"  {sentence(failing[0])}"
    if len(failing) > 1:
        yield f"  so say {', '.join(pair.b for pair in failing[1:])} too"
    target = f" --impl {shlex.quote(run.header.target)}" if run.header.target else ""
    if case.token.startswith("file:") and folder is not None:
        target += f" --out {shlex.quote(str(folder))}"
    yield f"    backproof replay {case.token}{target}    ({shape_of(case)})"


def _remarks(run: Run) -> Iterator[str]:
    """What was not judged, and who was missing: never counted as agreement."""
    counts = run.footer.counts if run.footer else {}
    elements = sum(number for word, number in counts.items() if word not in _NOT_ELEMENTS)
    hollow = {word: counts.get(word, 0) for word in ("uninformative", "kink", "inconclusive")}
    if elements:
        shares = ", ".join(f"{n} {word}" for word, n in hollow.items())
        yield f"{elements} comparisons of an element: {counts.get('agree', 0)} agree, {shares}."
    if counts.get("unchecked"):
        yield f"{counts['unchecked']} elements have no finite difference (kinks, large nets)."
    cleared = counts.get("fd_bar_exceeded")
    if cleared:
        yield f"{cleared} lay outside a finite difference's bar; another oracle cleared them."
    for name, number in run.header.left_out.items():
        judged = f"{run.header.cases - number} of {run.header.cases} cases"
        yield f"{name} judges {judged}: of the largest nets a share, chosen by a hash of each."
    skipped = sum(pair.verdict == "skipped" for result in run.results for pair in result.pairs)
    if skipped:
        yield f"{skipped} checks were skipped: {run.header.subject} does not claim them."
    for origin, number in run.header.unclaimed.items():
        yield f"{origin}: {number} not asked, {run.header.subject} does not claim what they need"
    if run.header.claims:
        yield f"claimed: {_claimed(run)}"
    for name, how in run.header.missing.items():
        yield f"{name} is missing and was not counted: {how}"


def _claimed(run: Run) -> str:
    """claimed / all, per field, as the score line always shows it."""
    told = []
    for field, claimed in run.header.claims.items():
        left = [name for name in names.CLAIMED.get(field, ()) if name not in claimed]
        without = f" (not {', '.join(left)})" if left else ""
        told.append(f"{len(claimed)} of {len(names.CLAIMED.get(field, claimed))} {field}{without}")
    return ", ".join(told)


def described(case: object) -> str:
    """All fields of a case that matter, in one line."""
    fields = ("widths", "activations", "loss", "reduction", "bias", "n", "alpha", "regime")
    more = ("scale", "dtype", "seed", "slope")
    return ", ".join(f"{name} {_short(getattr(case, name))}" for name in (*fields, *more))


def _short(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _numbers(replayed: Replayed) -> Table:
    """Every element: the layer, the element, each side's number, the bound of the subject, and
    the element's condition: the bound in units of u times the largest number."""
    table = Table(box=None, pad_edge=False)
    for title in ("element", *replayed.answers, "bound E", "condition"):
        table.add_column(Text(title), overflow="fold")
    for slot in slots_of(replayed.case):
        for at in range(slot.start, slot.stop):
            index = np.unravel_index(at - slot.start, slot.shape)
            name = f"d{slot.letter}_{slot.layer}[{', '.join(str(int(i)) for i in index)}]"
            row = [_number(answer, at) for answer in replayed.answers.values()]
            table.add_row(Text(name), *row, f"{replayed.bound[at]:.2g}", _condition(replayed, at))
    return table


def _condition(replayed: Replayed, at: int) -> str:
    """1e7 says that in float64 an error of 1e-9 is what this net allows."""
    found = [getattr(answer, "gradient", None) for answer in replayed.answers.values()]
    sizes = [abs(float(g[at])) for g in found if g is not None and np.isfinite(g[at])]
    size = max(sizes, default=0.0)
    return f"{condition(replayed.bound[at], size, replayed.case.dtype):.2g}" if size else "-"


def _number(answer: object, at: int) -> str:
    gradient = getattr(answer, "gradient", None)
    step = getattr(answer, "step", None)
    if gradient is not None:
        return repr(float(gradient[at]))
    return "-" if step is None else f"Δ {float(step[at])!r}"


def _comparisons(pairs: Sequence[PairRecord]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("pair", "verdict", "worst", "in bounds", "ULP"):
        table.add_column(title, overflow="fold")
    for pair in pairs:
        worst = pair.worst
        if worst is None:
            table.add_row(Text(f"{pair.a} x {pair.b}"), pair.verdict, Text(pair.failure), "", "")
            continue
        where = Text(place(worst))
        numbers = (f"{worst.error_in_bounds:.3g}", f"{worst.error_ulp:.3g}")
        table.add_row(Text(f"{pair.a} x {pair.b}"), pair.verdict, where, *numbers)
    return table
