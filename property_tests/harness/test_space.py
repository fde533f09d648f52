"""The case space on trial: what it reaches, how often, what it shrinks to, what it refuses."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings

from backproof import names
from backproof.case import Case
from backproof.errors import CaseError
from backproof.tokens import case_of, token_of
from property_tests import space
from property_tests.asking import gradient_of
from property_tests.generation import draw_cases
from property_tests.harness.small_cases import SIMPLEST
from property_tests.sides import REFERENCE
from property_tests.space import Claims, sampled_case
from property_tests.strategies import cases


def minimal(condition: Callable[[Case], bool], **options: Any) -> Case:
    """The case that Hypothesis shrinks to."""
    search = settings(
        max_examples=3000, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), deadline=None,
    )  # fmt: skip
    return find(cases(**options), condition, settings=search, random=random.Random(1))


# What it shrinks to.


def test_everything_shrinks_to_one_weight_one_row_and_small_integers() -> None:
    assert minimal(lambda case: True) == SIMPLEST
    assert np.abs(SIMPLEST.arrays.weights[0]).max() <= 3


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda case: case.depth >= 3, ((1, 1, 1, 1), ("identity",) * 3, {})),
        (lambda case: case.n >= 5, ((1, 1), ("identity",), {"n": 5})),
        (lambda case: "tanh" in case.activations, ((1, 1), ("tanh",), {})),
        (lambda case: "tanh" in case.activations[:-1], ((1, 1, 1), ("tanh", "identity"), {})),
        (lambda case: case.widths[-1] >= 4, ((1, 4), ("identity",), {})),
        (lambda case: case.loss == "cross_entropy",
         ((1, 1), ("softmax",), {"loss": "cross_entropy", "regime": "fractions"})),
        (lambda case: case.reduction == "mean", ((1, 1), ("identity",), {"reduction": "mean"})),
        (lambda case: case.bias == "none", ((1, 1), ("identity",), {"bias": "none"})),
        (lambda case: case.dtype == "float32", ((1, 1), ("identity",), {"dtype": "float32"})),
        (lambda case: case.alpha != 1, ((1, 1), ("identity",), {"alpha": 0.5})),
        (lambda case: case.scale < 0, ((1, 1), ("identity",), {"regime": "normal", "scale": -1})),
        (lambda case: case.slope == 1 / 4, ((1, 1), ("leaky_relu",), {"slope": 1 / 4})),
        (lambda case: case.seed >= 1000, ((1, 1), ("identity",), {"seed": 1000})),
    ],
)  # fmt: skip
def test_what_is_not_needed_shrinks_away(
    condition: Callable[[Case], bool], expected: tuple[Any, Any, dict[str, Any]]
) -> None:
    widths, activations, changes = expected
    assert minimal(condition) == replace(Case(widths, activations, regime="integers"), **changes)


def test_hypothesis_says_which_field_a_failure_depends_on() -> None:
    @seed(1)
    @settings(max_examples=200, database=None, deadline=None, phases=list(Phase))
    @given(cases(claims=Claims(depths=(1,))))
    def check(case: Case) -> None:
        # What a wrong tanh' does: it fails where there is a tanh, whatever else is drawn.
        assert "tanh" not in case.activations

    with pytest.raises(AssertionError) as caught:
        check()
    notes = "\n".join(caught.value.__notes__)
    drawn = dict(line.split(": ", 1) for line in notes.splitlines() if line.startswith("Draw "))
    fields = {label.split("(")[1].rstrip(")"): value for label, value in drawn.items()}
    free = "# or any other generated value"
    assert fields["activation of the output"] == "'tanh'"
    for field in ("n", "width of X", "width of the output", "reduction", "bias", "alpha", "seed"):
        assert fields[field].endswith(free), field


# What it reaches.


def test_every_loss_meets_every_regime() -> None:
    drawn = [sampled_case(5, index) for index in range(5000)]
    met = {(case.loss, case.regime) for case in drawn}
    # Where large numbers would round a probability to 0 or 1, right code has no answer.
    on_probabilities = ("binary_cross_entropy", "cross_entropy")
    left_out = set(product(on_probabilities, ("integers", "saturated")))
    assert met == set(product(names.LOSSES, names.REGIMES[:-1])) - left_out


def test_every_activation_stands_in_every_place() -> None:
    drawn = [sampled_case(5, index) for index in range(6000)]
    hidden = {(l, g) for case in drawn for l, g in enumerate(case.activations[:-1], 1)}
    assert hidden == {(l, g) for l in range(1, 8) for g in names.ACTIVATIONS[:-1]}
    squared = {case.activations[-1] for case in drawn if case.loss == "mean_squared_error"}
    assert squared == set(names.ACTIVATIONS)
    assert {case.depth for case in drawn} == set(range(1, 9))
    assert {k for case in drawn for k in case.widths} == set(range(1, 65))
    assert {case.scale for case in drawn} == set(names.SCALES)


def test_kinks_and_dead_units_are_met() -> None:
    claims = Claims(activations=("relu",), losses=("half_squared_error",), regimes=("zeros",))
    search = settings(database=None, phases=[Phase.generate])

    def dead(case: Case) -> bool:
        return not (case.arrays.X @ case.arrays.weights[0]).any()

    found = find(cases(claims=claims), dead, settings=search)
    assert (found.arrays.X @ found.arrays.weights[0] == 0).all()


def test_what_is_drawn_has_the_stated_shares() -> None:
    count = 5000
    drawn = [sampled_case(11, index) for index in range(count)]
    for field in ("regime", "scale", "dtype", "reduction", "bias", "loss", "alpha"):
        seen = Counter(str(getattr(case, field)) for case in drawn)
        for option, share in space.shares()[field].items():
            # Five standard deviations of a binomial count; the seed is fixed, so it is no lottery.
            allowed = 5 * (count * share * (1 - share)) ** 0.5
            assert abs(seen[option] - count * share) < allowed, (field, option)
    for shares in space.shares().values():
        assert sum(shares.values()) == pytest.approx(1)


def test_a_share_that_is_not_drawn_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "DTYPES", ("float64", "float32"))
    drawn = Counter(sampled_case(11, index).dtype for index in range(2000))
    assert abs(drawn["float32"] - 2000 / 8) > 5 * (2000 * 7 / 64) ** 0.5


def test_float32_seldom_overflows() -> None:
    claims = Claims(dtypes=("float32",))
    drawn = [sampled_case(3, index, claims=claims) for index in range(2000)]
    infinite = [case for case in drawn if not np.isfinite(gradient_of(REFERENCE, case)).all()]
    # A probability of exactly 0 under a label is no overflow: it is the loss itself.
    assert len([case for case in infinite if "cross_entropy" != case.loss[-13:]]) == 0


@given(cases(size=None))
def test_a_drawn_case_is_a_token(case: Case) -> None:
    assert case_of(token_of(case)) == case


@given(cases())
def test_a_standard_case_is_standard(case: Case) -> None:
    assert case.size == "standard"


# The sampler.


def test_the_sampler_needs_no_neighbours() -> None:
    assert sampled_case(7, 10**9) == sampled_case(7, 10**9)
    drawn = [sampled_case(7, index) for index in range(1000)]
    assert drawn == [sampled_case(7, index) for index in range(1000)]
    assert len({case.seed for case in drawn}) == 1000
    assert drawn != [sampled_case(8, index) for index in range(1000)]


def test_the_sampler_draws_the_same_cases_for_ever() -> None:
    assert token_of(sampled_case(7, 0)) == "bp1r4h27a4sz3g3a118exq"
    assert token_of(sampled_case(7, 123_456)) == "bp12318h20f4nd70gwg42720jqrp"


# Claims.

PART = Claims(
    activations=("identity", "tanh", "sigmoid"),
    losses=("mean_squared_error", "binary_cross_entropy", "cross_entropy"),
    reductions=("mean",),
    biases=("none",),
    alphas=(0.1,),
    dtypes=("float32",),
    regimes=("normal", "one_hot"),
    depths=(2, 3),
    max_width=3,
    max_batch=2,
)


@given(cases(size=None, claims=PART))
def test_only_what_is_claimed_is_drawn(case: Case) -> None:
    assert set(case.activations) <= set(PART.activations)
    assert case.loss in ("mean_squared_error", "binary_cross_entropy")  # no softmax is claimed
    assert (case.reduction, case.bias, case.alpha, case.dtype) == ("mean", "none", 0.1, "float32")
    assert case.regime in PART.regimes
    assert case.depth in PART.depths
    assert max(case.widths) <= 3
    assert case.n <= 2


def test_a_regime_alone_leaves_the_losses_that_have_it() -> None:
    claims = Claims(regimes=("integers",))
    losses = {sampled_case(5, index, claims=claims).loss for index in range(300)}
    assert losses == set(names.LOSSES) - {"binary_cross_entropy", "cross_entropy"}


def test_a_slope_of_ones_own_is_drawn() -> None:
    claims = Claims(activations=("leaky_relu",), losses=("half_squared_error",), slopes=(0.2,))
    assert {sampled_case(1, index, claims=claims).slope for index in range(50)} == {0.2}


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (Claims(losses=()), "`claims.losses` is (), which leaves no case"),
        (Claims(activations=("tanh",), losses=("cross_entropy",)), "`claims.losses` is"),
        (Claims(activations=("softmax",), depths=(2,)), "`claims` leaves no depth"),
        (Claims(depths=(9,)), "`claims` leaves no depth"),
        (Claims(depths=()), "`claims` leaves no loss"),
        (Claims(regimes=("integers",), losses=("cross_entropy",)), "`claims.losses` is"),
        (Claims(combinations=()), "`claims` leaves no loss"),
        (Claims(activations=("swish",)), "`claims.activations` is ('swish',)"),
        (Claims(regimes=("real",)), "`claims.regimes` is ('real',)"),
        (Claims(max_width=0), "`claims.max_width` is 0"),
        (Claims(max_batch=0), "`claims.max_batch` is 0"),
        (Claims(slopes=()), "`claims.slopes` is empty"),
        (Claims(dtypes=("float16",)), "`claims.dtypes` is ('float16',)"),
    ],
)
def test_claims_that_leave_nothing_are_said(claims: Claims, message: str) -> None:
    with pytest.raises(CaseError) as caught:
        draw_cases(3, 7, claims=claims)
    assert str(caught.value).startswith(message)
    assert "use" in str(caught.value) or "claim" in str(caught.value)
