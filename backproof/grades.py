"""A class graded: what was found out about each submission, and what it is worth.

`Judged` is found by asking, takes a second and is kept; everything else follows from it and the
rubric, so that other points or other hints cost nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from backproof.checked import BROKEN, Checked, CheckResult
from backproof.records import CaseLine
from backproof.rubric import FOLLOW_THROUGH, Rubric

SCHEMA = 1
# Of a submission. "wrong": an answer is not the derivative; "not judged": nothing could be decided.
STATUSES = ("right", "wrong", "error", "timeout", "crashed", "not judged", "missing")


@dataclass(frozen=True)
class LayerMarks:
    """One layer of one net, judged given what the program itself handed down to it.

    delta: from its own delta of the layer above (the output's: from the loss)
    dW, db: from its own delta of this layer; "-" where there is nothing to judge
    """

    layer: int
    delta: str
    dW: str
    db: str

    @property
    def words(self) -> tuple[str, str, str]:
        return self.delta, self.dW, self.db


@dataclass(frozen=True)
class NetMarks:
    """The layers of one net, the output's first. case: one instance   of: "", or the check's id."""

    case: CaseLine
    of: str
    layers: tuple[LayerMarks, ...]


@dataclass(frozen=True)
class Judged:
    """One submission as it was found.

    key: SHA-256 of all that decides it: the submission, what of the rubric is asked, our code
    status: "answered", or "error", "timeout", "crashed", "missing" where nothing could be asked
    """

    key: str
    status: str
    message: str
    checked: Checked | None
    marks: tuple[NetMarks, ...]
    schema: int = SCHEMA


@dataclass(frozen=True)
class RungGrade:
    """One rung, or one check that has points of its own, or "follow_through".

    status: the worst of its checks   passed, asked: checks that count   points: of `out_of`
    """

    id: str
    status: str
    passed: int
    asked: int
    points: Fraction
    out_of: Fraction


@dataclass(frozen=True)
class Grade:
    """One student. file: as found below DIR   page: a file name that nothing can hide in."""

    student: str
    file: str
    page: str
    status: str
    message: str
    points: Fraction
    rungs: tuple[RungGrade, ...]
    first_broken: CheckResult | None
    judged: Judged


@dataclass(frozen=True)
class ClassGrades:
    """A whole class. rungs: id -> title, in the ladder's order."""

    rubric: Rubric
    rungs: dict[str, str]
    grades: tuple[Grade, ...]

    def broken_first(self) -> Counter[str]:
        """Id of the check that broke first -> in how many submissions."""
        return Counter(g.first_broken.check.id for g in self.grades if g.first_broken is not None)


def graded(student: str, file: str, page: str, judged: Judged, rubric: Rubric,
           rungs: dict[str, str]) -> Grade:  # fmt: skip
    """What a submission is worth."""
    first = _first_broken(judged, rubric)
    found = tuple(_rung_grades(judged, rubric, rungs))
    status, message = judged.status, judged.message
    if judged.checked is not None:
        status, message = _standing(judged.checked, first)
    points = sum((rung.points for rung in found), Fraction(0))
    return Grade(student, file, page, status, message, points, found, first, judged)


def _standing(checked: Checked, first: CheckResult | None) -> tuple[str, str]:
    if first is not None:
        return "wrong" if first.status in _WRONG else first.status, first.message
    if checked.exit_code == 0:
        return "right", ""
    return "not judged", "nothing passed, or a check could not be decided"


_WRONG = ("fail", "close", "skipped")


def _first_broken(judged: Judged, rubric: Rubric) -> CheckResult | None:
    """The lowest check that fails, or that is required and not claimed."""
    results = judged.checked.results if judged.checked is not None else ()
    return next((result for result in results if _breaks(result, rubric)), None)


def _breaks(result: CheckResult, rubric: Rubric) -> bool:
    if result.status == "skipped":
        return result.unclaimed and result.check.id in rubric.required
    if result.check.level == "should" and not (rubric.should or rubric.strict):
        return result.check.id in rubric.points and result.status in BROKEN
    return result.status in BROKEN or (rubric.strict and result.status == "close")


def passes(result: CheckResult, rubric: Rubric) -> bool:
    """Whether it earns its points. What was claimed and cannot be told costs nothing."""
    if result.status == "skipped":
        return not result.unclaimed
    return result.status == "pass" or (result.status == "close" and not rubric.strict)


def _rung_grades(judged: Judged, rubric: Rubric, rungs: dict[str, str]) -> Iterator[RungGrade]:
    results = judged.checked.results if judged.checked is not None else ()
    for rung in rungs:
        inside = [r for r in results if r.check.rung == rung]
        yield _rung_grade(rung, [r for r in inside if _counts(r, rubric)], judged, rubric)
        for id in rubric.points:
            if id != rung and id.partition(".")[0] == rung:
                yield _rung_grade(id, [r for r in inside if r.check.id == id], judged, rubric)
    if FOLLOW_THROUGH in rubric.points:
        yield _followed(judged, rubric)


def _counts(result: CheckResult, rubric: Rubric) -> bool:
    """Whether it shares in the points of its rung; what has points of its own does not."""
    if result.check.id in rubric.points:
        return False
    if result.unclaimed and result.check.id not in rubric.required:
        return False
    return result.check.level == "must" or rubric.should or rubric.strict


def _rung_grade(id: str, results: list[CheckResult], judged: Judged, rubric: Rubric) -> RungGrade:
    out_of = rubric.points.get(id, Fraction(0))
    passed, asked = sum(passes(r, rubric) for r in results), len(results)
    points = out_of * Fraction(passed, asked) if asked else Fraction(0)
    return RungGrade(id, _worst([r.status for r in results], judged), passed, asked, points, out_of)


_WORST_FIRST = (
    *("crashed", "timeout", "error", "fail", "xpass", "blocked", "inconclusive"),
    *("skipped", "close", "xfail", "pass"),
)


def _worst(statuses: list[str], judged: Judged) -> str:
    if not statuses:
        return "not asked" if judged.checked is None else "skipped"
    return min(statuses, key=_WORST_FIRST.index)


def _followed(judged: Judged, rubric: Rubric) -> RungGrade:
    words = [w for net in judged.marks for layer in net.layers for w in layer.words if w != "-"]
    right, out_of = words.count("right"), rubric.points[FOLLOW_THROUGH]
    status = "not asked" if not words else "pass" if right == len(words) else "fail"
    points = out_of * Fraction(right, len(words)) if words else Fraction(0)
    return RungGrade(FOLLOW_THROUGH, status, right, len(words), points, out_of)


def points_text(points: Fraction) -> str:
    """At most two decimals, the same everywhere: "7", "7.5", "6.67"."""
    hundredths = round(points * 100)  # of a Fraction: exact, halves to even
    whole, rest = divmod(hundredths, 100)
    return f"{whole}.{rest:02d}".rstrip("0").removesuffix(".") if rest else str(whole)
