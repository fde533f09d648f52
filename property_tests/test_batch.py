"""What a batch is: its rows, added up in any order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backproof.case import Case
from backproof.gradients import Side
from property_tests.asking import U, assert_within, gradient_of, rounding_of
from property_tests.derived import rows_of
from property_tests.sides import REFERENCE
from property_tests.strategies import cases


def batch_is_the_sum_of_its_examples(subject: Side, case: Case) -> None:
    examples = [rows_of(case, [row]) for row in range(case.n)]
    apart = np.array([gradient_of(subject, example) for example in examples])
    divisor = case.n if case.reduction == "mean" else 1
    # Adding n numbers and dividing rounds n times, each time by u of at most the sum of sizes.
    E = sum(rounding_of(*examples)) + case.n * U * np.abs(apart).sum(axis=0)
    ours, total = gradient_of(subject, case), apart.sum(axis=0) / divisor
    allowed = rounding_of(case)[0] + E / divisor
    assert_within(case, subject, ours, total, allowed, by="the sum over its examples")


def order_of_the_rows_is_rounding(subject: Side, case: Case, order: list[int]) -> None:
    other = rows_of(case, order)
    E, other_E = rounding_of(case, other)
    ours, theirs = gradient_of(subject, case), gradient_of(subject, other)
    assert_within(case, subject, ours, theirs, E + other_E, by=f"the row order {order}")


def duplicated_row_counts_twice(subject: Side, case: Case, row: int) -> None:
    once, twice = rows_of(case, [row]), rows_of(case, [*range(case.n), row])
    # "mean" divides by the number of rows; multiplied by it again, it is a sum like "sum".
    n, m = (case.n, case.n + 1) if case.reduction == "mean" else (1, 1)
    g, g_once, g_twice = (gradient_of(subject, of) for of in (case, once, twice))
    E, E_once, E_twice = rounding_of(case, once, twice)
    # Two products, a sum and this comparison's own product round, each by u of its result.
    rounding = 4 * U * (n * np.abs(g) + np.abs(g_once) + m * np.abs(g_twice))
    allowed = n * E + E_once + m * E_twice + rounding
    by = f"the batch and row {row} once more"
    assert_within(case, subject, m * g_twice, n * g + g_once, allowed, by=by)


@given(cases())
def test_batch_is_the_sum_of_its_examples(case: Case) -> None:
    batch_is_the_sum_of_its_examples(REFERENCE, case)


@given(cases(), st.data())
def test_order_of_the_rows_is_rounding(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(case.n)), label="order")
    order_of_the_rows_is_rounding(REFERENCE, case, order)


@given(cases(), st.data())
def test_duplicated_row_counts_twice(case: Case, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, case.n - 1), label="row")
    duplicated_row_counts_twice(REFERENCE, case, row)
