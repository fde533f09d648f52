"""A graded class on a terminal: one line per student."""

from fractions import Fraction

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backproof.grades import STATUSES, ClassGrades, points_text

_STYLES = {"right": "green", "wrong": "bold red", "missing": "dim"}


def show(out: Console, found: ClassGrades) -> None:
    """Names and messages come from outside and are printed as text, never as markup."""
    table = Table(box=None, pad_edge=False)
    for title in ("student", "points", "status", "broke first", ""):
        table.add_column(title, overflow="fold", justify="right" if title == "points" else "left")
    for grade in found.grades:
        first = grade.first_broken.check.id if grade.first_broken is not None else ""
        said = grade.message.partition("\n")[0]
        table.add_row(
            Text(grade.student),
            Text(points_text(grade.points)),
            Text(grade.status, style=_STYLES.get(grade.status, "red")),
            Text(first),
            Text(said if len(said) <= 60 else f"{said[:59]}…"),
        )
    out.print(table)
    out.print(Text(headline(found), style="bold"))


def headline(found: ClassGrades) -> str:
    """The class in one sentence."""
    counts = {s: sum(g.status == s for g in found.grades) for s in STATUSES}
    told = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    total, most = (
        sum((g.points for g in found.grades), Fraction(0)),
        points_text(found.rubric.out_of),
    )
    mean = points_text(total / len(found.grades))
    number = len(found.grades)
    return (
        f"{number} submission{'' if number == 1 else 's'}: {told}; {mean} of {most} points on "
        "average."
    )
