"""PyTorch and JAX on trial: a fault planted in one is found by the other.

That shows the distance of 2 E between them (`agreement.py`) to be narrow enough.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.case import Case
from backproof.claims import HIDDEN
from backproof.names import LOSSES
from backproof.tokens import token_of
from oracles import jax_grad, jax_program
from oracles.jax_grad import JaxGrad
from oracles.torch_autograd import TorchAutograd
from property_tests.harness.agreement import cells, disagreements


def with_derivative(fault: str, change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """TorchAutograd._activated with the same value and another derivative for one function."""
    right = TorchAutograd._activated

    def wrong(self: TorchAutograd, name: str, Z: Any, case: Case) -> Any:
        O = right(self, name, Z, case)
        return change(O, Z) if name == fault else O

    return wrong


@pytest.mark.parametrize("activation", HIDDEN)
def test_a_wrong_derivative_in_torch_is_found(
    activation: str,
    torch_autograd: TorchAutograd,
    jax_witness: JaxGrad,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [case for case in cells("half_squared_error", "float64")]
    slightly = with_derivative(activation, lambda O, Z: O + 1e-9 * (Z - Z.detach()))
    monkeypatch.setattr(TorchAutograd, "_activated", slightly)

    found = disagreements(cases, torch_autograd, jax_witness)

    # The function stands in both layers of its six cases; tanh also below the softmax.
    guilty = {token_of(case) for case in cases if activation in case.activations}
    assert {sentence.rpartition(": ")[2] for sentence in found} == guilty
    assert found[0].startswith("dLoss/dW_1[0, 0] = ")


def test_a_wrong_derivative_in_jax_is_found(
    torch_autograd: TorchAutograd,
    jax_witness: JaxGrad,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    import jax

    right = jax_program._elementwise

    def slightly(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda z: g(z) + 1e-9 * (z - jax.lax.stop_gradient(z))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        jax_program, "_elementwise", lambda slope: [slightly(g) for g in right(slope)]
    )
    jax_grad._compiled.cache_clear()
    try:
        cases = cells("half_squared_error", "float64")
        found = disagreements(cases, torch_autograd, jax_witness)
    finally:
        jax_grad._compiled.cache_clear()

    assert {sentence.rpartition(": ")[2] for sentence in found} == {token_of(c) for c in cases}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("softplus", lambda torch, Z, O: torch.nn.functional.softplus(Z)),  # threshold = 20
        ("gelu", lambda torch, Z, O: torch.nn.functional.gelu(Z, approximate="tanh")),
        ("elu", lambda torch, Z, O: torch.nn.functional.celu(Z, alpha=1.0 + 1e-9)),
    ],
)
def test_inaccurate_functions_of_frameworks_are_found(
    name: str,
    fault: Callable[..., Any],
    torch_autograd: TorchAutograd,
    jax_witness: JaxGrad,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    cases = [
        Case((4, 4, 2), (name, "identity"), n=4, regime="normal", scale=4, seed=seed)
        for seed in range(9)
    ]
    assert disagreements(cases, torch_autograd, jax_witness) == []

    wrong = with_derivative(name, lambda O, Z: fault(torch, Z, O))
    monkeypatch.setattr(TorchAutograd, "_activated", wrong)

    assert disagreements(cases, torch_autograd, jax_witness)


@pytest.mark.parametrize("side", ["torch_autograd", "jax_grad"])
def test_a_loss_averaged_over_too_few_is_found(
    side: str,
    torch_autograd: TorchAutograd,
    jax_witness: JaxGrad,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if side == "torch_autograd":
        monkeypatch.setattr("oracles.torch_autograd._rows", lambda case: 1)
    else:
        monkeypatch.setattr("oracles.jax_grad._divisor", lambda case: 1)
    cases = [case for loss in LOSSES for case in cells(loss, "float64")]
    guilty = [case for case in cases if case.reduction == "mean"]

    found = disagreements(guilty, torch_autograd, jax_witness)

    assert {sentence.rpartition(": ")[2] for sentence in found} == {token_of(c) for c in guilty}


def test_a_label_in_the_wrong_row_is_found(
    torch_autograd: TorchAutograd, jax_witness: JaxGrad, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = jax_grad._spread

    def shifted(mask: Any, arrays: Any, dtype: str) -> Any:
        spread = right(mask, arrays, dtype)
        return np.roll(spread, 1, axis=1) if spread.ndim == 3 else spread  # X and Y

    monkeypatch.setattr(jax_grad, "_spread", shifted)

    assert disagreements(cells("mean_squared_error", "float64"), torch_autograd, jax_witness)


@pytest.mark.parametrize("side", ["torch_autograd", "jax_grad"])
def test_a_learning_rate_that_is_slightly_off_is_found(
    side: str,
    torch_autograd: TorchAutograd,
    jax_witness: JaxGrad,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if side == "torch_autograd":
        right = TorchAutograd._step
        monkeypatch.setattr(
            TorchAutograd,
            "_step",
            lambda self, before, g, alpha: right(self, before, g, alpha * (1 + 1e-9)),
        )
    else:
        padded = jax_grad._padded

        def wrong(*args: Any) -> Any:
            lanes, mask = padded(*args)
            return {**lanes, "alpha": lanes["alpha"] * (1 + 1e-9)}, mask

        monkeypatch.setattr(jax_grad, "_padded", wrong)
    cases = cells("half_squared_error", "float64")

    found = disagreements(cases, torch_autograd, jax_witness)

    assert len(found) == len(cases)
    assert all(sentence.startswith("step of ") for sentence in found)
