"""`backproof check --html` and `--csv` on trial: what is on them, and what must never be."""

import csv
import io
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backproof import cli
from backproof.checked import Check, Checked, CheckResult
from backproof.terminal import Screen
from backproof.terminal_check import Live
from property_tests.check_run import Request, check
from property_tests.harness.test_report_page import Seen, loads
from property_tests.harness.test_reports import formulas
from property_tests.planted import EXAMPLE, PLANTED, write_planted
from reports import markup, tables
from reports.arrays import side_by_side
from reports.check_page import check_page
from reports.check_table import check_csv

AGAIN, REPLAY = ["backproof", "check", "my_net.py"], "backproof replay {token} --impl my_net.py"
# A message that wants to be a tag, a formula, and to turn the line around.
NASTY = "=cmd|'calc'!A0 <script>alert(1)</script><img src=x onerror=y> \u202e \x1b[2J \ud800"


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    bug = next(bug for bug in PLANTED if bug.name == "derivative_at_activation")
    return check(Request(str(write_planted(bug, tmp_path_factory.mktemp("wrong")))))[0]


def page_of(checked: Checked) -> Seen:
    return Seen(check_page(checked, AGAIN, REPLAY))


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def result(status: str, message: str = "", id: str = "depth.2", level: str = "must") -> CheckResult:
    return CheckResult(Check(id, "2 layers", level), status, message)


def made_up(*results: CheckResult, strict: bool = False) -> Checked:
    return Checked("net", "net.py", "", {}, {}, results, "1", strict)


# The page.


def test_the_page_of_a_wrong_program_begins_with_what_breaks_first(wrong: Checked) -> None:
    seen = page_of(wrong)
    first = wrong.first_broken
    assert first is not None
    assert first.case is not None
    assert (
        seen.text("h1") == "derivative_at_activation is not right: activation.sigmoid breaks first."
    )
    headings = [data.strip() for path, data in seen.texts if path[-1:] == ("h2",) and data.strip()]
    assert headings == [
        "What breaks first",
        "How it was called, and what was held",
        "The whole ladder",
        "What it claims",
        "Who judged",
    ]
    told = seen.text()
    assert "layer 1 is the first wrong one: dW_1 and db_1 are. Layer 2 above it is right." in told
    for record in first.parameters:
        assert repr(record.value_a) in told
        assert repr(record.value_b) in told
    assert f"backproof check my_net.py backproof replay {first.case.token} --impl" in told
    assert "activations10/11 not gelu" in told
    assert f"numpy{wrong.versions['numpy']}" in told
    assert seen.unbalanced == []
    assert seen.open == []
    assert all(attrs.get("scope") for tag, attrs in seen.tags if tag == "th")


def test_the_first_wrong_layer_is_the_one_that_the_terminal_marks(wrong: Checked) -> None:
    """The output's layer is out of its bound by next to nothing: the mistake is not there."""
    first = wrong.first_broken
    assert first is not None
    nearly = [replace(r, verdict="wrong") if r.layer == 2 else r for r in first.parameters]
    text = side_by_side(nearly, first.worst)
    assert "layer 1 is the first wrong one: dW_1 and db_1 are. Layer 2 above it is close." in text
    assert text.count("wrong here") == 1
    assert text.index("<code>db_1[0]</code>") < text.index("wrong here")  # in the last row
    unmarked = side_by_side(nearly, None)
    assert "layer 2 is the first wrong one" in unmarked
    assert "wrong here" not in unmarked


def test_the_page_has_a_row_for_each_check_with_its_word(wrong: Checked) -> None:
    text = page_of(wrong).text("tbody")
    at = 0
    for each in wrong.results:  # in the ladder's order
        at = text.index(f"{each.check.id} {each.status}".replace(" ", ""), at)


def test_a_right_program_has_a_page_that_says_so() -> None:
    checked = check(Request(str(EXAMPLE)))[0]
    text = check_page(checked, AGAIN, REPLAY)
    assert Seen(text).text("h1") == "my_net is right in everything that it claims."
    assert '<header class="agrees">' in text
    assert "What breaks first" not in text
    assert "commandbackproof check my_net.py" in Seen(text).text()


@pytest.mark.parametrize(
    ("hints", "heads"),
    [
        ("none", ""),
        ("rung", "checkstatuswhat is asked, and what was found"),
        ("layer", "checkstatuserror / boundwhat is asked, and what was foundtoken"),
    ],
)
def test_the_ladder_has_no_column_that_is_kept_back_and_the_command_stands_once(
    wrong: Checked, hints: str, heads: str
) -> None:
    seen = Seen(check_page(wrong, AGAIN, REPLAY, hints))
    assert seen.text("thead").removeprefix("whereyoursexact") == heads
    assert seen.text().count("backproof check my_net.py") == 1
    assert ("bp1" in seen.text()) == (hints == "layer")


@pytest.mark.parametrize(
    ("results", "strict", "header", "there"),
    [
        ([result("pass"), result("xfail", "expected: later")], False, "agrees", "xfail, expected:"),
        ([result("pass"), result("xpass", "remove that line")], False, "disagrees", "remove that"),
        ([result("pass"), result("fail", "off", level="should")], False, "agrees", "fail, off"),
        ([result("pass"), result("fail", "off", level="should")], True, "disagrees", "fail: off"),
        ([result("pass"), result("close", "a clip")], True, "disagrees", "is not right"),
        ([result("pass"), result("inconclusive", "lost")], False, "", "could not be judged"),
        ([result("skipped", "not claimed")], False, "", "could not be judged"),
        ([], False, "", "could not be judged"),
    ],
)
def test_each_status_has_its_place(
    results: list[CheckResult], strict: bool, header: str, there: str
) -> None:
    text = check_page(made_up(*results, strict=strict), AGAIN, REPLAY)
    opening = f'<header class="{header}">' if header else "<header>"
    assert opening in text
    assert there in Seen(text).text()


def test_the_page_says_how_it_was_called() -> None:
    checked = made_up(result("pass"))
    assert "as a function on the contract" in page_of(checked).text()
    assert "as a program of its own" in page_of(replace(checked, target="cmd:./run")).text()
    assert "through my_adapter" in page_of(replace(checked, adapted="through my_adapter")).text()


def hostile() -> Checked:
    """Names, messages and what was printed are all somebody else's."""
    broken = replace(result("crashed", NASTY, NASTY), printed=NASTY)
    return replace(
        made_up(broken, result("xfail", NASTY)),
        name=NASTY, target=NASTY, adapted=NASTY, conventions={NASTY: NASTY}, notes=(NASTY,),
        claims={"widths": (NASTY,)}, witnesses={NASTY: NASTY}, versions={NASTY: NASTY},
    )  # fmt: skip


def test_untrusted_text_stays_text() -> None:
    text = check_page(hostile(), ["backproof", "check", NASTY], "backproof replay {token}")
    assert loads(text) == []
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "<script>alert(1)</script>" in Seen(text).text()
    assert Seen(text).unbalanced == []


def test_untrusted_text_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    checked = hostile()
    live = Live(Screen().out, replay=REPLAY, everything=True)
    live.saw(checked.results[0])
    live.heard(NASTY, NASTY)
    live.end(checked)
    out = capsys.readouterr().out
    assert "<script>" in out
    assert not {"\x1b", "\u202e"} & {*out}


def test_a_page_that_forgets_to_escape_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "escaped", markup.Markup)
    assert "script" in loads(check_page(hostile(), AGAIN, REPLAY))


# The table.


def test_the_table_has_a_row_per_check_with_its_numbers(wrong: Checked) -> None:
    rows = rows_of(check_csv(wrong))
    assert list(rows) == [each.check.id for each in wrong.results]
    failing = rows["activation.sigmoid"]
    first = wrong.first_broken
    assert first is not None
    assert first.worst is not None
    assert first.case is not None
    assert (failing["rung"], failing["status"], failing["fails"]) == ("activation", "fail", "1")
    assert failing["token"] == first.case.token
    assert float(failing["yours"]) == first.worst.value_a
    assert float(failing["exact"]) == first.worst.value_b
    assert float(failing["error_in_bounds"]) > 1e6
    assert float(rows["activation.tanh"]["error_in_bounds"]) <= 1
    assert rows["activation.tanh"]["fails"] == "0"
    skipped = rows["update.step"]
    assert (skipped["status"], skipped["yours"], skipped["error_ulp"]) == ("skipped", "", "")
    assert skipped["message"].startswith("no learning rate")


def test_no_cell_is_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    text = check_csv(hostile())
    assert formulas(text) == []
    assert rows_of(text)["depth.2"]["message"].startswith("'=cmd")
    text.encode("utf-8")
    monkeypatch.setattr(tables, "defused", lambda text: text)
    assert NASTY in formulas(check_csv(hostile()))


# The command.

_SAYS_AN_ADDRESS = """\
def backprop(weights, biases, X, Y, activations, loss):
    raise ValueError(f"\\ud800 {object()}")
"""


def test_the_same_program_gives_the_same_bytes_without_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    target = tmp_path / "my_net.py"
    target.write_text(_SAYS_AN_ADDRESS, encoding="utf-8")
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        words = ["check", str(target), "--oracles", "none"]
        for option in ("json", "junit", "csv", "html"):
            words += [f"--{option}", str(tmp_path / run / option)]
        assert cli.main(words) == 1
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / run).iterdir()}
        for run in ("first", "second")
    )
    assert first == second
    assert sorted(first) == ["csv", "html", "json", "junit"]
    assert all(b"ValueError" in content for content in first.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "nowhere/check.csv"], "`--csv` nowhere/check.csv cannot be written (No such"),
        (["--html", "."], "`--html` . is a folder; name a file in it."),
        (["--html", "x" * 300], f"`--html` {'x' * 300} cannot be written (File name too long)"),
        (["--json", "one", "--csv", "./one"], "`--json` and `--csv` both name one; give each"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_asked(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text("open('asked', 'w').close()\n", encoding="utf-8")
    assert cli.main(["check", "my_net.py", *words]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_net.py"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_who_reads_from_a_pipe_gets_the_whole_table(tmp_path: Path) -> None:
    """To open and close it beforehand would be its end."""
    pipe, target, got = tmp_path / "pipe", tmp_path / "my_net.py", list[str]()
    os.mkfifo(pipe)
    target.write_text(_SAYS_AN_ADDRESS, encoding="utf-8")
    reader = threading.Thread(target=lambda: got.append(pipe.read_text("utf-8")), daemon=True)
    reader.start()
    assert cli.main(["check", str(target), "--oracles", "none", "--csv", str(pipe)]) == 1
    reader.join(10)
    assert len(rows_of(got[0])) > 50


def test_what_the_headline_names_is_explained_also_when_strict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A `close` below a `fail`, which is found broken only at the end."""
    close, fail = result("close", "a clip", "activation.elu"), result("fail", "off", "depth.2")
    live = Live(Screen().out, replay=REPLAY, everything=False)
    for each in (close, fail):
        live.saw(each)
    live.end(made_up(close, fail, strict=True))
    out = capsys.readouterr().out
    assert "activation.elu breaks first" in out
    assert "close: a clip" in out
