"""What a layer is: its units in any order, its bias in any form, its pass in any shape."""

from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

import reference_impl
from backproof.case import Case
from backproof.gradients import Side
from property_tests.asking import (
    assert_same,
    assert_within,
    both_of,
    gradient_of,
    rounding_of,
)
from property_tests.derived import with_units_permuted, with_units_permuted_back
from property_tests.sides import REFERENCE, Called
from property_tests.space import Claims
from property_tests.strategies import cases

RECURSION = Called("recursion", partial(reference_impl.backprop, how="recursion"))


def permuting_hidden_units_permutes_the_gradient(
    subject: Side, case: Case, layer: int, order: list[int]
) -> None:
    other = with_units_permuted(case, layer, order)
    E, E_other = rounding_of(case, other)
    theirs, E_theirs = (
        with_units_permuted_back(case, vector, layer, order)
        for vector in (gradient_of(subject, other), E_other)
    )
    by = f"the order {order} of the units of layer {layer}"
    assert_within(case, subject, gradient_of(subject, case), theirs, E + E_theirs, by=by)


def augmented_bias_is_a_separate_bias(subject: Side, case: Case) -> None:
    separate, augmented = (replace(case, bias=bias) for bias in ("separate", "augmented"))
    E = sum(rounding_of(separate, augmented))
    ours, theirs = gradient_of(subject, augmented), gradient_of(subject, separate)
    assert_within(augmented, subject, ours, theirs, E, by="a separate bias")


def loop_is_recursion(subject: Side, other: Side, case: Case) -> None:
    ours, theirs = both_of(subject, case), both_of(other, case)
    assert_same(case, subject, ours[0], theirs[0], by=other.name)
    assert_same(case, subject, ours[1], theirs[1], by=f"the step of {other.name}")


@given(cases(claims=Claims(depths=(2, 3, 4, 5))), st.data())
def test_permuting_hidden_units_permutes_the_gradient(case: Case, data: st.DataObject) -> None:
    layer = data.draw(st.integers(1, case.depth - 1), label="layer")
    order = data.draw(st.permutations(range(case.widths[layer])), label="order")
    permuting_hidden_units_permutes_the_gradient(REFERENCE, case, layer, order)


@given(cases(claims=Claims(biases=("separate",))))
def test_augmented_bias_is_a_separate_bias(case: Case) -> None:
    augmented_bias_is_a_separate_bias(REFERENCE, case)


@given(cases(size=None))
def test_loop_is_recursion(case: Case) -> None:
    loop_is_recursion(REFERENCE, RECURSION, case)
