"""`backproof check`: the ladder put to one implementation, rung by rung.

Results come as they are found, so that the first verdict stands on the screen while the rest is
asked. Nothing is skipped silently: every check of the ladder ends as one `CheckResult`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from backproof.case import Case
from backproof.checked import BROKEN, CheckResult
from backproof.conventions import Factor, factor_of
from backproof.gradients import Failure, Gradients, Vector, slots_of
from backproof.sentences import place
from backproof.target import Target
from oracles.exact_loss import loss_of
from oracles.integers import exactly_computable
from property_tests.campaign import case_line
from property_tests.derived import after_step, made_row_by_row, rows_of, seen_by
from property_tests.ladder import LADDER, Question, Rung
from property_tests.nets import Nets
from property_tests.proportions import MEAN, SUM, bias_of_rows, multiple, of_rows
from property_tests.stated_loss import Values, told
from property_tests.trying import Found, Trial, exact_answer

STEPS = 3


class Climb:
    """One implementation on the ladder.

    factor: what its answers are multiplied by, once it is known   conventions: the same in words,
        with what the target inferred itself
    """

    def __init__(self, target: Target, factor: Factor | None = None) -> None:
        self.target = target
        self.nets = Nets(target.claims, moves=target.moves)
        self.conventions = dict(target.conventions)
        self._fixed = factor
        self.trial = Trial(target)
        self.judged = list[Case]()
        self._left_out = list[str]()
        self._broken: dict[str, str] = {}  # rung -> the rung that broke below it, or itself

    @property
    def broken(self) -> str:
        """The lowest rung that broke as a whole; "" while none has."""
        return next(iter(self._broken.values()), "")

    def results(self) -> Iterator[CheckResult]:
        """Every check, in the order of the ladder."""
        for rung in LADDER:
            if rung.id == "linear":
                self._find_factor()
            below = next((self._broken[id] for id in rung.stands_on if id in self._broken), "")
            for question in self._questions(rung):
                if not question.cases and self._was_claimed(rung, question):
                    question = replace(question, blocked=", ".join(self._left_out))
                result = _blocked(question, below) or self._asked(question)
                yield result
                self._remember(rung, question, result, below)

    def _questions(self, rung: Rung) -> Iterator[Question]:
        """Those of a rung, each made of what is whole when it is put."""
        nets, questions = self.nets, list(rung.asks(self.nets))
        for at in range(len(questions)):
            if self.nets is not nets:  # something broke on this rung
                nets, questions = self.nets, list(rung.asks(self.nets))
            yield questions[at]

    def _was_claimed(self, rung: Rung, question: Question) -> bool:
        """Whether it would have cases if nothing had been left out."""
        whole = rung.asks(self.nets.whole) if self._left_out else ()
        return any(asked.check.id == question.check.id and asked.cases for asked in whole)

    def _asked(self, question: Question) -> CheckResult:
        if not question.cases:
            why = question.unclaimed or "no such network is claimed"
            return CheckResult(question.check, "skipped", why)
        return _HOW[question.how](self, question)

    def tried(self, case: Case) -> Found:
        """One case judged, and kept among `judged` for the other witnesses."""
        found = self.trial.of(case)
        self.judged.append(found.judged_at or case)
        return found

    def _remember(self, rung: Rung, question: Question, result: CheckResult, below: str) -> None:
        if below:
            self._broken[rung.id] = below
        if result.status not in BROKEN or question.check.level != "must":
            return
        if question.subject is None:
            self._broken[rung.id] = rung.id
        else:
            self.nets = self.nets.without(question.subject)
            self._left_out.append(question.check.id)

    def _find_factor(self) -> None:
        """What constant the answers are multiplied by, found before it is needed."""
        if _in_single_precision(self.target, self.nets):
            claims = replace(self.nets.claims, dtypes=("float32",))
            self.nets = replace(self.nets, claims=claims)
            self.conventions["dtype"] = "float32: every number of its answers is one"
        factor, said = self._fixed, "held by backproof.toml"
        if factor is None:
            factor, said = _inferred(self.target, self.nets)
        self.trial = Trial(self.target, factor)
        if not factor.is_one:
            what = "ΔW" if self.target.moves else "gradient"
            self.conventions["factor"] = f"the {what} is {factor} times the derivative ({said})"


_STANDS_ON = "it stands on "


def _blocked(question: Question, below: str) -> CheckResult | None:
    by = below or question.blocked
    return CheckResult(question.check, "blocked", _STANDS_ON + by) if by else None


# What constant, and in which precision?


def _in_single_precision(target: Target, nets: Nets) -> bool:
    """Whether an answer to float64 arrays has no bit beyond float32."""
    case = nets.net(1)
    if case is None or "float32" not in nets.claims.dtypes or case.dtype != "float64":
        return False
    answer = target.gradients(case)
    if isinstance(answer, Failure) or exactly_computable(case):
        return False
    vector = _vector(answer)
    return bool(np.all(vector == vector.astype(np.float32)) and np.any(vector))


def _inferred(target: Target, nets: Nets) -> tuple[Factor, str]:
    """From cases whose n, outputs and alpha have no factor in common."""
    rates = (1.0,) if nets.claims.alphas is not None or not target.moves else (1024.0, 0.5, 0.125)
    cases, ratios = list[Case](), list[float]()
    for seed, (n, outputs) in enumerate(((5, 2), (7, 3), (4, 5)), start=90):
        rate: dict[str, Any] = (
            {"alpha": rates[seed % len(rates)]} if nets.claims.alphas is None else {}
        )
        case = nets.net(seed, n=n, outputs=outputs, **rate)
        answer = None if case is None else target.gradients(case)
        if case is None or not isinstance(answer, Gradients):
            continue
        ratio = _ratio(case, answer)
        if ratio is not None:
            cases.append(case)
            ratios.append(ratio)
    found = factor_of(cases, ratios, signed=not target.moves) if cases else None
    return found or Factor(), f"seen in {len(cases)} cases"


def _ratio(case: Case, answer: Gradients) -> float | None:
    """What all arrays are multiplied by; if they differ, what the output's W is."""
    theirs = exact_answer(seen_by(case, answer))
    pairs = ((answer.gradient, theirs.gradient), (answer.step, theirs.step))
    a, b = next((a, b) for a, b in pairs if a is not None and b is not None)
    slots = [slot for slot in slots_of(case) if np.any(b[slot.start : slot.stop])]
    found = [multiple(a[s.start : s.stop], b[s.start : s.stop]) for s in slots]
    known = [ratio for ratio in found if ratio is not None]
    if len(known) == len(found) and np.ptp(known) <= 1e-4 * abs(known[0]):
        return known[0]
    last = [
        r for r, s in zip(found, slots, strict=True) if s.letter == "W" and s.layer == case.depth
    ]
    return last[0] if last else None


# How a question is answered.


def _answer(climb: Climb, question: Question) -> CheckResult:
    """Only that there is an answer: its form, not its numbers."""
    for case in question.cases:
        answer = climb.target.gradients(case)
        if isinstance(answer, Failure):
            return failed(climb, question, Found(case, answer.status, answer.message))
        vector = answer.step if answer.gradient is None else answer.gradient
        assert vector is not None
        if not np.isfinite(vector).all():
            return failed(climb, question, Found(case, "fail", "the answer has no finite numbers"))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def _derivative(climb: Climb, question: Question) -> CheckResult:
    return _summed(climb, question, map(climb.tried, question.cases))


def _twice(climb: Climb, question: Question) -> CheckResult:
    (case,) = question.cases
    return _same(
        climb, question, case, [case, case], "asked the same twice, it says something else"
    )


def _state(climb: Climb, question: Question) -> CheckResult:
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
    first, last = (_vector(answer) for answer in (answers[0], answers[-1]))
    if first.tobytes() != last.tobytes():
        return failed(climb, question, Found(case, "fail", f"{said}: {_moved(case, first, last)}"))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def _vector(answer: Gradients | Failure) -> Vector:
    assert isinstance(answer, Gradients)
    vector = answer.step if answer.gradient is None else answer.gradient
    assert vector is not None
    return vector


def _moved(case: Case, before: Vector, after: Vector) -> str:
    at = int(np.argmax(before != after))
    slot = next(slot for slot in slots_of(case) if slot.start <= at < slot.stop)
    index = ", ".join(str(int(i)) for i in np.unravel_index(at - slot.start, slot.shape))
    was, now = float(before[at]), float(after[at])
    return f"d{slot.letter}_{slot.layer}[{index}] was {was!r} and is {now!r}"


_OF_THE_BATCH = "what it makes of its inputs is made of the whole batch; a row alone is another"


def _rows(climb: Climb, question: Question, right: Sequence[str]) -> CheckResult:
    """A batch against the sum of its rows, by the program's own answers: one factor for all.

    right: what it may be
    """
    for case in question.cases:
        asked = [case, *(rows_of(case, [row]) for row in range(case.n))]
        answers = [climb.target.gradients(each) for each in asked]
        if not made_row_by_row(answers):
            return CheckResult(question.check, "skipped", _OF_THE_BATCH)
        for each, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Failure):
                return failed(climb, question, Found(each, answer.status, answer.message))
        batch, *rows = (_vector(answer) for answer in answers)
        said = of_rows(case, batch, np.sum(rows, axis=0), right)
        if said and climb.trial.of(asked[1]).status in BROKEN:
            why = f"{_STANDS_ON}a single instance, whose answer is wrong already"
            return CheckResult(question.check, "blocked", why)
        if said:
            return failed(climb, question, Found(case, "fail", said))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def _bias_rows(climb: Climb, question: Question) -> CheckResult:
    """Each bias against the rows of its own matrix; what looks odd must be wrong as well."""
    for case in question.cases:
        answer = climb.target.gradients(case)
        if isinstance(answer, Failure):
            return failed(climb, question, Found(case, answer.status, answer.message))
        said = bias_of_rows(seen_by(case, answer), _vector(answer), moves=climb.target.moves)
        tried = climb.tried(case) if said else None
        if tried is not None and tried.status in BROKEN:
            return failed(climb, question, replace(tried, message=said))
    return CheckResult(question.check, "pass", cases=len(question.cases))


def _stated_loss(climb: Climb, question: Question) -> CheckResult:
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


def _training(climb: Climb, question: Question) -> CheckResult:
    """Steps in a row: each starts where the program's own last step led."""
    (start,) = question.cases
    found, case = list[Found](), start
    for step in range(1, STEPS + 1):
        tried = climb.tried(case)
        if step > 1:  # the case in between has no short name
            said = f"in step {step}, from where its own steps led"
            message = f"{said}; {tried.message}" if tried.message else said
            tried = replace(tried, case=start, message=message)
        found.append(tried)
        if tried.status in BROKEN or tried.answer is None:
            break
        case = after_step(case, tried.answer)
    return _summed(climb, question, iter(found))


_HOW: dict[str, Callable[[Climb, Question], CheckResult]] = {
    "answer": _answer,
    "derivative": _derivative,
    "twice": _twice,
    "state": _state,
    "bias rows": _bias_rows,
    "rows": partial(_rows, right=(SUM, MEAN)),
    "rows, sum": partial(_rows, right=(SUM,)),
    "rows, mean": partial(_rows, right=(MEAN,)),
    "stated loss": _stated_loss,
    "training": _training,
}


# From what cases showed to one result.

_WORST_FIRST = ("crashed", "timeout", "error", "fail", "inconclusive", "close", "pass", "skipped")


def _summed(climb: Climb, question: Question, found: Iterator[Found]) -> CheckResult:
    """The worst of some cases; after one that is wrong no other is asked."""
    seen = list[Found]()
    for each in found:
        seen.append(each)
        if each.status in BROKEN:
            break
    worst = min(seen, key=lambda each: _WORST_FIRST.index(each.status))
    if worst.status in BROKEN:
        return failed(climb, question, worst, len(seen))
    pair = worst.pair
    return CheckResult(
        question.check,
        worst.status,
        message=worst.message,
        case=case_line(0, worst.case) if worst.status != "pass" else None,
        worst=None if pair is None else pair.worst,
        judged_by=worst.judged_by,
        cases=len(seen),
    )


def failed(climb: Climb, question: Question, found: Found, cases: int = 1) -> CheckResult:
    """A case that is wrong, or got no answer, as the result of a check."""
    pair, message = found.pair, found.message
    if pair is not None and pair.worst is not None:
        worst = pair.worst
        numbers = f"{place(worst)} = {worst.value_a!r}, exact is {worst.value_b!r}"
        hint = _AT_THE_OUTPUT if _of_a_hidden_layer(question, found) else ""
        message = "; ".join(filter(None, (numbers, message, hint)))
    died = found.status in ("timeout", "crashed")
    return CheckResult(
        question.check,
        found.status,
        message=message,
        case=case_line(0, found.case),
        worst=None if pair is None else pair.worst,
        parameters=() if pair is None else pair.parameters,
        judged_by=found.judged_by if pair is not None else "",
        cases=cases,
        printed=climb.target.printed[-2000:] if died else "",
    )


_AT_THE_OUTPUT = "the output layer is wrong already: look at the loss and its activation as well"


def _of_a_hidden_layer(question: Question, found: Found) -> bool:
    """Whether the output layer is wrong where a hidden activation is asked about."""
    assert found.pair is not None
    last = [record for record in found.pair.parameters if record.layer == found.case.depth]
    hidden = question.subject in found.case.activations[:-1]
    return hidden and bool(last) and all(record.verdict == "wrong" for record in last)


def with_expected(result: CheckResult, expected: dict[str, str]) -> CheckResult:
    """A failure that backproof.toml expects is an xfail, and a pass that it does not an xpass."""
    reason = expected.get(result.check.id)
    if reason is None or result.status in ("skipped", "blocked"):
        return result
    if result.status in (*BROKEN, "close", "inconclusive"):
        return replace(result, status="xfail", message=f"expected: {reason}")
    return replace(
        result,
        status="xpass",
        message=f"it passes, but backproof.toml expects a failure ({reason}); remove that line",
    )
