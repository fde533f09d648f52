"""From a failing case to the smallest one that fails in the same way, small enough for paper.

Hypothesis shrinks what it has drawn itself; a case that comes from a run file, a token or a data
set was drawn long ago or never. So this is a shrinker of our own: greedy, over the fields of a
case, towards the same simplest options as the lists in `space.py`. It begins at the given failure
and never leaves failing cases, so it cannot come back with nothing. It needs no Hypothesis.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backproof import names
from backproof.case import Case
from property_tests.derived import rows_of

Fails = Callable[[Case], bool]
Pass = Callable[[Case], Iterator[Case]]

# A small net often has a zero just where the mistake would show (a dead relu, a residual of 0),
# so each smaller net is tried with its own numbers and with those of a few other seeds.
_SEEDS = range(3)


def shrink(
    case: Case, fails: Fails, *, max_tries: int = 2000, deadline_seconds: float = 60.0
) -> Case:
    """The smallest case found that still fails; `case` itself where none smaller does.

    fails: asked about each candidate, never twice about the same; `case` is known to fail
    max_tries: how many candidates may be asked about. The answer is the same on every machine
        unless `deadline_seconds` (from now) is over first.

    A case with given arrays keeps its weights and loses rows. Otherwise the order is: layers,
    rows, widths, then names and numbers, each towards the front of its list in `names`.
    """
    search = _Search(fails, max_tries, time.monotonic() + deadline_seconds)
    before = None
    while case is not before:
        before = case
        for smaller in _ROWS_ONLY if case.given is not None else _PASSES:
            case = search.down(case, smaller)
    return case


class _Search:
    """What was tried already, and what may still be."""

    def __init__(self, fails: Fails, max_tries: int, end: float) -> None:
        self.fails, self.left, self.end = fails, max_tries, end
        self.tried: set[Case] = set()

    def down(self, case: Case, smaller: Pass) -> Case:
        """Follow one pass, from failing case to smaller failing case, to its end."""
        while (found := next(filter(self.asked, smaller(case)), None)) is not None:
            case = found
        return case

    def asked(self, case: Case) -> bool:
        if case in self.tried or self.left <= 0 or time.monotonic() > self.end:
            return False
        self.tried.add(case)
        self.left -= 1
        return self.fails(case)


# Each pass lists smaller cases, the most daring first. All of a pass's candidates are smaller in
# its own field and equal in the fields of the passes before it, so the search ends.


def _fewer_layers(case: Case) -> Iterator[Case]:
    k, g = case.widths, case.activations
    for depth in range(1, case.depth):
        yield from _seeded(case, widths=k[:1] + k[-depth:], activations=g[-depth:])
        lower = g[: depth - 1] + g[-1:]
        yield from _seeded(case, widths=k[:depth] + k[-1:], activations=lower)
    for layer in range(1, case.depth):  # without this hidden layer
        others = g[: layer - 1] + g[layer:]
        yield from _seeded(case, widths=k[:layer] + k[layer + 1 :], activations=others)


def _fewer_rows(case: Case) -> Iterator[Case]:
    for n in _smaller(case.n):
        yield from _seeded(case, n=n)


def _narrower(case: Case) -> Iterator[Case]:
    if max(case.widths) > 1:
        yield from _seeded(case, widths=(1,) * len(case.widths))
    for layer, k in enumerate(case.widths):
        for fewer in _smaller(k):
            yield from _seeded(case, widths=_with(case.widths, layer, fewer))


def _smaller(number: int) -> list[int]:
    return sorted({k for k in (1, 2, number // 2, number - 1) if 1 <= k < number})


def _simpler_loss(case: Case) -> Iterator[Case]:
    for loss in _before(case.loss, names.LOSSES):
        output = names.OUTPUT_ACTIVATION.get(loss, case.activations[-1])
        yield from _seeded(case, loss=loss, activations=(*case.activations[:-1], output))


def _simpler_activations(case: Case) -> Iterator[Case]:
    free = case.depth - (case.loss in names.OUTPUT_ACTIVATION)
    for layer in range(free):
        for name in _before(case.activations[layer], names.ACTIVATIONS):
            yield from _seeded(case, activations=_with(case.activations, layer, name))


def _simpler(field: str, order: Sequence[Any]) -> Pass:
    def smaller(case: Case) -> Iterator[Case]:
        for value in _before(getattr(case, field), order):
            yield from _seeded(case, **{field: value})

    return smaller


def _smaller_seed(case: Case) -> Iterator[Case]:
    for seed in _before(case.seed, _SEEDS):
        yield replace(case, seed=seed)


def _before(value: Any, order: Sequence[Any]) -> Sequence[Any]:
    return order[: order.index(value)] if value in order else order


def _with(values: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*values[:at], value, *values[at + 1 :])


def _seeded(case: Case, **changes: Any) -> Iterator[Case]:
    changed = replace(case, **changes)
    yield changed
    for seed in _SEEDS:
        if seed != case.seed:
            yield replace(changed, seed=seed)


def _fewer_given_rows(case: Case) -> Iterator[Case]:
    """One part of the rows alone, or all but one part: halves, then smaller and smaller parts."""
    rows, size = np.arange(case.n), case.n // 2
    while size >= 1:
        for start in range(0, case.n, size):
            part = (rows >= start) & (rows < start + size)
            yield rows_of(case, rows[part])
            if part.sum() < case.n - size:  # otherwise the rest is a part, and had its turn
                yield rows_of(case, rows[~part])
        size //= 2


_ROWS_ONLY: tuple[Pass, ...] = (_fewer_given_rows,)
_PASSES: tuple[Pass, ...] = (
    _fewer_layers,
    _fewer_rows,
    _narrower,
    _simpler_loss,
    _simpler_activations,
    _simpler("regime", names.REGIMES[:-1]),
    _simpler("dtype", names.DTYPES),
    _simpler("reduction", names.REDUCTIONS),
    _simpler("bias", names.BIASES),
    _simpler("scale", sorted(names.SCALES, key=abs)),
    _simpler("alpha", names.ALPHAS),
    _simpler("slope", names.SLOPES),
    _smaller_seed,
)
