"""Somebody's backprop in exact arithmetic: the same code, on numbers with a proved radius.

What comes out tells the formula from the rounding: a formula that is right gives balls around the
exact gradient as narrow as one likes, and a wrong one gives balls that miss it. Nothing here knows
the expected answer, so this half can run where the code under test runs; `oracles/certified.py`
judges. Where they are two processes, `Enclosure`s cross between them: whole numbers, nothing that
rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from backproof.ball import Ball, Undecidable, working
from backproof.ball_array import BallArray, CannotRun, balls_in, exact_numpy, inputs_of
from backproof.case import Arrays


class Enclosure(NamedTuple):
    """|exact - mid| <= rad, each as (m, e), the number m * 2**e. None: it is no finite number."""

    mid: tuple[int, int] | None
    rad: tuple[int, int] | None


@dataclass(frozen=True)
class NotExactly:
    """Why the code did not run in exact arithmetic: one sentence.

    undecidable: a comparison was left open, which more bits may decide
    """

    note: str
    undecidable: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked of the code under test, in balls.

    weights[l]: (k, j)   biases[l]: (j,) or None   X: (n, k_0)   Y: (n, k_L)
    """

    weights: list[BallArray]
    biases: list[BallArray | None]
    X: BallArray
    Y: BallArray


Balls = list[arb]

# Calls the code under test and gives back (dW, db), lists per layer, db[l] None without a bias.
Ask = Callable[[Question], tuple[Sequence[Any], Sequence[Any]]]


def exact_answer(
    arrays: Arrays, ask: Ask, *, bits: int = 200, widened: bool = False, replaced: bool = True
) -> Balls | NotExactly:
    """The gradient that `ask` computes from balls, (P,) in the order of `slots_of`.

    widened: read a float constant as any number that may have been rounded to it
    replaced: let float64 mean ball in `numpy` and `math` meanwhile (`exact_numpy`); without it only
        the arrays are exact
    """
    shapes = [(W.shape, None if b is None else b.shape) for W, b in _layers(arrays)]
    with working(bits, widened=widened):
        question = Question(
            [inputs_of(W) for W in arrays.weights],
            [None if b is None else inputs_of(b) for b in arrays.biases],
            inputs_of(arrays.X),
            inputs_of(arrays.Y),
        )
        try:
            with exact_numpy() if replaced else nullcontext(), np.errstate():
                dW, db = ask(question)
                found = _flat(dW, db, shapes)
        except Undecidable as error:
            return NotExactly(f"could not run exactly: {error}", undecidable=True)
        except CannotRun as error:
            return NotExactly(f"could not run exactly: {error}")
        except BaseException as error:  # whatever it is, on floats it may well not happen
            return NotExactly(f"could not run exactly: {type(error).__name__}: {error}")
        return [ball.x for ball in found]


def _layers(arrays: Arrays) -> list[tuple[Any, Any]]:
    return list(zip(arrays.weights, arrays.biases, strict=True))


def _flat(dW: Sequence[Any], db: Sequence[Any], shapes: Sequence[tuple[Any, Any]]) -> list[Ball]:
    """W_1, b_1, W_2, ...; raises ValueError where a shape is not that of the parameter."""
    found: list[Ball] = []
    if len(dW) != len(shapes):
        raise ValueError(f"dW has {len(dW)} arrays, expected {len(shapes)}")
    for layer, (of_W, of_b) in enumerate(shapes):
        found += _shaped(f"dW[{layer}]", dW[layer], of_W)
        if of_b is not None:
            found += _shaped(f"db[{layer}]", db[layer], of_b)
    return found


def _shaped(name: str, array: Any, shape: tuple[int, ...]) -> list[Ball]:
    if np.shape(array) != shape:
        raise ValueError(f"{name} has shape {np.shape(array)}, expected {shape}")
    return balls_in(array)


def enclosures_of(balls: Balls) -> list[Enclosure]:
    """Every ball as whole numbers."""
    return [
        Enclosure(_pair(x.mid()), _pair(x.rad())) if x.is_finite() else Enclosure(None, None)
        for x in balls
    ]


def _pair(x: Any) -> tuple[int, int]:
    m, e = x.man_exp()
    return int(m), int(e)


def balls_from(enclosures: Sequence[Enclosure]) -> Balls:
    """The balls back, at flint's working precision; NaN where there is no number."""
    return [arb("nan") if mid is None or rad is None else arb(mid, rad) for mid, rad in enclosures]
