"""Steps in a row, each judged at the weights that it started from.

A model that keeps its weights itself is built once and stepped several times, and nothing is set in
between. Whatever it keeps from one step to the next then shows: beside each step stands that of a
new model from the same weights, which is judged as every other case is.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from backproof.case import Case
from backproof.checked import BROKEN, CheckResult
from backproof.gradients import Failure, Gradients, Steps, Vector, slots_of
from property_tests.answering import failed, summed
from property_tests.derived import after_step, at_weights
from property_tests.ladder import Question
from property_tests.proportions import multiple
from property_tests.trying import Found

if TYPE_CHECKING:
    from property_tests.checking import Climb

STEPS = 3


def training(climb: Climb, question: Question) -> CheckResult:
    """Several steps, of one model where there is one that lives on."""
    return (_of_one_model if climb.target.lives_on else _of_calls)(climb, question)


def _of_calls(climb: Climb, question: Question) -> CheckResult:
    """Each call starts where the program's own last step led."""
    (start,) = question.cases
    found, case = list[Found](), start
    for step in range(1, STEPS + 1):
        tried = climb.tried(case)
        found.append(_in_step(step, tried, replace(tried, case=start)))
        if tried.status in BROKEN or tried.answer is None:
            break
        case = after_step(case, tried.answer)
    return summed(climb, question, found)


def _in_step(step: int, tried: Found, shown: Found) -> Found:
    """With the number of the step: the case in between has no short name."""
    if step == 1:
        return tried
    said = f"in step {step}, from where its own steps led"
    return replace(shown, message=f"{said}; {tried.message}" if tried.message else said)


def _of_one_model(climb: Climb, question: Question) -> CheckResult:
    (start,) = question.cases
    steps = climb.target.steps(start, STEPS)
    if isinstance(steps, Failure):
        return failed(climb, question, Found(start, steps.status, steps.message))
    found, news = list[Found](), list[Vector]()
    for step, (before, moved) in enumerate(zip(steps.before, steps.moved, strict=True), 1):
        if not np.isfinite(before).all():
            break  # the step before was not finite either, and is judged
        new = climb.tried(at_weights(start, before))
        found.append(_in_step(step, new, replace(new, case=start)))
        if new.status in BROKEN or new.answer is None or new.answer.step is None:
            break
        news.append(new.answer.step)
        if not np.array_equal(moved, new.answer.step):
            kept = _kept(climb, new, moved)
            found[-1] = _in_step(step, kept, replace(kept, case=start))
    if any(each.status in BROKEN for each in found) and len(news) == len(steps.moved):
        name, said = _convention(steps, news)
        if name:
            climb.conventions[name] = said
            return CheckResult(question.check, "pass", said, cases=len(news))
    why = _why(start, steps, news)
    result = summed(climb, question, found, hinted=not why)
    told = why and result.status == "fail"
    return replace(result, message=f"{result.message}; {why}") if told else result


def _kept(climb: Climb, new: Found, moved: Vector) -> Found:
    """The step of the old model, where it is not the new one's: rounded otherwise, or another?"""
    assert new.answer is not None
    answer = Gradients(None, moved, X=new.answer.X, Y=new.answer.Y)
    old = climb.trial.judge(new.case, answer, by_bound=True)
    if old.status == "close" and new.pair is not None and new.pair.verdict == "wrong":
        return new  # neither keeps to the bound
    return old


# What a model may keep: a step that is a multiple of the new model's, or has a share of the last.


@np.errstate(all="ignore")  # steps may be anything
def _convention(steps: Steps, news: list[Vector]) -> tuple[str, str]:
    """What makes all steps right, and its name; "" where nothing does."""
    shares = _shares_of_the_last(steps, news)
    share = shares[0]
    if share is not None and all(each is not None and _near(each, share) for each in shares):
        if _near(share, 1.0):
            if steps.resets:
                names = ", ".join(f"`{name}`" for name in steps.resets)
                said = "gradients add up from step to step; the adapter calls none of"
                return "steps", f"{said} {names}"
        elif 0 < share < 1:
            return "momentum", f"each step has {share:.4g} times the one before"
    rates = [rate for rate in _multiples_of_new(steps, news) if rate is not None and rate > 0]
    if len(rates) == len(news) and all(_falls(*pair) for pair in pairwise((1.0, *rates))):
        told = ", ".join(f"{rate:.4g}" for rate in rates)
        return "rate", f"it changes from step to step: {told} times what is set"
    return "", ""


def _falls(rate: float, next_rate: float) -> bool:
    """A rate that decays may stay, and never grows again."""
    return next_rate <= rate * (1 + 1e-6)


@np.errstate(all="ignore")
def _why(start: Case, steps: Steps, news: list[Vector]) -> str:
    """What the arrays of step 2 that are no new model's have to do with step 1."""
    if len(news) < 2:
        return ""
    (first, second), new = steps.moved[:2], news[1]
    parts = [slice(slot.start, slot.stop) for slot in slots_of(start)]
    other = [part for part in parts if not np.allclose(second[part], new[part], atol=0)]
    if not other:
        return ""
    last, moved, should = (
        np.concatenate([v[part] for part in other]) for v in (first, second, new)
    )
    share, rate = multiple(moved - should, last), multiple(moved, should)
    if share is not None and _near(share, 1.0):
        names = ", ".join(f"`{name}`" for name in steps.uncalled)
        unused = f"; nothing in its file calls {names}" if names else ""
        return f"it adds to the gradients of the steps before, where a new model would not{unused}"
    if rate is not None:
        return f"it is {rate:.4g} times the step of a new model from the same weights"
    return "a new model from the same weights makes another step: what is kept from the one before?"


def _shares_of_the_last(steps: Steps, news: list[Vector]) -> list[float | None]:
    """c of each step but the first, where it is the new model's and c times the one before."""
    return [
        multiple(moved - new, last)
        for moved, new, last in zip(steps.moved[1:], news[1:], steps.moved, strict=False)
    ]


def _multiples_of_new(steps: Steps, news: list[Vector]) -> list[float | None]:
    return [multiple(moved, new) for moved, new in zip(steps.moved, news, strict=False)]


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-3 * abs(b)
