"""What the exact answer does to a verdict: residual, kinks, the first word, promises."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import reference_impl
from backproof.case import Arrays, Case
from backproof.gradients import Failure, Gradients, Vector
from backproof.names import VERDICTS
from backproof.records import PairRecord, Run
from oracles import exact, verdict
from oracles.bound import bound_of
from oracles.exact import Exact
from oracles.verdict import Comparison, Opinion, compare, opinions_of
from property_tests import outcome
from property_tests.campaign import conduct
from property_tests.gathering import Gathered
from property_tests.judging import Seat, judge, promised_pairs
from property_tests.sides import REFERENCE, Called, oracles_named, reference_seat
from property_tests.verification import Plan, _docket, _header

JUDGE = Exact()
NET = Case((3, 4, 2), ("tanh", "sigmoid"), "mean_squared_error", n=3, seed=5)


def opinion_of(case: Case, values: Vector, quantity: str = "gradient") -> Opinion:
    """A subject's values with the bound of the textbook's formulas."""
    answer = Gradients(values, values)
    return opinions_of(case, answer, "direct", bound_of(case, "numpy"))[quantity]


def exact_of(case: Case, quantity: str = "gradient") -> Opinion:
    answer = JUDGE.gradients(case)
    assert isinstance(answer, Gradients)
    return opinions_of(case, answer, "direct", bound_of(case, "any"))[quantity]


def held(case: Case, values: Vector, quantity: str = "gradient") -> Comparison:
    """These values against the exact ones."""
    opinion = opinion_of(case, values, quantity)
    return compare(case, quantity, opinion, exact_of(case, quantity), bound_of(case).witness)


def words(comparison: Comparison) -> list[str]:
    return [VERDICTS[code] for code in comparison.codes]


# Near the exact answer.


@pytest.mark.parametrize("quantity", ["gradient", "step"])
def test_the_bound_is_that_of_the_other_side_alone(quantity: str) -> None:
    truth = exact_of(NET, quantity)
    own = opinion_of(NET, truth.values, quantity).bound
    assert (held(NET, truth.values, quantity).bound <= own * (1 + 1e-6)).all()


def test_the_distance_is_seen_to_a_fraction_of_an_ulp() -> None:
    """The nearest float64 is off by what `low` says; its neighbours by an ulp more or less."""
    truth = exact_of(NET)
    assert truth.low is not None
    for values in (truth.values, np.nextafter(truth.values, np.inf)):
        apart = np.abs((values - truth.values) - truth.low)
        found = held(NET, values)
        assert found.errors == pytest.approx(apart / found.bound, rel=1e-12)
    assert (held(NET, truth.values).errors > 0).any()


@pytest.mark.parametrize("quantity", ["gradient", "step"])
def test_just_inside_the_bound_agrees_and_just_outside_is_wrong(quantity: str) -> None:
    truth = exact_of(NET, quantity)
    E = opinion_of(NET, truth.values, quantity).bound
    assert set(words(held(NET, truth.values + 0.9 * E, quantity))) == {"agree"}
    beyond = truth.values + np.maximum(1.1 * E, 2 * np.spacing(np.abs(truth.values)))
    assert set(words(held(NET, beyond, quantity))) == {"wrong"}


# Kinks.


def bent(activation: str, slope: float = 1 / 64) -> Case:
    """One unit at z = 0 exactly: dW is the label times any slope between the two."""
    one = np.ones((1, 1))
    given = Arrays((0 * one,), (None,), one, -one)
    return Case(
        (1, 1), (activation,), bias="none", alpha=0.5, slope=slope, regime="real", given=given
    )


@pytest.mark.parametrize(("activation", "below"), [("relu", 0.0), ("leaky_relu", 1 / 64)])
def test_at_a_kink_the_convention_agrees_and_the_interval_is_right_too(
    activation: str, below: float
) -> None:
    case = bent(activation)
    expected = {below: "agree", 0.5: "kink", 1.0: "kink", 1.001: "wrong", float("nan"): "wrong"}
    for value, word in expected.items():
        assert words(held(case, np.array([value]))) == [word], value
        assert words(held(case, np.array([-0.5 * value]), "step")) == [word], value
    answer = JUDGE.gradients(case)
    assert isinstance(answer, Gradients)
    assert answer.gradient == below
    assert answer.gradient_ends is not None
    assert answer.gradient_ends.tolist() == [[below], [1.0]]
    assert answer.kinks == 1


@pytest.mark.parametrize("activation", ["elu", "softplus", "gelu", "tanh"])
def test_where_nothing_is_bent_there_is_no_span(activation: str) -> None:
    answer = JUDGE.gradients(bent(activation))
    assert isinstance(answer, Gradients)
    assert answer.gradient_ends is None
    assert answer.kinks == 0


def cancelling(difference: float) -> Case:
    """tanh(1/2) - tanh(1/2) + difference before a relu: balls never show that it is 0."""
    W1, W2 = np.array([[0.5, 0.5]]), np.array([[1.0], [-1.0]])
    b = np.zeros(2), np.array([difference])
    given = Arrays((W1, W2), b, np.ones((1, 1)), -np.ones((1, 1)))
    return Case((1, 2, 1), ("tanh", "relu"), regime="real", given=given)


def test_a_sign_that_no_precision_decides_takes_both_slopes() -> None:
    case = cancelling(0.0)
    found, bits = exact._certain(case)
    assert bits == exact._BITS[-1]
    assert found.undecided
    t = np.tanh(0.5)
    # W_1, b_1, W_2, b_2 with slope 1
    other = np.array([1 - t * t, t * t - 1, 1 - t * t, t * t - 1, t, t, 1.0])
    assert set(words(held(case, np.zeros(7)))) == {"agree"}
    assert set(words(held(case, other))) == {"kink"}
    assert set(words(held(case, 1.01 * other))) == {"wrong"}


def test_a_sign_that_only_exact_arithmetic_decides_is_decided() -> None:
    answers = [JUDGE.gradients(cancelling(sign * 1e-300)) for sign in (1, -1)]
    above, below = (answer for answer in answers if isinstance(answer, Gradients))
    assert above.gradient_ends is None
    assert below.gradient_ends is None
    assert above.gradient is not None
    assert above.gradient[-1] == 1.0
    assert (below.gradient == 0).all()  # type: ignore[union-attr]


# The first word.


def said(code: int, *, exact: bool = False, estimate: bool = False) -> Comparison:
    one = np.ones(1)
    codes, nothing = np.array([code], dtype=np.int8), np.zeros(1, dtype=bool)
    return Comparison(one, one, one, codes, one.copy(), one, nothing, estimate, exact)


@pytest.mark.parametrize(
    ("others", "word"),
    [
        ([said(verdict.WRONG), said(verdict.AGREE, exact=True)], "agree"),
        ([said(verdict.AGREE, exact=True), said(verdict.WRONG)], "agree"),
        ([said(verdict.AGREE), said(verdict.WRONG, exact=True)], "wrong"),
        ([said(verdict.WRONG), said(verdict.KINK, exact=True)], "kink"),
        ([said(verdict.AGREE), said(verdict.WRONG)], "wrong"),
        ([said(verdict.WRONG), said(verdict.INCONCLUSIVE, exact=True)], "wrong"),
        ([said(verdict.UNINFORMATIVE, exact=True)], "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_outside_a_bar_the_exact_answer_decides_first(others: list[Comparison], word: str) -> None:
    settled = verdict.settle(said(verdict.OUTSIDE, estimate=True), others)
    assert words(settled) == [word]
    assert settled.cleared.tolist() == [word in ("agree", "kink")]


def test_outside_its_bar_around_the_exact_answer_a_finite_difference_is_off_itself() -> None:
    settled = verdict.settle(said(verdict.OUTSIDE, estimate=True, exact=True), [])
    assert words(settled) == ["agree"]
    assert settled.cleared.all()


# What is promised.


class Lazy:
    """The exact judge, and an excuse where none was agreed on."""

    name, step_form = "exact", "direct"

    def gradients(self, case: Case) -> Gradients | Failure:
        return Failure("skipped", "not today")

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [self.gradients(case) for case in cases]

    def judges(self, case: Case) -> bool:
        return JUDGE.judges(case)


def mixed() -> list[Case]:
    """Ten small cases, and twenty large ones of which the judge takes a share."""
    small = [Case((3, 2), ("tanh",), seed=seed) for seed in range(10)]
    return small + [Case((30, 20), ("tanh",), seed=seed) for seed in range(20)]


def ran(seats: list[Seat], folder: Path) -> tuple[Run, int]:
    """A campaign over the mixed cases, and how many the exact judge takes."""
    cases = mixed()
    found = Gathered([(case, "given") for case in cases], {})
    docket = _docket(_header(Plan(), found, seats), found)
    taken = sum(JUDGE.judges(case) for case in cases)
    assert 10 < taken < 30
    return conduct(docket, seats, folder / "run.jsonl"), taken


def test_what_exact_leaves_out_is_not_promised_and_no_failure(tmp_path: Path) -> None:
    witnesses, _ = oracles_named(["finite_difference", "exact"])
    run, taken = ran([reference_seat(), *witnesses], tmp_path)
    assert run.header.left_out == {"exact": 30 - taken}
    assert run.header.promised == 30 + 2 * taken
    assert run.footer is not None
    assert (run.footer.made, run.footer.exit_code) == (run.header.promised, 0)
    by_exact = [pair for result in run.results for pair in result.pairs if pair.b == "exact"]
    assert len(by_exact) == 2 * taken
    assert not any(pair.failure for pair in by_exact)


def test_a_promised_answer_that_is_skipped_is_a_gap(tmp_path: Path) -> None:
    run, taken = ran([reference_seat(), Seat(Lazy(), "any", is_oracle=True)], tmp_path)
    assert run.footer is not None
    assert (run.footer.promised, run.footer.made) == (taken, 0)
    assert (run.footer.exit_code, run.footer.reason) == (
        outcome.GAP,
        f"an oracle gave no answer in {taken} checks",
    )


def test_a_case_that_the_accused_does_not_claim_is_said_and_is_no_agreement() -> None:
    case = next(case for case in mixed() if not JUDGE.judges(case))
    accused = Seat(Lazy(), "numpy", is_oracle=False)
    witnesses, _ = oracles_named(["finite_difference"])
    assert promised_pairs(case, [accused, *witnesses]) == (("exact", "finite_difference"),)
    ((pair,),) = judge([case], [accused, *witnesses])
    assert (pair.verdict, pair.failure) == ("skipped", "not today")
    assert pair.counts == {}


# A wrong formula against the exact judge alone.


def alone(subject: Called, case: Case) -> PairRecord:
    witnesses, _ = oracles_named(["exact"])
    ((pair,),) = judge([case], [Seat(subject, "numpy", is_oracle=False), *witnesses])
    return pair


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "gelu", "silu", "softsign", "elu"])
def test_a_derivative_off_by_1e_9_is_wrong_by_the_exact_judge_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference_impl import activations

    case = Case((3, 4, 2), (name, "identity"), n=3, seed=5)
    assert alone(REFERENCE, case).verdict == "agree"
    g, g_prime = activations.ACTIVATIONS[name]
    slight = activations.Activation(g, lambda Z, O: g_prime(Z, O) * (1 + 1e-9))
    monkeypatch.setitem(activations.ACTIVATIONS, name, slight)
    pair = alone(Called("planted", reference_impl.backprop), case)
    assert (pair.a, pair.b, pair.verdict) == ("planted", "exact", "wrong")
    assert pair.worst is not None
    assert pair.worst.layer == 1
