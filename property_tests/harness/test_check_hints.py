"""`backproof check --hints` on trial: what is kept back is nowhere, on the screen or in a file."""

from dataclasses import replace
from pathlib import Path

import pytest

from backproof import cli
from backproof.checked import LEVELS, STATUSES
from backproof.giving_away import HINTS, shown
from property_tests import check_command
from property_tests.harness.test_check_page import AGAIN, REPLAY, made_up, result, rows_of
from property_tests.harness.test_report_page import Seen
from property_tests.planted import PLANTED, write_planted
from reports.check_page import check_page

# Of the case and of its arrays; of the checks, and of where on the ladder they stand.
NUMBERS = ["exact is", "bp1", "db_1", "-4.82", "3-5-2"]
NAMES = ["activation.sigmoid", "it stands on", "blocked", "depth.2", "56 pass", "linear"]
FORMS = ("json", "junit", "csv", "html")


def given_away(
    hints: str, folder: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> dict[str, str]:
    """What the screen and each file say of a wrong program; a page but for its style sheet."""
    bug = next(bug for bug in PLANTED if bug.name == "derivative_at_activation")
    words = ["check", str(write_planted(bug, folder)), "--oracles", "none", "--hints", hints]
    for form in FORMS:
        words += [f"--{form}", str(folder / form)]
    assert cli.main([*words, *more]) == 1
    said = {form: (folder / form).read_text(encoding="utf-8") for form in FORMS}
    return {
        **said,
        "html": said["html"].partition("</style>")[2],
        "screen": capsys.readouterr().out,
    }


@pytest.mark.parametrize("more", [[], ["--strict"]])
def test_without_hints_everything_says_only_whether_it_is_right(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, text in given_away("none", tmp_path, capsys, *more).items():
        assert "derivative_at_activation is not right" in text, where
        assert "--hints none: which checks hold" in text or where in ("junit", "csv")
        assert [word for word in (*NUMBERS, *NAMES) if word in text] == [], where
    assert list(rows_of((tmp_path / "csv").read_text(encoding="utf-8"))) == ["everything"]


def test_a_file_that_tells_what_is_kept_back_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_command, "shown", lambda checked, hints: checked)
    said = given_away("none", tmp_path, capsys)
    found = {where for where, text in said.items() if any(word in text for word in NUMBERS)}
    assert found == {"json", "junit", "csv"}  # the page and the screen look for themselves


@pytest.mark.parametrize("hints", HINTS)
def test_advice_says_where_it_fails_and_is_kept_back_with_that(hints: str) -> None:
    advised = replace(
        made_up(result("error", "KeyError: 'tanh'")), advice=("if not meant for tanh",)
    )
    page = Seen(check_page(advised, AGAIN, REPLAY, hints)).text()
    assert ("if not meant for tanh" in page) == (hints == "layer")
    assert (shown(advised, hints).advice == ()) == (hints != "layer")


@pytest.mark.parametrize("more", [[], ["--all"]])
def test_the_rung_is_named_everywhere_and_its_numbers_nowhere(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, text in given_away("rung", tmp_path, capsys, *more).items():
        assert "activation.sigmoid" in text, where
        assert "it does not hold" in text, where
        assert ("it stands on activation.sigmoid" in text) == (where != "screen" or bool(more))
        assert [word for word in NUMBERS if word in text] == [], where
    rows = rows_of((tmp_path / "csv").read_text(encoding="utf-8")).values()
    assert {row[name] for row in rows for name in ("yours", "exact", "token", "element")} == {""}


def test_everything_is_given_away_unless_somebody_wants_less(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, text in given_away("layer", tmp_path, capsys).items():
        for word in ("activation.sigmoid", *NUMBERS[:4]):
            assert word in text, (where, word)
        assert "kept back" not in text, where


def test_what_is_seen_has_the_verdict_of_what_was_found() -> None:
    """Every status at every level: nobody passes, or fails, by looking away."""
    pairs = [(status, level) for status in STATUSES for level in LEVELS]
    for strict in (False, True):
        for one in pairs:
            for other in pairs:
                found = made_up(*(result(s, "", f"depth.{i}", level) for i, (s, level) in
                                  enumerate((one, other), 1)), strict=strict)  # fmt: skip
                for hints in HINTS:
                    assert shown(found, hints).exit_code == found.exit_code, (one, other, strict)


def test_what_is_no_name_of_a_file_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["check", f"{'x' * 300}.py"]) == 2
    assert capsys.readouterr().err.endswith("x.py is no file; give the Python file to be judged.\n")


def test_all_without_hints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "gone.py", "--all", "--hints", "none"]) == 2
    assert "`--hints none` none; leave one of them out" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["close", "inconclusive", "fail"])
def test_no_message_with_numbers_is_seen_under_rung(status: str) -> None:
    checked = made_up(result(status, "off by 1.5e-9 of each array (a clip?)"), strict=True)
    assert "1.5e-9" not in check_page(checked, AGAIN, REPLAY, "rung")
    assert "1.5e-9" in check_page(checked, AGAIN, REPLAY)
