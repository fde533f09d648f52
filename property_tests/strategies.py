"""Hypothesis' way through the case space: each field is a draw of its own, with a label.

Separate draws are what lets Hypothesis' explain phase say which field a failure depends on.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from hypothesis import strategies as st

from backproof.case import Case
from property_tests.space import EVERYTHING, Claims, drawn_case

T = TypeVar("T")


@st.composite
def cases(draw: st.DrawFn, *, size: str | None = "standard", claims: Claims = EVERYTHING) -> Case:
    """Cases of the space, or of the part of it that is claimed.

    size: "standard", "wide", or None for both by share. Shrinks to one layer of width 1 for one
    row: identity, half squared error, sum, separate bias, alpha 1, float64, small integers, seed 0.
    """

    # Draws of `st.data()` are the ones Hypothesis prints one by one, with what it learned about
    # each; those of a composite it keeps to itself.
    data = draw(st.data())

    def choose(label: str, options: Sequence[T], /) -> T:
        return data.draw(_option_of(options), label=label)

    return drawn_case(choose, size=size, claims=claims)


@lru_cache(maxsize=512)
def _option_of(options: Sequence[T]) -> st.SearchStrategy[T]:
    # The lists are few and a strategy costs as much to make as to draw from.
    return st.sampled_from(options)
