"""Where nothing rounds: all sides give the same number, and one bit more is wrong.

With `--hypothesis-profile=nightly` ten times as many cases are compared.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings

import reference_impl
from backproof.case import Case
from backproof.gradients import Gradients
from oracles.bound import bounds_of
from oracles.integers import _digits, exact_step, exactly_computable
from oracles.verdict import opinions_of
from property_tests.asking import installed
from property_tests.harness.inside import given
from property_tests.judging import Seat, judge
from property_tests.rationals import EXACT, floats_of, gradient_of_half_squared_error
from property_tests.sides import REFERENCE, Called, reference_seat
from property_tests.space import sampled_case

NIGHTLY = settings.get_current_profile_name() == "nightly"
COUNT = 5000 if NIGHTLY else 500
CLAIMS = replace(EXACT, dtypes=("float64", "float32"), reductions=("sum", "mean"), depths=(1, 2, 3))


def drawn(count: int, seed: int = 41) -> list[Case]:
    """So many cases of the class."""
    found: list[Case] = []
    for index in range(20 * count):
        case = sampled_case(seed, index, size="standard", claims=CLAIMS)
        if exactly_computable(case):
            found.append(case)
        if len(found) == count:
            return found
    raise AssertionError(f"only {len(found)} cases of {20 * count} are exact")


def test_nothing_right_is_accused() -> None:
    cases = drawn(COUNT)
    assert {case.dtype for case in cases} == {"float64", "float32"}
    assert {case.reduction for case in cases} == {"sum", "mean"}
    assert {name for case in cases for name in case.activations} == {
        "identity",
        "relu",
        "leaky_relu",
    }
    for start in range(0, len(cases), 250):
        found = judge(cases[start : start + 250], [reference_seat(), *installed()])
        for case, pairs in zip(cases[start:], found, strict=False):
            for pair in pairs:
                assert pair.verdict in ("agree", "uninformative"), f"{case}: {pair}"
                by_estimate = "finite_difference" in (pair.a, pair.b)
                assert pair.verdict == "agree" or by_estimate, f"{case}: {pair}"


def test_the_class_is_that_of_fractions_that_are_floats() -> None:
    for case in drawn(100):
        if case.reduction == "mean":
            continue
        exact = gradient_of_half_squared_error(case)
        floats = floats_of(exact)
        assert (floats.astype(case.dtype) == exact).all()


def spoiled(by: float) -> Called:
    """The reference with the first element of the last dW a little larger."""

    def backprop(*given: object, **named: object) -> object:
        made = reference_impl.backprop(*given, **named)  # type: ignore[arg-type]
        made.dW[-1][0, 0] += made.dW[-1].dtype.type(by)
        return made

    return Called("subject", backprop)


@pytest.mark.parametrize("family", ["numpy", "any", "stranger"])
def test_a_planted_2_to_the_minus_40_is_wrong(family: str) -> None:
    # Under a relu at z = 0 the element would be an interval.
    cases = [
        case
        for case in drawn(200)
        if (case.dtype, case.activations[-1]) == ("float64", "identity")
        and last(case) + 2.0**-40 != last(case)
    ]
    assert len(cases) > 40
    words = pair_words(spoiled(2.0**-40), cases, family)
    assert words == ["wrong"] * len(cases)
    assert pair_words(spoiled(0.0), cases, family) == ["agree"] * len(cases)


def last(case: Case) -> float:
    """The element that is spoiled."""
    answer = REFERENCE.gradients(case)
    assert answer.gradient is not None
    width = case.widths[-1] * case.widths[-2] + (case.bias != "none") * case.widths[-1]
    return float(answer.gradient[-width])


def pair_words(subject: Called, cases: Sequence[Case], family: str) -> list[str]:
    """Against torch and exact, whoever is there: the worst of both."""
    seats = [seat for seat in installed() if seat.name in ("torch_autograd", "exact")]
    found = judge(cases, [Seat(subject, family, is_oracle=False), *seats])
    worst = ("agree", "uninformative", "kink", "inconclusive", "wrong")
    return [
        max((pair.verdict for pair in pairs if pair.a == "subject"), key=worst.index)
        for pairs in found
    ]


@pytest.mark.parametrize("family", ["numpy", "any", "stranger"])
def test_the_tolerance_is_zero_and_of_a_step_that_rounds_it_is_not(family: str) -> None:
    case = Case((3, 4, 2), ("relu", "identity"), n=3, regime="integers", seed=3)
    assert exactly_computable(case)
    for alpha, form, zero in ((0.5, "direct", 1), (0.1, "direct", 0), (0.5, AFTER, 0)):
        own = replace(case, alpha=alpha)
        (bound,) = bounds_of([own], family)
        answer = REFERENCE.gradients(own)
        assert isinstance(answer, Gradients)
        opinions = opinions_of(own, answer, form, bound)
        assert (opinions["gradient"].bound == 0).all()
        assert bool((opinions["step"].bound == 0).all()) == bool(zero)
        assert bool((opinions["step"].bound > 0).all()) == (not zero)


AFTER = "after_minus_before"


# ---- the budget ----


def product_of(x: float, w: float, dtype: str = "float64") -> Case:
    return given([[[w]]], [[x]], [[0.0]], ["identity"], dtype=dtype)


def test_the_budget_ends_where_a_product_needs_one_bit_more() -> None:
    """dW = x^2 w: three factors of 17 bits fit into 53, of 18 bits they do not; 7 and 8 for 24."""
    for dtype, bits in (("float64", 17), ("float32", 7)):
        fits, does_not = 2.0**bits + 1, 2.0 ** (bits + 1) + 1
        assert exactly_computable(product_of(fits, fits, dtype))
        assert not exactly_computable(product_of(does_not, does_not, dtype))
        # In units of their last bit, fractions are whole numbers.
        assert exactly_computable(product_of(fits / 2**9, fits / 2**11, dtype))
        assert not exactly_computable(product_of(does_not / 2**9, does_not, dtype))


def test_what_fits_one_way_may_not_be_added_another_way() -> None:
    """2**52 - 2**52 + 1 is exact in this order; 2**52 + 2**52 + 1 is what another may meet."""
    large = 2.0**52
    W = [[[large], [large], [1.0]]]
    assert not exactly_computable(given(W, [[1.0, -1.0, 1.0]], [[0.0]], ["identity"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"activations": ("tanh", "identity")},
        {"loss": "mean_squared_error"},
        {"reduction": "mean", "n": 3},
        {"regime": "normal"},
        {"slope": 0.1, "activations": ("leaky_relu", "identity")},
    ],
)
def test_what_may_round_is_an_ordinary_case(changed: dict[str, object]) -> None:
    case = Case((3, 4, 2), ("relu", "identity"), n=4, regime="integers", seed=3, slope=1 / 4)
    assert exactly_computable(case)
    assert exactly_computable(replace(case, reduction="mean"))
    assert not exactly_computable(replace(case, **changed))  # type: ignore[arg-type]


def test_digits_after_the_point() -> None:
    assert [_digits(np.array([x])) for x in (0.0, 3.0, -2.5, 0.75, 2.0**-60, 2.0**70)] == [
        0, 0, 1, 2, 60, 0,
    ]  # fmt: skip
    assert _digits(np.array([0.1])) == 55
    assert _digits(np.array([8.0, 0.25, 0.5])) == 2


def test_an_alpha_that_is_a_power_of_two_keeps_a_step_exact() -> None:
    case = Case((1, 1), ("identity",))
    exact = [exact_step(replace(case, alpha=a)) for a in (1.0, 0.5, 2.0**10, 0.1, 3.0, 2.0**-100)]
    assert exact == [True, True, True, False, False, False]
