"""How a question of the ladder is answered: by one case against the exact one, or by comparing the
program with itself; and how what its cases showed becomes one result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import TYPE_CHECKING

import numpy as np

from backproof.case import Case
from backproof.checked import BROKEN, CheckResult
from backproof.gradients import Failure, Gradients, Vector, slots_of
from backproof.sentences import place
from oracles.exact_loss import loss_of
from property_tests import follow_through
from property_tests.campaign import case_line
from property_tests.derived import made_row_by_row, rows_of, seen_by
from property_tests.hints import first_wrong, hint, is_off, multiples, zeros
from property_tests.ladder import ORDER, Question, check_of_output
from property_tests.nets import SLOW_RATE
from property_tests.proportions import bias_of_rows, multiple, of_rows
from property_tests.stated_loss import Values, told
from property_tests.trying import Found

if TYPE_CHECKING:
    from property_tests.checking import Climb

STANDS_ON = "it stands on "


def answer(climb: Climb, question: Question) -> CheckResult:
    """Only that there is an answer: its form, not its numbers."""
    for case in question.cases:
        answer = climb.target.gradients(case)
        if isinstance(answer, Failure):
            return failed(climb, question, Found(case, answer.status, answer.message))
        if not np.isfinite(answer.vector).all():
            return failed(climb, question, Found(case, "fail", "the answer has no finite numbers"))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def derivative(climb: Climb, question: Question) -> CheckResult:
    """Each case; one that is wrong for the reason of another check is left to that one."""
    found = (_meant(climb, question, climb.tried(case)) for case in question.cases)
    return summed(climb, question, chain(found, climb.owed.get(question.check.id, ())))


def order(climb: Climb, question: Question) -> CheckResult:
    """The same, and here a move that comes too early counts."""
    found = map(climb.tried, question.cases)
    return summed(climb, question, chain(found, climb.owed.get(question.check.id, ())))


def _meant(climb: Climb, question: Question, found: Found) -> Found:
    """What a case means where it is asked."""
    if found.early:
        return climb.but_for_order(found)
    if _is_of_the_output(climb, question, found):
        output, loss = found.case.activations[-1], found.case.loss
        return climb.owes(check_of_output(climb.nets.claims, output, loss), found)
    return found


def _is_of_the_output(climb: Climb, question: Question, found: Found) -> bool:
    """Whether a hidden activation is asked about, and delta of the output alone is wrong.

    Seen on one row, as `follow_through` marks it: all else is right given that delta. Where a layer
    below has the same activation as the output and is wrong as well, that activation is to blame.
    """
    case = found.case
    if question.subject not in case.activations[:-1] or found.status != "fail":
        return False
    if not _output_is_wrong(found):
        return False
    one = follow_through.one_instance(case)
    answer = climb.target.gradients(one)
    marks = follow_through.marked(one, answer, climb.trial.factors.of_loss(one.loss))
    if marks is None:
        return False
    top, *below = marks.layers
    if (top.delta, top.dW) != ("wrong", "right") or top.db == "wrong":
        return False  # the forward pass is wrong before the output
    same = case.activations[-1] == question.subject
    return not same or all("wrong" not in (layer.delta, layer.dW, layer.db) for layer in below)


def twice(climb: Climb, question: Question) -> CheckResult:
    (case,) = question.cases
    said = "asked the same twice, it says something else"
    result = _same(climb, question, case, [case, case], said)
    if result.status == "fail" and _adds_up(climb, case):
        said = f"{result.message}; it grows by as much each time: is it added to the calls before?"
        return replace(result, message=said)
    return result


def _adds_up(climb: Climb, case: Case) -> bool:
    """Whether answers to the same question grow by the same from call to call."""
    answers = [climb.target.gradients(case) for _ in range(3)]
    if any(isinstance(answer, Failure) for answer in answers):
        return False
    first, second, third = map(vector_of, answers)
    growth = multiple(third - second, second - first) if np.any(second != first) else None
    return growth is not None and abs(growth - 1) < 1e-3


def state(climb: Climb, question: Question) -> CheckResult:
    first, *others = question.cases
    said = "its answer changes after it was asked about another network in between"
    return _same(climb, question, first, [first, *others, first], said)


def _same(
    climb: Climb, question: Question, case: Case, asked: Sequence[Case], said: str
) -> CheckResult:
    """The first and the last answer of a row of calls, which ask about the same case."""
    answers = [climb.target.gradients(each) for each in asked]
    for each, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Failure):
            return failed(climb, question, Found(each, answer.status, answer.message))
    first, last = (vector_of(answer) for answer in (answers[0], answers[-1]))
    if first.tobytes() != last.tobytes():
        where = _moved(climb, case, first, last)
        return failed(climb, question, Found(case, "fail", f"{said}: {where}"))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def vector_of(answer: Gradients | Failure) -> Vector:
    assert isinstance(answer, Gradients)
    return answer.vector


def _moved(climb: Climb, case: Case, before: Vector, after: Vector) -> str:
    at = int(np.argmax(before != after))
    slot = next(slot for slot in slots_of(case) if slot.start <= at < slot.stop)
    index = ", ".join(str(int(i)) for i in np.unravel_index(at - slot.start, slot.shape))
    was, now = float(before[at]), float(after[at])
    d = "Δ" if climb.target.moves else "d"
    return f"{d}{slot.letter}_{slot.layer}[{index}] was {was!r} and is {now!r}"


_OF_THE_BATCH = "what it makes of its inputs is made of the whole batch; a row alone is another"


def rows(climb: Climb, question: Question, right: Sequence[str]) -> CheckResult:
    """A batch against the sum of its rows, by the program's own answers: one factor for all.

    right: what it may be
    Weights that move too early move differently for a batch and for its rows. So where something is
    wrong and the rate is free, it is asked once more at a rate at which that is next to nothing.
    """
    passed = CheckResult(question.check, "pass", cases=len(question.cases))
    for case in question.cases:
        said = _between_rows(climb, case, right)
        if not said:
            continue
        if said == _OF_THE_BATCH:
            return _of_whole_batches(climb, question)
        if isinstance(said, Found):
            return failed(climb, question, said)
        single = climb.trial.of(rows_of(case, [0]))
        if climb.trial.has_free_rate and case.dtype == "float64":
            slow = _between_rows(climb, replace(case, alpha=SLOW_RATE), right)
            early = [each for each in (single, climb.trial.of(case)) if each.early]
            if early and not slow:
                meant = [climb.but_for_order(each) for each in early]
                passed = replace(passed, status=meant[0].status, message=meant[0].message)
                continue
            if isinstance(slow, str) and slow:
                case, said = replace(case, alpha=SLOW_RATE), slow
        elif single.early:
            said = climb.owes(ORDER, single).message
            return CheckResult(question.check, "blocked", said)
        if single.status in BROKEN:
            why = f"{STANDS_ON}a single instance, whose answer is wrong already"
            return CheckResult(question.check, "blocked", why)
        if climb.target.moves and not climb.trial.has_free_rate:
            answer = climb.target.gradients(case)
            if isinstance(answer, Gradients):
                why = climb.trial.rows_move(seen_by(case, answer), vector_of(answer))
                said = "; ".join(filter(None, (said, why)))
        return failed(climb, question, Found(case, "fail", said))
    return passed


def _of_whole_batches(climb: Climb, question: Question) -> CheckResult:
    """Where no row can be asked alone: each batch against the derivative.

    Arrays that are multiples of it, by other factors for another n, are wrong in scale. What is
    wrong otherwise says nothing here and costs nothing: skipped, though batches were judged.
    """
    found = [climb.but_for_order(climb.tried(case)) for case in question.cases]
    broken = [each for each in found if each.status in BROKEN]
    told = {each.pair and multiples(each.pair, each.case.dtype) for each in broken}
    if None in told or (len(told) == len(found) > 1 and "" not in told):
        worst = next((each for each in broken if each.pair is None), broken[0])
        return failed(climb, question, worst, len(found))
    right = all(each.status in ("pass", "close") for each in found)
    said = f"{_OF_THE_BATCH}{'; each batch is right as a whole' if right else ''}"
    return CheckResult(question.check, "pass" if right else "skipped", said, cases=len(found))


def _between_rows(climb: Climb, case: Case, right: Sequence[str]) -> str | Found:
    """What is wrong between a batch and its rows, "" if nothing is; or who gave no answer."""
    asked = [case, *(rows_of(case, [row]) for row in range(case.n))]
    answers = [climb.target.gradients(each) for each in asked]
    if not made_row_by_row(answers):
        return _OF_THE_BATCH
    for each, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Failure):
            return Found(each, answer.status, answer.message)
    batch, *rows = (vector_of(answer) for answer in answers)
    return of_rows(case, batch, rows, right)


def still(climb: Climb, question: Question) -> CheckResult:
    """No array may be 0 throughout where the derivative is not."""
    for case in question.cases:
        answer = climb.target.gradients(case)
        if isinstance(answer, Failure):
            return failed(climb, question, Found(case, answer.status, answer.message))
        vector = vector_of(answer)
        if all(np.any(vector[slot.start : slot.stop]) for slot in slots_of(case)):
            continue
        tried = climb.but_for_order(climb.tried(case))
        if tried.status in BROKEN and tried.pair is not None and zeros(tried.pair):
            return failed(climb, question, tried)
    return CheckResult(question.check, "pass", cases=len(question.cases))


def bias_rows(climb: Climb, question: Question) -> CheckResult:
    """Each bias against the rows of its own matrix; what looks odd must be wrong as well."""
    for case in question.cases:
        answer = climb.target.gradients(case)
        if isinstance(answer, Failure):
            return failed(climb, question, Found(case, answer.status, answer.message))
        said = bias_of_rows(seen_by(case, answer), vector_of(answer), moves=climb.target.moves)
        tried = climb.but_for_order(climb.tried(case)) if said else None
        if tried is not None and tried.status in BROKEN:
            why = tried.pair and multiples(tried.pair, case.dtype)
            said = tried.message if tried.pair is None else why or said
            return failed(climb, question, replace(tried, message=said), hinted=False)
    return CheckResult(question.check, "pass", cases=len(question.cases))


def stated_loss(climb: Climb, question: Question) -> CheckResult:
    """What the program prints as its loss, against the value of the one whose gradient it has."""
    for _, group in groupby(question.cases, key=lambda case: (case.activations[-1], case.loss)):
        cases, stated = list(group), list[float]()
        for case in cases:
            value = climb.target.stated_loss(case)
            if isinstance(value, Failure):
                return failed(climb, question, Found(case, value.status, value.message))
            stated.append(value)
        seen = [seen_by(case, climb.target.gradients(case)) for case in cases]
        exact = [loss_of(case) for case in seen]
        status, said = told(Values(cases, exact, stated))
        if status != "pass":
            return failed(climb, question, Found(cases[0], status, said))
    return CheckResult(question.check, "pass", cases=len(question.cases))


# From what cases showed to one result.

_WORST_FIRST = (
    *("crashed", "timeout", "error", "fail", "blocked"),
    *("inconclusive", "close", "pass", "skipped"),
)


def summed(
    climb: Climb, question: Question, found: Iterable[Found], *, hinted: bool = True
) -> CheckResult:
    """The worst of some cases; after one that is wrong no other is asked. hinted: as of `failed`"""
    seen = list[Found]()
    for each in found:
        seen.append(each)
        if each.status in BROKEN:
            break
    worst = min(seen, key=lambda each: _WORST_FIRST.index(each.status))
    if worst.status in BROKEN:
        return failed(climb, question, worst, len(seen), hinted=hinted)
    if worst.status == "blocked":
        return CheckResult(question.check, "blocked", worst.message)
    said = next((each.message for each in seen if each.early), "")
    pair = worst.pair
    return CheckResult(
        question.check,
        worst.status,
        message=worst.message or said,
        case=case_line(0, worst.case) if worst.status != "pass" else None,
        worst=None if pair is None else pair.worst,
        judged_by=worst.judged_by,
        cases=_judged(worst, len(seen)),
    )


def failed(
    climb: Climb, question: Question, found: Found, cases: int = 1, *, hinted: bool = True
) -> CheckResult:
    """A case that is wrong, or got no answer, as the result of a check.

    hinted: say what its arrays have in common, too
    """
    pair, message = found.pair, found.message
    worst = None if pair is None else first_wrong(pair, found.case.dtype)
    if pair is not None and worst is not None:
        numbers = f"{place(worst)} = {worst.value_a!r}, exact is {worst.value_b!r}"
        why = _AT_THE_OUTPUT if _of_a_hidden_layer(question, found) else ""
        if hinted and not found.early:
            why = hint(pair, found.case) or why
        message = "; ".join(filter(None, (numbers, message, why)))
    died = found.status in ("timeout", "crashed")
    return CheckResult(
        question.check,
        found.status,
        message=message,
        case=case_line(0, found.case),
        worst=worst,
        parameters=() if pair is None else pair.parameters,
        judged_by=found.judged_by if pair is not None else "",
        cases=_judged(found, cases),
        printed=climb.target.printed[-2000:] if died else "",
    )


def _judged(worst: Found, cases: int) -> int:
    """How many cases were judged: what it refuses is not."""
    return 0 if worst.status == "skipped" else cases


_AT_THE_OUTPUT = "the output layer is wrong already: look at the loss and its activation as well"


def _of_a_hidden_layer(question: Question, found: Found) -> bool:
    """Whether the output layer is wrong where a hidden activation is asked about."""
    return question.subject in found.case.activations[:-1] and _output_is_wrong(found)


def _output_is_wrong(found: Found) -> bool:
    """Every array of the output layer, by more than rounding or an epsilon."""
    assert found.pair is not None
    case, records = found.case, found.pair.parameters
    last = [record for record in records if record.layer == case.depth]
    return bool(last) and all(r.verdict == "wrong" and is_off(r, case.dtype) for r in last)
