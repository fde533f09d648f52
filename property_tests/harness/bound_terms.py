"""Who sees that a term of the bound is missing: single boxes of the table, and frozen cases.

The boxes are those of `row_proofs.py`, without subdivision. The cases are those of
`property_tests/corpus/bound_terms.txt` and the hand-picked ones below; the judge of a case is the
worst right program (`adversary.py`) against the exact gradient in balls.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backproof import names
from backproof.case import Case
from backproof.gradients import Vector
from oracles import bound_tables
from oracles.bound import bounds_of, step_bound
from oracles.bound_tables import FAMILIES
from property_tests.gathering import case_named
from property_tests.harness import row_proofs
from property_tests.harness.adversary import worst_errors
from property_tests.harness.formulas import FORMULAS
from property_tests.harness.inside import given
from property_tests.harness.row_proofs import Cells, Claims
from property_tests.harness.terms import Term

LIST = Path(__file__).resolve().parents[1] / "corpus" / "bound_terms.txt"


class Attempt(NamedTuple):
    """A case, and the family and style of the program that answers it."""

    case: Case
    family: str
    style: int


class Judged(NamedTuple):
    """Attempts of one family, and how far each worst program lies from the exact gradient."""

    family: str
    cases: list[Case]
    errors: list[Vector]

    def outside(self) -> list[int]:
        """Which attempts lie outside the bound, as it now is."""
        found = bounds_of(self.cases, self.family)
        return [
            i
            for i, (own, errors) in enumerate(zip(found, self.errors, strict=True))
            if (np.isfinite(own.gradient) & ~(errors <= own.gradient)).any()
        ]


def frozen_attempts() -> list[Attempt]:
    """Those of the list, one a line: token, family, style; what follows a # does not count."""
    lines = [line.partition("#")[0].split() for line in LIST.read_text("utf-8").splitlines()]
    return [
        Attempt(case_named(line[0], LIST.parent), line[1], int(line[2])) for line in lines if line
    ]


def judged(attempts: Iterable[Attempt]) -> list[Judged]:
    """The errors of all attempts, once: no term of the bound enters them."""
    groups: dict[str, Judged] = {family: Judged(family, [], []) for family in FAMILIES}
    for case, family, style in attempts:
        groups[family].cases.append(case)
        groups[family].errors.append(worst_errors(case, family, style))
    return [group for group in groups.values() if group.cases]


def seen_by_cases(groups: Sequence[Judged]) -> bool:
    """Whether some worst right program now lies outside its bound."""
    return any(group.outside() for group in groups)


# ---- boxes ----


@cache
def _claims() -> dict[tuple[str, str], Claims]:
    domain = {name: row_proofs.domain_of(name) for name in FORMULAS}
    found = {
        (name, family): row_proofs.row_claims(name, family, domain[name])
        for name in FORMULAS
        for family in FORMULAS[name]
    }
    for family in FAMILIES:
        found["sigmoid", f"binary {family}"] = row_proofs.binary_claims(family, domain["sigmoid"])
    return found


@cache
def _boxes(name: str) -> Cells:
    """800 boxes without a size of their own, evenly over the octaves of p and of r."""
    i = np.arange(1, 801)
    even, other = (i * 0.6180339887498949) % 1.0, (i * 0.7548776662466927) % 1.0
    end = row_proofs.domain_of(name).end
    p = row_proofs.SMALLEST * (end / row_proofs.SMALLEST) ** even
    r = np.where(i % 3 == 0, 0.0, 2.0 ** (-20.0 + 23.0 * other))
    p = np.where((i % 5 == 0) & (r > 0.0), -r * even, p)
    return Cells(*np.array([p, p, r, r], dtype=np.float64))


def seen_by_boxes(term: Term) -> bool:
    """Whether a box of the table is now too small; False for terms that are not of the table."""
    names = {term.function} & set(FORMULAS) or set(FORMULAS)
    if term.module != bound_tables.__name__:
        names = {"sigmoid"} if term.function == "binary_terms" else set()
    return any(
        row_proofs.fails(claims, _boxes(name)) for (name, _), claims in _claims().items()
        if name in names
    )  # fmt: skip


# ---- steps ----


class Step(NamedTuple):
    """One weight and what is added to it: W0, alpha, the gradient and its E, in one dtype."""

    before: float
    alpha: float
    gradient: float
    E: float
    dtype: str

    def worst(self, form: str) -> float:
        """How far the worst right program is from -alpha * gradient, exactly."""
        kind = np.finfo(self.dtype)
        u, smallest = Fraction(float(kind.epsneg)), Fraction(float(kind.smallest_normal))
        exact = -Fraction(self.alpha) * Fraction(self.gradient)
        values = {-Fraction(self.gradient) + way * Fraction(self.E) for way in (-1, 1)}
        values = {alpha * g for g in values for alpha in _off(Fraction(self.alpha), u, smallest)}
        values = {x for value in values for x in _off(value, u, smallest)}
        if form == "after_minus_before":
            W = Fraction(self.before)
            values = {x for value in values for x in _off(W + value, u, smallest)}
            values = {x for value in values for x in _off(value - W, u, smallest)}
        return float(max(abs(value - exact) for value in values))

    def bound(self, form: str) -> float:
        case = given(
            [[[self.before]]], [[1.0]], [[0.0]], ["identity"], alpha=self.alpha, dtype=self.dtype
        )
        step = np.array([-self.alpha * self.gradient])
        return float(step_bound(case, np.array([self.E]), step, form)[0])


def _off(value: Fraction, u: Fraction, smallest: Fraction) -> set[Fraction]:
    """What the result of one operation may be: off by u, or flushed."""
    found = {value * (1 + way * u) for way in (-1, 0, 1)}
    return found | {Fraction(0)} if abs(value) < smallest else found


FORMS = ("direct", "after_minus_before")
STEPS = [
    step
    for dtype in names.DTYPES
    for tiny in [float(np.finfo(dtype).smallest_normal)]
    for step in (
        Step(1.0, 0.1, 0.7, 0.0, dtype),  # rounding of alpha and the product, and of the sum
        Step(1.0, 0.1, 0.7, 1e-2, dtype),  # the error of the gradient
        Step(2.0**-20, 0.1, 0.7, 0.0, dtype),
        Step(0.7 * 2.0**20, 0.1, 0.7, 0.0, dtype),
        Step(tiny, 0.5, 1.998 * tiny, 0.0, dtype),  # underflow of the product
        Step(-1.25 * tiny, 1.0, -2.24 * tiny, 0.0, dtype),  # of the sum
        Step(3.0 * tiny, 1.0, -1.01 * tiny, 0.0, dtype),
    )
]


def seen_by_steps() -> bool:
    """Whether a step of the worst right program now lies outside its bound."""
    return any(step.worst(form) > step.bound(form) for step in STEPS for form in FORMS)


# ---- hand-picked ----


_ETA = 2.0**-1022  # the smallest normal float64
_LARGE = 2.0**330  # what an underflow is multiplied with, so that it counts


_UNDERFLOW_OF_O = {
    "sigmoid": -709.0,
    "tanh": _ETA,
    "leaky_relu": -3.9 * _ETA,
    "elu": -_ETA,
    "softplus": -709.0,
    "gelu": 1.9 * _ETA,
    "silu": 1.9 * _ETA,
    "softsign": _ETA,
}
_UNDERFLOW_OF_S = {
    "sigmoid": -709.0,
    "tanh": -355.5,
    "elu": -709.0,
    "softplus": -709.0,
    "silu": -720.0,
    "softsign": 1e155,
}


def hand_picked() -> dict[str, Case]:
    """Cases that no token draws, each for the terms that it is named after."""
    # z loses all its digits: E is 8, and half of it is reached.
    long_boxes = {
        f"a long box of {name} at {z:g}, Y = {Y:g}": given(
            [[[2.0**54], [z - 2.0**54]]], [[1.0, 1.0]], [[Y]], [name]
        )
        for name in ("sigmoid", "softplus", "elu", "silu")
        for z in (-8.0, 8.0)
        for Y in (0.0, 1e4)
    }
    wide = {
        f"a softmax of {d}, far from its label": given(
            [[[-20.0] + [0.0] * (d - 1)]], [[1.0]], [[1.0] + [0.0] * (d - 1)], ["softmax"]
        )
        for d in (2, 4, 8, 16)
    }
    elu = given([[[2.0**55], [4.0 - 2.0**55]]], [[1.0, 1.0]], [[1e4]], ["elu"])
    # o or s of a row is below the smallest normal number, and counts for 2**330 or more.
    underflows_of_o = {
        f"an underflow in {name}": given(
            [[[z]], [[_LARGE]]], [[1.0]], [[0.0]], [name, "identity"], biases=[[0.0], [0.0]],
            slope=0.25,
        )
        for name, z in _UNDERFLOW_OF_O.items()
    }  # fmt: skip
    underflows_of_s = {
        f"an underflow in {name}'": given([[[z / _LARGE]]], [[_LARGE]], [[1e6]], [name])
        for name, z in _UNDERFLOW_OF_S.items()
    }
    return {
        **long_boxes,
        **underflows_of_o,
        **underflows_of_s,
        **wide,
        "a long box of elu that crosses zero": elu,
        "an underflow in z": given([[[_ETA]], [[_LARGE]]], [[0.999]], [[0.0]], ["identity"] * 2),
        "an underflow in D": given(
            [[[-1.0]], [[354.5 * _LARGE]]], [[1.0 / _LARGE]], [[0.0]], ["identity", "sigmoid"]
        ),
        "an underflow in D W": given(
            [[[0.0]], [[0.999 * 2.0**-511] * 3]],
            [[_LARGE]],
            [[2.0**-511] * 3],
            ["identity", "identity"],
        ),
        "an underflow in dW": given([[[0.0]]], [[0.999 * 2.0**-511]], [[2.0**-511]], ["identity"]),
        # One large number goes through a sum of eight; the others are zero.
        "a bias among eight": given(
            [[[0.3]] * 8], [[0.0] * 8], [[0.0]], ["identity"], biases=[[1.0]]
        ),
        "a row among eight": given(
            [[[0.3]]], [[0.0]] * 8, [[1.0]] + [[0.0]] * 7, ["identity"], biases=[[0.0]]
        ),
        "an output among eight": given(
            [[[0.0]], [[1.0] + [0.0] * 7]], [[1.0]], [[1.0] + [0.0] * 7], ["identity"] * 2
        ),
        # z = 3e6 - 3e6 leaves rounding alone, so O and G are all error.
        "O and G cancel": given(
            [[[3e7], [-1e7]], [[1.0]]], [[0.1, 0.3]], [[0.0]], ["identity", "identity"]
        ),
        "the whole Jacobian of a wide softmax": given(
            [[[-20.0] + [0.0] * 15]], [[1.0]], [[1.0] + [0.0] * 15], ["softmax"], "cross_entropy"
        ),
        # p G and p c are both below the smallest normal number, and of two signs.
        "an underflow on both sides of softmax's difference": given(
            [[[0.0, np.log(0.95e6 * _ETA) / _LARGE]]], [[_LARGE]], [[1 - 1e-6, 1e-6]], ["softmax"]
        ),
        "softmax of logits that cancel": given(
            [[[3e16, 1.0], [-1e16, 1.0]]], [[0.1, 0.3]], [[0.0, 1.0]], ["softmax"]
        ),
    }


def attempts() -> list[Attempt]:
    """All that is tried, the hand-picked ones in every family."""
    picked = [
        Attempt(case, family, style)
        for case in hand_picked().values()
        for family in FAMILIES
        for style in range(4 if "softmax" in case.activations else 2)
    ]
    return frozen_attempts() + picked
