"""Each term of the bound is needed: without it, or with a quarter of it, somebody sees it.

`terms.py` finds the terms in the source, so a new one is asked for by itself. Those that nobody
sees are listed below with the reason; one that is seen after all is no longer to be listed.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from backproof.gradients import Vector
from oracles.bound import bounds_of
from property_tests.harness.adversary import worst_errors
from property_tests.harness.balls import truth_of
from property_tests.harness.bound_terms import (
    FORMS,
    STEPS,
    Attempt,
    Judged,
    attempts,
    frozen_attempts,
    hand_picked,
    judged,
    seen_by_boxes,
    seen_by_cases,
    seen_by_steps,
)
from property_tests.harness.inside import given, reference_gradient
from property_tests.harness.terms import FACTORS, Term, mutated, terms
from property_tests.space import Claims, sampled_case

# Reason: term: which mutants nobody sees: "zero" times the term, a "quarter" of it, or "both".
# fmt: off
SURVIVORS: dict[str, dict[str, str]] = {
    "an operation beside it may underflow as well, and is granted as much": {
        "step_bound: 2.0 * eta [beside E + u * (n..]": "both",
        "squares: 2.0 * out.precision.eta [beside out.factor..]": "both",
        "squared_error_of_softmax: 2.0 * out.width * eta [beside EG + Ec + ..]": "both",
        "binary_cross_entropy: 3.0 * precision.eta [beside E + BINARY..]": "both",
        "cross_entropy: (out.width + 4.0) * eta [beside factor * E..]": "both",
        "softmax: precision.eta [beside np.minimum..]": "both",
        "softmax: precision.eta [beside p]": "both",
        "softmax: precision.eta [beside p * np.exp..]": "both",
        "sigmoid: 2.0 * eta [beside change * r..]": "both",
        "tanh: eta [beside C * u * np..]": "both",
        "tanh: 2.0 * eta [beside change * r..]": "both",
        "leaky_relu: box.eta [beside 2.0 * box...]": "both",
        "elu: eta [beside C * u * np..]": "both",
        "softplus: 3.0 * eta [beside 2.0 * C * ..]": "quarter",
        "gelu: (1.0 + far) * eta [beside far * rPhi..]": "both",
        "gelu: (2.0 + far) * eta [beside r1]": "both",
        "silu: (1.0 + far) * eta [beside (C + 4.0) ..]": "both",
        "silu: (2.0 + far) * eta [beside r1]": "quarter",
        "softsign: eta [beside 3.0 * u * ..]": "both",
        "softsign: eta [beside 5.0 * u * s]": "quarter",
        "F5_gradients: underflow [beside E_b]": "both",
    },
    "one rounding of the step is granted to spare, and this is as much": {
        "step_bound: np.abs(step) [beside np.abs(bef..]": "both",
        "step_bound: step [beside before]": "both",
    },
    "room for a proof by intervals, for second order, or for the bound's own arithmetic": {
        "_finished: 1e-09 [beside 1.0]": "both",
        "binary_cross_entropy: 4.0 * precision.u [beside 1.0]": "both",
        "cross_entropy: 4.0 * u [beside 1.0]": "both",
        "closed: 200.0 * precision.u [beside 1.0]": "both",
        "sigmoid: ROOM [beside np.abs(1.0..]": "both",
        "tanh: ROOM [beside 2.0 * np.a..]": "both",
        "gelu: ROOM [beside box.radius]": "quarter",
        "silu: ROOM [beside box.radius]": "quarter",
        "row_of: ROOM [beside 1.0]": "both",
    },
    "what stands beside it is granted for another formula, and is enough for this one": {
        "binary_terms: 5.0 [beside bound_tabl..]": "quarter",
        "sigmoid: 1.0 [beside 2.0 * C]": "both",
        "softplus: 2.0 * C * (o + box.radius) [beside C + 1.0]": "both",
        "softplus: o [beside box.radius]": "both",
        "softplus: box.radius [beside o]": "both",
        "silu: 3.0 [beside C] (2)": "both",
        "silu: far * up [beside q]": "both",
    },
    "an error times an error, or times u: it counts only where E is as large as the value": {
        "_top: 2.0 * E [beside np.abs(X)]": "quarter",
        "product: Eg [beside np.abs(dO)]": "both",
        "product: 2.0 * Es [beside np.abs(s)]": "both",
        "cross_entropy: 2.0 * Ep [beside p]": "both",
        "softmax: 2.0 * (E + spread) [beside np.abs(t)]": "both",
        "softmax: E [beside spread]": "both",
        "softmax: spread [beside E]": "both",
        "softmax: E [beside spread] (2)": "both",
        "softmax: spread [beside E] (2)": "both",
        "softmax: rounding [beside 2.0 * E + ..]": "both",
        "softmax: 2.0 * E [beside spread]": "both",
        "softmax: spread [beside 2.0 * E]": "both",
        "nearest: self.radius [beside self.a]": "quarter",
        "farthest: self.radius [beside self.a]": "both",
        "low: self.radius [beside self.z]": "quarter",
        "high: self.radius [beside self.z]": "quarter",
        "sigmoid: r0 [beside L1 * box.E]": "both",
        "tanh: r0 [beside L1 * box.E]": "both",
        "tanh: 2.0 * Eo [beside np.abs(o)]": "both",
        "gelu: r1 [beside np.abs(s)]": "both",
        "silu: r1 [beside np.abs(s)]": "both",
    },
    "the error of p enters several times as if each were another one, and is larger than this": {
        "squared_error_of_softmax: np.abs(G) [beside 2.0 * EG]": "both",
        "squared_error_of_softmax: 2.0 * EG [beside np.abs(G)]": "both",
        "squared_error_of_softmax: (p + 2.0 * Ep) * EG [beside (np.abs(G)..]": "both",
        "squared_error_of_softmax: EG [beside np.abs(G)]": "both",
        "squared_error_of_softmax: p [beside 2.0 * Ep]": "both",
        "squared_error_of_softmax: 2.0 * Ep [beside p]": "both",
        "squared_error_of_softmax: g(out.width + 1.0, out.precisi.. [beside Ec]": "both",
        "squared_error_of_softmax: out.width [beside 1.0]": "both",
        "squared_error_of_softmax: 1.0 [beside out.width]": "both",
        "squared_error_of_softmax: p [beside 2.0 * Ep] (2)": "both",
        "squared_error_of_softmax: 2.0 * Ep [beside p] (2)": "both",
        "squared_error_of_softmax: u * (np.abs(H) + np.abs(G) + n.. [beside EG + Ec]": "both",
        "squared_error_of_softmax: EG [beside Ec]": "both",
        "squared_error_of_softmax: np.abs(c) [beside np.abs(H) ..]": "both",
        "squared_error_of_softmax: np.abs(H) [beside np.abs(G)]": "both",
        "squared_error_of_softmax: np.abs(G) [beside np.abs(H)]": "both",
        "cross_entropy: out.width [beside 3.0]": "quarter",
        "cross_entropy: 3.0 [beside out.width]": "both",
        "cross_entropy: u * (out.width + 2.0) * shares [beside E]": "both",
        "cross_entropy: out.width [beside 2.0]": "both",
        "cross_entropy: 2.0 [beside out.width]": "both",
        "softmax: each.sum(-1, keepdims=True) [beside sizes]": "both",
        "softmax: sizes [beside rounding]": "both",
        "softmax: C [beside 1.0]": "quarter",
        "softmax: 1.0 [beside C]": "both",
    },
    "it decides where nothing is certain; a program is not wrong there, so no case shows it": {
        "softmax: p * np.exp(-2.0 * relative) [beside precision...]": "both",
    },
    "without it the bound is larger": {
        "sigmoid: 2.0 * o [beside 1.0]": "zero",
    },
}
# fmt: on
_FACTORS_OF = {"zero": {0.0}, "quarter": {0.25}, "both": {0.0, 0.25}}


@pytest.fixture(scope="module")
def groups() -> list[Judged]:
    return judged(attempts())


def survivors(term: Term, groups: Sequence[Judged]) -> set[float]:
    """The factors of this term that nobody sees."""
    found = set()
    for factor in FACTORS:
        with mutated(term, factor):
            if not (seen_by_cases(groups) or seen_by_steps() or seen_by_boxes(term)):
                found.add(factor)
    return found


def test_every_term_is_seen_or_listed_with_its_reason(groups: list[Judged]) -> None:
    listed = {text: _FACTORS_OF[which] for own in SURVIVORS.values() for text, which in own.items()}
    found = {str(term): survivors(term, groups) for term in terms()}
    assert len(found) > 200
    unlisted = [text for text, factors in found.items() if factors - listed.get(text, set())]
    assert not unlisted, "nobody sees that these are missing:\n" + "\n".join(unlisted)
    stale = [text for text in listed if listed[text] - found.get(text, set())]
    assert not stale, "these are seen, or gone, and need no reason:\n" + "\n".join(stale)


def test_the_bound_as_it_is_holds_for_the_worst_right_program(groups: list[Judged]) -> None:
    assert not any(group.outside() for group in groups)
    assert not seen_by_steps()
    assert not any(seen_by_boxes(term) for term in terms()[-1:])


def test_the_worst_right_program_comes_near_its_bound(groups: list[Judged]) -> None:
    """Otherwise it would see nothing."""
    largest = np.array(
        [
            np.max(errors / np.maximum(own.gradient, 1e-320))
            for group in groups
            for own, errors in zip(bounds_of(group.cases, group.family), group.errors, strict=True)
        ]
    )
    assert (largest > 0.7).sum() > 40
    assert largest.max() <= 1.0
    assert max(step.worst(form) / step.bound(form) for step in STEPS for form in FORMS) > 0.99


@pytest.mark.parametrize("size", [1, 2])
def test_it_holds_for_the_worst_right_program_on_fresh_cases(size: int) -> None:
    claims = Claims(max_width=size, max_batch=size, depths=(1, 2))
    cases = [sampled_case(70 + size, i, size="standard", claims=claims) for i in range(60)]
    fresh = [
        Attempt(case, family, i)
        for i, case in enumerate(cases)
        for family in ("numpy", "any", "stranger")
    ]
    for group in judged(fresh):
        assert not group.outside(), group.cases[group.outside()[0]]


def test_the_worst_right_program_is_worse_than_a_real_one() -> None:
    """And of the same size: it computes the same gradient."""
    for attempt in frozen_attempts():
        real = truth_of(attempt.case).errors(reference_gradient(attempt.case))
        worst = worst_errors(attempt.case, "numpy")
        assert (real <= worst + np.spacing(worst)).all()


def by_hand(x: float, w: float, y: float) -> Vector:
    """The worst error of dW = x (x w - y), to first order: z and G round, then the product."""
    G, u = x * w - y, 2.0**-53
    # The square's mean, D = G * 1 and dW round once each.
    return np.array([abs(x) * (abs(x * w) * u + 4.0 * abs(G) * u)])


def test_the_worst_right_program_by_hand() -> None:
    case = given([[[0.9]]], [[1.1]], [[0.3]], ["identity"], reduction="mean")
    assert worst_errors(case, "numpy") == pytest.approx(by_hand(1.1, 0.9, 0.3), rel=1e-5)


def test_holes_that_the_worst_right_program_found_stay_closed() -> None:
    """(diag(p) - p p') G sends -Y through a sum of d terms; 8 u |Y| was not enough from 16 on. And
    in p G - p c both products may underflow."""
    for name in (
        "the whole Jacobian of a wide softmax",
        "an underflow on both sides of softmax's difference",
    ):
        case = hand_picked()[name]
        errors, own = worst_errors(case, "stranger", 3), bounds_of([case], "stranger")[0].gradient
        assert (errors <= own).all()
        assert (errors > 0.5 * own).any()


def test_a_mutant_is_gone_afterwards() -> None:
    case = hand_picked()["O and G cancel"]
    before = bounds_of([case])[0].gradient
    for term in terms():
        with mutated(term, 0.0):
            pass
    assert bounds_of([case])[0].gradient.tobytes() == before.tobytes()
