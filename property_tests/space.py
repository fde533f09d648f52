"""The case space, described once: which networks, losses and numbers a case may have.

`drawn_case` asks an abstract `choose(label, options)` for one field after the other. Hypothesis
answers it in `strategies.py` (and so can shrink and explain); a counter answers it here, where
neither Hypothesis nor a memory of earlier cases is wanted: case number 10**9 costs what the first
one costs. Both draw from the same lists, so both draw from the same space.

Every list begins with its simplest option, and an option stands in its list as often as its share
says. A shrinker that goes to the front of each list therefore ends at one layer of width 1 for one
row: identity, half squared error, sum, a separate bias, alpha 1, float64, seed 0, and integers
small enough for paper.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar

from backproof import drawing, names
from backproof.case import Case
from backproof.errors import CaseError

T = TypeVar("T")


class Choose(Protocol):
    """`choose(label, options)` returns one of the options, each equally likely."""

    def __call__(self, label: str, options: Sequence[T], /) -> T: ...


@dataclass(frozen=True)
class Claims:
    """The part of the space that is wanted: what a program supports, or where a law holds.

    Each field lists what is allowed; the default is everything. An option outside the closed lists
    of `names` is possible for `slopes` and `alphas` alone (a learner's own numbers).
    hidden: activations below the output   combinations: (output activation, loss) pairs
    mixed: whether hidden layers of one network may differ in their activation
    """

    activations: tuple[str, ...] = names.ACTIVATIONS
    losses: tuple[str, ...] = names.LOSSES
    reductions: tuple[str, ...] = names.REDUCTIONS
    biases: tuple[str, ...] = names.BIASES
    alphas: tuple[float, ...] = names.ALPHAS
    slopes: tuple[float, ...] = names.SLOPES
    dtypes: tuple[str, ...] = names.DTYPES
    regimes: tuple[str, ...] = names.REGIMES
    depths: tuple[int, ...] = tuple(range(1, names.MAX_DEPTH + 1))
    max_width: int = names.MAX_WIDTH
    max_batch: int = names.MAX_BATCH
    hidden: tuple[str, ...] = names.ACTIVATIONS
    mixed: bool = True
    combinations: tuple[tuple[str, str], ...] = tuple(product(names.ACTIVATIONS, names.LOSSES))


EVERYTHING = Claims()


def _repeated(shares: dict[T, int]) -> tuple[T, ...]:
    return tuple(option for option, times in shares.items() for _ in range(times))


SIZES = _repeated({"standard": 19, "wide": 1})
REGIMES = _repeated(
    {
        "integers": 2,
        "fractions": 2,
        "normal": 9,
        "saturated": 2,
        "tiny": 1,
        "zeros": 1,
        "duplicated": 1,
        "one_hot": 1,
        "soft_labels": 1,
    }
)
DTYPES = _repeated({"float64": 7, "float32": 1})
REDUCTIONS = names.REDUCTIONS
BIASES = _repeated({"separate": 2, "augmented": 1, "none": 1})
# "the same": all hidden layers have one activation, as in most programs people write.
HIDDEN = _repeated({"the same": 1, "mixed": 3})
SCALES = _repeated({0: 60} | {scale: 1 for scale in sorted(names.SCALES, key=abs) if scale})

# Where every number should stay small and exact, no power of two is added, and a leaky layer has
# the slope 1/4: 1/64 would use up the bits within which sums of products are exact.
EXACT_REGIMES = ("integers", "fractions", "zeros")
# A float32 ends at 2**128. A saturated net multiplies by 2**3 a layer, forward and backward; with
# 2**4 more and 8 layers that is 2**112.
_MOST_SCALE = {"float64": 12, "float32": 4}
# Only a `saturated` case may multiply its weights by more than 2**2.
_MOST_UNSATURATED = 2
# Losses that divide by a probability: where it is rounded to 0 or 1, right code has no answer. The
# numbers of `saturated` and `integers`, and of `fractions` in deep nets, are so large that they
# seldom have one. (A user's own case may be as large as they like: the bound says what is lost.)
ON_PROBABILITIES = ("binary_cross_entropy", "cross_entropy")


def _octaves(most: int) -> tuple[int, ...]:
    """1..most, each about as often as its inverse says: 1-2, 2-4, 4-8 ... are equally likely."""
    return tuple(k for k in range(1, most + 1) for _ in range(max(1, round(most / k / 2))))


DEPTHS = {"standard": range(1, 6), "wide": range(1, names.MAX_DEPTH + 1)}
WIDTHS = {"standard": tuple(range(1, 9)), "wide": _octaves(names.MAX_WIDTH)}
BATCHES = {"standard": tuple(range(1, 9)), "wide": _octaves(names.MAX_BATCH)}
SEEDS = range(2**32)


def shares() -> dict[str, dict[str, float]]:
    """What part of all cases has each option, field by field; for the report."""
    drawn: dict[str, Sequence[object]] = {
        "size": SIZES,
        "loss": names.LOSSES,
        "dtype": DTYPES,
        "reduction": REDUCTIONS,
        "bias": BIASES,
        "alpha": names.ALPHAS,
    }
    found = {field: _parts(options) for field, options in drawn.items()}
    found["regime"] = _mixture(
        _parts(_regimes(loss, depth))
        for size, loss in product(SIZES, names.LOSSES)
        for depth in DEPTHS[size]
        for _ in range(40 // len(DEPTHS[size]))  # each size weighs the same: 5 and 8 divide 40
    )
    of_regime = {
        regime: _mixture(_parts(_scales(dtype, regime)) for dtype in DTYPES)
        for regime in found["regime"]
    }
    found["scale"] = {
        str(scale): sum(
            share * of_regime[regime].get(str(scale), 0.0)
            for regime, share in found["regime"].items()
        )
        for scale in dict.fromkeys(SCALES)
    }
    return found


def _parts(options: Sequence[object]) -> dict[str, float]:
    return {str(option): n / len(options) for option, n in Counter(options).items()}


def _mixture(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    all_parts = list(parts)
    options = dict.fromkeys(option for part in all_parts for option in part)
    return {
        option: sum(part.get(option, 0.0) for part in all_parts) / len(all_parts)
        for option in options
    }


def drawn_case(choose: Choose, *, size: str | None = None, claims: Claims = EVERYTHING) -> Case:
    """One case of the space, its fields chosen one after the other by `choose`.

    size: "standard" or "wide", or None for a draw by share. A "wide" draw may turn out small.
    Raises CaseError where the claims leave no case.
    """
    size = size or choose("size", SIZES)
    loss = choose("loss", _losses(claims))
    dtype = choose("dtype", _within("dtypes", DTYPES, claims.dtypes))
    n = choose("n", _up_to("max_batch", BATCHES[size], claims.max_batch))
    widths, activations = _network(choose, size, loss, claims)
    regimes = _regimes(loss, len(activations))
    regime = choose("regime", _within("regimes", regimes, claims.regimes))
    return Case(
        widths=widths,
        activations=activations,
        loss=loss,
        reduction=choose("reduction", _within("reductions", REDUCTIONS, claims.reductions)),
        bias=choose("bias", _within("biases", BIASES, claims.biases)),
        n=n,
        alpha=choose("alpha", _within("alphas", names.ALPHAS, claims.alphas)),
        regime=regime,
        scale=choose("scale", _scales(dtype, regime)),
        dtype=dtype,
        slope=_slope(choose, activations, regime, claims),
        seed=choose("seed", SEEDS),
    )


def _network(
    choose: Choose, size: str, loss: str, claims: Claims
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    allowed = _within("activations", names.ACTIVATIONS, claims.activations)
    hidden = tuple(name for name in allowed if name != "softmax" and name in claims.hidden)
    depths = tuple(d for d in _depths(loss, claims) if d in DEPTHS[size] and (d == 1 or hidden))
    if not depths:
        raise CaseError(
            f"`claims` leaves no depth in a {size} case: depths {claims.depths}, "
            f"hidden activations {hidden}; claim one more."
        )
    depth = choose("depth", depths)
    k = _up_to("max_width", WIDTHS[size], claims.max_width)
    widths, activations = [choose("width of X", k)], list[str]()
    mixed = depth > 2 and choose("hidden layers", HIDDEN) == "mixed" and claims.mixed
    for layer in range(1, depth):
        widths.append(choose(f"width of layer {layer}", k))
        fresh = mixed or layer == 1
        activations.append(
            choose(f"activation of layer {layer}", hidden) if fresh else activations[-1]
        )
    widths.append(choose("width of the output", k))
    # Where the loss leaves one option it is offered twice: a list of one is no choice, and if
    # losses differed in their number of choices, a shrinker would prefer those with fewer.
    wanted = names.OUTPUT_ACTIVATION.get(loss)
    fitting = tuple(name for name in allowed if (name, loss) in claims.combinations)
    outputs = fitting if wanted is None else (wanted, wanted)
    activations.append(choose("activation of the output", outputs))
    return tuple(widths), tuple(activations)


def _losses(claims: Claims) -> Sequence[str]:
    """The losses whose output activation is claimed together with them, and some regime."""
    allowed = _within("activations", names.ACTIVATIONS, claims.activations)
    outputs = {
        loss: [
            output
            for output in allowed
            if (output, loss) in claims.combinations
            and names.OUTPUT_ACTIVATION.get(loss, output) == output
        ]
        for loss in names.LOSSES
    }
    _within("regimes", REGIMES, claims.regimes)
    reachable = [loss for loss in names.LOSSES if outputs[loss] and _depths(loss, claims)]
    if not reachable:
        raise CaseError(
            "`claims` leaves no loss: none is claimed with its output activation, a depth and a "
            "regime; claim one more."
        )
    return _within("losses", reachable, claims.losses)


def _depths(loss: str, claims: Claims) -> Sequence[int]:
    """The claimed depths at which some claimed regime is drawn."""
    return [d for d in claims.depths if set(_regimes(loss, d)) & set(claims.regimes)]


def _within(field: str, options: Sequence[T], allowed: Sequence[T]) -> Sequence[T]:
    left = tuple(option for option in options if option in allowed)
    if not left:
        raise CaseError(
            f"`claims.{field}` is {tuple(allowed)}, which leaves no case; "
            f"use some of {tuple(dict.fromkeys(options))}."
        )
    return left


def _up_to(field: str, options: Sequence[int], most: int) -> Sequence[int]:
    left = tuple(option for option in options if option <= most)
    if not left:
        raise CaseError(f"`claims.{field}` is {most}, which leaves no case; use 1 or more.")
    return left


def _regimes(loss: str, depth: int) -> Sequence[str]:
    if loss not in ON_PROBABILITIES:
        return REGIMES
    large = ("saturated", "integers", *(() if depth == 1 else ("fractions",)))
    return tuple(regime for regime in REGIMES if regime not in large)


def _scales(dtype: str, regime: str) -> Sequence[int]:
    if regime in EXACT_REGIMES:
        return (0,)
    lowest = -_MOST_SCALE[dtype]
    highest = -lowest if regime == "saturated" else _MOST_UNSATURATED
    return tuple(scale for scale in SCALES if lowest <= scale <= highest)


def _slope(choose: Choose, activations: Sequence[str], regime: str, claims: Claims) -> float:
    if not claims.slopes:
        raise CaseError("`claims.slopes` is empty; name a slope of leaky_relu, such as 1/64.")
    if "leaky_relu" not in activations:
        return claims.slopes[0]
    if regime in EXACT_REGIMES and 1 / 4 in claims.slopes:
        return 1 / 4
    return choose("slope", claims.slopes)


def sampled_case(
    seed: int, index: int, *, size: str | None = None, claims: Claims = EVERYTHING
) -> Case:
    """Case number `index` of the campaign `seed`, without Hypothesis and without its neighbours.

    The words that choose are SplitMix64's, as in `backproof.drawing`, read at a place that seed
    and index name together.
    """
    return drawn_case(_counter(seed, index), size=size, claims=claims)


# Streams 0 and 1 of a seed are a case's own numbers (`backproof.case`).
_CAMPAIGN, _CHOICES = 2, 3
_MOST_CHOICES = 64


def _counter(seed: int, index: int) -> Choose:
    start = int(drawing.bits(seed, _CAMPAIGN, 1)[0])
    words = iter(drawing.bits((start + index) % 2**48, _CHOICES, _MOST_CHOICES).tolist())

    def choose(label: str, options: Sequence[T], /) -> T:
        return options[((next(words) >> 32) * len(options)) >> 32]

    return choose
