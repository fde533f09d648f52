"""The case space on trial: what it reaches, how often, what it shrinks to, what it refuses."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st

import reference_impl
from backproof import names
from backproof.case import Case
from backproof.errors import CaseError
from backproof.gradients import Side
from backproof.tokens import case_of, token_of
from property_tests import generation, space
from property_tests.asking import Called, gradient_of, rounding_of
from property_tests.derived import rows_of, with_arrays
from property_tests.generation import draw_cases
from property_tests.shrinking import shrink
from property_tests.space import Claims, sampled_case
from property_tests.strategies import cases

ROOT = Path(__file__).resolve().parents[2]
SIMPLEST = Case((1, 1), ("identity",), regime="integers")


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
    # Where large integers would round a probability to 0 or 1, right code has no answer.
    on_probabilities = ("binary_cross_entropy", "cross_entropy")
    left_out = {(loss, "integers") for loss in on_probabilities}
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
    reference = Called("reference_impl", reference_impl.backprop)
    infinite = [case for case in drawn if not np.isfinite(gradient_of(reference, case)).all()]
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


# The generate phase.


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_exactly_as_many_cases_as_asked_for(count: int) -> None:
    numbers: list[int] = []
    drawn = draw_cases(count, 7, progress=numbers.append)
    assert len(drawn) == count
    assert numbers == list(range(1, count + 1))


def test_the_same_seed_gives_the_same_list() -> None:
    assert draw_cases(60, 7) == draw_cases(60, 7)
    assert draw_cases(60, 7) != draw_cases(60, 8)


def test_a_space_of_one_network_still_gives_as_many() -> None:
    one = Claims(
        activations=("tanh",), losses=("half_squared_error",), depths=(1,), max_width=1, max_batch=1
    )
    assert len(draw_cases(50, 7, claims=one)) == 50


def test_beyond_hypothesis_the_sampler_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "MOST_DRAWN", 10)
    assert draw_cases(11, 7) == [sampled_case(7, index) for index in range(11)]
    assert draw_cases(10, 7) != [sampled_case(7, index) for index in range(10)]


def test_should_hypothesis_stop_early_the_sampler_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = generation._drawn_by_hypothesis
    monkeypatch.setattr(generation, "_drawn_by_hypothesis", lambda *a: drawn(*a)[:4])
    assert draw_cases(6, 7)[4:] == [sampled_case(7, 4), sampled_case(7, 5)]


_DRAW = """
import sys
if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import neighbour
from property_tests.generation import draw_cases
from backproof.tokens import token_of
cases = draw_cases(80, 7)
open("tokens", "w").write(" ".join(map(token_of, cases)))
"""


def test_drawing_is_silent_leaves_nothing_and_knows_no_neighbours(tmp_path: Path) -> None:
    """A local module full of numbers changes nothing, and no folder of Hypothesis' appears."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "neighbour.py").write_text(f"NUMBERS = {list(range(2, 60))}\n")
    tokens = []
    for arguments in ([], [str(tmp_path / "beside")]):
        folder = tmp_path / f"run{len(arguments)}"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _DRAW, *arguments], cwd=folder, capture_output=True, text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""}, check=True,
        )  # fmt: skip
        assert done.stdout + done.stderr == ""
        assert [path.name for path in folder.iterdir()] == ["tokens"]
        tokens.append((folder / "tokens").read_text())
    assert tokens[0] == tokens[1]
    assert tokens[0].split() == [token_of(case) for case in draw_cases(80, 7)]


# The shrinker.


def _differs(bug: Side) -> Callable[[Case], bool]:
    reference = Called("reference_impl", reference_impl.backprop)

    def fails(case: Case) -> bool:
        ours, theirs = gradient_of(bug, case), gradient_of(reference, case)
        (E,) = rounding_of(case)
        with np.errstate(all="ignore"):
            return bool((np.abs(ours - theirs) > 2 * E).any())

    return fails


def _bug(change: Callable[..., None]) -> Side:
    def backprop(W: Any, b: Any, X: Any, *rest: Any, **options: Any) -> Any:
        made = reference_impl.backprop(W, b, X, *rest, **options)
        change(made, len(X))
        return made

    return Called("planted", backprop)


def _db_mean(made: Any, n: int) -> None:
    for db in made.db:
        if db is not None:
            db /= n


def _first_of_two_layers(made: Any, n: int) -> None:
    if len(made.dW) > 1:
        made.dW[0] *= 2


@pytest.mark.parametrize(
    ("bug", "expected"),
    [
        (_db_mean, replace(SIMPLEST, n=2)),
        (_first_of_two_layers, Case((1, 1, 1), ("identity",) * 2, regime="integers")),
    ],
)
@given(start=st.integers(0, 10**6))
@settings(max_examples=10)
def test_a_planted_bug_shrinks_to_the_net_that_it_needs(
    bug: Callable[..., None], expected: Case, start: int
) -> None:
    fails = _differs(_bug(bug))
    case = next(
        c for c in (sampled_case(start, i, size="standard") for i in range(200)) if fails(c)
    )
    smallest = shrink(case, fails)
    assert fails(smallest)
    assert replace(smallest, seed=0) == expected
    assert smallest == shrink(case, fails)


def test_a_case_that_cannot_be_smaller_stays() -> None:
    assert shrink(SIMPLEST, lambda case: True) == SIMPLEST
    case = sampled_case(1, 1)
    assert shrink(case, lambda other: False) is case


def test_given_arrays_keep_their_weights_and_lose_rows() -> None:
    case = with_arrays(sampled_case(1, 5, size="wide", claims=Claims(regimes=("normal",))))
    case = rows_of(case, list(range(case.n)) * 2)
    needed = case.arrays.X[case.n - 3]
    smallest = shrink(case, lambda part: (part.arrays.X == needed).all(axis=1).any())
    assert smallest.n == 1
    assert (smallest.arrays.X == needed).all()
    assert smallest.arrays.weights == case.arrays.weights


def test_two_rows_that_are_needed_together_are_both_kept() -> None:
    case = with_arrays(Case((3, 2), ("tanh",), n=8, seed=3))
    first, last = case.arrays.X[0], case.arrays.X[-1]

    def both(part: Case) -> bool:
        return all((part.arrays.X == row).all(axis=1).any() for row in (first, last))

    assert (shrink(case, both).arrays.X == [first, last]).all()


@pytest.mark.parametrize("limit", [{"max_tries": 7}, {"deadline_seconds": 0.0}])
def test_a_search_that_runs_out_still_fails(limit: dict[str, Any]) -> None:
    asked: list[Case] = []

    def deep(case: Case) -> bool:
        asked.append(case)
        return case.depth > 1

    case = next(c for c in (sampled_case(2, i) for i in range(50)) if c.depth > 3)
    assert shrink(case, deep, **limit).depth > 1
    assert len(asked) == len(set(asked)) <= 7
