"""PyTorch and JAX on trial as witnesses: they agree cell by cell, and answer as a side has to.

Two right implementations lie at most 2 E apart (`agreement.py`); `test_oracles_planted.py` shows
that this is narrow enough.
"""

import sys
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backproof.case import Arrays, Case
from backproof.claims import HIDDEN
from backproof.errors import MissingExtraError
from backproof.gradients import Failure, Gradients, slots_of
from backproof.names import DTYPES, LOSSES, OUTPUT_ACTIVATION
from backproof.tokens import token_of
from oracles import jax_grad
from oracles.bound import bounds_of, step_bound
from oracles.jax_grad import JaxGrad
from oracles.torch_autograd import TorchAutograd
from property_tests.harness.agreement import answered, cells, disagreements
from property_tests.space import sampled_case

# Agreement.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_torch_and_jax_agree_in_every_cell(
    loss: str, dtype: str, torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    cases = cells(loss, dtype)
    assert len(cases) == (66 if loss.endswith("squared_error") else 60)

    assert disagreements(cases, torch_autograd, jax_witness) == []


def test_the_cells_say_something() -> None:
    """An infinite or huge bound would agree with anything."""
    cases = [case for loss in LOSSES for case in cells(loss, "float64")]
    for case, bound in zip(cases, bounds_of(cases, "any"), strict=True):
        largest = np.abs(bound.witness).max()
        assert 0 < bound.gradient.max() < 1e-10 * largest, token_of(case)


@pytest.mark.parametrize("size", ["standard", "wide"])
def test_torch_and_jax_agree_on_the_whole_space(
    size: str, torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    count = 400 if size == "standard" else 30
    cases = [sampled_case(11, index, size=size) for index in range(count)]

    assert disagreements(cases, torch_autograd, jax_witness) == []


def test_both_lie_within_the_bound_of_its_own_witness(
    torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    """A third forward and backward pass, in NumPy, that neither of them shares."""
    cases = [sampled_case(12, index) for index in range(300)]
    bounds = bounds_of(cases, "any")
    witness = SimpleNamespace(
        step_form="direct",
        gradients_of=lambda cases: [
            Gradients(bound.witness, -case.alpha * bound.witness)
            for case, bound in zip(cases, bounds, strict=True)
        ],
    )

    assert disagreements(cases, torch_autograd, witness) == []
    assert disagreements(cases, jax_witness, witness) == []


# g'(0), known without any of our code: the convention at a kink, the slope elsewhere.
DERIVATIVE_AT_ZERO = {
    "identity": 1.0,
    "sigmoid": 0.25,
    "tanh": 1.0,
    "relu": 0.0,
    "leaky_relu": 1 / 64,
    "elu": 1.0,
    "softplus": 0.5,
    "gelu": 0.5,
    "silu": 0.5,
    "softsign": 1.0,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", HIDDEN)
def test_exactly_at_zero_the_derivative_is_the_convention(
    activation: str, dtype: str, torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    # X = 1, W = 0, b = 0: z is exactly 0, and with Y = g(0) - 1 the gradient is g'(0).
    at_zero = {"sigmoid": 0.5, "softplus": np.log(2.0)}.get(activation, 0.0)
    one, nothing = np.ones((1, 1), dtype), np.zeros((1, 1), dtype)
    given = Arrays((nothing,), (nothing[0],), one, np.full((1, 1), at_zero - 1.0, dtype))
    case = Case((1, 1), (activation,), dtype=dtype, regime="real", given=given)

    for side in (torch_autograd, jax_witness):
        (answer,) = answered(side, [case])
        # g(0) - Y, its product with g'(0) and g(0) itself: a handful of roundings of 1.
        few = 8 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(answer.gradient, DERIVATIVE_AT_ZERO[activation], few, few)


@pytest.mark.parametrize("regime", ["zeros", "saturated", "tiny", "duplicated"])
@pytest.mark.parametrize("scale", [-12, 7, 8])
def test_no_branch_that_is_not_taken_poisons_a_gradient(
    regime: str, scale: int, torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    """Ties at z = 0 and weights times 256: NaN would come from 0 * inf in an untaken branch."""
    cases = [
        Case((3, 4, 2), (name, OUTPUT_ACTIVATION.get(loss, last)), loss, n=3, regime=regime,
             scale=scale, dtype=dtype, seed=seed)
        for seed, (name, loss, last, dtype) in enumerate(
            product(HIDDEN, LOSSES, ("softsign", "softmax"), DTYPES)
        )
    ]  # fmt: skip

    for side in (torch_autograd, jax_witness):
        for case, answer in zip(cases, answered(side, cases), strict=True):
            assert np.isfinite(answer.gradient).all(), token_of(case)
            assert np.isfinite(answer.step).all(), token_of(case)
    assert disagreements(cases, torch_autograd, jax_witness) == []


# The step.


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_makes_the_step_of_its_own_gradient(
    dtype: str, torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    cases = [case for loss in LOSSES for case in cells(loss, dtype)]
    for side in (torch_autograd, jax_witness):
        for case, answer in zip(cases, answered(side, cases), strict=True):
            should_be = -case.alpha * answer.gradient
            E = step_bound(case, np.zeros_like(should_be), should_be, side.step_form)
            assert (np.abs(answer.step - should_be) <= E).all(), (side.name, token_of(case))


def test_torch_shows_the_step_as_after_minus_before(torch_autograd: TorchAutograd) -> None:
    """A step far below the weights loses its low bits: -alpha * gradient would keep them."""
    case = Case((3, 4, 2), ("tanh", "tanh"), n=3, alpha=2.0**-10)
    (answer,) = answered(torch_autograd, [case])

    assert (answer.step != -case.alpha * answer.gradient).any()


# The interface of a side.


def test_an_answer_does_not_depend_on_its_company(
    torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    """A token replayed alone shows the digits that the campaign saw; the order is kept."""
    cases = [sampled_case(13, index) for index in range(80)]
    for side in (torch_autograd, jax_witness):
        together = answered(side, cases)
        backwards = answered(side, cases[::-1])[::-1]
        alone = [answer for case in cases for answer in answered(side, [case])]
        for one, two, three in zip(together, backwards, alone, strict=True):
            assert one.gradient.tobytes() == two.gradient.tobytes() == three.gradient.tobytes()
            assert one.step.tobytes() == two.step.tobytes() == three.step.tobytes()
        assert answered(side, []) == []


def test_answers_are_flat_float64_and_inputs_stay_as_they_were(
    torch_autograd: TorchAutograd, jax_witness: JaxGrad
) -> None:
    for side, dtype in product((torch_autograd, jax_witness), DTYPES):
        case = Case((3, 4, 2), ("tanh", "tanh"), n=3, dtype=dtype)
        before = [array.copy() for array in (*case.arrays.weights, case.arrays.X, case.arrays.Y)]
        (answer,) = answered(side, [case])
        for vector in (answer.gradient, answer.step):
            assert vector.shape == (slots_of(case)[-1].stop,)
            assert vector.dtype == np.float64
        after = (*case.arrays.weights, case.arrays.X, case.arrays.Y)
        assert all(map(np.array_equal, before, after))


def test_a_fault_inside_a_framework_is_a_failure_and_no_exception(
    torch_autograd: TorchAutograd, jax_witness: JaxGrad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(TorchAutograd, "_loss", broken)
    monkeypatch.setattr(jax_grad, "_compiled", broken)
    case = Case((1, 1), ("tanh",))

    assert torch_autograd.gradients(case) == Failure(
        "error", "torch stopped at this case: out of memory"
    )
    assert jax_witness.gradients(case) == Failure(
        "error", "jax stopped at this case: out of memory"
    )


@pytest.mark.parametrize(("side", "framework"), [(TorchAutograd, "torch"), (JaxGrad, "jax")])
def test_a_missing_framework_names_the_command_to_type(
    side: Any, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, framework, None)

    with pytest.raises(MissingExtraError, match=rf"pip install 'backproof\[{framework}\]'"):
        side()


def test_torch_settings_are_those_of_the_caller(torch_autograd: TorchAutograd) -> None:
    import torch

    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    try:
        torch.set_num_threads(2)
        with torch.no_grad():
            (answer,) = answered(torch_autograd, [Case((2, 2), ("tanh",))])
            assert not torch.is_grad_enabled()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert answer.gradient.any()
    assert torch.get_default_dtype() == dtype
