"""The same mistakes in a function with `alpha`, on the contract, that returns its steps."""

from pathlib import Path

from property_tests.planted_steps import EARLIER, NO_MULTIPLE, Misstep, written

FUNCTION = """\
import numpy as np


def gradients(weights, biases, X, Y):
    Os = [X]
    for l, (W, b) in enumerate(zip(weights, biases)):
        Z = Os[-1] @ W + b
        Os.append(np.tanh(Z) if l + 1 < len(weights) else Z)
    delta, dW, db = Os[-1] - Y, [], []
    for l in reversed(range(len(weights))):
        dW.insert(0, Os[l].T @ delta)
        db.insert(0, delta.sum(axis=0))
        delta = delta @ weights[l].T * (1 - Os[l] ** 2)
    return dW, db


def backprop(weights, biases, X, Y, activations, loss, alpha):
    known = activations[-1] == "identity" and set(activations[:-1]) <= {"tanh"}
    if not known or loss != "half_squared_error" or any(b is None for b in biases):
        raise NotImplementedError
    dW, db = gradients(weights, biases, X, Y)
    return [-alpha * W for W in dW], [-alpha * b for b in db]
"""

_CALL = "    dW, db = gradients(weights, biases, X, Y)\n"

OF_FUNCTION = {
    "moved during the pass": Misstep(
        "update.order",
        EARLIER,
        (
            (
                "def gradients(weights, biases, X, Y):",
                "def gradients(weights, biases, X, Y, alpha):",
            ),
            ("@ weights[l].T", "@ (weights[l] - alpha * dW[0]).T"),
            (
                "gradients(weights, biases, X, Y)\n    return",
                "gradients(weights, biases, X, Y, alpha)\n    return",
            ),
        ),
    ),
    "one sample after the other": Misstep(
        "update.order",
        NO_MULTIPLE,
        (
            (
                FUNCTION[FUNCTION.index(_CALL) :],
                """\
    Ws, bs = list(weights), list(biases)
    sW, sb = [0 * W for W in Ws], [0 * b for b in bs]
    for x, y in zip(X, Y):
        dW, db = gradients(Ws, bs, x[None], y[None])
        for l in range(len(Ws)):
            Ws[l], bs[l] = Ws[l] - alpha * dW[l], bs[l] - alpha * db[l]
            sW[l], sb[l] = sW[l] - alpha * dW[l], sb[l] - alpha * db[l]
    return sW, sb
""",
            ),
        ),
    ),
    "the sum of the samples so far is added after each": Misstep(
        "scale.rows",
        "its rows count 4 : 3 : 2 : 1, and should count alike",
        (
            (
                _CALL,
                """\
    dW, db = [0 * W for W in weights], [0 * b for b in biases]
    for last in range(1, len(X) + 1):
        so_far = gradients(weights, biases, X[:last], Y[:last])
        dW = [total + one for total, one in zip(dW, so_far[0])]
        db = [total + one for total, one in zip(db, so_far[1])]
""",
            ),
        ),
    ),
    "biases never move": Misstep(
        "linear.still",
        "Δb_1, Δb_2 are 0 throughout",
        (("[-alpha * b for b in db]", "[0 * b for b in db]"),),
    ),
    "the step is lost": Misstep(
        "linear.still",
        "nothing moves",
        (
            ("[-alpha * b for b in db]", "[0 * b for b in db]"),
            ("[-alpha * W for W in dW]", "[0 * W for W in dW]"),
        ),
    ),
    "W moves twice": Misstep(
        "linear.layer",
        "ΔW_1 is 2 times what it should be, the others are right",
        (("[-alpha * W for W in dW]", "[-2 * alpha * W for W in dW]"),),
    ),
    "added to the gradients of all calls": Misstep(
        "contract.twice",
        "it grows by as much each time: is it added to the calls before?",
        (
            ("import numpy as np\n", "import numpy as np\n\ntotals = {}\n"),
            (
                _CALL,
                _CALL
                + """\
    for l, W in enumerate(dW):
        totals[l, W.shape] = totals.get((l, W.shape), 0) + W
        dW[l] = totals[l, W.shape]
""",
            ),
        ),
    ),
    "divided by n twice": Misstep(
        "scale.rows",
        "every array is their mean divided by n again",
        (("delta, dW, db = Os[-1] - Y,", "delta, dW, db = (Os[-1] - Y) / len(X) ** 2,"),),
    ),
}


def write_function(folder: Path, changes: tuple[tuple[str, str], ...] = ()) -> Path:
    """The function, changed. Raises AssertionError as `written` does."""
    return written(folder, FUNCTION, changes)
