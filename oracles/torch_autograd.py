"""The witness PyTorch: a forward pass in eager mode, the derivative by its autograd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.case import Case
from backproof.drawing import Array
from backproof.errors import MissingExtraError
from backproof.gradients import Failure, Gradients

if TYPE_CHECKING:
    from torch import Tensor


class TorchAutograd:
    """dLoss/dW, dLoss/db by `backward`, ΔW and Δb by `torch.optim.SGD`, on the CPU.

    steps: make ΔW as well; the first use of `torch.optim` costs seconds
    Raises MissingExtraError if torch cannot be imported.
    """

    name = "torch_autograd"
    step_form = "after_minus_before"

    def __init__(self, *, steps: bool = True) -> None:
        self._steps = steps
        try:
            import torch
        except ImportError as missing:
            raise MissingExtraError(
                f"`torch_autograd` needs PyTorch ({missing}); "
                "type: python -m pip install 'backproof[torch]'"
            ) from missing
        self._torch = torch

    def gradients(self, case: Case) -> Gradients | Failure:
        """The gradient and the step of one case, float64 vectors of shape (P,)."""
        return self.gradients_of([case])[0]

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        """The same for many cases, one after the other, on one thread."""
        with _one_thread(self._torch):
            return [self._answer(case) for case in cases]

    def _answer(self, case: Case) -> Gradients | Failure:
        try:
            return self._autograd(case)
        except RuntimeError as fault:  # torch's own errors, out of memory included
            return Failure("error", f"torch stopped at this case: {fault}")

    def _autograd(self, case: Case) -> Gradients:
        Ws = [self._leaf(W) for W in case.arrays.weights]
        bs = [None if b is None else self._leaf(b) for b in case.arrays.biases]
        self._loss(case, Ws, bs).backward()
        both = zip(Ws, bs, strict=True)
        leaves = [array for pair in both for array in pair if array is not None]
        weights = _flat(self._torch, leaves)
        gradient = _flat(self._torch, [leaf.grad for leaf in leaves])
        step = self._step(weights, gradient, case.alpha) if self._steps else None
        return Gradients(
            gradient=gradient.numpy().astype(np.float64),
            step=None if step is None else step.numpy().astype(np.float64),
        )

    def _leaf(self, array: Array) -> Tensor:
        return self._torch.from_numpy(array.copy()).requires_grad_()

    def _step(self, before: Tensor, gradient: Tensor, alpha: float) -> Tensor:
        """ΔW as seen from outside: a copy of the weights after the update, minus before."""
        after = before.clone()
        after.grad = gradient
        self._torch.optim.SGD([after], lr=alpha).step()
        return after - before

    def _loss(self, case: Case, Ws: list[Tensor], bs: list[Tensor | None]) -> Tensor:
        torch = self._torch
        O, Y = torch.from_numpy(case.arrays.X.copy()), torch.from_numpy(case.arrays.Y.copy())
        for layer, (activation, W, b) in enumerate(zip(case.activations, Ws, bs, strict=True), 1):
            Z = O @ W if b is None else O @ W + b
            if layer == case.depth and case.loss in _ON_LOGITS:
                return self._cross_entropy(case, Z, Y)
            O = self._activated(activation, Z, case)
        squares = ((O - Y) ** 2).sum()
        if case.loss == "half_squared_error":
            return squares / (2 * _rows(case))
        return squares / (case.widths[-1] * _rows(case))

    def _cross_entropy(self, case: Case, Z: Tensor, Y: Tensor) -> Tensor:
        """Both cross-entropies from the logits Z: a rounded probability has lost its tail."""
        torch = self._torch
        if case.loss.startswith("cross_entropy"):
            return -(Y * torch.log_softmax(Z, dim=1)).sum() / _rows(case)
        # BCELoss has a floor of 1e-12, and its form with logits subtracts sigmoid(z) from 1, which
        # leaves nothing of exp(-z) beyond z = 37.
        log_sigmoid = torch.nn.functional.logsigmoid
        losses = Y * log_sigmoid(Z) + (1 - Y) * log_sigmoid(-Z)
        return -losses.sum() / (case.widths[-1] * _rows(case))

    def _activated(self, name: str, Z: Tensor, case: Case) -> Tensor:
        torch = self._torch
        of_functional = torch.nn.functional
        match name:
            case "identity":
                return Z
            case "sigmoid":
                return torch.sigmoid(Z)
            case "tanh":
                return torch.tanh(Z)
            case "relu":
                return torch.relu(Z)
            case "leaky_relu":
                # The slope in the dtype of the case, as every side has it.
                slope = float(np.dtype(case.dtype).type(case.slope))
                return of_functional.leaky_relu(Z, slope)
            case "elu":
                return of_functional.elu(Z)
            case "softplus":
                # log(1 + exp(z)) = -log sigmoid(-z). torch's own softplus is the identity above 20,
                # which costs 2e-9 in the derivative.
                return -of_functional.logsigmoid(-Z)
            case "gelu":
                return of_functional.gelu(Z, approximate="none")
            case "silu":
                return of_functional.silu(Z)
            case "softsign":
                return of_functional.softsign(Z)
            case "softmax":
                return torch.softmax(Z, dim=1)
        raise NotImplementedError(f"`activations` has {name!r}, which torch_autograd has not.")


_ON_LOGITS = (
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "cross_entropy_with_logits",
)


def _rows(case: Case) -> int:
    """What the sum over the batch is divided by."""
    return case.n if case.reduction == "mean" else 1


def _flat(torch: Any, arrays: Sequence[Tensor]) -> Tensor:
    """W_1, b_1, W_2, ... -> (P,), cut off from the graph."""
    return torch.cat([array.detach().ravel() for array in arrays])


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """One thread, gradients on and a plain tensor type, as long as the cases run.

    With more threads a sum may be taken in another order on another machine. What the caller had
    set is put back; the default dtype is never touched.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)
