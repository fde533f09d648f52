"""The bound on trial: no right gradient lies outside, and no wrong one is let in by slack.

The judge is `balls.py`, a pass in python-flint's balls that shares nothing with the bound.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from backproof import names
from backproof.case import Case
from backproof.claims import HIDDEN
from backproof.errors import BackproofError
from backproof.gradients import Gradients, Vector, flat
from oracles import bound_tables
from oracles.bound import bound_of, bounds_of, step_bound
from property_tests.harness.balls import Truth, truth_of
from property_tests.harness.inside import assert_inside, given, outside, reference_gradient
from property_tests.sides import REFERENCE
from property_tests.space import Claims, sampled_case

DRAWN = names.REGIMES[:-1]


def every_cell() -> list[Case]:
    """Each activation with each loss, reduction and dtype, in changing regimes, shapes and forms.

    Losses that insist on no output activation get each of them, softmax included, at the output.
    """
    cells = itertools.product(names.ACTIVATIONS, names.LOSSES, names.REDUCTIONS, names.DTYPES)
    cases = []
    for i, (name, loss, reduction, dtype) in enumerate(cells):
        hidden = "identity" if name == "softmax" else name
        outputs = names.OUTPUT_ACTIVATION.get(loss, name)
        cases.append(
            Case(
                widths=(3, 5, 1 + i % 4, 2 + i % 3),
                activations=(hidden, HIDDEN[i % 10], outputs),
                loss=loss,
                reduction=reduction,
                bias=names.BIASES[i % 3],
                n=1 + i % 6,
                regime=DRAWN[i % 9],
                scale=(0, -3, 2, 0, 1)[i % 5],
                dtype=dtype,
                slope=names.SLOPES[i % 2],
                seed=i,
            )
        )
    return cases


def many_cases() -> list[Case]:
    standard = [sampled_case(20260, i, size="standard") for i in range(200)]
    return every_cell() + standard + [sampled_case(20261, i, size="wide") for i in range(12)]


MANY = many_cases()
TRUTHS: list[Truth] = []


def truths() -> list[Truth]:
    """Of `MANY`, computed once."""
    if not TRUTHS:
        TRUTHS.extend(truth_of(case) for case in MANY)
    return TRUTHS


@pytest.mark.parametrize("family", ["numpy", "stranger"])
def test_the_reference_lies_inside(family: str) -> None:
    for case, truth, found in zip(MANY, truths(), bounds_of(MANY, family), strict=True):
        assert_inside(case, truth, reference_gradient(case), found)


@pytest.mark.parametrize("family", bound_tables.FAMILIES)
def test_the_witness_lies_inside_its_own_bound(family: str) -> None:
    for case, truth, found in zip(MANY, truths(), bounds_of(MANY, family), strict=True):
        assert_inside(case, truth, found.witness, found)


def test_pytorch_lies_inside() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from oracles.torch_autograd import TorchAutograd

    answers = TorchAutograd().gradients_of(MANY)
    for case, truth, found, answer in zip(
        MANY, truths(), bounds_of(MANY, "any"), answers, strict=True
    ):
        assert isinstance(answer, Gradients)
        assert answer.gradient is not None
        assert_inside(case, truth, answer.gradient, found)


def test_little_is_left_undecided() -> None:
    """Cross-entropies on probabilities aside, every cell has a finite bound."""
    for case, found in zip(MANY, bounds_of(MANY, "any"), strict=True):
        assert np.isfinite(found.gradient_kink).all(), case


def tightness(cases: Sequence[Case], times: float = 1.0) -> float:
    """The median of 2E / |dW|, E made looser by `times`."""
    ratios = []
    for found in bounds_of(cases):
        nonzero = found.witness != 0
        ratios.append(2 * times * found.gradient[nonzero] / np.abs(found.witness[nonzero]))
    return float(np.median(np.concatenate(ratios)))


def test_the_bound_is_tight_and_a_thousand_times_looser_is_seen() -> None:
    claims = Claims(dtypes=("float64",), regimes=("normal",))
    cases = [sampled_case(20262, i, size="standard", claims=claims) for i in range(300)]
    assert tightness(cases) <= 2e-12
    assert tightness(cases, times=1000) > 2e-12


def stepped(case: Case) -> tuple[Vector, Vector]:
    """ΔW as -alpha * dW and as seen from outside, after - before, in the case's dtype."""
    answer = REFERENCE.gradients(case)
    assert isinstance(answer, Gradients)
    assert answer.step is not None
    before = flat(case.arrays.weights, case.arrays.biases).astype(case.dtype)
    after = before + answer.step.astype(case.dtype)
    return answer.step, (after - before).astype(np.float64)


@pytest.mark.parametrize("dtype", names.DTYPES)
@pytest.mark.parametrize("alpha", [1e-6, 0.1, 1.0, 2.0**10])
def test_steps_lie_inside_their_own_bound(alpha: float, dtype: str) -> None:
    narrow = 0
    for seed in range(8):
        case = Case((4, 6, 3), ("tanh", "identity"), n=4, alpha=alpha, dtype=dtype, seed=seed)
        truth, found = truth_of(case), bound_of(case)
        direct, seen = (truth.step_errors(step, alpha) for step in stepped(case))
        step = -alpha * found.witness
        E = {form: step_bound(case, found.gradient, step, form) for form in FORMS}
        assert not outside(direct, E["direct"]).size
        assert not outside(seen, E["after_minus_before"]).size
        narrow += len(outside(seen, E["direct"]))
    if alpha < 1e-3:
        assert narrow > 0  # so the terms of the sum and the difference are needed


FORMS = ("direct", "after_minus_before")


def test_an_overflow_is_infinite_and_never_nan() -> None:
    for name, dtype in itertools.product(names.ACTIVATIONS, names.DTYPES):
        large = np.full((2, 2), 1e37 if dtype == "float32" else 1e180)
        case = given([large], large, np.ones((2, 2)), [name], dtype=dtype)
        found = bound_of(case)
        assert np.isinf(found.gradient).all()
        assert np.isinf(found.gradient_kink).all()


def test_a_case_has_the_same_bytes_in_any_company() -> None:
    some = MANY[::5]
    for case, one, two in zip(some, bounds_of(some), bounds_of(some[::-1])[::-1], strict=True):
        alone = bound_of(case)
        for field in ("gradient", "gradient_kink", "witness"):
            assert getattr(one, field).tobytes() == getattr(two, field).tobytes()
            assert getattr(one, field).tobytes() == getattr(alone, field).tobytes()


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(BackproofError, match="`family` is 'tensorflow'; use one of numpy, any"):
        bound_of(Case((1, 1), ("relu",)), "tensorflow")
