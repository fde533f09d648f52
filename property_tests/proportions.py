"""What arrays of an answer are multiples of: a batch of its rows, a matrix's rows of its bias.

The program's own answers are compared with each other. Nothing is known of what is exact, so a
wrong delta is no concern here.
"""

from collections.abc import Sequence

import numpy as np

from backproof.case import Case
from backproof.gradients import Vector, slots_of

SUM, MEAN = "the sum of its rows", "their mean"


def multiple(a: Vector, b: Vector) -> float | None:
    """c where a = c b to four digits, or None."""
    with np.errstate(all="ignore"):
        size = float(b @ b)
        if not size:
            return None
        c = float(a @ b) / size
        off = float(np.linalg.norm(a - c * b))
    return c if c != 0 and off <= 1e-4 * abs(c) * float(np.linalg.norm(b)) else None


def of_rows(case: Case, batch: Vector, rows: Sequence[Vector], right: Sequence[str]) -> str:
    """What is wrong between a batch and the sum of its rows; "" if nothing is.

    rows: the answers to each of them alone
    """
    n, total, found = case.n, np.sum(rows, axis=0), dict[str, float | None]()
    for slot in slots_of(case):
        a, b = batch[slot.start : slot.stop], total[slot.start : slot.stop]
        if np.any(a) or np.any(b):
            found[f"d{slot.letter}_{slot.layer}"] = multiple(a, b) if np.any(b) else None
    words = {1.0: SUM, 1 / n: MEAN, 1 / n**2: "their mean divided by n again"}
    told = {
        name: next((word for value, word in words.items() if _near(c, value)), _times(c))
        for name, c in found.items()
    }
    if not found:  # nothing moves at all, which is another check's question
        return ""
    counts = _counts(batch, rows) if None in found.values() else ""
    if counts:
        return f"with n = {n}, its rows count {counts}, and should count alike"
    if len(set(told.values())) == 1:
        (word,) = set(told.values())
        return "" if word in right else f"with n = {n}, every array is {word}"
    return f"with n = {n}, " + "; ".join(f"{name} is {word}" for name, word in told.items())


def _counts(batch: Vector, rows: Sequence[Vector]) -> str:
    """How often each row is in the batch, as "3 : 2 : 1 : 0"; "" where it is no sum of them."""
    with np.errstate(all="ignore"):
        times, *_ = np.linalg.lstsq(np.array(rows).T, batch, rcond=None)
        off = float(np.linalg.norm(batch - times @ np.array(rows)))
    sizes = np.abs(times)
    counted = sizes[sizes > 1e-3 * np.max(sizes, initial=0.0)]
    if off > 1e-4 * float(np.linalg.norm(batch)) or not counted.size:
        return ""
    return " : ".join(f"{round(float(t / np.min(counted)), 3) + 0.0:g}" for t in times)


def _near(c: float | None, value: float) -> bool:
    return c is not None and abs(c - value) <= 1e-3 * value


def _times(c: float | None) -> str:
    return "no multiple of the sum of its rows" if c is None else f"{c:.4g} times their sum"


def bias_of_rows(case: Case, answer: Vector, *, moves: bool = False) -> str:
    """What is wrong between each db and its dW, on one instance; "" if nothing is.

    A bias is a weight of an input of 1: dW_l = outer(O_{l-1}, delta_l) and db_l = delta_l, so every
    row of dW_l is a multiple of db_l, and of the first layer, where O_0 = X, it is known which.
    moves: the answer is a step, ΔW
    """
    given, slots = case.arrays, slots_of(case)
    found = {(s.letter, s.layer): answer[s.start : s.stop].reshape(s.shape) for s in slots}
    for layer in range(case.depth, 0, -1):
        dW, db, old = found["W", layer], found.get(("b", layer)), given.biases[layer - 1]
        if db is None or old is None:
            continue
        noise = [_NOISE * float(np.linalg.norm(a)) for a in (given.weights[layer - 1], old)]
        if not moves:
            noise = [0.0, 0.0]
        if np.linalg.norm(dW) <= 100 * sum(noise):
            continue  # every unit is off, or the step is lost in the weights: nothing is known
        W, b = ((f"{'Δ' if moves else 'd'}{letter}_{layer}") for letter in "Wb")
        if not np.any(db):
            return f"{b} is 0 throughout and {W} is not: is it ever computed, and added?"
        O = dW @ db / (db @ db)
        slack = noise[0] + noise[1] * float(np.linalg.norm(O))
        if not _near_to(dW, np.outer(O, db), slack):
            return f"the rows of {W} are no multiples of {b}, whose input is 1"
        X = np.asarray(given.X[0], dtype=np.float64)
        if layer == 1 and not _near_to(dW, np.outer(X, db), slack):
            return f"{W} is not the outer product of X and {b}"
    return ""


# A step is after - before: what is left of it in single precision, in norms of what it is added to.
_NOISE = 5e-7


def _near_to(a: Vector, b: Vector, slack: float) -> bool:
    return float(np.linalg.norm(a - b)) <= 1e-4 * float(np.linalg.norm(b)) + slack
