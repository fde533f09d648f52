"""The sides by name: who is accused, which witnesses are there, and which are missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import reference_impl
from backproof.case import Case
from backproof.errors import BackproofError, MissingExtraError
from backproof.gradients import Failure, Gradients, Side, flat
from property_tests.judging import Seat

Answer = Gradients | Failure


@dataclass(frozen=True)
class Called:
    """A side made of a function: `reference_impl.backprop`, a variant of it, or a planted bug."""

    name: str
    backprop: Callable[..., Any]
    step_form: str = "direct"

    def gradients(self, case: Case) -> Gradients:
        """Gradient and step of one case, both in the case's dtype."""
        arrays = case.arrays
        made = self.backprop(
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
        """One after the other: a learner reads `reference_impl`, so it is not batched.

        One that raises is said in a sentence, and the other cases are asked all the same.
        """
        return [self._answer(case) for case in cases]

    def _answer(self, case: Case) -> Answer:
        try:
            return self.gradients(case)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            return Failure("error", f"{type(error).__name__}: {error}")


# The article's backprop, the side under test unless a learner's takes its place.
REFERENCE = Called("reference_impl", reference_impl.backprop)


def _torch_autograd() -> Side:
    from oracles.torch_autograd import TorchAutograd

    return TorchAutograd()


def _jax_grad() -> Side:
    from oracles.jax_grad import JaxGrad

    return JaxGrad()


def _finite_difference() -> Side:
    from oracles.finite_difference import FiniteDifference

    return FiniteDifference()


def _exact() -> Side:
    from oracles.exact import Exact

    return Exact()


# In the order in which they are shown.
ORACLES: dict[str, Callable[[], Side]] = {
    "torch_autograd": _torch_autograd,
    "jax_grad": _jax_grad,
    "finite_difference": _finite_difference,
    "exact": _exact,
}


def names_in(text: str | None) -> list[str] | None:
    """The names of a list with commas; None for none given.

    Raises BackproofError for an empty list.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BackproofError("`--oracles` is empty; leave it out to have all that are installed.")
    return names


def oracles_named(names: Sequence[str] | None) -> tuple[list[Seat], dict[str, str]]:
    """The witnesses, and the missing ones with the command that installs them.

    Without names the installed ones come. One that is named and missing raises
    MissingExtraError: a silent skip would be a green lie. Unknown names raise BackproofError.
    """
    seats, missing = [], {}
    if names is not None and len(set(names)) < len(names):
        raise BackproofError(f"`--oracles` has a name twice: {', '.join(names)}; name each once.")
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
    return Seat(REFERENCE, family="numpy", is_oracle=False)
