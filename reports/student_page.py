"""A student's page: the points, and as much about the first broken rung as the hints allow.

none     the points, whether everything is right, and why nothing could be asked if it could not
rung     and which check breaks first, what it asks, and the status of every rung
layer    and the first wrong layer from the output down, the numbers side by side, the commands
         that show the case again, and which layers are right given their own delta
"""

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from backproof.casefiles import FILE_PREFIX
from backproof.checked import BROKEN, CheckResult
from backproof.giving_away import shown_of
from backproof.grades import ClassGrades, Grade, NetMarks, RungGrade, points_text
from backproof.sentences import shape_of
from reports.arrays import side_by_side
from reports.html import document
from reports.markup import Markup, join, masthead, plural, table, tag


def student_page(found: ClassGrades, grade: Grade, hints: str) -> str:
    """The whole page. hints: of `giving_away.HINTS`"""
    points = f"{points_text(grade.points)} of {points_text(found.rubric.out_of)} points"
    right = grade.status == "right"
    sections = [] if hints == "none" else list(_sections(found, grade, hints))
    body = tag(
        "main",
        masthead(
            f"backproof · {found.rubric.title}",
            grade.student,
            join(tag("b", points), " · ", _verdict(grade)),
            "agrees" if right else "disagrees",
        ),
        _unasked(grade),
        sections,
        _again(found, grade, hints),
    )
    return document(f"{grade.student} · {found.rubric.title}", body)


def _verdict(grade: Grade) -> str:
    if grade.status == "right":
        return "right in everything that was asked."
    if grade.judged.checked is None:
        return {"missing": "nothing was handed in."}.get(grade.status, f"{grade.status}.")
    return "something is not right." if grade.first_broken is not None else "not decided."


def _unasked(grade: Grade) -> Markup:
    """Why nothing could be asked: no hint, for nothing of the mathematics is in it."""
    if grade.judged.checked is not None or not grade.message:
        return Markup()
    return tag("pre", grade.message)


def _sections(found: ClassGrades, grade: Grade, hints: str) -> Iterator[Markup]:
    first = None if grade.first_broken is None else shown_of(grade.first_broken, hints)
    if first is not None:
        yield _section("What breaks first", _first(first))
        if first.parameters:
            yield _section("Where", side_by_side(first.parameters, first.worst))
    if hints == "layer" and grade.judged.marks:
        yield _section("Layer by layer, given your own delta", _followed(grade))
    if grade.judged.checked is not None:
        yield _section("Rung by rung", _ladder(found, grade))


def _section(name: str, *content: Markup) -> Markup:
    return tag("section", tag("h2", name), *content)


def _first(first: CheckResult) -> Markup:
    told = [tag("p", tag("code", first.check.id), ": ", first.check.asks, class_="lead")]
    if first.status == "skipped":
        told.append(tag("p", f"This is required, and {first.message}."))
    else:
        told.append(tag("p", tag("b", first.status, class_="off"), f": {first.message}"))
    if first.printed:
        told.append(tag("pre", first.printed))
    if first.case is not None:
        told.append(tag("p", "The network: ", tag("code", shape_of(first.case)), class_="note"))
    return join(told)


# Follow-through.


def _followed(grade: Grade) -> Markup:
    marks = grade.judged.marks
    shown = next((net for net in marks if net.of), None)
    shown = shown or next((net for net in marks if _wrong(net)), marks[0])
    others = [net for net in marks if net is not shown]
    wrong = sum(map(_wrong, others))
    return join(
        tag(
            "p",
            "One instance at a time: ",
            tag("code", "delta_L"),
            " is held against the exact one, every other against ",
            tag("code", "(delta_{l+1} @ W_{l+1}.T) * g_l'(Z_l)"),
            " with your own ",
            tag("code", "delta_{l+1}"),
            "; ",
            tag("code", "dW_l"),
            " and ",
            tag("code", "db_l"),
            " against ",
            tag("code", "outer(O_{l-1}, delta_l)"),
            " and ",
            tag("code", "delta_l"),
            ", with your own. So a mistake counts in the layer that it is in.",
            class_="note",
        ),
        table(
            join("The network ", tag("code", shape_of(shown.case))),
            ["layer", "delta", "dW", "db", "what is wrong there"],
            [
                [
                    str(layer.layer),
                    *(tag("td", word, class_="off" if word == "wrong" else "") for word in
                      layer.words),
                    tag("td", _in_words(shown, layer.layer, layer.words)),
                ]
                for layer in shown.layers
            ],
            label="Marks per layer",
        ),
        tag("p", f"Of {plural(len(others), 'other network')}, {wrong} had something wrong.")
        if others
        else "",
        tag("p", _WHOLE) if grade.first_broken is not None and not any(map(_wrong, marks)) else "",
    )  # fmt: skip


_WHOLE = (
    "On single instances every layer is right. The mistake is in what comes with several of them "
    "(a sum, a mean, an n), in the step, or in a network of another kind."
)


def _wrong(net: NetMarks) -> bool:
    return any(word == "wrong" for layer in net.layers for word in layer.words)


def _in_words(net: NetMarks, l: int, words: tuple[str, str, str]) -> str:
    delta, dW, db = words
    told = []
    if delta == "wrong" and l == net.layers[0].layer:
        told.append(f"delta_{l} is not the derivative of the loss with respect to Z_{l}")
    elif delta == "wrong":
        told.append(
            f"delta_{l} does not follow from your delta_{l + 1}: W_{l + 1}.T, or g_{l}'(Z_{l})"
        )
    if dW == "wrong":
        told.append(f"dW_{l} is not O_{l - 1}.T @ delta_{l}")
    if db == "wrong":
        told.append(f"db_{l} is not your delta_{l}")
    return "; ".join(told)


# All rungs.


def _ladder(found: ClassGrades, grade: Grade) -> Markup:
    rows = [rung for rung in grade.rungs if rung.asked or rung.out_of]
    return table(
        "Points are shared among the checks of a rung. What stands on a broken rung is blocked: "
        "mend the lowest one first.",
        ["rung", "status", "checks passed", "points"],
        [
            [
                found.rungs.get(rung.id) or tag("code", rung.id),
                tag("td", rung.status, class_="off" if rung.status in BROKEN else ""),
                tag("td", f"{rung.passed} of {rung.asked}", class_="num"),
                tag("td", _points(rung), class_="num"),
            ]
            for rung in rows
        ],
        label="Rungs",
    )


def _points(rung: RungGrade) -> str:
    if not rung.out_of:
        return "–"
    return f"{points_text(rung.points)} of {points_text(rung.out_of)}"


def _again(found: ClassGrades, grade: Grade, hints: str) -> Markup:
    """The commands that show it again. The token only where numbers may be seen."""
    if not grade.file:
        return Markup()
    commands = [_check_command(found, grade), _replay_command(found, grade, hints)]
    return _section("To see it again", tag("pre", "\n".join(filter(None, commands))))


def _check_command(found: ClassGrades, grade: Grade) -> str:
    adapter = found.rubric.adapter
    if adapter is not None:
        words = [PurePosixPath(grade.file).name, "--adapter", adapter.name]
    else:
        words = [_spec(found, grade)]
    return shlex.join(["backproof", "check", *words])


def _replay_command(found: ClassGrades, grade: Grade, hints: str) -> str:
    """ "" where there is no case, or none that a token holds."""
    first = grade.first_broken
    if hints != "layer" or first is None or first.case is None or found.rubric.adapter is not None:
        return ""
    if first.case.token.startswith(FILE_PREFIX):
        return ""
    return shlex.join(["backproof", "replay", first.case.token, "--impl", _spec(found, grade)])


def _spec(found: ClassGrades, grade: Grade) -> str:
    program = found.rubric.program(grade.file)
    return program or f"{PurePosixPath(grade.file).name}:{found.rubric.function}"
