"""A class as one HTML page: who got what, which rung broke how often, and in whose work."""

import shlex
from collections.abc import Sequence

from backproof.grades import STATUSES, ClassGrades, Grade, RungGrade, points_text
from backproof.rubric import FOLLOW_THROUGH, Rubric
from reports.grade_tables import RungRow
from reports.html import document, section
from reports.markup import (
    Markup,
    bar_of,
    counted,
    escaped,
    join,
    masthead,
    plural,
    separated,
    share,
    table,
    tag,
)

# What stands in a cell of the class table: a sign that needs no colour, and the word for whoever
# hears the page.
_SIGNS = {
    **{"pass": "✓", "close": "≈", "xfail": "✓"},
    **{"fail": "✗", "xpass": "✗", "error": "!", "timeout": "∞", "crashed": "†"},
    **{"blocked": "·", "inconclusive": "?", "skipped": "–", "not asked": ""},
}
_LEGEND = (
    *("pass", "close", "fail", "error", "timeout", "crashed"),
    *("inconclusive", "blocked", "skipped"),
)


def class_page(found: ClassGrades, rows: Sequence[RungRow]) -> str:
    """The whole page. rows: of `rungs.csv`"""
    sections = [
        ("students", "Who got what?", _students(found)),
        ("rungs", "Which rung broke, how often?", _rungs(rows, len(found.grades))),
        ("checks", "Which check broke first, in whose work?", _first_broken(found, rows)),
        ("rubric", "By what was it graded?", _rubric(found)),
    ]
    body = tag(
        "main",
        masthead("backproof grade", found.rubric.title, _lead(found), "agrees"),
        _facts(found),
        [section(number, *each) for number, each in enumerate(sections, 1)],
        _footer(),
    )
    return document(f"{found.rubric.title} · backproof", body)


def _lead(found: ClassGrades) -> str:
    counts = {s: sum(g.status == s for g in found.grades) for s in STATUSES}
    told = ", ".join(f"{counted(number)} {status}" for status, number in counts.items() if number)
    return f"{plural(len(found.grades), 'submission')}: {told}."


def _facts(found: ClassGrades) -> Markup:
    ordered = sorted(grade.points for grade in found.grades)
    whole = f" of {points_text(found.rubric.out_of)}"
    median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    mean = sum(ordered, start=type(median)(0)) / len(ordered)
    facts = [
        (counted(len(ordered)), "submissions"),
        (points_text(median), f"points{whole}, median"),
        (points_text(mean), f"points{whole}, mean"),
        (f"{points_text(ordered[0])} – {points_text(ordered[-1])}", f"points{whole}, least – most"),
    ]
    return tag(
        "dl",
        [tag("div", tag("dt", name), tag("dd", value)) for value, name in facts],
        class_="facts",
    )


def _students(found: ClassGrades) -> Markup:
    rungs = [*found.rungs, *([FOLLOW_THROUGH] if FOLLOW_THROUGH in found.rubric.points else [])]
    heads = ["student", "", "points", *map(_head, rungs), "broke first", "what was said"]
    return join(
        table(
            "One row for each student; the name leads to the student's page.",
            heads,
            [_student(grade, rungs) for grade in found.grades],
            class_="grades",
            label="Class table",
        ),
        _legend(),
    )


def _head(rung: str) -> Markup:
    return tag("span", rung.replace("_", "-"), class_="turned")


def _student(grade: Grade, rungs: Sequence[str]) -> list[Markup | str]:
    status = {rung.id: rung for rung in grade.rungs}
    first = grade.first_broken
    return [
        tag("a", grade.student, href=f"students/{grade.page}.html"),
        tag("td", grade.status, class_=_tone(grade.status)),
        tag("td", tag("b", points_text(grade.points)), class_="num"),
        *(_cell(status[rung]) for rung in rungs),
        tag("td", _id(first.check.id) if first is not None else ""),
        tag("td", _shortened(grade.message), class_="said"),
    ]


def _id(id: str) -> Markup:
    """The id of a check, which may break after each dot or underscore, and only there."""
    parts = escaped(id).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return tag("code", Markup(parts))


def _tone(status: str) -> str:
    return "good" if status == "right" else "off"


def _cell(rung: RungGrade) -> Markup:
    told = f"{rung.id}: {rung.status}, {rung.passed} of {plural(rung.asked, 'check')} passed"
    sign = tag("span", _SIGNS[rung.status], aria_hidden="true")
    word = tag("span", rung.status, class_="hidden")
    return tag("td", sign, word, class_=f"sign s-{rung.status.replace(' ', '-')}", title=told)


_MOST_LETTERS = 80


def _shortened(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _MOST_LETTERS else f"{line[:_MOST_LETTERS].rstrip()} …"


def _legend() -> Markup:
    items = [
        tag("li", tag("span", _SIGNS[word], class_=f"chip sign s-{word}", aria_hidden="true"), word)
        for word in _LEGEND
    ]
    return tag("ul", items, class_="legend")


def _rungs(rows: Sequence[RungRow], students: int) -> Markup:
    rungs = [row for row in rows if row.row == "rung"]
    return table(
        "In how many submissions a rung broke, and in how many it was the first to break. What "
        "stands on a broken rung is blocked.",
        ["rung", "broke first", "", "broke", "blocked", "passed", "not claimed or asked", "points"],
        [
            [
                row.title,
                tag("td", counted(row.broke_first), class_="num"),
                tag("td", share(row.broke_first, students), bar_of(row.broke_first, students),
                    class_="share"),
                *(
                    tag("td", counted(number), class_="num")
                    for number in (row.broke, row.blocked, row.passed, row.not_asked)
                ),
                tag("td", _of(row), class_="num"),
            ]
            for row in rungs
        ],
        label="Rungs of the class",
    )  # fmt: skip


def _of(row: RungRow) -> str:
    return f"{row.mean_points} of {row.out_of}" if row.out_of else "–"


def _first_broken(found: ClassGrades, rows: Sequence[RungRow]) -> Markup:
    checks = [row for row in rows if row.row == "check" and row.broke_first]
    if not checks:
        return tag("p", "Nothing broke.")
    ranked = sorted(checks, key=lambda row: -row.broke_first)  # stable: ties as on the ladder
    return table(
        "The lowest check that fails is the one to mend first, and the one to talk about in class.",
        ["check", "broke first", "what it asks", "students"],
        [
            [
                tag("code", row.id),
                tag("td", counted(row.broke_first), class_="num"),
                row.title,
                tag("td", _whose(found, row.id), class_="said"),
            ]
            for row in ranked
        ],
        label="Checks that broke first",
    )


_MOST_NAMES = 12


def _whose(found: ClassGrades, id: str) -> Markup:
    theirs = [
        g for g in found.grades if g.first_broken is not None and g.first_broken.check.id == id
    ]
    links = [tag("a", g.student, href=f"students/{g.page}.html") for g in theirs[:_MOST_NAMES]]
    more = len(theirs) - len(links)
    return join(separated(", ", links), f" and {counted(more)} more" if more else "")


def _called(rubric: Rubric) -> str:
    if rubric.command:
        return shlex.join(rubric.command)
    return rubric.adapter.name if rubric.adapter else rubric.function


def _rubric(found: ClassGrades) -> Markup:
    rubric = found.rubric
    told = [
        ("ladder", rubric.ladder),
        ("files", rubric.files),
        ("called", _called(rubric)),
        ("required", ", ".join(rubric.required) or "nothing"),
        ("should", "counts" if rubric.should else "is shown and does not count"),
        ("close", "is no pass (strict)" if rubric.strict else "passes"),
        ("time limit", f"{rubric.time_limit:g} s a submission"),
        *((f"points: {id}", points_text(points)) for id, points in rubric.points.items()),
    ]
    fields = [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in told]
    return join(
        tag("dl", fields, class_="fields"),
        tag(
            "p",
            "A rung's points are shared equally among its checks that are claimed or required; a "
            "check with points of its own has no share. ",
            _FOLLOWED if FOLLOW_THROUGH in rubric.points else "",
            class_="note",
        ),
    )


_FOLLOWED = (
    "Follow-through marks are given on single instances: delta_l, dW_l and db_l of each layer are "
    "held against the program's own delta of the layer above, so that a mistake costs the layer "
    "that it is in and no other; points are the share that is right."
)


def _footer() -> Markup:
    return tag(
        "footer",
        "Beside this page: ",
        tag("code", "class.csv"),
        ", one row per student; ",
        tag("code", "rungs.csv"),
        ", one row per rung and check; ",
        tag("code", "grades.json"),
        ", the same for programs; ",
        tag("code", "results/"),
        ", all that was found, from which the next run makes these pages again.",
    )
