"""What is the smallest fault that is seen? One fault in one place of each case of a frozen list.

Beside the bound the rules that people use are asked about the same faults: `numpy.allclose` and
`torch.testing.assert_close` with their defaults, before torch's gradient, and the rule of
`torch.autograd.gradcheck` with its defaults, before a central difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference_impl as ref
from backproof import drawing
from backproof.case import Case
from backproof.drawing import Array
from backproof.exact_arithmetic import Question
from backproof.gradients import Failure, Gradients, Vector, flat, slots_of
from oracles import verdict
from oracles.bound import Bound, bounds_of
from oracles.certified import certified
from oracles.exact import Exact
from oracles.verdict import Opinion, compare, opinions_of
from property_tests.exactly import off_at, reference_exactly
from property_tests.judging import Answer, Seat
from property_tests.sides import REFERENCE

JUDGES = ("exact", "torch_autograd", "allclose", "assert_close", "gradcheck")
# 0 is no fault: what a rule then reports is a false alarm.
ELEMENT_FAULTS = (0.0, 1e-1, 1e-5, 1e-8, 1e-10, 1e-12)
DERIVATIVE_FAULT = 1e-8

# Streams 0 to 3 of a seed are the case's own numbers and the sampler's (`space.py`).
_ELEMENT, _DERIVATIVE = 4, 5
# torch.autograd.gradcheck(eps=1e-6, atol=1e-5, rtol=1e-3)
_EPS, _ATOL, _RTOL = 1e-6, 1e-5, 1e-3


@dataclass(frozen=True)
class Witnessed:
    """A right gradient of one case, and what it is held against.

    gradient: (P,) of the reference   exact, torch: the opinions of the two witnesses
    """

    case: Case
    gradient: Vector
    exact: Opinion
    torch: Opinion
    bound: Bound


# Per case the words of JUDGES, True where a fault is reported; None: the case has no place for it.
Reported = NDArray[np.bool_] | None


def element_faults(
    cases: Sequence[Case], witnesses: Sequence[Seat], faults: Sequence[float]
) -> dict[float, list[Reported]]:
    """One nonzero element of dW, chosen uniformly, times 1 + eps; per fault one entry a case."""
    found = _witnessed(cases, witnesses)
    places = [_element(each) for each in found]
    return {
        eps: [
            None if i is None else _reported(each, _scaled(each.gradient, i, eps), i)
            for each, i in zip(found, places, strict=True)
        ]
        for eps in faults
    }


def derivative_fault(
    cases: Sequence[Case], witnesses: Sequence[Seat], eps: float
) -> list[Reported]:
    """One g'(z) of one row and one neuron times 1 + eps, and all that follows from it.

    None where no bit changes: nothing comes down to a neuron above which all units are dead.
    """
    reported: list[Reported] = []
    for each in _witnessed(cases, witnesses):
        faulty = _with_wrong_derivative(each.case, eps)
        if faulty is None or (faulty == _with_wrong_derivative(each.case, 0.0)).all():
            reported.append(None)
        else:
            farthest = int(np.argmax(np.abs(faulty - each.gradient)))
            reported.append(_reported(each, faulty, farthest))
    return reported


def _witnessed(cases: Sequence[Case], witnesses: Sequence[Seat]) -> list[Witnessed]:
    own, others = bounds_of(cases, "numpy"), bounds_of(cases, "any")
    by_name = {seat.name: seat.side.gradients_of(cases) for seat in witnesses}
    right = REFERENCE.gradients_of(cases)
    return [
        Witnessed(
            case,
            _gradient(right[i]),
            _opinion(case, by_name["exact"][i], others[i]),
            _opinion(case, by_name["torch_autograd"][i], others[i]),
            own[i],
        )
        for i, case in enumerate(cases)
    ]


def _gradient(answer: Answer) -> Vector:
    if isinstance(answer, Failure) or answer.gradient is None:
        raise AssertionError(f"a witness failed on a frozen case: {answer}")
    return answer.gradient


def _opinion(case: Case, answer: Answer, bound: Bound) -> Opinion:
    assert isinstance(answer, Gradients), f"a witness failed on a frozen case: {answer}"
    return opinions_of(case, replace(answer, step=None), "direct", bound)["gradient"]


def _element(each: Witnessed) -> int | None:
    """Where the fault goes: a nonzero element of some dW."""
    of_W = np.concatenate(
        [np.arange(s.start, s.stop) for s in slots_of(each.case) if s.letter == "W"]
    )
    return _chosen(of_W[each.gradient[of_W] != 0], each.case, _ELEMENT)


def _chosen(places: NDArray[np.intp], case: Case, stream: int) -> int | None:
    if not len(places):
        return None
    return int(places[int(drawing.bits(case.seed, stream, 1)[0] >> np.uint64(32)) % len(places)])


def _scaled(gradient: Vector, i: int, eps: float) -> Vector:
    faulty = gradient.copy()
    faulty[i] *= 1 + eps
    return faulty


def _reported(each: Witnessed, faulty: Vector, i: int) -> NDArray[np.bool_]:
    """What each judge says; gradcheck's rule looks at element i alone, where the fault is."""
    import torch

    answer = Gradients(faulty, None)
    own = opinions_of(each.case, answer, "direct", each.bound)["gradient"]
    said = [
        bool((_held(each, own, other).codes == verdict.WRONG).any())
        for other in (each.exact, each.torch)
    ]
    theirs = each.torch.values
    try:
        torch.testing.assert_close(torch.from_numpy(faulty), torch.from_numpy(theirs))
        close = True
    except AssertionError:
        close = False
    numerical = _central_difference(each.case, i)
    near = abs(faulty[i] - numerical) <= _ATOL + _RTOL * abs(numerical)
    return np.array([*said, not np.allclose(faulty, theirs), not close, not near])


def _held(each: Witnessed, own: Opinion, other: Opinion) -> verdict.Comparison:
    return compare(each.case, "gradient", own, other, each.bound.witness)


def _central_difference(case: Case, i: int) -> float:
    """As gradcheck makes it, from the reference's own loss."""
    above, below = _loss_at(case, i, _EPS), _loss_at(case, i, -_EPS)
    return (above - below) / (2 * _EPS)


def _loss_at(case: Case, i: int, h: float) -> float:
    weights, biases = [W.copy() for W in case.arrays.weights], list(case.arrays.biases)
    slot = next(s for s in slots_of(case) if s.start <= i < s.stop)
    array = weights[slot.layer - 1]
    if slot.letter == "b":
        b = biases[slot.layer - 1]
        assert b is not None
        biases[slot.layer - 1] = array = b.copy()
    array[np.unravel_index(i - slot.start, slot.shape)] += h
    with np.errstate(all="ignore"):
        _, O = ref.forward(weights, biases, case.arrays.X, _layers(case))
        return ref.loss_of(case.loss, O[-1], case.arrays.Y, case.reduction)


def _layers(case: Case) -> list[Any]:
    return ref.layers_named(case.activations, case.slope)


def _with_wrong_derivative(case: Case, eps: float) -> Vector | None:
    """The reference's two passes with a fault inside; softmax has no g' of its own."""
    with np.errstate(all="ignore"):  # a probability may be rounded to 0 or 1
        Z, O = ref.forward(case.arrays.weights, case.arrays.biases, case.arrays.X, _layers(case))
        layers = _with_fault(case, Z, O, eps)
        if layers is None:
            return None
        top = ref.dLoss_dOutput(case.loss, O[-1], case.arrays.Y, case.reduction)
        dW, db = ref.backward_loop(top, case.arrays.weights, Z, O, layers)
    biased = zip(case.arrays.biases, db, strict=True)
    return flat(dW, [None if b is None else d for b, d in biased])


def _with_fault(case: Case, Z: list[Array], O: list[Array], eps: float) -> list[Any] | None:
    """The layers, one of which has a g' that is wrong in one row and neuron where it is not 0."""
    layers = _layers(case)
    slopes = _slopes(case, layers, Z, O)
    place = _place(case, slopes)
    if place is None:
        return None
    l, within = place
    wrong = slopes[l].copy()
    wrong.ravel()[within] *= 1 + eps
    layers[l] = layers[l]._replace(g_prime=lambda Z, O: wrong)
    return layers


def _slopes(case: Case, layers: list[Any], Z: list[Array], O: list[Array]) -> list[Array]:
    return [
        np.zeros_like(z) if name == "softmax" else layer.g_prime(z, o)
        for name, layer, z, o in zip(case.activations, layers, Z, O[1:], strict=True)
    ]


def _place(case: Case, slopes: list[Array]) -> tuple[int, int] | None:
    """A layer, and a place in its Z, where g' is not 0."""
    stops = np.cumsum([slope.size for slope in slopes])
    place = _chosen(np.flatnonzero(np.concatenate([s.ravel() for s in slopes])), case, _DERIVATIVE)
    if place is None:
        return None
    l = int(np.searchsorted(stops, place, side="right"))
    return l, place - int(stops[l] - slopes[l].size)


# ---- the same faults in exact arithmetic, where no rounding hides them ----

CERTIFIED_FAULT = 1e-12
# What is done, and which share may, or must, be called wrong.
CERTIFIED: dict[str, dict[str, float]] = {
    "no fault": {"at_most": 0.0},
    f"one dW element x (1 + {CERTIFIED_FAULT:g})": {"at_least": 1.0},
    f"one g'(z) x (1 + {CERTIFIED_FAULT:g})": {"at_least": 1.0},
}


def certified_faults(cases: Sequence[Case]) -> list[tuple[bool | None, ...]]:
    """Per case, for each of `CERTIFIED`, whether it is wrong; None where nothing can be changed."""
    return [
        (
            certified(case, reference_exactly(case)).word != "right",
            _element_certified(case),
            _derivative_certified(case),
        )
        for case in cases
    ]


def _element_certified(case: Case) -> bool | None:
    """One nonzero element of dW, and that element alone is wrong."""
    exact = Exact(full_up_to=10**9).gradients(case)
    assert isinstance(exact, Gradients)
    own = [np.arange(s.start, s.stop) for s in slots_of(case) if s.letter == "W"]
    of_W = np.concatenate(own)
    i = _chosen(of_W[_gradient(exact)[of_W] != 0], case, _ELEMENT)
    if i is None:
        return None
    slot = next(s for s in slots_of(case) if s.start <= i < s.stop)

    def ask(question: Question) -> tuple[Sequence[Any], Sequence[Any]]:
        dW, db = reference_exactly(case)(question)
        faulty = list(dW)
        faulty[slot.layer - 1] = dW[slot.layer - 1].copy()
        faulty[slot.layer - 1][np.unravel_index(i - slot.start, slot.shape)] *= 1 + CERTIFIED_FAULT
        return faulty, db

    words = certified(case, ask).words
    return [j for j, word in enumerate(words) if word == "wrong"] == [i]


def _derivative_certified(case: Case) -> bool | None:
    """One g'(z) of one row and neuron; None where a factor of 1.5 changes nothing either."""
    with np.errstate(all="ignore"):
        Z, O = ref.forward(case.arrays.weights, case.arrays.biases, case.arrays.X, _layers(case))
        place = _place(case, _slopes(case, _layers(case), Z, O))
    if place is None:
        return None
    for factor in (1 + CERTIFIED_FAULT, 1.5):
        if certified(case, reference_exactly(case, off_at(factor, *place))).word == "wrong":
            return factor != 1.5
    return None
