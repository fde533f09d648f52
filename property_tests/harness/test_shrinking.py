"""The shrinker on trial: a planted bug shrinks to the net that it needs, and stays one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_impl
from backproof.case import Case
from backproof.gradients import Side
from property_tests.asking import gradient_of, rounding_of
from property_tests.derived import rows_of, with_arrays
from property_tests.harness.small_cases import SIMPLEST
from property_tests.shrinking import shrink
from property_tests.sides import REFERENCE, Called
from property_tests.space import Claims, sampled_case


def _differs(bug: Side) -> Callable[[Case], bool]:
    def fails(case: Case) -> bool:
        ours, theirs = gradient_of(bug, case), gradient_of(REFERENCE, case)
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
