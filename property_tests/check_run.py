"""One run of `backproof check`, from the words of the command line to a `Checked`."""

import platform
from collections.abc import Callable, Container, Sequence

import numpy as np

from backproof import __version__
from backproof.case import Case
from backproof.checked import Check, Checked, CheckResult
from backproof.claims import Claims
from backproof.errors import BackproofError, MissingExtraError
from backproof.gradients import Failure, Gradients
from backproof.in_process import NOT_ISOLATED, InProcess
from backproof.names import ACTIVATIONS, DTYPES, LOSSES, MAX_DEPTH, ORACLES, REDUCTIONS
from backproof.program import PREFIX
from backproof.request import Request as Request
from backproof.settings import Settings
from backproof.target import Target
from oracles.elementary import as_measured
from property_tests.checking import Climb, with_expected
from property_tests.judging import Seat, judge_answers
from property_tests.ladder import LADDER, VERSION
from property_tests.nets import Nets
from property_tests.sides import oracles_named
from property_tests.trying import exact_answer
from property_tests.unread import advice

Show = Callable[[CheckResult], None]


def check(request: Request, show: Show = lambda result: None) -> tuple[Checked, Climb]:
    """The ladder without the witnesses, and the climb itself.

    show: is told of each result as soon as it is found
    Raises TargetError where nothing can be called.
    """
    with as_measured() as widened, opened(request) as target:
        climb = Climb(target, request.settings.factors)
        results = list[CheckResult]()
        for result in climb.results():
            results.append(with_expected(result, request.settings.expected))
            show(results[-1])
        _all_expected_exist(request.settings, {result.check.id for result in results})
        on_the_contract = not target.adapted and not request.spec.startswith(PREFIX)
        checked = Checked(
            name=target.name,
            target=request.spec,
            adapted=target.adapted,
            conventions=climb.conventions,
            claims=told_claims(target.claims),
            results=tuple(results),
            ladder=VERSION,
            strict=request.strict,
            notes=_notes(request, target, climb, widened),
            advice=tuple(advice(climb, results)) if on_the_contract else (),
            versions=_versions(),
        )
    return checked, climb


def _all_expected_exist(settings: Settings, known: Container[str]) -> None:
    for id in settings.expected:
        if id not in known:
            raise BackproofError(
                f"{settings.source}: `expected` names {id!r}, which is no check of this ladder; "
                "`backproof check --all` names them."
            )


def opened(request: Request) -> Target:
    """Whoever is asked, loaded. Raises TargetError."""
    if request.function is not None:
        return InProcess(request.function)
    return Target(request.spec, adapter=request.adapter)


def promised(request: Request) -> tuple[Check, ...]:
    """Every check that the ladder has for what is claimed; nothing is judged for it.

    Raises TargetError where nothing can be called, BackproofError for an expected failure of none.
    """
    with opened(request) as target:
        nets = Nets(target.claims, moves=target.moves)
    checks = tuple(question.check for rung in LADDER for question in rung.asks(nets))
    _all_expected_exist(request.settings, {check.id for check in checks})
    return checks


def _notes(
    request: Request, target: Target, climb: Climb, widened: dict[str, str]
) -> tuple[str, ...]:
    notes = [] if request.function is None else [NOT_ISOLATED]
    notes += climb.trial.notes
    if not target.memory_limited and request.function is None:
        notes.append("its memory is not limited: this platform cannot")
    notes += [f"{name}: {said}" for name, said in widened.items()]
    return tuple(notes)


def _versions() -> dict[str, str]:
    return {
        "backproof": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


_EVERYTHING = {
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "reductions": REDUCTIONS,
    "biases": ("separate", "none"),
    "dtypes": DTYPES,
    "depths": tuple(range(1, MAX_DEPTH + 1)),
}


def told_claims(claims: Claims) -> dict[str, tuple[str, ...]]:
    """Field -> claimed / all, and the names of whichever is the shorter list."""
    told = {name: _told(getattr(claims, name), all_) for name, all_ in _EVERYTHING.items()}
    if claims.widths is not None:
        told["widths"] = ("-".join(map(str, claims.widths)),)
    if claims.outputs is not None:
        told["outputs"] = (str(claims.outputs),)
    if claims.alphas is not None:
        told["learning rate"] = tuple(map(str, claims.alphas))
    if claims.max_rows == 1:
        told["instances"] = ("one at a time",)
    return told


def _told(claimed: Sequence[object], everything: Sequence[object]) -> tuple[str, ...]:
    names, left = [str(c) for c in claimed], [str(e) for e in everything if e not in claimed]
    score = f"{len(names)}/{len(everything)}"
    if not left:
        return (score,)
    return (score, "not", *left) if len(left) < len(names) else (score, *names)


# The other witnesses, for whoever wants to hear more than one.


def witnesses(
    cases: list[Case], names: Sequence[str] | None, show: Callable[[str, str], None]
) -> dict[str, str]:
    """What each oracle says of the exact answers that the program was judged by.

    names: empty for none, None for those that are installed   show: told of each as soon as it is
        there, the fastest first
    """
    if not cases or (names is not None and not names):
        return {}
    wanted = names if names is not None else ORACLES[::-1]
    said = dict[str, str]()
    for name in dict.fromkeys(wanted):  # one at a time: a framework takes a second to import
        if name == "exact":
            continue
        try:
            said[name] = _agreement(cases, _witness(name))
        except MissingExtraError as error:
            if names is not None:
                raise
            said[name] = f"not asked: {error}"
        show(name, said[name])
    return said


def _witness(name: str) -> Seat:
    if name == "torch_autograd":  # gradients alone: the first step of `torch.optim` takes seconds
        from oracles.torch_autograd import TorchAutograd

        return Seat(TorchAutograd(steps=False), family="any", is_oracle=True)
    return oracles_named([name])[0][0]


def _agreement(cases: list[Case], seat: Seat) -> str:
    exact = oracles_named(["exact"])[0][0]
    answers: dict[str, list[Gradients | Failure]] = {
        seat.name: seat.side.gradients_of(cases),
        exact.name: [exact_answer(case) for case in cases],  # known since the program was judged
    }
    judged = judge_answers(cases, [seat, exact], answers)
    words = [pairs[0].verdict for pairs in judged if pairs]
    others = len([word for word in words if word not in ("wrong", "error")])
    if others == len(cases):
        return f"says the same as exact arithmetic in all {len(cases)} cases"
    return f"says the same as exact arithmetic in {others} of {len(cases)} cases"
