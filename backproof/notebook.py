"""What `backproof.check` gives back: the terminal's text, and a table for a notebook.

The HTML stands alone (no script, no file from elsewhere), takes its colours of text and lines from
the page around it, so it is as readable in a dark notebook as in a light one, and escapes all that
comes from outside.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from rich.console import Console

from backproof.check_words import about, from_the_output, headline, line_of, number, worth_a_line
from backproof.checked import BROKEN, Checked, CheckResult
from backproof.sentences import place, shape_of
from backproof.terminal_check import Live

_WIDTH = 1000  # text has no width: nothing is cut off


@dataclass(frozen=True, repr=False)
class CheckReport:
    """A verdict with everything that led to it. True where it is right in all that it claims.

    checked: the records   replay: how to see a case again, with {token} for it
    everything: whether the text names every check, as `--all` does
    """

    checked: Checked
    replay: str
    everything: bool = False

    @property
    def exit_code(self) -> int:
        """As of `backproof check`: 0 right, 1 wrong, 3 not decided."""
        return self.checked.exit_code

    def __bool__(self) -> bool:
        return self.exit_code == 0

    def __str__(self) -> str:
        written = io.StringIO()
        live = _live(written, self.replay, self.everything)
        for result in self.checked.results:
            live.saw(result)
        live.end(self.checked)
        for oracle, said in self.checked.witnesses.items():
            live.heard(oracle, said)
        return _text(written)

    __repr__ = __str__  # `assert backproof.check(f)` and a plain prompt then say what is wrong

    def _repr_html_(self) -> str:
        return "".join(_page(self.checked, self.replay))


def explained(result: CheckResult, replay: str) -> str:
    """One check that failed, as the terminal explains it."""
    written = io.StringIO()
    _live(written, replay, everything=False).explain(result)
    return _text(written)


def _text(written: io.StringIO) -> str:
    return "\n".join(map(str.rstrip, written.getvalue().splitlines()))


def _live(written: io.StringIO, replay: str, everything: bool) -> Live:
    console = Console(
        file=written, color_system=None, highlight=False, soft_wrap=True, width=_WIDTH,
        force_terminal=False, force_jupyter=False,
    )  # fmt: skip
    return Live(console, replay=replay, everything=everything)


# The table of a notebook. Badges have a ground of their own; the rest is the notebook's colours.

_STYLE = """<style>
.backproof{font-size:13px;line-height:1.5;max-width:60em}
.backproof p{margin:.35em 0}
.backproof table{border-collapse:collapse;font-size:inherit;margin:.4em 0;
font-variant-numeric:tabular-nums}
.backproof :is(td,th){text-align:left;vertical-align:top;padding:.15em 1.2em .15em 0;border:0;
background:none;color:inherit;white-space:normal}
.backproof th{font-weight:600;opacity:.7}
.backproof tr{background:none}
.backproof tbody tr{border-top:1px solid rgba(128,128,128,.3)}
.backproof .here{font-weight:700}
.backproof .quiet{opacity:.7}
.backproof code{background:rgba(128,128,128,.16);color:inherit;padding:.1em .3em;border-radius:3px;
overflow-wrap:anywhere}
.backproof pre{background:rgba(128,128,128,.16);color:inherit;padding:.4em .6em;overflow-x:auto}
.backproof b.badge{color:#fff;padding:.05em .5em;border-radius:3px;font-weight:600}
.backproof .good{background:#1a7f4b}.backproof .bad{background:#c0362c}
.backproof .open{background:#9a6200}.backproof .none{background:#6b7280}
.backproof summary{cursor:pointer}
</style>"""

_COLOURS = {
    **dict.fromkeys(("pass", "xfail"), "good"),
    **dict.fromkeys((*BROKEN, "xpass"), "bad"),
    **dict.fromkeys(("close", "inconclusive"), "open"),
}
_VERDICTS = {0: ("right", "good"), 1: ("not right", "bad"), 3: ("not decided", "open")}


def _page(checked: Checked, replay: str) -> Iterator[str]:
    word, colour = _VERDICTS[checked.exit_code]
    yield f'{_STYLE}<div class="backproof">'
    yield f"<p>{_badge(word, colour)} {escape(headline(checked))}</p>"
    if checked.first_broken is not None:
        yield from _first(checked.first_broken, replay)
    for result in worth_a_line(checked):
        yield f"<p>{escape(line_of(result))}</p>"
    yield _table(("rung", "checks"), (("", row) for row in _rungs(checked)))
    said = [*about(checked), *(f"{who}: {what}" for who, what in checked.witnesses.items())]
    yield "".join(f'<p class="quiet">{escape(line)}</p>' for line in said)
    yield f"<details><summary>all {len(checked.results)} checks</summary>"
    yield _table(("check", "", "", "token"), (("", _row(result)) for result in checked.results))
    yield "</details></div>"


def _first(first: CheckResult, replay: str) -> Iterator[str]:
    """What breaks first: the question, the numbers side by side, how to see it again."""
    yield f"<p><b>{escape(first.check.id)}</b>: {escape(first.check.asks)}<br>"
    yield f"{_badge(first.status, 'bad')} {escape(first.message)}</p>"
    if first.parameters:
        rows = []
        for record in from_the_output(first.parameters):
            here = record == first.worst
            said = "wrong here" if here else record.verdict
            cells = (place(record), number(record.value_a), number(record.value_b), said)
            rows.append(("here" if here else "", tuple(map(escape, cells))))
        yield _table(("", "yours", "exact", ""), rows)
    if first.case is not None:
        command = escape(replay.format(token=first.case.token))
        yield f'<p><code>{command}</code><br><span class="quiet">'
        yield f"{escape(shape_of(first.case))}</span></p>"
    if first.printed:
        yield f"<pre>{escape(first.printed)}</pre>"


def _rungs(checked: Checked) -> Iterator[tuple[str, str]]:
    """Per rung how many checks have which status, in the order of the ladder."""
    counts: dict[str, dict[str, int]] = {}
    for result in checked.results:
        of_rung = counts.setdefault(result.check.rung, {})
        of_rung[result.status] = of_rung.get(result.status, 0) + 1
    for rung, found in counts.items():
        told = (_badge(f"{n} {status}", _colour(status)) for status, n in found.items())
        yield escape(rung), " ".join(told)


def _row(result: CheckResult) -> tuple[str, ...]:
    token = "" if result.case is None else f"<code>{escape(result.case.token)}</code>"
    status = _badge(result.status, _colour(result.status))
    return escape(result.check.id), status, escape(result.message or result.check.asks), token


def _colour(status: str) -> str:
    return _COLOURS.get(status, "none")


def _badge(text: str, colour: str) -> str:
    return f'<b class="badge {colour}">{escape(text)}</b>'


def _table(titles: Iterable[str], rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """titles: plain text   rows: (class, cells that are HTML already)"""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f'<tr class="{name}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for name, cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
