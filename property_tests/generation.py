"""The generate phase: Hypothesis draws a list of cases, which is then judged like any other.

Nothing is tested while drawing, so the list can be written down, hashed, sharded and resumed.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from backproof.case import Case
from property_tests.space import EVERYTHING, Claims, sampled_case
from property_tests.strategies import cases

# Above this many cases Hypothesis' 1-2 ms a case are no longer small beside the judging.
MOST_DRAWN = 20_000

Progress = Callable[[int], None]


class _WithoutConstants(HypothesisProvider):
    """Hypothesis' own draws, without the numbers it likes to try and those it finds in our code.

    It collects integers from the source files around it. With them the list would depend on
    which modules were imported, the stated shares would be bent towards numbers that stand in our
    code, and a `.hypothesis` folder would appear wherever the command was run.
    """

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


_BACKEND = "backproof"
AVAILABLE_PROVIDERS[_BACKEND] = _WithoutConstants


def draw_cases(
    count: int,
    seed: int,
    *,
    size: str | None = None,
    claims: Claims = EVERYTHING,
    progress: Progress | None = None,
) -> list[Case]:
    """Exactly `count` cases of the space: the same list for the same arguments, source, versions.

    progress: called with the number of cases drawn so far, once per case.
    Hypothesis draws up to MOST_DRAWN cases, the sampler of `space.py` more than that. Should
    Hypothesis stop early, the sampler fills the list up; no version we know does.
    Raises CaseError where the claims leave no case.
    """
    sampled_case(seed, 0, size=size, claims=claims)  # impossible claims are said before we start
    done = progress or (lambda number: None)
    by_hypothesis = 0 < count <= MOST_DRAWN
    drawn = _drawn_by_hypothesis(count, seed, size, claims, done) if by_hypothesis else []
    for index in range(len(drawn), count):
        drawn.append(sampled_case(seed, index, size=size, claims=claims))
        done(len(drawn))
    return drawn


def _drawn_by_hypothesis(
    count: int, seed_: int, size: str | None, claims: Claims, done: Progress
) -> list[Case]:
    drawn: list[Case] = []

    @seed(seed_)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        backend=_BACKEND,
        print_blob=False,
    )
    @given(cases(size=size, claims=claims))
    def draw(case: Case) -> None:
        drawn.append(case)
        done(min(len(drawn), count))

    draw()
    return drawn[:count]
