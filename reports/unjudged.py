"""Section 3: what could not be judged, and why. None of it counts as agreement."""

from collections.abc import Iterable

from backproof.records import PairRecord, Run
from reports.audit import is_own
from reports.markup import (
    Markup,
    counted,
    join,
    pair_name,
    plural,
    separated,
    share,
    table,
    tag,
)
from reports.tables import SummaryRow

_WHY = {
    "uninformative": (
        "The bound is as large as the value itself (and not small beside its array), so being "
        "inside it says nothing."
    ),
    "kink": (
        "A unit sits on the corner of relu, leaky_relu or elu, within rounding: any slope between "
        "the two sides is right."
    ),
    "inconclusive": (
        "An overflow, a number that is not finite, a probability rounded to exactly 0 or 1, or "
        "nobody left to decide what finite differences left open."
    ),
    "unchecked": (
        "No finite difference was taken here: every step would have crossed a kink, or the net is "
        "large and only some of its elements were tried."
    ),
    "fd_bar_exceeded": (
        "Outside the bar of finite differences, which is an estimate; cleared by another oracle, "
        "and counted under its verdict."
    ),
}
_MOST_FAILURES = 20
_LONGEST_FAILURE = 2000


def unjudged_section(run: Run, summary: list[SummaryRow]) -> Markup:
    """Elements per reason, pair by pair, then by dtype and regime; then failures in full."""
    total = [row for row in summary if row.field == "all"]
    failures = [pair for line in run.results for pair in line.pairs if pair.verdict == "error"]
    return join(
        _reasons(total),
        _oracles_apart(run),
        _failures(run, failures),
        tag(
            "details",
            tag("summary", "The same by dtype and regime"),
            _by_field(summary, "dtype"),
            _by_field(summary, "regime"),
        ),
    )


def _reasons(total: list[SummaryRow]) -> Markup:
    counts = table(
        "Elements by reason, with their share of the elements of that pair; “no answer” counts "
        "cases in which a side failed.",
        ["Pair", *(_word(reason) for reason in _WHY), "no answer"],
        [
            [
                pair_name(row.a, row.b),
                *(_amount(getattr(row, reason), row) for reason in _WHY),
                _figure(row.error_cases, row.cases),
            ]
            for row in total
        ],
        class_="reasons",
        label="What could not be judged",
    )
    whys = [tag("div", tag("dt", _word(reason)), tag("dd", why)) for reason, why in _WHY.items()]
    return join(counts, tag("dl", whys, class_="whys"))


def _word(reason: str) -> str:
    return "outside the FD bar" if reason == "fd_bar_exceeded" else reason


def _amount(number: int, row: SummaryRow) -> Markup:
    return _figure(number, row.checked + row.unchecked)


def _figure(number: int, whole: int) -> Markup:
    if not number:
        return tag("td", "0", class_="num faint")
    return tag("td", counted(number), tag("small", share(number, whole)), class_="num")


def _by_field(summary: list[SummaryRow], field: str) -> Markup:
    rows = [row for row in summary if row.field == field]
    return table(
        f"Elements by reason, by {field}",
        [field, "pair", *(_word(reason) for reason in _WHY)],
        [
            [row.value, pair_name(row.a, row.b), *(_amount(getattr(row, r), row) for r in _WHY)]
            for row in sorted(rows, key=lambda row: [r.value for r in rows].index(row.value))
        ],
        label=f"What could not be judged, by {field}",
    )


def _oracles_apart(run: Run) -> Markup:
    wrong: dict[tuple[str, str], int] = {}
    for pair in (pair for line in run.results for pair in line.pairs):
        if pair.verdict == "wrong" and not is_own(run, pair):
            wrong[pair.a, pair.b] = wrong.get((pair.a, pair.b), 0) + 1
    if not wrong:
        return tag("p", "The oracles do not contradict each other anywhere.")
    told = [
        tag("li", pair_name(*pair), f": {plural(number, 'case')}") for pair, number in wrong.items()
    ]
    return join(
        tag("h3", "Oracles that contradict each other"),
        tag("p", "Where two oracles disagree, at least one of them is no witness."),
        tag("ul", told),
    )


def _failures(run: Run, failures: list[PairRecord]) -> Markup:
    if not failures:
        return tag("p", "Every side answered in every case.")
    told: dict[str, list[PairRecord]] = {}
    for record in failures:
        told.setdefault(record.failure, []).append(record)
    shown = list(told.items())[:_MOST_FAILURES]
    more = len(told) - len(shown)
    return join(
        tag("h3", "What the failing sides said"),
        [_failure(text, records) for text, records in shown],
        tag("p", f"And {counted(more)} other messages; they stand in agreement.csv.")
        if more
        else "",
    )


def _failure(text: str, records: list[PairRecord]) -> Markup:
    pairs = dict.fromkeys((record.a, record.b) for record in records)
    cut = text[:_LONGEST_FAILURE] + (" … (cut)" if len(text) > _LONGEST_FAILURE else "")
    return tag(
        "details",
        tag(
            "summary",
            f"{plural(len(records), 'check')}: ",
            first_line(text),
            " (",
            _all(pairs),
            ")",
        ),
        tag("pre", cut, tabindex=0),
        class_="failure",
    )


def first_line(text: str) -> str:
    """The first line of a message, not too long."""
    line = text.strip().partition("\n")[0]
    return line[:120] + ("…" if len(line) > 120 else "") or "(no message)"


def _all(pairs: Iterable[tuple[str, str]]) -> Markup:
    return separated(", ", (pair_name(*pair) for pair in pairs))
