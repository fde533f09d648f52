"""What an implementation claims, found by asking it one tiny case per feature.

A function that does not know a name says so: NotImplementedError, or a KeyError or ValueError
that carries the name. So does one that stumbles over the None which stands for no biases: nobody
who writes `X @ W + b` has promised more. Everything else, right, wrong or crashed, counts as
claimed: it will be judged. So code that is broken cannot make itself smaller.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np

from backproof.case import Arrays, Case
from backproof.gradients import Vector
from backproof.names import (
    ACTIVATIONS,
    BIASES,
    DTYPES,
    LOSSES,
    MAX_BATCH,
    MAX_DEPTH,
    OUTPUT_ACTIVATION,
    REDUCTIONS,
    SLOPES,
)

HIDDEN = tuple(name for name in ACTIVATIONS if name != "softmax")
_COMMON = ("sigmoid", "tanh", "relu")  # of the hidden layers in most programs
_PAIRS = tuple(
    (output, loss)
    for loss in LOSSES
    for output in ACTIVATIONS
    if OUTPUT_ACTIVATION.get(loss, output) == output
)
_WIDTHS = (4, 2, 3, 5)  # all different, and none is the number of rows


@dataclass(frozen=True)
class Claims:
    """Names from the closed lists that an implementation is judged on.

    combinations: (output activation, loss) it takes   hidden: activations of layers below
    mixed: whether these may differ within one network
    depths: numbers of layers   max_rows: of a batch, 1 where it takes single instances only
    widths: the one architecture it has, input first   outputs: the one number of outputs
    alphas: learning rates that are written into it; None: whatever one likes
    states_loss: whether it says itself what its loss is, as a number
    """

    activations: tuple[str, ...] = ACTIVATIONS
    losses: tuple[str, ...] = LOSSES
    reductions: tuple[str, ...] = REDUCTIONS
    biases: tuple[str, ...] = BIASES
    dtypes: tuple[str, ...] = DTYPES
    slopes: tuple[float, ...] = SLOPES
    combinations: tuple[tuple[str, str], ...] = _PAIRS
    hidden: tuple[str, ...] = HIDDEN
    mixed: bool = True
    depths: tuple[int, ...] = tuple(range(1, MAX_DEPTH + 1))
    max_rows: int = MAX_BATCH
    widths: tuple[int, ...] | None = None
    outputs: int | None = None
    alphas: tuple[float, ...] | None = None
    states_loss: bool = False

    def refusal(self, case: Case) -> str:
        """Why the case is not for this implementation, in words; "" where it is."""
        return self._of_shape(case) or self._of_names(case)

    def _of_shape(self, case: Case) -> str:
        if case.depth not in self.depths:
            return f"a network of {case.depth} layers is not claimed"
        if case.n > self.max_rows:
            return f"a batch of {case.n} rows is not claimed, {self.max_rows} at most"
        if self.widths is not None and case.widths != self.widths:
            return f"`widths` {case.widths} is not claimed, only {self.widths}"
        if self.outputs is not None and case.widths[-1] != self.outputs:
            return f"a network of {case.widths[-1]} outputs is not claimed, only {self.outputs}"
        if self.alphas is not None and case.alpha not in self.alphas:
            return f"`alpha` {case.alpha} is not claimed, only {', '.join(map(str, self.alphas))}"
        return ""

    def _of_names(self, case: Case) -> str:
        for field in ("reduction", "bias", "dtype"):
            if getattr(case, field) not in getattr(self, _PLURAL[field]):
                return f"`{field}` {getattr(case, field)!r} is not claimed"
        if "leaky_relu" in case.activations and case.slope not in self.slopes:
            return f"`slope` {case.slope} is not claimed"
        for name in case.activations[:-1]:
            if name not in self.hidden:
                return f"{name} in a hidden layer is not claimed"
        if not self.mixed and len(set(case.activations[:-1])) > 1:
            return "hidden layers that differ in their activation are not claimed"
        if (case.activations[-1], case.loss) not in self.combinations:
            return f"{case.loss} with {case.activations[-1]} at the output is not claimed"
        return ""


_PLURAL = {"reduction": "reductions", "bias": "biases", "dtype": "dtypes"}


class Asked(Protocol):
    """The implementation, as far as probing needs it."""

    @property
    def takes(self) -> tuple[str, ...]:
        """What its signature asks for by name."""
        ...

    def refuses(self, case: Case, *names: str) -> bool:
        """Whether it is not made for this case, or for one of these names."""
        ...


def probed(asked: Asked) -> tuple[Claims, Case] | None:
    """The claims, and a case among them; None where every case is refused.

    `reductions` is empty where the signature has no `reduction`: see `inferred_reduction`.
    """
    base = next((case for case in _first_cases(asked.takes) if not _refuses_all(asked, case)), None)
    if base is None:
        return None
    pairs = tuple(pair for pair in _PAIRS if not asked.refuses(_ending(base, *pair), *pair))
    hidden = tuple(name for name in HIDDEN if not asked.refuses(_below(base, name), name))
    names, losses = {*hidden, *(output for output, _ in pairs)}, {loss for _, loss in pairs}
    biases = BIASES if "bias" in asked.takes else ("separate", "none")
    claims = Claims(
        activations=tuple(name for name in ACTIVATIONS if name in names),
        losses=tuple(loss for loss in LOSSES if loss in losses),
        reductions=_taken(asked, base, "reduction", REDUCTIONS) if _names_reduction(asked) else (),
        biases=_taken(asked, base, "bias", biases, "bias", "biases"),
        dtypes=_taken(asked, base, "dtype", DTYPES),
        slopes=SLOPES if "slope" in asked.takes else SLOPES[:1],
        combinations=pairs,
        hidden=hidden,
        depths=_depths(asked, base, hidden),
    )
    return claims, base


def _names_reduction(asked: Asked) -> bool:
    return "reduction" in asked.takes


def _first_cases(takes: tuple[str, ...]) -> Iterator[Case]:
    """Networks to begin with, the plainest first: some may want a fixed depth, or no biases."""
    reductions = REDUCTIONS if "reduction" in takes else REDUCTIONS[:1]
    for bias, reduction, depth in product(("separate", "none"), reductions, (1, 2, 3)):
        # Thousands of networks would be too many to find that all are refused.
        several = HIDDEN if (bias, depth) == ("separate", 2) else _COMMON
        for hidden, (output, loss) in product(several if depth > 1 else HIDDEN[:1], _PAIRS):
            activations = (hidden,) * (depth - 1) + (output,)
            yield Case(_WIDTHS[: depth + 1], activations, loss, reduction, bias, n=3, seed=depth)


def _refuses_all(asked: Asked, case: Case) -> bool:
    names = {*case.activations, case.loss, case.bias, "bias", "biases", "depth", "layers"}
    if _names_reduction(asked):
        names.add(case.reduction)
    return asked.refuses(case, *names)


def _ending(base: Case, output: str, loss: str) -> Case:
    return replace(base, activations=(*base.activations[:-1], output), loss=loss)


def _below(base: Case, name: str) -> Case:
    depth = max(base.depth, 2)
    activations = (name,) * (depth - 1) + base.activations[-1:]
    return replace(base, widths=_WIDTHS[: depth + 1], activations=activations)


_PROBED = (1, 2, 3)


def _depths(asked: Asked, base: Case, hidden: tuple[str, ...]) -> tuple[int, ...]:
    """Who takes three layers is taken to take any number."""
    below = base.activations[0] if base.depth > 1 else next(iter(hidden), "")
    depths = tuple(
        depth
        for depth in _PROBED
        if depth == base.depth
        or (
            (depth == 1 or below)
            and not asked.refuses(_of_depth(base, depth, below), "depth", "layers")
        )
    )
    return depths + tuple(range(4, MAX_DEPTH + 1)) if 3 in depths else depths


def _of_depth(base: Case, depth: int, below: str) -> Case:
    activations = (below,) * (depth - 1) + base.activations[-1:]
    return replace(base, widths=_WIDTHS[: depth + 1], activations=activations)


def _taken(
    asked: Asked, base: Case, field: str, values: tuple[str, ...], *words: str
) -> tuple[str, ...]:
    """The values of a field that are not refused; the base's own is known to be taken."""
    return tuple(
        value
        for value in values
        if getattr(base, field) == value
        or not asked.refuses(replace(base, **{field: value}), value, *words)  # type: ignore[arg-type]
    )


def doubled(case: Case) -> Case:
    """The same case with every row of its batch twice."""
    arrays = case.arrays
    twice = replace(arrays, X=np.repeat(arrays.X, 2, axis=0), Y=np.repeat(arrays.Y, 2, axis=0))
    return replace(case, n=2 * case.n, regime="real", given=twice)


def inferred_reduction(once: Vector, twice: Vector) -> tuple[str, str]:
    """Sum or mean over the rows, and how that was seen.

    once: (P,) the answer to a case   twice: (P,) to the same case `doubled`
    A sum is then twice as large and a mean stays what it was, whatever the loss, the activations
    and a constant factor. Where neither fits, it is judged as a sum: some verdict must speak.
    """
    size = float(once @ once)
    ratio = float(once @ twice) / size if size > 0 else float("nan")
    # 1e-4 is far above the rounding of a few dozen operations, in float32 too, and far below the
    # distance of 1 from 2.
    for reduction, expected in (("sum", 2.0), ("mean", 1.0)):
        if abs(ratio - expected) < 1e-4:
            return (
                reduction,
                f"{reduction}: with every row twice the gradient is {expected:g} times",
            )
    return (
        "sum",
        f"taken as sum: with every row twice the gradient is {ratio:.4g} times, not 2 or 1",
    )


# Slopes of a leaky_relu that people write, beside ours.
_USUAL_SLOPES = (SLOPES[0], 0.01, 0.1, 0.2, 0.3, 0.05, 0.02, 0.001, SLOPES[1])


def slope_probes(claims: Claims, base: Case) -> dict[float, Case]:
    """Nets in which a leaky unit gives the output -t for each usual slope t; the one of key 0 has
    -slope there, whatever it is. One of the others has the same gradient at the output, then.

    Empty where no such net is claimed.
    """
    ending = base.activations[-1:]
    if "leaky_relu" not in claims.hidden or 2 not in claims.depths or base.bias == "none":
        return {}

    def net(x: float, weight: float) -> Case:
        arrays = Arrays(
            (np.ones((1, 1)), np.array([[weight, 0.0]])),
            (np.zeros(1), np.zeros(2)),
            np.array([[x]]),
            np.array([[1.0, 0.0]]),  # labels that every loss takes
        )
        return replace(
            base, widths=(1, 1, 2), activations=("leaky_relu", *ending), n=1, regime="real",
            given=arrays,
        )  # fmt: skip

    return {0.0: net(-1.0, 1.0)} | {slope: net(slope, -1.0) for slope in _USUAL_SLOPES}


def inferred_slope(answers: dict[float, Vector]) -> float | None:
    """The usual slope whose answer is that of key 0, see `slope_probes`; None where none is."""
    if not answers:
        return None
    db = {slope: float(vector[-2]) for slope, vector in answers.items()}
    seen = db.pop(0.0)
    nearest = min(db, key=lambda slope: abs(db[slope] - seen))
    # Two of the slopes differ by a thousandth at least; float32 rounds by far less.
    return nearest if abs(db[nearest] - seen) <= 1e-5 * abs(seen) else None
