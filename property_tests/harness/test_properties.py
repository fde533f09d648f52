"""Every property is shown a mistake that it must catch, and must say where it is.

The mistakes are textual changes to the textbook's own backward pass, or a few lines around it.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import reference_impl
from backproof.case import Case
from backproof.gradients import Side
from property_tests import test_laws as laws
from property_tests.asking import witness
from property_tests.judging import Seat
from property_tests.sides import ORACLES, REFERENCE, Called
from property_tests.space import Claims
from property_tests.strategies import cases
from property_tests.test_agreement import two_sides_agree
from property_tests.test_batch import (
    batch_is_the_sum_of_its_examples,
    duplicated_row_counts_twice,
    order_of_the_rows_is_rounding,
)
from property_tests.test_exactness import (
    SMALL,
    small_integers_are_exact,
    zero_residual_gives_exactly_zero,
)
from property_tests.test_purity import inputs_stay_unchanged, same_question_same_bytes
from property_tests.test_taylor import SMOOTH, taylor_remainder_falls_with_slope_2
from property_tests.test_training import TrainingSteps
from property_tests.test_units import (
    augmented_bias_is_a_separate_bias,
    loop_is_recursion,
    permuting_hidden_units_permutes_the_gradient,
)
from reference_impl import training

SEARCH = settings(
    max_examples=300,
    database=None,
    deadline=None,
    derandomize=False,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def misspelt(old: str, new: str) -> Side:
    """`backprop` with one change in the text of its loop."""
    source = inspect.getsource(reference_impl.backward_loop)
    assert source.count(old) == 1, f"{old!r} is not found once in backward_loop"
    names = dict(vars(inspect.getmodule(reference_impl.backward_loop)))
    exec(source.replace(old, new), names)
    return Called("planted", _with(backward_loop=names["backward_loop"]))


def _with(**names: Any) -> Callable[..., Any]:
    """`backprop` that finds other functions under these names of its module."""
    own = training.backprop
    assert set(names) <= set(vars(training))
    changed = FunctionType(own.__code__, {**vars(training), **names})
    changed.__kwdefaults__ = own.__kwdefaults__
    return changed


def around(change: Callable[..., None]) -> Side:
    """`backprop`, and what it gives changed in place afterwards."""

    def backprop(W: Any, b: Any, X: Any, *labels: Any, **options: Any) -> Any:
        made = reference_impl.backprop(W, b, X, *labels, **options)
        change(made, X=X, options=options)
        return made

    return Called("planted", backprop)


def given_only(part: Callable[[Any, Any], tuple[Any, Any]]) -> Side:
    """`backprop` of a part of X and Y."""

    def backprop(W: Any, b: Any, X: Any, Y: Any, *names: Any, **options: Any) -> Any:
        return reference_impl.backprop(W, b, *part(X, Y), *names, **options)

    return Called("planted", backprop)


def said_of(check: Callable[..., object], *strategies: st.SearchStrategy[Any]) -> str:
    """What the property says when it fails on the smallest case that Hypothesis finds."""

    @seed(3)
    @SEARCH
    @given(st.tuples(*strategies))
    def search(drawn: tuple[Any, ...]) -> None:
        check(*drawn)

    with pytest.raises(AssertionError) as caught:
        search()
    return str(caught.value).splitlines()[0]


# Batches.


def test_a_bias_gradient_that_is_a_mean_is_not_the_sum_of_its_examples() -> None:
    bug = misspelt("delta.sum(axis=0)", "delta.mean(axis=0)")
    said = said_of(lambda case: batch_is_the_sum_of_its_examples(bug, case), cases())
    assert said.startswith("planted: db_1[0] = ")
    assert "but the sum over its examples says" in said


def test_a_last_row_that_is_forgotten_depends_on_the_order_of_the_rows() -> None:
    bug = given_only(lambda X, Y: (X[: max(len(X) - 1, 1)], Y[: max(len(X) - 1, 1)]))

    def reversed_rows(case: Case) -> None:
        order_of_the_rows_is_rounding(bug, case, list(range(case.n))[::-1])

    said = said_of(reversed_rows, cases())
    assert said.startswith(("planted: dW_1[0, 0] = ", "planted: db_1[0] = "))
    assert "but the row order [1, 0] says" in said


def test_a_program_that_drops_duplicates_does_not_count_a_row_twice() -> None:
    def unique(X: Any, Y: Any) -> Any:
        kept = sorted(np.unique(np.column_stack([X, Y]), axis=0, return_index=True)[1])
        return X[kept], Y[kept]

    bug = given_only(unique)
    said = said_of(lambda case: duplicated_row_counts_twice(bug, case, 0), cases())
    assert said.startswith(("planted: db_1[0] = ", "planted: dW_1[0, 0] = "))
    assert "but the batch and row 0 once more says" in said


# Units and forms.


def test_a_unit_that_is_special_is_seen_when_units_are_permuted() -> None:
    def special(made: Any, **_: Any) -> None:
        made.dW[0][:, 0] *= 1 + 2**-20

    def swapped(case: Case) -> None:
        order = list(range(case.widths[1]))[::-1]
        permuting_hidden_units_permutes_the_gradient(around(special), case, 1, order)

    said = said_of(swapped, cases(claims=Claims(depths=(2, 3))))
    assert said.startswith("planted: dW_1[0, ")
    assert "but the order [1, 0] of the units of layer 1 says" in said


def test_a_bias_row_that_is_lost_is_not_a_separate_bias() -> None:
    def lost(made: Any, options: Any, **_: Any) -> None:
        if options["bias"] == "augmented":
            made.db[0][:] = 0

    said = said_of(
        lambda case: augmented_bias_is_a_separate_bias(around(lost), case),
        cases(claims=Claims(biases=("separate",))),
    )
    assert said.startswith("planted: db_1[0] = 0, but a separate bias says")


def test_one_bit_is_enough_to_tell_a_loop_from_a_recursion() -> None:
    bug = misspelt("O[l].T @ delta", "(O[l].T @ delta) * (1 + 2**-52)")
    said = said_of(lambda case: loop_is_recursion(REFERENCE, bug, case), cases())
    assert said.startswith("reference_impl: dW_1[0, 0] = ")
    assert "but planted says" in said


# Exactness.


def test_a_fault_of_2_to_the_minus_40_is_seen_among_integers() -> None:
    def add(made: Any, **_: Any) -> None:
        made.dW[-1][0, 0] += 2.0**-40

    said = said_of(lambda case: small_integers_are_exact(around(add), case), SMALL)
    assert said.startswith("planted: dW_1[0, 0] = ")
    assert "but exact arithmetic says" in said
    assert "rounding explains 0 " in said


def test_a_step_uphill_is_seen_among_integers() -> None:
    def uphill(made: Any, **_: Any) -> None:
        for step in made.step_W:
            step *= -1

    said = said_of(lambda case: small_integers_are_exact(around(uphill), case), SMALL)
    assert "but the exact step says" in said


def test_weight_decay_is_not_zero_where_the_residual_is() -> None:
    bug = misspelt("O[l].T @ delta)", "O[l].T @ delta + 1e-12 * weights[l])")
    said = said_of(lambda case: zero_residual_gives_exactly_zero(bug, case), SMALL)
    assert said.startswith("planted: dW_1[0, 0] = ")
    assert "but a net that is right already says 0;" in said


# Laws.


def test_a_clipped_gradient_is_not_linear() -> None:
    delta = "delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])"
    bug = misspelt(delta, f"np.clip({delta}, -1, 1)")

    def halfway(case: Case, labels: int) -> None:
        laws.linear_in_the_upstream_derivative(bug, case, replace(case, seed=labels))

    said = said_of(halfway, cases(), st.integers(0, 9))
    assert said.startswith("planted: db_1[0] = ")
    assert "but the labels on both sides says" in said


def test_a_transposed_propagation_is_not_least_squares() -> None:
    bug = misspelt("delta @ weights[l].T", "delta @ np.resize(weights[l], weights[l].T.shape)")
    least_squares = cases(claims=laws.LEAST_SQUARES)
    said = said_of(lambda case: laws.identity_network_is_least_squares(bug, case), least_squares)
    assert said.startswith("planted: db_1[")
    assert "but least squares says" in said


def test_a_hidden_derivative_left_out_breaks_the_balance_of_layers() -> None:
    bug = misspelt(
        "delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])",
        "delta_of(dLoss_dO, activations[l], Z[l], O[l + 1]) if l + 1 == len(O) - 1 else dLoss_dO",
    )
    said = said_of(
        lambda case: laws.homogeneous_layers_hand_on_as_much_as_they_get(bug, case),
        cases(claims=laws.HOMOGENEOUS),
    )
    assert said.startswith("planted: <W_2, dW_2> = ")
    assert "but layer 1 below has" in said


def test_a_wrong_factor_leaves_a_remainder_of_slope_1() -> None:
    bug = misspelt("O[l].T @ delta", "2 * O[l].T @ delta")
    said = said_of(
        lambda case: taylor_remainder_falls_with_slope_2(bug, case), cases(claims=SMOOTH)
    )
    assert re.fullmatch(
        r"planted: the Taylor remainder falls with slope [01]\.\d\d instead of 2", said
    )


# Purity.


def test_an_update_in_place_changes_the_inputs() -> None:
    def backprop(W: Any, *arguments: Any, **options: Any) -> Any:
        made = reference_impl.backprop(W, *arguments, **options)
        W[0] += made.step_W[0]
        return made

    def changed(case: Case) -> None:
        inputs_stay_unchanged(Called("planted", backprop), case)

    assert said_of(changed, cases()) == "planted: weights[0] was changed by the call"


def test_a_gradient_that_is_added_to_the_last_one_is_another_answer() -> None:
    sums: dict[Any, Any] = {}

    def accumulate(made: Any, X: Any, options: Any) -> None:
        shapes = tuple(g.shape for g in made.dW)
        sums[shapes] = made.dW[0] + sums.get(shapes, 0)
        made.dW[0][:] = sums[shapes]

    def asked(case: Case, between: Case) -> None:
        sums.clear()
        same_question_same_bytes(around(accumulate), case, between)

    said = said_of(asked, cases(), cases())
    assert said.startswith("planted: dW_1[0, 0] = ")
    assert "but the first call says" in said


def test_a_memory_of_the_case_between_is_seen() -> None:
    last: list[Any] = []

    def remember(made: Any, X: Any, options: Any) -> None:
        if last and last[-1].shape == X.shape and not np.array_equal(last[-1], X):
            made.dW[0][0, 0] += 1
        last.append(X)

    def asked(case: Case, between: Case) -> None:
        last.clear()
        same_question_same_bytes(around(remember), case, between)

    said = said_of(asked, cases(), cases())
    assert said.startswith("planted: dW_1[0, 0] = ")
    assert "but the call before another case says" in said


# Training.


def trained(subject: Callable[[], Side]) -> str:
    """What the machine says of a subject, made afresh for each run of it."""

    class Planted(TrainingSteps):
        def __init__(self) -> None:
            super().__init__()
            self.subject = subject()

    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Planted, settings=settings(SEARCH, stateful_step_count=8))
    return str(caught.value).splitlines()[0]


def test_weights_updated_during_the_pass_are_seen_in_training() -> None:
    bug = misspelt("delta @ weights[l].T", "delta @ (weights[l] - 0.125 * dW[-1]).T")
    said = trained(lambda: bug)
    assert re.match(r"planted: d[bW]_[12]\[[0-9, ]+\] = ", said)
    assert "but the step at these weights says" in said


def test_a_momentum_that_nobody_asked_for_is_seen_in_training() -> None:
    def with_momentum() -> Side:
        last: dict[Any, Any] = {}

        def push(made: Any, X: Any, options: Any) -> None:
            made.step_W[0][:] += 0.5 * last.get(made.dW[0].shape, 0 * made.dW[0])
            last[made.dW[0].shape] = made.step_W[0].copy()

        return around(push)

    said = trained(with_momentum)
    assert said.startswith("planted: dW_1[0, 0] = ")
    # Two laws see it, and which of them fails first depends on what was drawn.
    assert re.search(r"but (the step at these weights|training for \d+ epochs) says", said)


def test_training_that_stops_an_epoch_early_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    train = reference_impl.train

    def short(*arrays: Any, epochs: int, **options: Any) -> Any:
        return train(*arrays, epochs=epochs - 1, **options)

    monkeypatch.setattr(reference_impl, "train", short)
    assert "but training for 1 epochs says" in trained(lambda: REFERENCE)


# Agreement.


@pytest.mark.parametrize("oracle", ORACLES)
def test_a_derivative_taken_at_the_activation_disagrees_with_every_oracle(oracle: str) -> None:
    at_O = "delta_of(dLoss_dO, activations[l], O[l + 1], O[l + 1])"
    bug = misspelt("delta_of(dLoss_dO, activations[l], Z[l], O[l + 1])", at_O)
    seat = Seat(bug, family="numpy", is_oracle=False)
    tanh = cases(claims=Claims(activations=("tanh",), depths=(1,)))
    said = said_of(lambda case: two_sides_agree(seat, witness(oracle), case), tanh)
    assert said.startswith(("planted: db_1[0] = ", "planted: dW_1[0, 0] = "))
    assert f"but {oracle} says" in said
