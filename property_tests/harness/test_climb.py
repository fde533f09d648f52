"""The hunt on trial: a bound that is too small is found within seconds, and stored for good."""

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from random import Random

import numpy as np
import pytest

from backproof.case import Case
from backproof.drawing import Array
from backproof.errors import BackproofError
from backproof.gradients import Failure, Gradients, Vector
from backproof.tokens import token_of
from oracles import bound_tables
from oracles.bound import bounds_of
from property_tests import climbing, corpora, gates, hunting, mutations
from property_tests.adversarial import adversarial_case
from property_tests.climbing import WORST, Accused, Cell, Find, InFloats, WorstRight, climb
from property_tests.gathering import cases_from
from property_tests.harness import bound_terms
from property_tests.harness.inside import given
from property_tests.harness.terms import Term, mutated, terms
from property_tests.judging import Seat
from property_tests.sides import oracles_named, reference_seat
from property_tests.space import Claims, sampled_case

RIGHT = InFloats(reference_seat())
SQUARES = ("tanh", "squares")


def summit(accused: Accused, cell: Cell, seed: int) -> Find:
    """Where a climb ends."""
    random = Random(seed)
    claims = climbing.claims_of(cell, accused.size, random)
    return list(climb(accused, cell, claims, random))[-1]


# ---- it finds what is planted ----


def term_named(text: str) -> Term:
    return next(term for term in terms() if str(term).startswith(text))


PLANTED = "F1_weighted_sum: (rounding * top + Eo)"


def test_a_quarter_of_a_term_is_found_by_climbing_not_by_sampling() -> None:
    """The rounding of Z = O W + b. Random cases, and the stored list, come nowhere near it."""
    with mutated(term_named(PLANTED), 0.25):
        finds = [summit(RIGHT, SQUARES, seed) for seed in (1, 3, 4)]
        listed = RIGHT.ratios(corpora.stored_cases(corpora.FOLDER / "adversarial.txt")[:54])
    assert any(find.broken for find in finds), [str(find) for find in finds]
    assert max(find.sampled for find in finds) < 0.7
    assert max(listed) < 1.0


def test_the_bound_as_it_is_is_not_broken_there() -> None:
    finds = [summit(RIGHT, SQUARES, seed) for seed in (1, 3)]
    assert not any(find.broken for find in finds)
    assert all(find.ratio >= find.sampled > 0.0 for find in finds)
    assert any(find.ratio > 1.5 * find.sampled for find in finds)


def test_the_worst_right_program_finds_a_C_of_1(monkeypatch: pytest.MonkeyPatch) -> None:
    worst = WorstRight("numpy", 0)
    assert not summit(worst, SQUARES, 1).broken
    monkeypatch.setattr(bound_tables, "C", 1.0)
    assert summit(worst, SQUARES, 1).broken


def test_the_worst_right_program_follows_the_exact_sign_at_an_undecided_kink() -> None:
    """The witness may have taken the other one, so E around its choice is not what counts."""
    claims = Claims(max_width=2, max_batch=2, depths=(2,), hidden=("relu",), biases=("separate",))
    found = 0
    for i in range(12):
        case = sampled_case(5, i, size="standard", claims=claims)
        kinked = mutations.changed(case, ["near zero"] * 2, Random(i))
        assert kinked is not None
        assert WorstRight("numpy", i).ratios([kinked])[0] <= 1.0
        found += bounds_of([kinked])[0].reach is not None
    assert found > 0


def test_another_slope_at_a_kink_is_no_error_but_what_goes_beyond_all_slopes_is() -> None:
    """z is exactly 0: dLoss/dW_2 is O_1 = 0 there, dLoss/dW_1 = X * slope * W_2 * (O - Y)."""
    case = given([[[1.0]], [[1.0]]], [[1.0]], [[0.7]], ["relu", "tanh"], biases=[[-1.0], [0.1]])
    (bound,) = bounds_of([case])
    assert bound.reach is not None
    steepest = bound.reach.low[0]
    for value, measured in ((0.0, 0.0), (steepest, 0.0), (steepest - bound.reach.E[0], 0.5)):
        seat = Seat(Saying(value, bound.witness), "numpy", False)
        # The other elements are those of the witness, which rounds them a little.
        assert InFloats(seat).ratios([case])[0] == pytest.approx(measured, abs=0.1)
    seat = Seat(Saying(steepest * (1 + 1e-9), bound.witness), "numpy", False)
    assert InFloats(seat).ratios([case])[0] > 1.0


# ---- it keeps what it finds ----


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of its own: three cases, and the hashes."""
    source = corpora.FOLDER
    lines = (source / "adversarial.txt").read_text("utf-8").splitlines()
    (tmp_path / "adversarial.txt").write_text("\n".join(lines[:4]) + "\n", "utf-8")
    shutil.copytree(source / "cases", tmp_path / "cases")
    shutil.copy(source / "hashes.json", tmp_path)
    monkeypatch.setattr(corpora, "FOLDER", tmp_path)
    monkeypatch.setattr(corpora, "HASHES", tmp_path / "hashes.json")
    monkeypatch.setattr(bound_terms, "LIST", tmp_path / "bound_terms.txt")
    monkeypatch.setitem(corpora.LISTS, "adversarial", corpora.LISTS["adversarial"])
    return tmp_path


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_what_breaks_the_bound_is_stored_at_once_and_judged_from_then_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hunting, "_places", lambda names, random: repeat((names[0], SQUARES)))
    both = [reference_seat(), *oracles_named(["exact"])[0]]
    monkeypatch.setattr(gates, "seats", lambda: both)
    with mutated(term_named(PLANTED), 0.0):
        words = ["--seed", "1", "--minutes", "0.05", "--only", "reference_impl"]
        assert hunting.main(words) == 1
        broken = [line for line in lines_of(folder / "adversarial.txt") if " E" in line]
        assert "# reference_impl, " in broken[0]
        token = broken[0].split()[0]
        assert f"{token}, stored in {folder}" in capsys.readouterr().out
        # The frozen list holds it, under its new hash, and the gate turns red.
        cases = corpora.load("adversarial", "full")
        own = [case for case in cases if token_of(case) == token]
        assert len(own) == 1
        assert RIGHT.ratios(own)[0] > 1.0
        tally = gates.tallied(own, exact=True)
        assert not gates._clean("violations", "planted", tally).met
        assert tally.bad == [token]
    assert gates._clean("violations", "mended", gates.tallied(own, exact=True)).met
    assert token in {token_of(case) for case, _ in cases_from(folder / "adversarial.txt")}
    assert json.loads((folder / "hashes.json").read_text())["detection"]  # others stay


def test_what_the_worst_right_program_breaks_is_asked_of_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bound_tables, "C", 1.0)
    find = summit(WorstRight("numpy", 0), SQUARES, 1)
    bag = hunting.Bag(hunting.records_of([WORST], []))
    bag.add(find)
    assert bag.broken == [find]
    ((case, family, style),) = bound_terms.frozen_attempts()
    assert (token_of(case), family, style) == (token_of(find.case), "numpy", 0)
    (group,) = bound_terms.judged([bound_terms.Attempt(case, family, style)])
    assert group.outside() == [0]
    monkeypatch.undo()
    assert group.outside() == []


def test_ctrl_c_keeps_what_was_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = mutations.changed(adversarial_case(71, 0), ["nudged"], Random(0))
    assert case is not None

    def interrupted(*_: object) -> Iterator[Find]:
        yield Find(RIGHT, SQUARES, case, 0.9, 0.1)
        raise KeyboardInterrupt

    monkeypatch.setattr(hunting, "climb", interrupted)
    assert hunting.main(["--seed", "1", "--minutes", "5", "--only", "reference_impl"]) == 0
    said = capsys.readouterr().out
    assert "interrupted" in said
    assert "0.9 E  the list had" in said
    assert any(token_of(case) in line for line in lines_of(folder / "adversarial.txt"))
    assert corpora.load("adversarial")


def test_the_same_seed_hunts_the_same_cases() -> None:
    def beginning(seed: int) -> list[tuple[str, float]]:
        random = Random(seed)
        claims = climbing.claims_of(("elu", "binary"), 8, random)
        finds = islice(climb(RIGHT, ("elu", "binary"), claims, random), 6)
        return [(token_of(find.case), find.ratio) for find in finds]

    assert beginning(7) == beginning(7)
    assert beginning(7)[-1] not in beginning(8)


def test_only_what_comes_a_tenth_nearer_is_kept_and_the_worst_program_sets_no_record() -> None:
    case = adversarial_case(71, 0)

    def bag_of(accused: Accused, ratio: float) -> hunting.Bag:
        bag = hunting.Bag(hunting.records_of([WORST, "reference_impl"], []))
        bag.records["reference_impl", "squares"] = 0.5
        bag.add(Find(accused, SQUARES, case, ratio, 0.0))
        return bag

    assert len(bag_of(RIGHT, 0.56).nearer()) == 1
    assert bag_of(RIGHT, 0.54).nearer() == []
    assert bag_of(WorstRight("any", 1), 0.999).nearer() == []


def test_the_records_are_those_of_the_list() -> None:
    cases = [sampled_case(3, i, size="standard") for i in range(80)]
    records = hunting.records_of(["reference_impl"], cases)
    ratios = RIGHT.ratios(cases)
    assert max(records.values()) == max(ratios)
    groups = {hunting.group_of(case) for case in cases}
    assert groups == set(corpora.GROUPS)
    for case, ratio in zip(cases, ratios, strict=True):
        assert records["reference_impl", hunting.group_of(case)] >= ratio


# ---- what a climb is made of ----


class Silent:
    name, step_form = "silent", "direct"

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [Failure("error", "not today") for _ in cases]

    def gradients(self, case: Case) -> Gradients | Failure:
        return self.gradients_of([case])[0]


class Saying(Silent):
    """The witness' gradient, but for its first element."""

    def __init__(self, first: float, witness: Vector) -> None:
        self.gradient = np.array([first, *witness[1:]])

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [Gradients(self.gradient, None) for _ in cases]


class NoNumber(Silent):
    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [Gradients(np.full(bound.witness.shape, np.nan), None) for bound in bounds_of(cases)]


def test_a_side_that_gives_no_answer_ends_the_hunt_with_a_sentence() -> None:
    with pytest.raises(BackproofError, match=r"a side gave no answer to Case.*: not today"):
        InFloats(Seat(Silent(), "numpy", False)).ratios([adversarial_case(71, 0)])


def test_an_answer_that_is_no_number_breaks_the_bound() -> None:
    seat = Seat(NoNumber(), "numpy", False)
    case = given([[[0.9]]], [[1.1]], [[0.3]], ["identity"])
    (ratio,) = InFloats(seat).ratios([case])
    assert Find(InFloats(seat), SQUARES, case, ratio, 0.0).broken
    assert Find(RIGHT, SQUARES, case, float("nan"), 0.0).broken


@pytest.mark.parametrize("name", mutations.MUTATIONS)
def test_each_change_gives_other_cases_that_are_cases(name: str) -> None:
    made = 0
    for i in range(40):
        case = sampled_case(9, i, size="standard")
        changed = mutations.changed(case, [name], Random(i))
        if changed is None:
            continue
        again = mutations.changed(case, [name], Random(i))
        assert again is not None
        assert token_of(changed) == token_of(again)
        assert (changed.widths, changed.dtype) == (case.widths, case.dtype)
        if "squared" not in case.loss:
            assert (changed.arrays.Y >= 0).all()
            assert (changed.arrays.Y <= 1).all()
        same = [np.array_equal(a, b) for a, b in zip(_flat(case), _flat(changed), strict=True)]
        made += not all(same)
    assert made > 10


def _flat(case: Case) -> list[Array]:
    arrays = case.arrays
    biases = [b for b in arrays.biases if b is not None]
    return [*arrays.weights, *biases, arrays.X, arrays.Y]


def test_a_change_that_leaves_no_case_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_infinity(case: Case, numbers: mutations.Numbers, random: Random) -> None:
        numbers["X"][...] = np.inf

    monkeypatch.setitem(mutations.MUTATIONS, "infinite", to_infinity)
    assert mutations.changed(adversarial_case(71, 0), ["infinite"], Random(0)) is None
