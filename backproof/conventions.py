"""What two right programs may do differently: one positive constant for every array.

(O - Y) for mean (O - Y)**2, an n or a k left out, a learning rate inside the gradient: all of these
multiply the whole gradient by one monomial in 2, n, k (the outputs) and alpha. It is found from a
few cases whose n, k and alpha have no factor in common, named once, and then held. Different
constants in different arrays are a mistake; so is a sign where weights move.

A loss may have a constant of its own, of 2 and k alone: half of the squares, or the mean over the
outputs, is taken here and left out there, and the gradient still points where the loss falls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import isclose

from backproof.case import Case


@dataclass(frozen=True)
class Factor:
    """sign * 2**two * n**n * k**outputs * alpha**alpha, what the answer is a multiple by.

    n: rows of the batch   outputs: k_L
    """

    sign: int = 1
    two: int = 0
    n: int = 0
    outputs: int = 0
    alpha: int = 0

    def of(self, case: Case) -> Fraction:
        """Its value in one case."""
        return (
            self.sign
            * Fraction(2) ** self.two
            * Fraction(case.n) ** self.n
            * Fraction(case.widths[-1]) ** self.outputs
            * Fraction(case.alpha) ** self.alpha
        )

    @property
    def is_one(self) -> bool:
        return self == Factor()

    def __str__(self) -> str:
        """ "2/n", "-1", "alpha/(2 k)", with k for the number of outputs."""
        powers = {"2": self.two, "alpha": self.alpha, "n": self.n, "k": self.outputs}
        above, below = _product(powers, 1), _product(powers, -1)
        sign = "-" if self.sign < 0 else ""
        if not below:
            return f"{sign}{above or 1}"
        return f"{sign}{above or 1}/{f'({below})' if ' ' in below else below}"


@dataclass(frozen=True)
class Factors:
    """What the answers are a multiple by: in every case, but for losses that have their own."""

    common: Factor = Factor()
    of_losses: Mapping[str, Factor] = field(default_factory=dict)

    def of_loss(self, loss: str) -> Factor:
        return self.of_losses.get(loss, self.common)

    def of(self, case: Case) -> Fraction:
        """Its value in one case."""
        return self.of_loss(case.loss).of(case)

    def __str__(self) -> str:
        own = [f"{factor} for {loss}" for loss, factor in self.of_losses.items()]
        return ", ".join([str(self.common), *own])


def _product(powers: dict[str, int], sign: int) -> str:
    found = {name: sign * power for name, power in powers.items() if sign * power > 0}
    return " ".join(name if power == 1 else f"{name}**{power}" for name, power in found.items())


# Twice dividing by n is a mistake (mistakes of the wild: four programs), so n**-2 is not offered.
_TWOS, _ONCE, _ALPHAS = (0, 1, -1, 2, -2), (0, -1, 1), (0, 1)


def _candidates(signs: Sequence[int]) -> list[Factor]:
    found = [
        Factor(sign, two, n, outputs, alpha)
        for sign, two, n, outputs, alpha in product(signs, _TWOS, _ONCE, _ONCE, _ALPHAS)
    ]
    return sorted(found, key=_plainness)


def _plainness(factor: Factor) -> tuple[int, int]:
    powers = (factor.two, factor.n, factor.outputs, factor.alpha)
    return sum(map(abs, powers)), factor.sign < 0


def factor_of(cases: Sequence[Case], ratios: Sequence[float], *, signed: bool) -> Factor | None:
    """The plainest monomial that is every case's ratio; None where none is.

    ratios[i]: what the program's answer to cases[i] is of the derivative, one number for all arrays
    signed: whether -1 may stand before it (where a gradient is returned, never where weights move)
    """
    for factor in _candidates((1, -1) if signed else (1,)):
        # 1e-4 lies far above the rounding of float32 and far below 1/2 - 1/3.
        if all(
            isclose(float(factor.of(case)), ratio, rel_tol=1e-4)
            for case, ratio in zip(cases, ratios, strict=True)
        ):
            return factor
    return None


def factor_of_loss(cases: Sequence[Case], ratios: Sequence[float], common: Factor) -> Factor | None:
    """What a loss has instead of the common factor: 2 and k may differ, nothing else may."""
    found = factor_of(cases, ratios, signed=common.sign < 0)
    if found is None or (found.sign, found.n, found.alpha) != (common.sign, common.n, common.alpha):
        return None
    return found
