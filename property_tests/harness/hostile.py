"""A learner's file that is right but for one deed, and what a test asks of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from backproof.case import Case
from backproof.gradients import Failure, Gradients, Vector, slots_of
from backproof.target import Limits, Target

CASE = Case((3, 2, 4), ("tanh", "identity"), n=5, seed=1)
BAD = Case((3, 2, 4), ("sigmoid", "identity"), n=5, seed=2)  # the one that misbehaves
QUICK = Limits(first_call=2.0, call=2.0)

# Right for tanh below identity with the article's loss; does what {deed} says in the `BAD` case.
# It refuses all else, so that few probes are asked and none of them sees the deed.
HOSTILE = """\
import os, sys
import numpy as np

{top}

def backprop(weights, biases, X, Y, activations, loss):
    if loss != "half_squared_error" or len(weights) != 2 or activations[1] != "identity":
        raise NotImplementedError(f"{{activations}} with {{loss}}")
    if activations[0] == "sigmoid":
        if len(X) == 5:
            {deed}
    elif activations[0] != "tanh":
        raise NotImplementedError(activations[0])
    O_1 = np.tanh(X @ weights[0] + biases[0])
    delta_2 = O_1 @ weights[1] + biases[1] - Y
    delta_1 = delta_2 @ weights[1].T * (1 - O_1**2)
    dW, db = [X.T @ delta_1, O_1.T @ delta_2], [delta_1.sum(axis=0), delta_2.sum(axis=0)]
    return dW, db
"""


@contextmanager
def hostile(folder: Path, deed: str, *, top: str = "", limits: Limits = QUICK) -> Iterator[Target]:
    path = folder / "my_net.py"
    path.write_text(HOSTILE.format(top=top, deed=deed.replace("\n", "\n" + " " * 12)))
    with Target(str(path), limits) as target:
        yield target


def line_of(folder: Path, text: str) -> str:
    lines = (folder / "my_net.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"my_net.py line {number}"


def answered(target: Target, case: Case) -> Vector:
    answer = target.gradients(case)
    assert isinstance(answer, Gradients), answer
    vector = answer.step if answer.gradient is None else answer.gradient
    assert vector is not None
    return vector


def failed(target: Target, case: Case = BAD) -> Failure:
    answer = target.gradients(case)
    assert isinstance(answer, Failure), answer
    return answer


def closed_form(case: Case) -> Vector:
    """The gradient of tanh below identity, half the squared error, row by row, from scratch."""
    W1, W2 = case.arrays.weights
    b1, b2 = (b for b in case.arrays.biases if b is not None)
    total = np.zeros(sum(slot.stop - slot.start for slot in slots_of(case)))
    for x, y in zip(case.arrays.X, case.arrays.Y, strict=True):
        hidden = np.array([np.tanh(sum(x * W1[:, j]) + b1[j]) for j in range(len(b1))])
        error = np.array([sum(hidden * W2[:, j]) + b2[j] - y[j] for j in range(len(b2))])
        below = np.array([sum(error * W2[j]) / np.cosh(np.arctanh(hidden[j])) ** 2
                          for j in range(len(b1))])  # fmt: skip
        total += np.concatenate(
            [np.outer(x, below).ravel(), below, np.outer(hidden, error).ravel(), error]
        )
    return total


def assert_goes_on(target: Target) -> None:
    """After whatever happened, the next case is answered, and rightly."""
    np.testing.assert_allclose(answered(target, CASE), closed_form(CASE), rtol=1e-12)
