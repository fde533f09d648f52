"""Finite differences on trial: is the truth inside the bar, and would we notice if it were not?

The truth here is a difference quotient too, but of the loss in 600-bit arithmetic with a step of
2**-150: it has neither a derivative formula nor anything else in common with the oracle's own
forward pass.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import flint
import numpy as np
import pytest

from backproof import names
from backproof.case import Arrays, Case
from backproof.gradients import Gradients, Vector, slots_of
from oracles import fd_network, fd_rounding, finite_difference
from oracles.finite_difference import FiniteDifference, central_differences
from property_tests.space import Claims, sampled_case

Ball = Any  # flint.arb

_H = 2.0**-150
_CASES = 240
_ELEMENTS = 10  # of each case, at most


# ---- the truth ----

_EXACT: dict[str, Callable[[Ball, float], Ball]] = {
    "identity": lambda z, slope: z,
    "sigmoid": lambda z, slope: 1 / (1 + (-z).exp()),
    "tanh": lambda z, slope: z.tanh(),
    "relu": lambda z, slope: z if z > 0 else flint.arb(0),
    "leaky_relu": lambda z, slope: z if z > 0 else z * slope,
    "elu": lambda z, slope: z if z > 0 else z.expm1(),
    "softplus": lambda z, slope: z.exp().log1p(),
    "gelu": lambda z, slope: z / 2 * (-z / flint.arb(2).sqrt()).erfc(),
    "silu": lambda z, slope: z / (1 + (-z).exp()),
    "softsign": lambda z, slope: z / (1 + abs(z)),
}


def _exact_loss(case: Case, Ws: list[Any], bs: list[Any]) -> Ball:
    O = _balls(case.arrays.X)
    for W, b, name in zip(Ws, bs, case.activations, strict=True):
        Z = O @ W + b
        O = Z if name == "softmax" else np.vectorize(_EXACT[name], otypes=[object])(Z, case.slope)
    rows = [_exact_row(case, z, o, y) for z, o, y in zip(Z, O, _balls(case.arrays.Y), strict=True)]
    return sum(rows, flint.arb(0)) / (case.n if case.reduction == "mean" else 1)


def _exact_row(case: Case, z: Any, o: Any, y: Any) -> Ball:
    if case.activations[-1] == "softmax" or case.loss.startswith("cross_entropy"):
        shares = [value.exp() for value in z]
        o = np.array([share / sum(shares, flint.arb(0)) for share in shares], dtype=object)
    if case.loss.startswith("cross_entropy"):
        return -sum((t * p.log() for t, p in zip(y, o, strict=True)), flint.arb(0))
    if case.loss.startswith("binary"):
        costs = [(v.exp()).log1p() - t * v for v, t in zip(z, y, strict=True)]
        return sum(costs, flint.arb(0)) / len(costs)
    squares = sum(((p - t) * (p - t) for p, t in zip(o, y, strict=True)), flint.arb(0))
    return squares / (2 if case.loss == "half_squared_error" else len(o))


def _balls(array: Any) -> Any:
    return np.vectorize(lambda v: flint.arb(float(v)), otypes=[object])(array)


def _truth(case: Case, index: int) -> float:
    """dLoss/dw of one element of the flat order."""
    slot = next(s for s in slots_of(case) if s.start <= index < s.stop)
    place = np.unravel_index(index - slot.start, slot.shape)
    losses = []
    for sign in (1, -1):
        Ws = [_balls(W) for W in case.arrays.weights]
        bs = [_balls(np.zeros(W.shape[1]) if b is None else b)
              for W, b in zip(case.arrays.weights, case.arrays.biases, strict=True)]  # fmt: skip
        array = (Ws if slot.letter == "W" else bs)[slot.layer - 1]
        array[place] += flint.arb(_H) * sign
        losses.append(_exact_loss(case, Ws, bs))
    return float(((losses[0] - losses[1]) / (2 * flint.arb(_H))).mid())


@cache
def _sample() -> tuple[tuple[Case, tuple[int, ...], Vector], ...]:
    """Standard cases with the truth at some of their elements."""
    before, flint.ctx.prec = flint.ctx.prec, 600
    try:
        cases = [sampled_case(20, index, size="standard") for index in range(_CASES)]
        sample = []
        for case in cases:
            size = slots_of(case)[-1].stop
            elements = tuple(range(0, size, max(1, -(-size // _ELEMENTS))))
            truth = np.array([_truth(case, element) for element in elements])
            sample.append((case, elements, truth))
        return tuple(sample)
    finally:
        flint.ctx.prec = before


def _answer(case: Case, oracle: FiniteDifference | None = None) -> Gradients:
    answer = (oracle or FiniteDifference()).gradients(case)
    assert isinstance(answer, Gradients)
    return answer


def _coverage(shrink: float = 1.0) -> tuple[int, int, int]:
    """Of all elements with a known truth: outside their bar / `shrink`, unchecked, all."""
    outside = unchecked = total = 0
    for case, elements, truth in _sample():
        answer = _answer(case)
        assert answer.gradient is not None
        assert answer.gradient_bar is not None
        error = np.abs(answer.gradient[list(elements)] - truth)
        bar = answer.gradient_bar[list(elements)]
        # The truth is rounded to float64 once.
        outside += int((error > bar / shrink + 2.0**-53 * np.abs(truth)).sum())
        unchecked += int(np.isinf(bar).sum())
        total += len(elements)
    return outside, unchecked, total


# ---- the bar ----


def test_the_truth_lies_inside_the_bar() -> None:
    outside, unchecked, total = _coverage()
    assert total > 1500
    assert outside == 0
    assert unchecked <= 0.05 * total


def test_a_bar_a_thousand_times_too_small_is_caught() -> None:
    """Planted: most bars are wide, since they hold the worst case, but never that wide."""
    outside, _, total = _coverage(shrink=1000.0)
    assert outside > 0.01 * total


def test_a_one_sided_step_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_sided(network: fd_network.Network, own: fd_network.Moves) -> Any:
        z = column(network, own)
        z[:, 1] = network.Z[own.layer].T[own.columns]  # minus stays where it was
        return z

    column = fd_network.Network._column
    monkeypatch.setattr(fd_network.Network, "_column", one_sided)
    assert _coverage()[0] > 0


@pytest.mark.parametrize("name", [g for g in names.ACTIVATIONS if g != "identity"])
def test_a_wrong_activation_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_autograd = pytest.importorskip("oracles.torch_autograd")
    pytest.importorskip("torch")
    case = Case((3, 4, 2), ("tanh", name), n=3, seed=5)
    truth = torch_autograd.TorchAutograd().gradients(case).gradient
    right = fd_network.ACTIVATIONS[name]
    assert _beyond(_answer(case), truth) == 0
    monkeypatch.setitem(
        fd_network.ACTIVATIONS, name, lambda Z, slope: right(Z, slope) * (1.0 + 1e-5)
    )
    assert _beyond(_answer(case), truth) > 0


def _beyond(answer: Gradients, truth: Vector) -> int:
    assert answer.gradient is not None
    assert answer.gradient_bar is not None
    room = 1e-13 * np.abs(truth).max()  # torch rounds too
    return int((np.abs(answer.gradient - truth) > answer.gradient_bar + room).sum())


def test_bars_are_narrow_enough_to_see_something() -> None:
    """A bar that says nothing covers everything: half of the elements know six digits."""
    widths = []
    for index in range(100):
        answer = _answer(sampled_case(21, index, size="standard"))
        assert answer.gradient is not None
        assert answer.gradient_bar is not None
        alive = (answer.gradient != 0) & np.isfinite(answer.gradient_bar)
        widths.extend((answer.gradient_bar[alive] / np.abs(answer.gradient[alive])).tolist())
    assert np.median(widths) < 1e-6


def test_the_step_is_alpha_times_the_gradient() -> None:
    for index in range(30):
        case = sampled_case(22, index, size="standard")
        answer = _answer(case)
        assert answer.gradient is not None
        assert answer.step is not None
        assert answer.step_bar is not None
        assert answer.gradient_bar is not None
        np.testing.assert_array_equal(answer.step, -case.alpha * answer.gradient)
        assert (answer.step_bar >= case.alpha * answer.gradient_bar).all()


def test_a_float32_case_is_answered_in_float64() -> None:
    claims = Claims(dtypes=("float32",))
    case = sampled_case(23, 1, size="standard", claims=claims)
    arrays = case.arrays
    wide = Arrays(
        tuple(W.astype(np.float64) for W in arrays.weights),
        tuple(None if b is None else b.astype(np.float64) for b in arrays.biases),
        arrays.X.astype(np.float64),
        arrays.Y.astype(np.float64),
    )
    twin = dataclasses.replace(case, dtype="float64", given=wide)
    narrow, widened = _answer(case).gradient, _answer(twin).gradient
    assert narrow is not None
    assert widened is not None
    np.testing.assert_array_equal(narrow, widened)


# ---- where the answer is known exactly ----

_WHOLE = Case((3, 4, 2), ("identity", "identity"), n=4, regime="integers", seed=11)


def _by_hand(case: Case) -> Vector:
    """dW of two linear layers in whole numbers, where no operation rounds."""
    arrays = case.arrays
    (W_1, W_2), (b_1, b_2) = arrays.weights, (np.asarray(b) for b in arrays.biases)
    O = arrays.X @ W_1 + b_1
    delta = O @ W_2 + b_2 - arrays.Y
    back = delta @ W_2.T
    parts = (arrays.X.T @ back, back.sum(axis=0), O.T @ delta, delta.sum(axis=0))
    return np.concatenate([part.ravel() for part in parts])


def test_a_quadratic_loss_in_whole_numbers_is_differentiated_bit_for_bit() -> None:
    np.testing.assert_array_equal(central_differences(_WHOLE, 2.0**-10), _by_hand(_WHOLE))


def test_a_quadratic_loss_is_differentiated_up_to_rounding() -> None:
    case = Case((3, 4, 2), ("identity", "identity"), n=4, seed=11)
    truth = _by_hand(case)
    for step in (1.0, 2.0**-4, 0.01):  # no step is too large where nothing is truncated
        found = central_differences(case, step)
        np.testing.assert_allclose(found, truth, rtol=0, atol=1e-13 / step * np.abs(truth).max())


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _answer(_WHOLE).gradient
    monkeypatch.setattr(finite_difference, "_CHUNK_BYTES", 1)
    single = _answer(_WHOLE).gradient
    assert whole is not None
    assert single is not None
    np.testing.assert_array_equal(whole, single)


# ---- kinks ----


def _one_neuron(name: str, z: float) -> Case:
    """O = g(w * 1 + b) with w = z, b = 0: the distance from the kink is z."""
    one = np.ones((1, 1))
    given = Arrays((z * one,), (np.zeros(1),), one, 3 * one)
    return Case((1, 1), (name,), regime="real", given=given)


@pytest.mark.parametrize("name", fd_rounding.KINKED)
@pytest.mark.parametrize("z", [0.0, 2.0**-23, -(2.0**-23)])
def test_an_element_on_a_kink_is_unchecked(name: str, z: float) -> None:
    """The smallest step is 2**-22: at these three points each step reaches across zero."""
    answer = _answer(_one_neuron(name, z))
    assert answer.gradient_bar is not None
    assert answer.step_bar is not None
    assert np.isinf(answer.gradient_bar).all()
    assert np.isinf(answer.step_bar).all()


@pytest.mark.parametrize("name", fd_rounding.KINKED)
def test_an_element_beside_a_kink_takes_the_steps_that_stay_on_its_side(name: str) -> None:
    answer = _answer(_one_neuron(name, 2.0**-12))
    assert answer.gradient is not None
    assert answer.gradient_bar is not None
    slope = (1 + 2.0**-12) ** -2 if name == "softsign" else 1.0
    truth = (_one_neuron_output(name) - 3.0) * slope
    assert np.isfinite(answer.gradient_bar).all()
    assert (np.abs(answer.gradient - truth) <= answer.gradient_bar).all()


def _one_neuron_output(name: str) -> float:
    return 2.0**-12 / (1 + 2.0**-12) if name == "softsign" else 2.0**-12


def test_without_the_sign_test_a_kink_gives_a_wrong_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: at z = 0 both sides of relu average to 1/2, at every step, with a tiny bar."""
    monkeypatch.setattr(fd_rounding, "KINKED", ())
    answer = _answer(_one_neuron("relu", 0.0))
    assert answer.gradient is not None
    assert answer.gradient_bar is not None
    assert (np.abs(answer.gradient - 0.0) > answer.gradient_bar).all()


# ---- which elements ----


def test_a_large_case_is_sampled_and_always_at_the_same_elements() -> None:
    case = Case((20, 30, 4), ("tanh", "identity"), n=2, seed=9)
    oracle = FiniteDifference(sample=100)
    chosen = oracle.chosen(case)
    assert len(chosen) == 100
    np.testing.assert_array_equal(chosen, FiniteDifference(sample=100).chosen(case))
    other = oracle.chosen(dataclasses.replace(case, seed=10))
    assert not np.array_equal(chosen, other)
    bar = _answer(case, oracle).gradient_bar
    assert bar is not None
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(bar)), chosen)


def test_a_sampled_element_has_the_answer_it_has_in_full() -> None:
    case = Case((20, 30, 4), ("tanh", "identity"), n=2, seed=9)
    sampled, full = _answer(case), _answer(case, FiniteDifference(full_up_to=1000))
    assert sampled.gradient is not None
    assert full.gradient is not None
    assert sampled.gradient_bar is not None
    assert full.gradient_bar is not None
    chosen = FiniteDifference().chosen(case)
    apart = np.abs(sampled.gradient - full.gradient)[chosen]
    assert (apart <= (sampled.gradient_bar + full.gradient_bar)[chosen]).all()
    assert np.isfinite(full.gradient_bar).all()


def test_a_costly_case_is_sampled_by_its_work() -> None:
    case = Case((64,) * 9, ("tanh",) * 8, n=128)
    assert 1 <= len(FiniteDifference().chosen(case)) < 512
    assert len(FiniteDifference(work=10**9).chosen(case)) == 512


def test_a_step_must_be_positive() -> None:
    with pytest.raises(ValueError, match="`step` is 0"):
        central_differences(_WHOLE, 0)
