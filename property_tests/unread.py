"""What somebody should know whose function on the contract is asked for more than it is meant for.

A function claims what it does not refuse. Who writes one for sigmoid alone, and does not think of
refusing, is asked about eleven activations; the numbers alone would not tell them why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from backproof.case import Case
from backproof.checked import BROKEN, CheckResult
from backproof.gradients import Gradients
from property_tests.answering import vector_of
from property_tests.checking import Climb

_REFUSE = "let it raise NotImplementedError for what it does not have, and it claims less"
_ABOUT_NAMES = ("contract", "linear", "activation", "loss")


def advice(climb: Climb, results: Sequence[CheckResult]) -> Iterator[str]:
    """One sentence for each list of names that it does not read, or stumbles over."""
    first = next((r for r in results if r.status in BROKEN and r.check.level == "must"), None)
    if first is None or first.check.id.partition(".")[0] not in _ABOUT_NAMES:
        return
    if first.status == "error" and first.case is not None and _raised(first.message):
        names = "/".join(first.case.activations)
        yield f"if it is not meant to have {names} with {first.case.loss}: {_REFUSE}"
    elif first.status == "fail":
        for unread in _unread(climb):
            yield f"its answer is the same whatever `{unread}` says: {_REFUSE}"


def _raised(message: str) -> bool:
    """Whether an exception ended the call that may be meant as a refusal; a misspelt name is none,
    nor a result in another form."""
    kind = message.partition(":")[0].partition(" at ")[0]
    return kind.isidentifier() and kind != "NameError"


def _unread(climb: Climb) -> Iterator[str]:
    case = climb.nets.whole.net(1)
    if case is None:
        return
    hidden = [name for name in climb.nets.claims.hidden if name not in case.activations[:-1]]
    if case.depth > 1 and len(hidden) > 1 and _all_same(climb, case, _with_hidden(case, hidden)):
        yield "activations"
    output = case.activations[-1]
    losses = [loss for name, loss in climb.nets.claims.combinations if name == output]
    # Of two outputs both squared errors have the same gradient; with a logarithm none has.
    logs = [loss for loss in losses if "entropy" in loss]
    if logs and len(logs) < len(losses):
        labels = replace(case, loss=logs[-1]).arrays  # labels that every loss takes
        given = replace(case, regime="real", given=labels)
        if _all_same(climb, given, [replace(given, loss=loss) for loss in losses]):
            yield "loss"


def _with_hidden(case: Case, names: Sequence[str]) -> list[Case]:
    output = case.activations[-1:]
    return [replace(case, activations=(name,) * (case.depth - 1) + output) for name in names]


def _all_same(climb: Climb, case: Case, others: Sequence[Case]) -> bool:
    answers = [climb.target.gradients(each) for each in (case, *others)]
    found = [vector_of(each).tobytes() for each in answers if isinstance(each, Gradients)]
    return len(found) == len(answers) and len(set(found)) == 1
