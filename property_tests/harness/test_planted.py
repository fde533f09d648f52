"""The example is right in all it claims; each planted bug is wrong where its row says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backproof.case import Case
from backproof.gradients import Vector, slots_of
from backproof.target import Target
from property_tests.harness.hostile import answered, failed
from property_tests.planted import EXAMPLE, PLANTED, PlantedBug, write_planted


def loss_by_hand(case: Case, parameters: list[list[float]]) -> float:
    """The loss of one case in plain floats, formula by formula, for differences below."""
    from math import erf, exp, log, sqrt, tanh

    def g(name: str, z: float) -> float:
        return {
            "identity": lambda: z,
            "sigmoid": lambda: 1 / (1 + exp(-z)),
            "tanh": lambda: tanh(z),
            "relu": lambda: z if z > 0 else 0.0,
            "leaky_relu": lambda: z if z > 0 else case.slope * z,
            "elu": lambda: z if z > 0 else exp(z) - 1,
            "softplus": lambda: log(1 + exp(z)),
            "gelu": lambda: z * (1 + erf(z / sqrt(2))) / 2,
            "silu": lambda: z / (1 + exp(-z)),
            "softsign": lambda: z / (1 + abs(z)),
        }[name]()

    total = 0.0
    for x, y in zip(case.arrays.X.tolist(), case.arrays.Y.tolist(), strict=True):
        o, at = x, 0
        for j_count, name in zip(case.widths[1:], case.activations, strict=True):
            W, b = parameters[at], parameters[at + 1]
            at += 2
            z = [
                sum(o[i] * W[i * j_count + j] for i in range(len(o))) + b[j] for j in range(j_count)
            ]
            powers = [exp(value) for value in z]
            o = [p / sum(powers) for p in powers] if name == "softmax" else [g(name, v) for v in z]
        total += row_loss(case.loss, o, y)
    return total / (case.n if case.reduction == "mean" else 1)


def row_loss(loss: str, o: list[float], y: list[float]) -> float:
    from math import exp, log

    pairs = list(zip(o, y, strict=True))
    if loss == "half_squared_error":
        return sum((a - b) ** 2 for a, b in pairs) / 2
    if loss == "mean_squared_error":
        return sum((a - b) ** 2 for a, b in pairs) / len(o)
    if loss.startswith("binary"):
        if loss.endswith("logits"):
            pairs = [(1 / (1 + exp(-a)), b) for a, b in pairs]
        return -sum(b * log(a) + (1 - b) * log(1 - a) for a, b in pairs) / len(o)
    if loss.endswith("logits"):
        powers = [exp(a) for a in o]
        pairs = [(power / sum(powers), b) for power, b in zip(powers, y, strict=True)]
    return -sum(b * log(a) for a, b in pairs)


def differences(case: Case) -> Vector:
    """Central differences of `loss_by_hand`, one parameter after the other."""
    arrays = [
        part for pair in zip(case.arrays.weights, case.arrays.biases, strict=True) for part in pair
    ]
    parameters = [part.ravel().tolist() for part in arrays if part is not None]
    step, found = 2.0**-17, []
    for part in parameters:
        for place in range(len(part)):
            kept = part[place]
            losses = []
            for part[place] in (kept + step, kept - step):
                losses.append(loss_by_hand(case, parameters))
            part[place] = kept
            found.append((losses[0] - losses[1]) / (2 * step))
    return np.array(found)


def test_the_example_is_right_in_every_cell_that_it_claims() -> None:
    with Target(str(EXAMPLE)) as target:
        claims = target.claims
        cells = [(hidden, *pair) for hidden in claims.hidden for pair in claims.combinations]
        assert len(cells) == 9 * 24
        for number, (hidden, output, loss) in enumerate(cells):
            reduction = claims.reductions[number % 2]
            case = Case((3, 2, 3), (hidden, output), loss, reduction, n=2, seed=number, slope=1 / 4)
            # Differences over 2**-17 are off by some 1e-10 (truncation) and 1e-11 (rounding) of
            # the loss's size; a wrong formula is off in the first or second digit.
            np.testing.assert_allclose(
                answered(target, case), differences(case), rtol=1e-6, atol=1e-7, err_msg=f"{case}"
            )


def test_there_are_many_planted_bugs_and_each_has_its_own_name() -> None:
    assert len({bug.name for bug in PLANTED}) == len(PLANTED) >= 14


@pytest.fixture(scope="module")
def right() -> Iterator[Target]:
    with Target(str(EXAMPLE)) as target:
        yield target


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_shows_where_its_row_says_and_nowhere_else(
    bug: PlantedBug, tmp_path: Path, right: Target
) -> None:
    with Target(str(write_planted(bug, tmp_path))) as planted:
        expected = answered(right, bug.case)
        if bug.verdict == "error":
            failure = failed(planted, bug.case)
            assert failure.status == "error"
            assert bug.message in failure.message
            return
        for _ in range(bug.call):
            got = answered(planted, bug.case)
    wrong = {
        f"d{slot.letter}_{slot.layer}"
        for slot in slots_of(bug.case)
        if not np.array_equal(got[slot.start : slot.stop], expected[slot.start : slot.stop])
    }
    assert wrong == set(bug.wrong)


def test_writing_a_planted_bug_insists_on_its_text(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"db_mean: 'delta' occurs \d+ times"):
        write_planted(replace(PLANTED[7], changes=(("delta", "x"),)), tmp_path)
