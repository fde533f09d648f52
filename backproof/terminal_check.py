"""`backproof check` on a terminal: the first broken rung on top, the rest on request."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backproof.check_words import about, from_the_output, headline, line_of, number, worth_a_line
from backproof.checked import BROKEN, Checked, CheckResult
from backproof.giving_away import shown, shown_of
from backproof.sentences import place, shape_of
from backproof.telling import printable

_STYLES = {
    **dict.fromkeys(("pass", "xfail"), "green"),
    **dict.fromkeys(("close", "inconclusive"), "yellow"),
    **dict.fromkeys(("fail", "error", "timeout", "crashed", "xpass"), "bold red"),
    **dict.fromkeys(("skipped", "blocked"), "dim"),
}


class Live:
    """Prints what is found as it is found: the first broken rung stands on top.

    replay: the command that shows a case again, with {token} for it
    hints: of `giving_away.HINTS`, how much may be seen
    """

    def __init__(
        self, out: Console, *, replay: str, everything: bool, hints: str = "layer"
    ) -> None:
        self._out, self._replay, self._everything, self._hints = out, replay, everything, hints
        self._judged = False
        self._explained = ""  # id of a check

    def say(self, text: str) -> None:
        """One line."""
        self._out.print(_plain(text))

    def saw(self, result: CheckResult) -> None:
        """A result, while others are still being found."""
        broken = result.status in (*BROKEN, "xpass") and result.check.level == "must"
        if self._hints == "none":
            return
        if broken and not self._explained:
            self.explain(result)
        elif result.judged_by and not self._judged and not self._explained:
            self.say(f"{result.check.id}: {result.status}, by {result.judged_by}; going on")
        self._judged |= bool(result.judged_by)

    def end(self, checked: Checked) -> None:
        """The verdict, and what else there is to say."""
        first, named = checked.first_broken, self._hints != "none"
        if named and first is not None and first.check.id != self._explained:
            self.explain(first)  # a `close` or a `should`, with --strict
        style = "bold green" if checked.exit_code == 0 else "bold red"
        self._out.print(_plain(headline(checked, self._hints), style=style))
        others = sum(map(checked.fails, checked.results)) - 1
        if others > 0 and named and not self._everything:
            self.say(f"{others} more: --all")
        seen = shown(checked, self._hints)
        for line in about(seen):
            self.say(line)
        if self._everything:
            self._out.print(_ladder(seen))
        elif named:
            for result in worth_a_line(seen):
                self.say(line_of(result))

    def heard(self, oracle: str, said: str) -> None:
        """What another witness says."""
        self.say(f"{oracle}: {said}")

    def explain(self, first: CheckResult) -> None:
        """What was asked, what came, and how to see it again."""
        self._explained, first = first.check.id, shown_of(first, self._hints)
        self._out.print(_plain(f"{first.check.id}: {first.check.asks}", style="bold"))
        self.say(f"  {first.status}: {first.message}")
        if first.parameters:
            self._out.print(_side_by_side(first))
        if first.case is not None:
            command = self._replay.format(token=first.case.token)
            self.say(f"    {command}    ({shape_of(first.case)})")
        for line in first.printed.splitlines()[-6:]:
            self.say(f"    | {line}")


def _side_by_side(result: CheckResult) -> Table:
    """Every array of the case, from the output down: its worst element, yours and the exact."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for title in ("", "yours", "exact", ""):
        table.add_column(title)
    for record in from_the_output(result.parameters):
        wrong = record.verdict == "wrong"
        said = "wrong here" if record == result.worst else "wrong" if wrong else record.verdict
        row = (place(record), number(record.value_a), number(record.value_b), said)
        table.add_row(*map(_plain, row), style="bold" if record == result.worst else "")
    return table


def _ladder(checked: Checked) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("check", "status", "", "token"):
        table.add_column(title, overflow="fold")
    for result in checked.results:
        token = result.case.token if result.case is not None else ""
        said = result.message or result.check.asks
        table.add_row(
            _plain(result.check.id),
            _plain(result.status, style=_STYLES[result.status]),
            _plain(said),
            _plain(token),
        )
    return table


def _plain(text: str, style: str = "") -> Text:
    """Text that moves no cursor and sets no title, whatever a program printed."""
    return Text(printable(text), style=style)
