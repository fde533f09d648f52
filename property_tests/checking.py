"""`backproof check`: the ladder put to one implementation, rung by rung.

Results come as they are found, so that the first verdict stands on the screen while the rest is
asked. Nothing is skipped silently: every check of the ladder ends as one `CheckResult`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backproof.case import Case
from backproof.checked import BROKEN, CheckResult
from backproof.conventions import Factor, Factors, factor_of, factor_of_loss
from backproof.gradients import Failure, Gradients, slots_of
from backproof.target import Target
from oracles.integers import exactly_computable
from property_tests import answering
from property_tests.answering import STANDS_ON, vector_of
from property_tests.derived import seen_by
from property_tests.ladder import LADDER, ORDER, Question, Rung
from property_tests.nets import SLOW_RATE, Nets
from property_tests.proportions import MEAN, SUM, multiple
from property_tests.training import training
from property_tests.trying import Found, Trial, exact_answer


class Climb:
    """One implementation on the ladder.

    factors: what its answers are multiplied by; None where that is to be found
    conventions: the same in words, with what the target inferred itself

    A case may be wrong for a reason that another check is named for: a step whose weights move too
    early says nothing against an activation. Then the other check is *owed* that case: it is asked
    whatever is broken below it, it has to count the case, and so it fails. Nothing that is wrong
    passes for it.
    """

    def __init__(self, target: Target, factors: Factors | None = None) -> None:
        self.target = target
        self.nets = Nets(target.claims, moves=target.moves)
        self.conventions = dict(target.conventions)
        self._fixed = factors
        self.trial = Trial(target)
        self.judged = list[Case]()
        self._left_out = list[str]()
        self._broken: dict[str, str] = {}  # rung -> the rung that broke below it, or itself
        self.owed: dict[str, list[Found]] = {}  # check -> cases that are wrong for its reason
        self._statuses: dict[str, str] = {}  # check -> what became of it
        # results of nets without an answer -> checks of activations, of which one has to explain it
        self._unexplained: list[tuple[CheckResult, set[str]]] = []

    @property
    def broken(self) -> str:
        """The lowest rung that broke as a whole; "" while none has."""
        return next(iter(self._broken.values()), "")

    def results(self) -> Iterator[CheckResult]:
        """Every check, in the order of the ladder."""
        for rung in LADDER:
            if rung.id == "linear":
                self._find_factor()
            if rung.id == "activation":
                self._find_factors_of_losses()
            below = next((self._broken[id] for id in rung.stands_on if id in self._broken), "")
            for question in self._questions(rung):
                if not question.cases and self._was_claimed(rung, question):
                    question = replace(question, blocked=", ".join(self._left_out))
                owed = question.check.id in self.owed
                result = (not owed and self._blocked(question, below)) or self._answered(
                    rung, question
                )
                result = self._explaining(result)
                self._statuses[question.check.id] = result.status
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

    def _answered(self, rung: Rung, question: Question) -> CheckResult:
        """Asked; where one activation alone has no answer, without it: its own check says so."""
        result = self._asked(question)
        silent = _silent(rung, result)
        nets = self.nets.without(*silent)
        again = (other for other in rung.asks(nets) if other.check.id == question.check.id)
        if not silent or not (other := next(again)).cases:
            return result
        answered = self._asked(other)
        if answered.status in _SILENT:
            return result
        self.nets = nets
        checks = [f"activation.{name}" for name in silent]
        self._left_out += checks
        self._unexplained.append((result, set(checks)))
        return answered

    def _explaining(self, result: CheckResult) -> CheckResult:
        """A net that had no answer counts in the last check that could explain it.

        Where none of its activations is at fault alone, it is a mistake all the same.
        """
        id, kept = result.check.id, list[tuple[CheckResult, set[str]]]()
        for silent, checks in self._unexplained:
            if id not in checks:
                kept.append((silent, checks))
            elif result.status not in BROKEN:
                if others := checks - {id}:
                    kept.append((silent, others))
                else:
                    result = replace(silent, check=result.check)
        self._unexplained = kept
        return result

    def _asked(self, question: Question) -> CheckResult:
        if not question.cases and question.check.id not in self.owed:
            why = question.unclaimed or "no such network is claimed"
            return CheckResult(question.check, "skipped", why)
        return HOW[question.how](self, question)

    def _blocked(self, question: Question, below: str) -> CheckResult | None:
        before = question.after if self._statuses.get(question.after) in BROKEN else ""
        by = below or question.blocked or before
        return CheckResult(question.check, "blocked", STANDS_ON + by) if by else None

    def tried(self, case: Case) -> Found:
        """One case judged, and kept among `judged` for the other witnesses."""
        found = self.trial.of(case)
        self.judged.append(found.judged_at or case)
        return found

    def owes(self, id: str, found: Found) -> Found:
        """What a case means that is wrong for the reason of the check `id`, which is still to come.

        Where that one has been asked and did not see it, the case is as wrong as it is.
        """
        if id in self._statuses:
            return found
        self.owed.setdefault(id, []).append(found)
        return replace(found, status="blocked", message=STANDS_ON + id)

    def but_for_order(self, found: Found) -> Found:
        """A step that is right but for the order of its moves is right below `update.order`."""
        if not found.early or ORDER in self._statuses:
            return found
        return replace(self.owes(ORDER, found), status="pass", message=RIGHT_WHEN_SLOW)

    def _remember(self, rung: Rung, question: Question, result: CheckResult, below: str) -> None:
        if below:
            self._broken[rung.id] = below
        if result.status not in BROKEN or question.check.level != "must":
            if question.subject in self.nets.broken and result.status != "blocked":
                self.nets = self.nets.with_again(question.subject)  # it has its answer here
                self._left_out.remove(question.check.id)
            return
        if question.subject is None:
            self._broken[rung.id] = rung.id
        elif question.check.id not in self._left_out:
            self.nets = self.nets.without(question.subject)
            self._left_out.append(question.check.id)

    def _find_factor(self) -> None:
        """What constant the answers are multiplied by, found before it is needed."""
        if _in_single_precision(self.target, self.nets):
            claims = replace(self.nets.claims, dtypes=("float32",))
            self.nets = replace(self.nets, claims=claims)
            self.conventions["dtype"] = "float32: every number of its answers is one"
        if self._fixed is not None:
            self.trial = Trial(self.target, self._fixed)
            self._hold("factor", self._fixed.common, "held by backproof.toml")
            for loss, own in self._fixed.of_losses.items():
                self._hold(f"factor of {loss}", own, "held by backproof.toml")
            return
        factor, said = _inferred(self.target, self.nets)
        self.trial = Trial(self.target, Factors(factor))
        self._hold("factor", factor, said)

    def _find_factors_of_losses(self) -> None:
        """Before any net has another loss than the first."""
        if self._fixed is not None:
            return
        common, own = self.trial.factors.common, dict[str, Factor]()
        first = next((loss for _, loss in self.nets.endings), "")
        for loss in dict.fromkeys(loss for _, loss in self.nets.endings if loss != first):
            found, said = _inferred_of(self.target, self.nets, loss, common)
            if found != common:
                own[loss] = found
                self._hold(f"factor of {loss}", found, said)
        self.trial.factors = Factors(common, own)

    def _hold(self, name: str, factor: Factor, said: str) -> None:
        if name != "factor" or not factor.is_one:
            what = "ΔW" if self.target.moves else "gradient"
            self.conventions[name] = f"the {what} is {factor} times the derivative ({said})"


_SILENT = ("error", "timeout", "crashed")


def _silent(rung: Rung, result: CheckResult) -> list[str]:
    """Hidden activations of a net that has no answer, where nothing is known of them yet."""
    if rung.id not in ("contract", "linear", "scale") or result.status not in _SILENT:
        return []
    return [] if result.case is None else list(dict.fromkeys(result.case.activations[:-1]))


RIGHT_WHEN_SLOW = f"its formulas are right, but weights move too early: see {ORDER}"


# What constant, and in which precision?


def _in_single_precision(target: Target, nets: Nets) -> bool:
    """Whether an answer to float64 arrays has no bit beyond float32."""
    case = nets.net(1)
    if case is None or "float32" not in nets.claims.dtypes or case.dtype != "float64":
        return False
    answer = target.gradients(case)
    if isinstance(answer, Failure) or exactly_computable(case):
        return False
    vector = vector_of(answer)
    return bool(np.all(vector == vector.astype(np.float32)) and np.any(vector))


def _inferred(target: Target, nets: Nets) -> tuple[Factor, str]:
    """From cases whose n, outputs and alpha have no factor in common."""
    free = target.moves and nets.claims.alphas is None
    cases, ratios, alike = _seen(target, nets, (1024.0, 0.5, 0.125) if free else (1.0,))
    if free and not alike:  # weights may move too early: it is seen where they hardly move
        slow = _seen(target, nets, (SLOW_RATE, SLOW_RATE / 2, SLOW_RATE * 4))
        if slow[2]:
            cases, ratios, _ = slow
    found = factor_of(cases, ratios, signed=not target.moves) if cases else None
    return found or Factor(), f"seen in {len(cases)} cases"


def _inferred_of(target: Target, nets: Nets, loss: str, common: Factor) -> tuple[Factor, str]:
    """The factor of one loss: the common one, unless all arrays of all cases have another."""
    rates = (SLOW_RATE,) if target.moves and nets.claims.alphas is None else (1.0,)
    for ending in nets.endings:
        if ending[1] == loss:
            cases, ratios, alike = _seen(target, nets, rates, ending)
            found = factor_of_loss(cases, ratios, common) if alike else None
            if found is not None:
                return found, f"seen in {len(cases)} cases"
    return common, ""


def _seen(
    target: Target,
    nets: Nets,
    rates: tuple[float, ...],
    ending: tuple[str, str] | None = None,
) -> tuple[list[Case], list[float], bool]:
    """Cases, what the answers are multiplied by, and whether that is one number for all arrays."""
    cases, ratios, alike = list[Case](), list[float](), True
    for seed, (n, outputs) in enumerate(((5, 2), (7, 3), (4, 5)), start=90):
        rate: dict[str, Any] = (
            {"alpha": rates[seed % len(rates)]} if nets.claims.alphas is None else {}
        )
        case = nets.net(seed, n=n, outputs=outputs, ending=ending, **rate)
        answer = None if case is None else target.gradients(case)
        if case is None or not isinstance(answer, Gradients):
            continue
        ratio, of_all = _ratio(case, answer)
        alike &= of_all
        if ratio is not None:
            cases.append(case)
            ratios.append(ratio)
    return cases, ratios, alike and bool(cases)


def _ratio(case: Case, answer: Gradients) -> tuple[float | None, bool]:
    """What all arrays are multiplied by, and True.

    If they differ it is 1 where some are right as they are, and otherwise what the output's W is.
    """
    theirs = exact_answer(seen_by(case, answer))
    pairs = ((answer.gradient, theirs.gradient), (answer.step, theirs.step))
    a, b = next((a, b) for a, b in pairs if a is not None and b is not None)
    slots = [slot for slot in slots_of(case) if np.any(b[slot.start : slot.stop])]
    found = [multiple(a[s.start : s.stop], b[s.start : s.stop]) for s in slots]
    if not slots:  # every unit of the output is off, and every gradient 0
        return None, True
    known = [ratio for ratio in found if ratio is not None]
    if len(known) == len(found) and np.ptp(known) <= 1e-4 * abs(known[0]):
        return known[0], True
    if any(abs(ratio - 1) <= 1e-4 for ratio in known):
        return 1.0, False
    last = [
        r for r, s in zip(found, slots, strict=True) if s.letter == "W" and s.layer == case.depth
    ]
    return last[0] if last else None, False


HOW: dict[str, Callable[[Climb, Question], CheckResult]] = {
    "answer": answering.answer,
    "derivative": answering.derivative,
    "order": answering.order,
    "twice": answering.twice,
    "state": answering.state,
    "still": answering.still,
    "bias rows": answering.bias_rows,
    "rows": partial(answering.rows, right=(SUM, MEAN)),
    "rows, sum": partial(answering.rows, right=(SUM,)),
    "rows, mean": partial(answering.rows, right=(MEAN,)),
    "stated loss": answering.stated_loss,
    "training": training,
}


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
