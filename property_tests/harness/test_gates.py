"""The gates on trial: they hold on the lists as they are, and each one turns red when it should.

These are the `ci` shares of the frozen lists; `nox -s gates` runs all of them.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from backproof import cli, runfile
from backproof.case import Case
from backproof.errors import CaseError
from backproof.exact_arithmetic import Ask
from backproof.gradients import Failure, Gradients
from backproof.tokens import token_of
from oracles import bound, certified, verdict
from oracles.bound import Bound, bounds_of
from oracles.certified import Certified
from property_tests import corpora, detection, gates, judging, wrong_formulas
from property_tests.adversarial import TRAITS, adversarial_case
from property_tests.corpora import Frozen, frozen_list, sha256_of
from property_tests.gathering import cases_from
from property_tests.judging import Seat
from property_tests.sides import REFERENCE

pytest.importorskip("torch")
pytest.importorskip("jax")

DOCKET = gates.Docket("ci", 1)


def rows_of(name: str, docket: gates.Docket = DOCKET) -> list[gates.Row]:
    return list(gates.measured([name], docket))


def missed(rows: Sequence[gates.Row]) -> list[str]:
    return [gates.line_of(row) for row in rows if not row.met]


# They hold.


@pytest.mark.parametrize("name", [name for name in gates.GATES if name != "tightness"])
def test_the_gate_holds(name: str) -> None:
    rows = rows_of(name)
    assert missed(rows) == []
    assert sum(row.target != "-" for row in rows) > 0
    assert all(row.cases > 0 for row in rows)


@pytest.fixture(scope="module")
def tight_rows() -> list[gates.Row]:
    return rows_of("tightness")


HOLLOW = "elements without use"


def test_the_bound_is_tight_in_the_median_at_p90_and_in_every_cell(
    tight_rows: list[gates.Row],
) -> None:
    rows = [row for row in tight_rows if row.what != HOLLOW]
    assert missed(rows) == []
    assert sum(row.target != "-" for row in rows) == 3


def test_few_elements_are_without_use(tight_rows: list[gates.Row]) -> None:
    assert missed([row for row in tight_rows if row.what == HOLLOW]) == []


# They can fail.


def shorter(monkeypatch: pytest.MonkeyPatch, name: str, count: int) -> None:
    """The first `count` cases of a list, for a fault that shows in a few."""
    short = Frozen(name, frozen_list(name).case_at, {"ci": count, "full": count})
    monkeypatch.setitem(corpora.LISTS, name, short)
    monkeypatch.setattr(Frozen, "verify", lambda self, scale, sha256: None)


def bounds_times(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    def scaled(cases: Sequence[Case], family: str = "numpy") -> list[Bound]:
        return [
            b._replace(gradient=b.gradient * factor, gradient_kink=b.gradient_kink * factor)
            for b in bounds_of(cases, family)
        ]

    for module in (bound, judging, detection):
        monkeypatch.setattr(module, "bounds_of", scaled)


def test_a_bound_a_thousandth_as_wide_is_violated(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds_times(monkeypatch, 1e-3)
    tally = gates.tallied(frozen_list("space").part(0, 60), exact=True)
    row = gates._clean("violations", "planted", tally)
    assert not row.met
    assert tally.bad[0] in row.measured
    assert tally.bad[0].startswith("bp1")


def test_a_bound_a_thousandth_as_wide_raises_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds_times(monkeypatch, 1e-3)
    shorter(monkeypatch, "space", 60)
    assert len(missed(rows_of("alarms"))) == 1


def test_a_bound_a_thousand_times_as_wide_is_too_loose(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds_times(monkeypatch, 1e3)
    shorter(monkeypatch, "tightness", 250)
    shorter(monkeypatch, "detection", 100)
    too_wide, unseen = missed(rows_of("tightness")), missed(rows_of("detection"))
    for what in ("median", "p90"):
        assert any(what in line for line in too_wide), what
    for what in ("x (1 + 1e-10): exact", "x (1 + 1e-12): exact", "x (1 + 1e-10): torch_autograd"):
        assert any(what in line for line in unseen), what
    # In exact arithmetic there is no bound to be too wide.
    assert not any("in exact arithmetic" in line for line in unseen)


class Alarming:
    """Right in all cases but one."""

    name, step_form = "reference_impl", "direct"

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        answers: list[Gradients | Failure] = list(REFERENCE.gradients_of(cases))
        last = answers[-1]
        assert isinstance(last, Gradients)
        assert last.gradient is not None
        answers[-1] = replace(last, gradient=last.gradient * (1 + 1e-6))
        return answers

    def gradients(self, case: Case) -> Gradients | Failure:
        return self.gradients_of([case])[0]


class Silent(Alarming):
    """Answers all cases but one."""

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [*REFERENCE.gradients_of(cases)[:-1], Failure("error", "not today")]


@pytest.mark.parametrize("accused", [Alarming(), Silent()])
@pytest.mark.parametrize("exact", [True, False])
def test_one_alarm_or_one_missing_answer_is_seen(
    accused: Alarming, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = gates.seats()[1:]
    monkeypatch.setattr(gates, "seats", lambda: [Seat(accused, "numpy", False), *others])
    # The last of these cases has a gradient that is not zero.
    tally = gates.tallied(frozen_list("detection").part(0, 20), exact=exact)
    assert set(tally.bad) == {token_of(frozen_list("detection").case_at(19))}
    assert not gates._clean("alarms", "planted", tally).met


def test_a_gate_that_judged_nothing_is_missed() -> None:
    assert not gates._clean("violations", "nothing", gates.Tally()).met
    assert not gates._share("tightness", "nothing", 0, 0, 0, at_most=0.5).met
    assert not gates._share("detection", "nothing", 0, 0, 0, at_least=0.5).met


def test_one_cell_with_too_many_hollow_elements_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell's target on its own: the overall share is met."""
    shorter(monkeypatch, "tightness", 250)
    monkeypatch.setattr(gates, "HOLLOW_CELL", 0.0)
    monkeypatch.setattr(gates, "LEAST_IN_CELL", 100)
    assert any("worst cell" in line for line in missed(rows_of("tightness")))


def test_a_fault_that_nobody_can_see_is_not_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """1e-16 rounds away, and what 4e-16 changes lies far inside every bound."""
    shorter(monkeypatch, "detection", 60)
    monkeypatch.setattr(detection, "ELEMENT_FAULTS", (1e-16,))
    monkeypatch.setattr(gates, "DETECTED", {(1e-16, "exact"): 0.65})
    monkeypatch.setattr(detection, "DERIVATIVE_FAULT", 4e-16)
    found = missed(rows_of("detection"))
    assert len(found) == 2
    assert "one dW element x (1 + 1e-16): exact" in found[0]
    assert "one g'(z) x (1 + 4e-16): exact" in found[1]


def test_one_fault_that_exact_arithmetic_lets_pass_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And so is one case whose right formula it calls wrong."""
    blind = frozen_list("detection").part(0, 60)[37]
    right = certified.certified

    def blinded(case: Case, ask: Ask) -> Certified:
        found = right(case, ask)
        if case != blind or found.relative.max() > 1e-9:
            return found
        other = "right" if found.word == "wrong" else "wrong"
        return replace(found, words=(other,) * len(found.words))

    shorter(monkeypatch, "detection", 60)
    (own,) = DOCKET.results("detection", detection.certified_faults)
    assert {words[0] for words in own} == {False}
    assert [sum(w is True for w in words) for words in zip(*own, strict=True)][1:] > [40, 40]
    monkeypatch.setattr(detection, "certified", blinded)
    monkeypatch.setattr(detection, "element_faults", lambda *_: {})
    monkeypatch.setattr(detection, "ELEMENT_FAULTS", ())
    found = [line for line in missed(rows_of("detection")) if "in exact arithmetic" in line]
    assert len(found) == 3
    assert "no fault: in exact arithmetic" in found[0]
    assert "one dW element x (1 + 1e-12): in exact arithmetic" in found[1]
    assert "one g'(z) x (1 + 1e-12): in exact arithmetic" in found[2]


def test_the_rules_people_use_see_what_they_are_made_for() -> None:
    """Each judge is able to report: an element that is twice what it should be."""
    faults = detection.element_faults(
        frozen_list("detection").part(0, 40), gates.seats()[1:], (1.0,)
    )
    said = [word for word in faults[1.0] if word is not None]
    assert len(said) > 30  # the others have a dW that is zero
    assert all(sum(word[number] for word in said) > 20 for number in range(len(detection.JUDGES)))


def test_the_right_formula_differs_nowhere_and_is_never_wrong() -> None:
    found = wrong_formulas.seen("right", frozen_list("formulas/raw_error").part(0, 15))
    assert not any(seen.differs or seen.far or seen.wrong for seen in found)
    assert any(seen.differs is False for seen in found)


def test_wrong_formulas_that_pass_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_formulas, "FORMULAS", wrong_formulas.FORMULAS[:1])
    monkeypatch.setattr(verdict, "WRONG", verdict.AGREE)
    found = missed(rows_of("formulas"))
    assert len(found) == 2
    assert wrong_formulas.FORMULAS[0].name in found[0]
    assert "differ at all" in found[1]


# The lists stay what they are.


def test_a_list_that_a_change_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = frozen_list("detection")
    changed = Frozen("detection", lambda i: replace(frozen.case_at(i), n=8), frozen.counts)
    monkeypatch.setitem(corpora.LISTS, "detection", changed)
    with pytest.raises(CaseError, match=r"`detection` \(ci, 500 cases\) is not the one that was"):
        corpora.load("detection", "ci")
    with pytest.raises(CaseError, match="is not the one that was frozen"):
        DOCKET.results("detection", len)


def test_a_list_without_a_hash_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "hashes.json"
    empty.write_text("{}")
    monkeypatch.setattr(corpora, "HASHES", empty)
    with pytest.raises(CaseError, match="--regenerate"):
        corpora.load("adversarial")


def test_nothing_is_written_again_without_being_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hashes.json"
    path.write_text(json.dumps({"detection": {"ci": "0", "full": "0"}}))
    monkeypatch.setattr(corpora, "HASHES", path)
    assert corpora.main(["detection"]) == 2
    assert "--regenerate" in capsys.readouterr().err
    assert json.loads(path.read_text()) == {"detection": {"ci": "0", "full": "0"}}
    assert corpora.main(["--regenerate"]) == 2
    assert corpora.main(["detection", "--regenerate"]) == 0
    assert corpora.main(["detection"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 501


def test_every_list_has_its_hashes() -> None:
    written = json.loads(corpora.HASHES.read_text(encoding="utf-8"))
    assert {name: sorted(hashes) for name, hashes in written.items()} == {
        name: ["ci", "full"] for name in corpora.LISTS
    }


def test_processes_change_nothing() -> None:
    one = DOCKET.results("detection", len)
    assert gates.Docket("ci", 2).results("detection", len) == one == [250, 250]
    assert sha256_of(["a", "b"]) != sha256_of(["a\nb", ""])


def test_each_trait_is_in_the_stored_list() -> None:
    stored = {token_of(case) for case in corpora.load("adversarial")}
    for number, name in enumerate(TRAITS):
        tokens = {token_of(adversarial_case(71, number + turn * len(TRAITS))) for turn in range(3)}
        assert tokens <= stored, name


def test_a_stored_list_goes_through_the_door_of_a_user(tmp_path: Path) -> None:
    """Tokens and `file:` tokens in one file, with the case files beside it."""
    path = corpora.FOLDER / "adversarial.txt"
    cli.main(["verify", "--cases-from", str(path), "--out", str(tmp_path), "--oracles", "exact"])
    run = runfile.read_run(tmp_path / "run.jsonl")
    tokens = [line.token for line in run.cases]
    assert tokens == [token_of(case) for case in corpora.load("adversarial")]
    assert any(token.startswith("file:") for token in tokens)
    assert run.footer is not None
    assert run.footer.made == run.footer.promised > 40
    # Many of these are inconclusive on purpose, and the exit code may say so; none may be wrong.
    assert {pair.verdict for result in run.results for pair in result.pairs} <= {
        "agree", "uninformative", "kink", "inconclusive",
    }  # fmt: skip


def test_a_case_file_that_is_not_beside_its_list_is_said(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("file:" + "0" * 64 + "\n")
    with pytest.raises(CaseError, match="does not exist"):
        cases_from(path)


# The command.


def test_the_exit_code_says_whether_a_gate_was_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = gates.Row("alarms", "made up", 1, "0", "0 of 1", True)
    monkeypatch.setitem(gates.GATES, "alarms", lambda docket: iter([row]))
    assert gates.main(["--only", "alarms"]) == 0
    monkeypatch.setitem(gates.GATES, "alarms", lambda docket: iter([replace(row, met=False)]))
    assert gates.main(["--only", "alarms"]) == 1
    out = capsys.readouterr().out
    assert "all met (ci lists)" in out
    assert "1 missed" in out


def test_a_changed_list_ends_the_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "hashes.json"
    path.write_text("{}")
    monkeypatch.setattr(corpora, "HASHES", path)
    assert gates.main(["--only", "tightness", "--jobs", "1"]) == 2
    assert "has no SHA-256" in capsys.readouterr().err
