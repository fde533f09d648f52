"""The learner's ladder: what is asked of an implementation, from its shapes to its extremes.

A rung names the rungs it stands on. If one of those broke, it is blocked: what it would find is
already explained. An activation or a loss that broke is left out of the nets above it instead, so
that one wrong derivative is named once and hides nothing else.

The ladder is frozen: `VERSION` and a hash of its tokens for several sets of claims stand in the
corpus, so a badge or a grade never moves in silence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backproof.case import Case
from backproof.checked import Check
from backproof.claims import Claims
from oracles.bound_tables import KINKED
from property_tests.nets import LARGE_RATE, ROWS, Nets
from property_tests.space import ON_PROBABILITIES

VERSION = "1"

# Below it, a program is not held against the order of its moves: see `checking.Climb`.
ORDER = "update.order"


@dataclass(frozen=True)
class Question:
    """A check with the cases that answer it; without cases it is not claimed.

    how: "derivative" (each case against the exact one), or a comparison of the program with itself:
        "twice", "state", "still", "bias rows", "rows", "rows, sum", "rows, mean"; "stated loss"
        compares values; "order" is a derivative whose weights may not move too early; "training"
        takes the case as the first of several steps
    subject: the activation, or (output, loss), that is left out above if this breaks
    blocked: what it is made of that broke already, or ""
    after: a check of its own rung without which it means nothing
    """

    check: Check
    cases: tuple[Case, ...]
    how: str = "derivative"
    unclaimed: str = ""
    subject: str | tuple[str, str] | None = None
    blocked: str = ""
    after: str = ""


@dataclass(frozen=True)
class Rung:
    """One rung. stands_on: ids of rungs   asks: the questions, given what is still whole"""

    id: str
    title: str
    stands_on: tuple[str, ...]
    asks: Callable[[Nets], Iterator[Question]]


def _cases(*cases: Case | None) -> tuple[Case, ...]:
    return tuple(case for case in cases if case is not None)


def _contract(nets: Nets) -> Iterator[Question]:
    base = _cases(nets.net(1))
    yield Question(
        Check("contract.answer", "an array of numbers per W and b, in its shape, inputs untouched"),
        base,
        how="answer",
    )
    yield Question(Check("contract.twice", "the same question twice gives the same"), base, "twice")
    other = _cases(nets.net(1), nets.net(2, n=4))
    yield Question(
        Check("contract.state", "an answer does not depend on what was asked before"),
        other,
        "state",
    )


def _linear(nets: Nets) -> Iterator[Question]:
    ending, still = ("identity", "half_squared_error"), "linear.still"
    claimed = ending in nets.endings
    yield Question(
        Check(still, "every W and b has a gradient: none is 0 throughout"),
        _cases(nets.net(7, n=1)),
        "still",
    )
    yield Question(
        Check("linear.layer", "one layer without activation: dW = X.T @ (O - Y)"),
        # One instance: what a batch adds is the next rung's.
        _cases(*(nets.net(seed, depth=1, ending=ending, n=1) for seed in (3, 4) if claimed)),
        unclaimed="a single layer without activation is not claimed",
        after=still,
    )
    yield Question(
        Check("linear.bias", "a bias is a weight of an input of 1: db_l beside the rows of dW_l"),
        _cases(*(nets.net(seed, n=1) for seed in (5, 6) if nets.claims.biases != ("none",))),
        "bias rows",
        unclaimed="a network with biases is not claimed",
        after=still,
    )


def _scale(nets: Nets) -> Iterator[Question]:
    several = nets.claims.reductions if len(nets.claims.reductions) > 1 else ("rows",)
    asks = {
        "rows": "a batch is the sum, or the mean, of its rows, in every array alike",
        "sum": "`sum`: a batch is the sum of its rows",
        "mean": "`mean`: a batch is the mean of its rows",
    }
    sizes = ((5, 4), (6, ROWS)) if nets.claims.max_rows > 1 else ()
    for name in several:
        chosen: dict[str, Any] = {} if name == "rows" else {"reduction": name}
        yield Question(
            Check(f"scale.{name}", asks[name]),
            _cases(*(nets.net(seed, n=n, **chosen) for seed, n in sizes)),
            "rows" if name == "rows" else f"rows, {name}",
            unclaimed="single instances only",
        )


def check_of_output(claims: Claims, output: str, loss: str) -> str:
    """The check that is about an output: of an activation that only an output has, its own.

    The losses ask for softmax, and for an output without one.
    """
    alone = output not in claims.hidden and output not in ("softmax", "identity")
    return f"activation.{output}" if alone else f"loss.{loss}.{output}"


def _activation(nets: Nets) -> Iterator[Question]:
    claims = nets.claims
    names = [name for name in claims.hidden if name != "softmax"]
    for output, loss in claims.combinations:
        if check_of_output(claims, output, loss) == f"activation.{output}":
            names.append(output)
    for name in dict.fromkeys(names):
        cases = _of_activation(nets, name)
        yield Question(
            Check(f"activation.{name}", _asks_of(nets, name, cases)), cases, subject=name
        )


def _asks_of(nets: Nets, name: str, cases: tuple[Case, ...]) -> str:
    """Below an output, delta comes down to it as well: asked about where nothing else is wrong."""
    if not any(name in case.activations[:-1] for case in cases):
        return f"g and g' of {name}"
    if name == "identity":
        return "delta @ W.T to the layer below, where g' is 1: identity"
    plain = "identity" in nets.claims.hidden
    return f"g and g' of {name}{'' if plain else ', and delta @ W.T to the layer below'}"


def _of_activation(nets: Nets, name: str) -> tuple[Case, ...]:
    """A net with this activation alone below a plain output; or at the output of one layer."""
    below = _cases(*(nets.net(seed, hidden=(name,)) for seed in (10, 11)))
    if name in nets.claims.hidden and below and below[0].depth > 1:
        return below
    endings = [pair for pair in nets.endings if pair[0] == name]
    return _cases(*(nets.net(seed, ending=endings[0]) for seed in (10, 11) if endings))


def _loss(nets: Nets) -> Iterator[Question]:
    for output, loss in nets.claims.combinations:
        yield Question(
            Check(f"loss.{loss}.{output}", f"{loss} of {output}"),
            _cases(*(nets.net(seed, ending=(output, loss)) for seed in (20, 21))),
            subject=(output, loss),
            blocked=f"activation.{output}" if output in nets.broken else "",
        )
    if nets.claims.states_loss:
        probes = [
            nets.net(seed, ending=ending) for ending in nets.endings for seed in range(90, 96)
        ]
        yield Question(
            Check("loss.stated", "the loss that it states is the one whose gradient it has"),
            _cases(*probes),
            "stated loss",
        )


def _depth(nets: Nets) -> Iterator[Question]:
    for depth in (1, 2, 3, 4, 5):
        yield Question(
            Check(f"depth.{depth}", f"{depth} layer{'s' if depth > 1 else ''}"),
            _cases(*(nets.net(seed, depth=depth) for seed in (30, 31, 32))),
            unclaimed=f"{depth} layer{'s are' if depth > 1 else ' is'} not claimed",
        )


def _batch(nets: Nets) -> Iterator[Question]:
    deep = max(nets.depths, key=lambda depth: (min(depth, 3), -depth), default=1)
    several = nets.claims.max_rows > 1
    yield Question(Check("batch.one", "a single instance"), _cases(nets.net(40, depth=deep, n=1)))
    yield Question(
        Check("batch.many", "many instances"),
        _cases(*(nets.net(41, depth=deep, n=n) for n in (6, 9, 16) if several)),
        unclaimed="single instances only",
    )
    yield Question(
        Check("batch.duplicates", "an instance that stands in the batch twice counts twice"),
        _cases(nets.net(42, depth=deep, n=7, regime="duplicated") if several else None),
        unclaimed="single instances only",
    )


def _bias(nets: Nets) -> Iterator[Question]:
    for bias, asks in (("separate", "with biases"), ("none", "without biases")):
        yield Question(
            Check(f"bias.{bias}", asks),
            _cases(*(nets.net(seed, bias=bias) for seed in (50, 51))),
            unclaimed=f"a network {asks} is not claimed",
        )


_NO_RATE = "no learning rate: gradients are shown, not steps"


def _update(nets: Nets) -> Iterator[Question]:
    free = nets.moves and nets.claims.alphas is None
    plain: dict[str, Any] = {"alpha": 1.0} if free else {}
    hard = "its learning rate is fixed" if nets.moves else _NO_RATE
    deep = max(nets.depths, key=lambda depth: (min(depth, 3), -depth), default=1)
    yield Question(
        Check(ORDER, "everything moves after the whole pass: nothing is used once it has moved"),
        _cases(*(nets.net(seed, depth=deep) for seed in (63, 64) if nets.moves)),
        "order",
        unclaimed=_NO_RATE,
    )
    yield Question(
        Check("update.step", "ΔW = -alpha dW"),
        _cases(*(nets.net(seed, **plain) for seed in (60, 61) if nets.moves)),
        unclaimed=_NO_RATE,
        after=ORDER,
    )
    for name, rate in (("large", LARGE_RATE), ("small", 2.0**-10)):
        yield Question(
            Check(f"update.{name}", f"a {name} learning rate, {rate:g}"),
            _cases(nets.net(62, alpha=rate) if free else None),
            unclaimed=hard,
            after=ORDER,
        )


def _training(nets: Nets) -> Iterator[Question]:
    rate: dict[str, Any] = {"alpha": 0.125} if nets.claims.alphas is None else {}
    yield Question(
        Check("training.steps", "three steps in a row, each against the exact step from there"),
        _cases(nets.net(70, **rate)),
        how="training",
    )


_EXTREMES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("integers", "must", "small integers, where no float rounds", {"regime": "integers"}),
    ("zeros", "must", "zeros and ties: any slope at a kink is right", {"regime": "zeros"}),
    ("tiny", "must", "numbers a thousandth of the ordinary", {"regime": "tiny"}),
    ("saturated", "should", "units far in their tails", {"regime": "saturated"}),
    ("overflow", "should", "so far that exp overflows", {"regime": "saturated", "scale": 8}),
    ("float32", "should", "single precision", {"dtype": "float32"}),
)


def _extremes(nets: Nets) -> Iterator[Question]:
    # In a tail, or at large integers, a loss that divides by a probability has no answer.
    dividing = [pair for pair in nets.endings if pair[1] in ON_PROBABILITIES]
    all_divide = len(dividing) == len(nets.endings)
    others = nets if all_divide else nets.without(*dividing)
    for name in KINKED:
        if name in nets.claims.hidden:
            yield Question(
                Check(f"extremes.{name}_at_0", f"{name} at 0: any slope between its two is right"),
                _cases(*(others.net(seed, hidden=(name,), regime="zeros") for seed in (82, 83))),
                blocked=f"activation.{name}" if name in nets.broken else "",
            )
    for name, level, asks, fields in _EXTREMES:
        yield Question(
            Check(f"extremes.{name}", asks, "should" if all_divide else level),
            _cases(*(others.net(seed, **fields) for seed in (80, 81))),
            unclaimed="single precision is not claimed" if name == "float32" else "",
        )


LADDER = (
    Rung("contract", "contract", (), _contract),
    Rung("linear", "one linear layer", ("contract",), _linear),
    Rung("scale", "reduction and scale", ("contract", "linear"), _scale),
    Rung("activation", "each activation", ("contract", "linear", "scale"), _activation),
    Rung("loss", "each loss", ("contract", "linear", "scale"), _loss),
    Rung("depth", "depth", ("contract", "linear", "scale"), _depth),
    Rung("batch", "batch", ("contract", "linear", "scale", "depth"), _batch),
    Rung("bias", "bias", ("contract", "linear", "scale", "depth"), _bias),
    Rung("update", "update", ("contract", "linear", "scale", "depth", "bias"), _update),
    Rung("training", "training steps", ("depth", "batch", "bias", "update"), _training),
    Rung("extremes", "extremes", ("depth", "batch", "bias", "update"), _extremes),
)
