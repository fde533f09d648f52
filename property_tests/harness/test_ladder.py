"""The ladder's nets: nothing hides in them, claims select among them, and they are frozen."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from backproof.case import Case
from backproof.claims import Claims
from backproof.tokens import token_of
from property_tests.ladder import LADDER, VERSION, Question
from property_tests.nets import Nets

FULL = Claims(reductions=("sum",))
# What most people write: one hidden layer of sigmoids, one instance at a time, no more.
ONE_HIDDEN = Claims(
    activations=("sigmoid",),
    losses=("half_squared_error",),
    reductions=("sum",),
    biases=("separate",),
    dtypes=("float64",),
    combinations=(("sigmoid", "half_squared_error"),),
    hidden=("sigmoid",),
    depths=(2,),
    max_rows=1,
)
CLASSIFIER = Claims(
    activations=("relu", "softmax"),
    losses=("cross_entropy",),
    reductions=("mean",),
    biases=("separate",),
    combinations=(("softmax", "cross_entropy"),),
    hidden=("relu",),
)
XOR = replace(ONE_HIDDEN, widths=(2, 2, 1), alphas=(0.1,), max_rows=128)

# SHA-256 of all check ids and tokens, in order. A change here is a new VERSION: grades and badges
# refer to it.
FROZEN = {
    "full": (FULL, False, "b32edfb02673c705"),
    "full, steps": (FULL, True, "4c9e0b9f14fafc6a"),
    "one hidden layer": (ONE_HIDDEN, True, "c1965ec71f75e6c3"),
    "classifier": (CLASSIFIER, False, "4003ff54ec7cf0cc"),
    "xor": (XOR, True, "eafea48098061dfd"),
}


def questions(claims: Claims, moves: bool = False) -> Iterator[Question]:
    nets = Nets(claims, moves=moves)
    for rung in LADDER:
        yield from rung.asks(nets)


def cases(claims: Claims, moves: bool = False) -> list[Case]:
    return [case for question in questions(claims, moves) for case in question.cases]


def fingerprint(claims: Claims, moves: bool) -> str:
    lines = [
        f"{question.check.id} {question.check.level} {' '.join(map(token_of, question.cases))}"
        for question in questions(claims, moves)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", FROZEN)
def test_the_ladder_is_the_one_of_its_version(name: str) -> None:
    claims, moves, frozen = FROZEN[name]
    assert (VERSION, fingerprint(claims, moves)) == ("1", frozen)


def test_every_rung_of_the_issue_is_there_in_its_order() -> None:
    assert [rung.id for rung in LADDER] == [
        *("contract", "linear", "scale", "activation", "loss", "depth", "batch", "bias"),
        *("update", "training", "extremes"),
    ]


def test_a_rung_stands_on_rungs_below_it() -> None:
    seen: set[str] = set()
    for rung in LADDER:
        assert seen.issuperset(rung.stands_on)
        seen.add(rung.id)


def test_all_claims_leave_no_question_without_cases() -> None:
    steps = Claims()
    assert [q.check.id for q in questions(steps, moves=True) if not q.cases] == []


@pytest.mark.parametrize("case", cases(FULL), ids=token_of)
def test_nothing_hides_a_mistake(case: Case) -> None:
    widths = case.widths
    assert len(set(widths)) == len(widths)
    assert case.n not in widths
    assert widths[-1] >= 2
    if case.bias != "none" and case.regime != "zeros":
        assert all((b != 0).any() for b in case.arrays.biases if b is not None)


def test_batches_are_large_but_where_one_instance_is_the_question() -> None:
    single = {"linear.still", "linear.layer", "linear.bias", "batch.one"}
    for question in questions(FULL):
        for case in question.cases:
            assert (case.n == 1) == (question.check.id in single)
            assert case.n == 1 or case.n >= 4


def test_activations_are_mixed_where_depth_allows() -> None:
    deep = [case for case in cases(FULL) if case.depth >= 3]
    assert deep
    assert all(len(set(case.activations[:-1])) > 1 for case in deep)


@pytest.mark.parametrize(
    ("claims", "moves"), list(product((ONE_HIDDEN, CLASSIFIER, XOR), (False, True)))
)
def test_every_case_is_claimed(claims: Claims, moves: bool) -> None:
    found = cases(claims, moves)
    assert found
    assert [claims.refusal(case) for case in found if claims.refusal(case)] == []


def test_what_is_not_claimed_is_asked_without_cases_and_says_why() -> None:
    found = {q.check.id: q for q in questions(ONE_HIDDEN, moves=True)}
    assert found["scale.rows"].cases == ()
    assert found["scale.rows"].unclaimed == "single instances only"
    assert found["depth.3"].unclaimed == "3 layers are not claimed"
    assert found["linear.layer"].cases == ()
    assert found["depth.2"].cases != ()


def test_a_hard_coded_rate_and_architecture_are_kept() -> None:
    found = cases(XOR, moves=True)
    assert {case.widths for case in found} == {(2, 2, 1)}
    assert {case.alpha for case in found} == {0.1}


def test_what_broke_is_left_out_above() -> None:
    nets = Nets(FULL).without("tanh", ("identity", "half_squared_error"))
    for rung in LADDER[5:]:
        for question in rung.asks(nets):
            for case in question.cases:
                assert "tanh" not in case.activations
                assert (case.activations[-1], case.loss) != ("identity", "half_squared_error")
