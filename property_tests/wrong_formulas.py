"""Wrong formulas, certified wrong: the same code in floats and in exact arithmetic.

Each is `examples/my_net.py` with one change. Run on balls it says what the wrong formula is worth,
with a proved radius, so a case in which right and wrong really differ is told from one in which
they do not (a relu that is never negative, a factor 2 of a gradient that is zero).
"""

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from flint import arb

from backproof.ball import working
from backproof.case import Case
from backproof.exact_arithmetic import Balls, NotExactly, Question, exact_answer
from backproof.gradients import Failure, Gradients, flat
from oracles.bound import bound_of
from oracles.exact import Exact
from oracles.exact_network import pass_of
from property_tests.judging import Seat, judge
from property_tests.planted import PLANTED, PlantedBug, write_planted
from property_tests.space import Claims

_BITS = (200, 1000, 5000)
_NARROW = 60
_TIMES_THE_BOUND = 4


@dataclass(frozen=True)
class WrongFormula:
    """A mistake in a formula, and the cases in which it is looked for."""

    bug: PlantedBug
    claims: Claims

    @property
    def name(self) -> str:
        return self.bug.name


def _claims(case: Case) -> Claims:
    """Nets of what the bug's own case is made of: there the mistake has a place."""
    return Claims(
        activations=tuple(dict.fromkeys(case.activations)),
        losses=(case.loss,),
        reductions=(case.reduction,),
        dtypes=("float64",),
    )


def _derivative(name: str, right: str, wrong: str) -> PlantedBug:
    case = Case((4, 3, 5, 2), (name, name, "identity"), n=6, seed=11)
    return PlantedBug(f"{name}_derivative", f"{name}' is wrong", ((right, wrong),), case, ())


_MORE = (
    _derivative("elu", "np.exp(np.minimum(Z, 0)),", "np.where(Z > 0, 1.0, O),"),
    _derivative(
        "softplus",
        '"softplus": lambda Z, O, slope: sigmoid(Z),',
        '"softplus": lambda Z, O, slope: sigmoid(O),',
    ),
    _derivative("softsign", "1 / (1 + abs(Z)) ** 2", "1 / (1 + Z**2)"),
)
# Mistakes of another kind: in the machine, in the shapes, between the calls.
_NO_FORMULA = ("one_element", "float32_inside", "nan", "kept_state", "through_updated_weights")
_FROM_PLANTED = tuple(
    bug
    for bug in PLANTED
    if bug.verdict == "wrong"
    and bug.name not in (*_NO_FORMULA, "other_weights", "through_gradient")  # need equal widths
    and "_kink_" not in bug.name  # differ at a tie alone: `harness/test_kinks.py`
)
FORMULAS = tuple(WrongFormula(bug, _claims(bug.case)) for bug in (*_FROM_PLANTED, *_MORE))
# The example as it is: a control, in which nothing may differ.
RIGHT = PlantedBug("right", "nothing", (), Case((1, 1), ("tanh",)), ())


@cache
def module_of(name: str) -> ModuleType:
    """The example with the mistake, loaded."""
    bug = next(bug for bug in (RIGHT, *(f.bug for f in FORMULAS)) if bug.name == name)
    with tempfile.TemporaryDirectory() as folder:
        path = write_planted(bug, Path(folder))
        spec = importlib.util.spec_from_file_location(f"planted_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Planted:
    """The wrong program as an accused, in floats."""

    name: str
    step_form: str = "direct"

    def gradients(self, case: Case) -> Gradients | Failure:
        with np.errstate(all="ignore"):
            dW, db = _asked(self.name, case, case.arrays)
        biases = [None if b is None else db[l] for l, b in enumerate(case.arrays.biases)]
        return Gradients(flat(dW, biases), None)

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [self.gradients(case) for case in cases]


def _asked(name: str, case: Case, question: Any) -> tuple[list[Any], list[Any]]:
    """question: the case's arrays, or the same in balls."""
    answer: tuple[list[Any], list[Any]] = module_of(name).backprop(
        list(question.weights),
        list(question.biases),
        question.X,
        question.Y,
        list(case.activations),
        case.loss,
        reduction=case.reduction,
        slope=case.slope,
    )
    return answer


def _in_balls(name: str, case: Case, bits: int) -> Balls | NotExactly:
    def ask(question: Question) -> tuple[list[Any], list[Any]]:
        return _asked(name, case, question)

    return exact_answer(case.arrays, ask, bits=bits)


@dataclass(frozen=True)
class Seen:
    """One case: do the formulas differ at all, by more than 4 E somewhere, and was "wrong" said?

    differs, far: of the exact values; None where exact arithmetic does not tell
    far_but_rounded: by more than 4 E, but only where the wrong program's own rounding exceeds E.
        tanh' = 1 - O**2 of a saturated unit is 0 in floats, which takes a wrong factor away: those
        numbers lie where those of a right program would, and only exact arithmetic can tell.
    """

    differs: bool | None
    far: bool | None
    far_but_rounded: bool | None
    wrong: bool


def seen(name: str, cases: Sequence[Case]) -> list[Seen]:
    """Each case judged as a learner's would be, against `exact` alone."""
    seats = [
        Seat(Planted(name), family="stranger", is_oracle=False),
        Seat(Exact(), family="any", is_oracle=True),
    ]
    words = [pairs[0].verdict == "wrong" for pairs in judge(cases, seats)]
    return [Seen(*_differs(name, case), wrong) for case, wrong in zip(cases, words, strict=True)]


def _differs(name: str, case: Case) -> tuple[bool | None, bool | None, bool | None]:
    """The first three of `Seen`, with more bits while some element is not narrow.

    A formula such as 1 - O**2 of a saturated unit loses all of the first 200 bits.
    """
    # E with undecided signs both ways: up to there another slope is as right as the exact one.
    E = bound_of(case, "stranger").gradient_kink.tolist()
    differs = far = rounded = None
    floats = Planted(name).gradients(case)
    assert isinstance(floats, Gradients)
    assert floats.gradient is not None
    values = floats.gradient.tolist()
    for bits in _BITS:
        wrong = _in_balls(name, case, bits)
        if isinstance(wrong, NotExactly):
            continue
        with working(bits):
            right = pass_of(case, both=False).gradient
            apart = [abs(a - b) for a, b in zip(wrong, right, strict=True)]
            differs = any(x > 0 for x in apart)
            there = [x > _TIMES_THE_BOUND * e for x, e in zip(apart, E, strict=True)]
            own = [abs(v - w) <= e for v, w, e in zip(values, wrong, E, strict=True)]
            far = any(x and inside for x, inside in zip(there, own, strict=True))
            rounded = any(there) and not far
            if all(map(_narrow, (*wrong, *right))):
                return differs, far, rounded
    # Where wide balls only touch, nobody knows; where they are apart, that is proved all the same.
    return differs or None, far or None, rounded or None


def _narrow(ball: arb) -> bool:
    return bool(ball.rel_accuracy_bits() >= _NARROW or ball.abs_upper() < 2.0**-1074)
