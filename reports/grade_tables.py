"""The tables of a class: `class.csv`, one row per student, and `rungs.csv`, per rung and check.

Mistakes by name can join `class.csv` as a column of their own, by `student` and `file`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from backproof.checked import BROKEN
from backproof.grades import ClassGrades, Grade, points_text
from reports.tables import pandas

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RungRow:
    """One rung, or one check of it, over the whole class (`rungs.csv`).

    row: "rung" or "check"   id, title: of the ladder
    broke_first: submissions in which it is the first to break   broke: in which it breaks at all
    blocked: in which it was not asked because a rung below broke   passed: in which all of it does
    not_asked: in which it is not claimed, or nothing could be asked
    mean_points, out_of: of the rubric, "" for a check without points of its own
    """

    row: str
    id: str
    title: str
    broke_first: int
    broke: int
    blocked: int
    passed: int
    not_asked: int
    mean_points: str
    out_of: str


def rung_rows(found: ClassGrades) -> Iterator[RungRow]:
    """Every rung, each followed by those of its checks that somebody was asked."""
    first = found.broken_first()
    checks: dict[str, dict[str, list[str]]] = {}
    asks: dict[str, str] = {}
    for grade in found.grades:
        for result in grade.judged.checked.results if grade.judged.checked else ():
            checks.setdefault(result.check.rung, {}).setdefault(result.check.id, [])
            checks[result.check.rung][result.check.id].append(result.status)
            asks[result.check.id] = result.check.asks
    for rung, title in found.rungs.items():
        broke_first = sum(n for id, n in first.items() if id.partition(".")[0] == rung)
        statuses = [_status(grade, rung) for grade in found.grades]
        yield _row(found, "rung", rung, title, broke_first, statuses)
        for id, seen in checks.get(rung, {}).items():
            missing = ["not asked"] * (len(found.grades) - len(seen))
            yield _row(found, "check", id, asks[id], first[id], [*seen, *missing])


def _status(grade: Grade, rung: str) -> str:
    """The worst of a rung: also of its checks that have points of their own, or do not count."""
    return next(each.status for each in grade.rungs if each.id == rung)


_PASSED = ("pass", "close", "xfail")
_NOT_ASKED = ("skipped", "not asked")


def _row(
    found: ClassGrades, row: str, id: str, title: str, broke_first: int, statuses: list[str]
) -> RungRow:
    out_of = found.rubric.points.get(id)
    earned = [rung.points for grade in found.grades for rung in grade.rungs if rung.id == id]
    mean = sum(earned, Fraction(0)) / len(found.grades)
    return RungRow(
        row=row,
        id=id,
        title=title,
        broke_first=broke_first,
        broke=sum(status in BROKEN for status in statuses),
        blocked=statuses.count("blocked"),
        passed=sum(status in _PASSED for status in statuses),
        not_asked=sum(status in _NOT_ASKED for status in statuses),
        mean_points="" if out_of is None else points_text(mean),
        out_of="" if out_of is None else points_text(out_of),
    )


def class_table(found: ClassGrades) -> "pd.DataFrame":
    """One row per student: points, the check that broke first, then each rung's status and points.

    token: of the case that shows what broke first; `backproof replay TOKEN`
    """
    columns: dict[str, list[object]] = {
        "student": [grade.student for grade in found.grades],
        "file": [grade.file for grade in found.grades],
        "status": [grade.status for grade in found.grades],
        "points": [_number(grade.points) for grade in found.grades],
        "out_of": [_number(found.rubric.out_of)] * len(found.grades),
        "first_broken": [_first(grade)[0] for grade in found.grades],
        "message": [grade.message for grade in found.grades],
        "token": [_first(grade)[1] for grade in found.grades],
    }
    for index, rung in enumerate(found.grades[0].rungs):
        columns[rung.id] = [grade.rungs[index].status for grade in found.grades]
        if rung.out_of:
            points = (_number(grade.rungs[index].points) for grade in found.grades)
            columns[f"{rung.id} points"] = list[object](points)
    return pandas().DataFrame(columns, dtype=object)


def _first(grade: Grade) -> tuple[str, str]:
    first = grade.first_broken
    if first is None:
        return "", ""
    return first.check.id, first.case.token if first.case is not None else ""


def _number(points: Fraction) -> float:
    return float(points_text(points))
