"""`backproof check` on a terminal: the first broken rung on top, the rest on request."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backproof.checked import BROKEN, Checked, CheckResult
from backproof.records import ParameterRecord
from backproof.sentences import SHOWN, place, shape_of

_STYLES = {
    **dict.fromkeys(("pass", "xfail"), "green"),
    **dict.fromkeys(("close", "inconclusive"), "yellow"),
    **dict.fromkeys(("fail", "error", "timeout", "crashed", "xpass"), "bold red"),
    **dict.fromkeys(("skipped", "blocked"), "dim"),
}


class Live:
    """Prints what is found as it is found: the first broken rung stands on top.

    replay: the command that shows a case again, with {token} for it
    """

    def __init__(self, out: Console, *, replay: str, everything: bool) -> None:
        self._out, self._replay, self._everything = out, replay, everything
        self._judged = self._broken = False

    def say(self, text: str) -> None:
        """One line."""
        self._out.print(Text(text))

    def saw(self, result: CheckResult) -> None:
        """A result, while others are still being found."""
        broken = result.status in (*BROKEN, "xpass") and result.check.level == "must"
        if broken and not self._broken:
            self._broken = True
            self.explain(result)
        elif result.judged_by and not self._judged and not self._broken:
            self.say(f"{result.check.id}: {result.status}, by {result.judged_by}; going on")
        self._judged |= bool(result.judged_by)

    def end(self, checked: Checked) -> None:
        """The verdict, and what else there is to say."""
        first = checked.first_broken
        if first is not None and not self._broken:  # a `close` or a `should`, with --strict
            self.explain(first)
        style = "bold green" if checked.exit_code == 0 else "bold red"
        self._out.print(Text(headline(checked), style=style))
        others = sum(map(checked.fails, checked.results)) - 1
        if others > 0 and not self._everything:
            self.say(f"{others} more: --all")
        for line in about(checked):
            self.say(line)
        if self._everything:
            self._out.print(_ladder(checked))
        else:
            for result in worth_a_line(checked):
                self.say(line_of(result))

    def heard(self, oracle: str, said: str) -> None:
        """What another witness says."""
        self.say(f"{oracle}: {said}")

    def explain(self, first: CheckResult) -> None:
        """What was asked, what came, and how to see it again."""
        self._out.print(Text(f"{first.check.id}: {first.check.asks}", style="bold"))
        self.say(f"  {first.status}: {first.message}")
        if first.worst is not None:
            self._out.print(_side_by_side(first))
        if first.case is not None:
            command = self._replay.format(token=first.case.token)
            self.say(f"    {command}    ({shape_of(first.case)})")
        for line in first.printed.splitlines()[-6:]:
            self.say(f"    | {line}")


def headline(checked: Checked) -> str:
    """The verdict in one sentence, with claimed / all."""
    counts = checked.counted()
    told = ", ".join(f"{number} {status}" for status, number in counts.items())
    score = f"{len(checked.results)} checks: {told}"
    first = checked.first_broken
    if first is not None:
        word = "is not right" if first.status == "fail" else f"gives no answer ({first.status})"
        return f"{checked.name} {word}: {first.check.id} breaks first ({score})."
    if checked.exit_code == 0:
        soft = sum(result.status in BROKEN for result in checked.results)  # of level "should"
        but = f" but for {soft} that only should hold" if soft else ""
        return f"{checked.name} is right in everything that it claims{but} ({score})."
    return f"{checked.name} could not be judged ({score})."


def _side_by_side(result: CheckResult) -> Table:
    """Every array of the case, from the output down: its worst element, yours and the exact."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for title in ("", "yours", "exact", ""):
        table.add_column(title)
    for record in from_the_output(result.parameters):
        wrong = record.verdict == "wrong"
        said = "wrong here" if record == result.worst else "wrong" if wrong else record.verdict
        row = (place(record), number(record.value_a), number(record.value_b), said)
        table.add_row(*map(Text, row), style="bold" if record == result.worst else "")
    return table


def from_the_output(records: Sequence[ParameterRecord]) -> list[ParameterRecord]:
    """As the pass goes back through the layers."""
    order = list(SHOWN)
    return sorted(records, key=lambda r: (-r.layer, order.index(r.parameter)))


def number(value: float) -> str:
    """As many digits as tell two numbers apart at a glance."""
    return f"{value:.8g}" if np.isfinite(value) else str(value)


def about(checked: Checked) -> Iterator[str]:
    """How it was called, what was inferred, what was claimed."""
    if checked.adapted:
        yield f"called: {checked.adapted}"
    for name, said in checked.conventions.items():
        yield f"{name}: {said}"
    yield f"claimed: {claimed(checked)}"
    yield from checked.notes


def claimed(checked: Checked) -> str:
    """Claimed / all, field by field."""
    return ", ".join(f"{field} {' '.join(names)}" for field, names in checked.claims.items())


def worth_a_line(checked: Checked) -> list[CheckResult]:
    """What is neither red nor dull: `close`, a `should` that fails, what could not be decided."""
    quiet = ("pass", "skipped", "blocked")
    first = checked.first_broken
    return [
        result
        for result in checked.results
        if result.status not in quiet and result is not first and not checked.fails(result)
    ]


def _ladder(checked: Checked) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("check", "status", "", "token"):
        table.add_column(title, overflow="fold")
    for result in checked.results:
        token = result.case.token if result.case is not None else ""
        said = result.message or result.check.asks
        table.add_row(
            Text(result.check.id),
            Text(result.status, style=_STYLES[result.status]),
            Text(said),
            Text(token),
        )
    return table


def line_of(result: CheckResult) -> str:
    """A check in one line."""
    level = " (should)" if result.check.level == "should" else ""
    token = f" [{result.case.token}]" if result.case is not None else ""
    return f"{result.check.id}{level}: {result.status}, {result.message}{token}"
