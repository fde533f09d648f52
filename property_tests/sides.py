"""The sides by name: who is accused, which witnesses are there, and which are missing."""

from collections.abc import Callable, Sequence

import reference_impl
from backproof.case import Case
from backproof.errors import BackproofError, MissingExtraError
from backproof.gradients import Failure, Gradients, Side, flat
from property_tests.judging import Seat

Answer = Gradients | Failure


class Reference:
    """The article's backprop, `reference_impl`, as the side under test."""

    name = "reference_impl"
    step_form = "direct"

    def gradients(self, case: Case) -> Answer:
        """Gradient and step of one case, both in the case's dtype."""
        arrays = case.arrays
        made = reference_impl.backprop(
            list(arrays.weights),
            list(arrays.biases),
            arrays.X,
            arrays.Y,
            list(case.activations),
            case.loss,
            alpha=case.alpha,
            reduction=case.reduction,
            bias=case.bias,
            slope=case.slope,
        )
        return Gradients(flat(made.dW, made.db), flat(made.step_W, made.step_b))

    def gradients_of(self, cases: Sequence[Case]) -> list[Answer]:
        """One after the other: a learner reads it, so it is not batched."""
        return [self.gradients(case) for case in cases]


def _torch_autograd() -> Side:
    from oracles.torch_autograd import TorchAutograd

    return TorchAutograd()


def _jax_grad() -> Side:
    from oracles.jax_grad import JaxGrad

    return JaxGrad()


def _finite_difference() -> Side:
    from oracles.finite_difference import FiniteDifference

    return FiniteDifference()


# In the order in which they are shown.
ORACLES: dict[str, Callable[[], Side]] = {
    "torch_autograd": _torch_autograd,
    "jax_grad": _jax_grad,
    "finite_difference": _finite_difference,
}


def oracles_named(names: Sequence[str] | None) -> tuple[list[Seat], dict[str, str]]:
    """The witnesses, and the missing ones with the command that installs them.

    Without names the installed ones come. One that is named and missing raises
    MissingExtraError: a silent skip would be a green lie. Unknown names raise BackproofError.
    """
    seats, missing = [], {}
    for name in ORACLES if names is None else names:
        if name not in ORACLES:
            raise BackproofError(f"`--oracles` has {name!r}; use some of {', '.join(ORACLES)}.")
        try:
            seats.append(Seat(ORACLES[name](), family="any", is_oracle=True))
        except MissingExtraError as error:
            if names is not None:
                raise
            missing[name] = str(error)
    return seats, missing


def reference_seat() -> Seat:
    """The reference implementation as the accused."""
    return Seat(Reference(), family="numpy", is_oracle=False)
