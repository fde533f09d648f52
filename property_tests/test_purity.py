"""A gradient is a function of its inputs: it changes none of them and remembers nothing."""

import numpy as np
from hypothesis import given

from backproof.case import Arrays, Case
from backproof.gradients import Gradients, Side
from property_tests.asking import assert_same, both_of
from property_tests.sides import REFERENCE
from property_tests.strategies import cases


def inputs_stay_unchanged(subject: Side, case: Case) -> None:
    case = _writable(case)
    before = _bytes(case.arrays)
    assert isinstance(subject.gradients(case), Gradients), f"{subject.name}: no answer"
    for name, array in _bytes(case.arrays).items():
        assert array == before[name], f"{subject.name}: {name} was changed by the call"


def _writable(case: Case) -> Case:
    """The same case with arrays that a careless program could write into."""
    old = case.arrays
    given = Arrays(
        tuple(W.copy() for W in old.weights),
        tuple(None if b is None else b.copy() for b in old.biases),
        old.X.copy(),
        old.Y.copy(),
    )
    fields = {name: getattr(case, name) for name in case.__dataclass_fields__}
    return Case(**fields | {"given": given})


def _bytes(arrays: Arrays) -> dict[str, bytes]:
    named = {f"weights[{l}]": W for l, W in enumerate(arrays.weights)}
    named |= {f"biases[{l}]": b for l, b in enumerate(arrays.biases) if b is not None}
    return {
        name: array.tobytes() for name, array in {**named, "X": arrays.X, "Y": arrays.Y}.items()
    }


def same_question_same_bytes(subject: Side, case: Case, between: Case) -> None:
    """Asked twice, with another question between: a memory of either call would show."""
    first = [vector.copy() for vector in both_of(subject, case)]
    again = both_of(subject, case)
    both_of(subject, between)
    later = both_of(subject, case)
    for answer, when in ((again, "the first call"), (later, "the call before another case")):
        for ours, theirs in zip(answer, first, strict=True):
            assert_same(case, subject, ours, theirs, by=when)
            assert ours.tobytes() == theirs.tobytes(), f"{subject.name}: other bytes than {when}"
            assert not np.shares_memory(ours, theirs)


@given(cases())
def test_inputs_stay_unchanged(case: Case) -> None:
    inputs_stay_unchanged(REFERENCE, case)


@given(cases(), cases())
def test_same_question_same_bytes(case: Case, between: Case) -> None:
    same_question_same_bytes(REFERENCE, case, between)
