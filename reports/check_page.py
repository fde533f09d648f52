"""`backproof check --html`: one implementation on one page, what to mend first on top."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from backproof.check_words import verdict, worth_a_line
from backproof.checked import UNJUDGED, Checked, CheckResult
from backproof.giving_away import shown
from backproof.program import PREFIX
from backproof.sentences import shape_of
from reports.arrays import side_by_side
from reports.html import document, section
from reports.markup import Markup, counted, join, masthead, name_code, plural, short, table, tag
from reports.snippet import numpy_snippet
from reports.tables import measure_array

_MANNER = {0: "agrees", 1: "disagrees"}
_WORD = {0: "right", 1: "not right"}


def check_page(checked: Checked, again: Sequence[str], replay: str, hints: str = "layer") -> str:
    """The whole page; the same records give the same bytes.

    again: the words that check it again   replay: how to see a case again, with {token} for it
    hints: of `giving_away.HINTS`
    """
    sections = list(_sections(shown(checked, hints), again, replay, hints))
    body = tag(
        "main",
        masthead(
            f"backproof · {checked.target}",
            f"{verdict(checked, hints)}.",
            _lead(checked, hints),
            _MANNER.get(checked.exit_code, ""),
        ),
        [section(number, *each) for number, each in enumerate(sections, 1)],
    )
    word = _WORD.get(checked.exit_code, "not decided")
    return document(f"{checked.name} is {word} · backproof", body)


def _lead(checked: Checked, hints: str) -> str:
    checks = plural(len(checked.results), "check")
    if hints == "none":
        return f"{checks}."
    others = sum(map(checked.fails, checked.results)) - 1
    counts = ", ".join(f"{counted(n)} {status}" for status, n in checked.counted().items())
    more = "" if others < 1 else f" {counted(others)} more must be mended."
    return f"{checks}: {counts}.{more}"


def _sections(
    checked: Checked, again: Sequence[str], replay: str, hints: str
) -> Iterator[tuple[str, str, Markup]]:
    first, known, named = checked.first_broken, worth_a_line(checked), hints != "none"
    if first is not None and named:
        yield "first", "What breaks first", _first(first, again, replay)
    if known and named:
        yield "known", "What else should be known", tag("ul", map(_known, known))
    yield (
        "called",
        "How it was called, and what was held",
        _held(checked, again if first is None or not named else ()),
    )
    if named:
        yield "ladder", "The whole ladder", _ladder(checked, numbers=hints == "layer")
    yield "claimed", "What it claims", _claims(checked)
    yield "versions", "Who judged", _judges(checked)


def _first(first: CheckResult, again: Sequence[str], replay: str) -> Markup:
    told = [
        tag("p", tag("code", first.check.id), ": ", first.check.asks, class_="lead"),
        tag("p", tag("b", first.status, class_="off"), f": {first.message}"),
    ]
    if first.parameters:
        told.append(side_by_side(first.parameters, first.worst))
    if first.printed:
        told += [tag("p", "The end of what it printed:"), tag("pre", first.printed, tabindex=0)]
    commands = [shlex.join(again)]
    if first.case is not None:
        commands.append(replay.format(token=first.case.token))
        told.append(tag("p", "The network: ", tag("code", shape_of(first.case)), class_="note"))
    told += [tag("p", "To see it again:"), tag("pre", "\n".join(commands), tabindex=0)]
    if first.case is not None:
        numbers = tag("pre", numpy_snippet(first.case), tabindex=0)
        told.append(tag("details", tag("summary", "Its numbers in plain NumPy"), numbers))
    return join(told)


def _known(result: CheckResult) -> Markup:
    level = ", which only should hold" if result.check.level == "should" else ""
    return tag(
        "li", tag("code", result.check.id), f"{level}: ", tag("b", result.status),
        f", {result.message}",
    )  # fmt: skip


def _held(checked: Checked, again: Sequence[str]) -> Markup:
    """again: empty where it stands above already"""
    program = checked.target.startswith(PREFIX)
    plain = "as a program of its own" if program else "as a function on the contract"
    told = list[tuple[str, str]]()
    if again:
        told.append(("command", tag("code", shlex.join(again))))
    told.append(("called", checked.adapted or plain))
    told += list(checked.conventions.items())
    if checked.strict:
        told.append(("strict", "what is close, or only should hold, fails as well"))
    return join(
        _named(told), tag("ul", [tag("li", said) for said in (*checked.notes, *checked.advice)])
    )


def _ladder(checked: Checked, *, numbers: bool) -> Markup:
    """numbers: show how far off it is, and the case, or leave their columns out"""
    heads = ["check", "status", "what is asked, and what was found"]
    caption = "From the lowest rung up. What stands on a broken rung is blocked: mend it first."
    if numbers:
        heads[2:2] = ["error / bound"]
        heads.append("token")
        caption += " Errors are in units of the bound: 1 is all that rounding explains."
    rows = [_row(checked, result, numbers=numbers) for result in checked.results]
    class_ = "wide ladder" if numbers else "asked"
    return table(caption, heads, rows, class_=class_, label="The whole ladder")


def _row(checked: Checked, result: CheckResult, *, numbers: bool) -> list[Markup]:
    should = " (should)" if result.check.level == "should" else ""
    said = join(
        result.check.asks, tag("div", result.message, class_="said") if result.message else ""
    )
    row = [
        name_code(result.check.id, after="._"),
        tag("td", result.status, should, class_=_tone(checked, result)),
        tag("td", said),
    ]
    if numbers:
        row[2:2] = [tag("td", short(measure_array(result.worst)[0]), class_="num")]
        row.append(tag("td", tag("code", result.case.token) if result.case is not None else ""))
    return row


def _tone(checked: Checked, result: CheckResult) -> str | bool:
    if checked.fails(result):
        return "off"
    return "faint" if result.status in UNJUDGED else False


def _claims(checked: Checked) -> Markup:
    return join(
        tag(
            "p",
            "Claimed, of all that there is. Nothing beyond it was asked, and nothing beyond it is "
            "said to be right.",
            class_="note",
        ),
        _named((name, " ".join(names)) for name, names in checked.claims.items()),
    )


def _judges(checked: Checked) -> Markup:
    return join(
        _named(checked.witnesses.items()) if checked.witnesses else "",
        _named([*checked.versions.items(), ("ladder", checked.ladder)]),
    )


def _named(told: Iterable[tuple[str, str]]) -> Markup:
    return tag(
        "dl",
        [tag("div", tag("dt", name), tag("dd", said)) for name, said in told],
        class_="fields",
    )
