"""The pytest doors: `@backproof.checks` in somebody's own tests, and `backproof test`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import backproof
from backproof import pytest_door
from backproof.checked import CheckResult
from backproof.doors import request_for
from backproof.errors import BackproofError
from backproof.notebook import CheckReport
from backproof.pytest_door import PROMISED, Asked, Ladder
from property_tests.harness.test_doors import (
    ROOT,
    RUN_CELLS,
    cells,
    in_fresh_process,
    loaded,
)
from property_tests.planted import EXAMPLE


def python(folder: Path, *words: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """A Python program that stands in somebody's folder."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), path)))},
        capture_output=True,
        text=True,
        timeout=240,
    )


def outcomes(junit: Path) -> dict[str, tuple[str, str]]:
    """Test -> ("passed", ""), or ("failure", "error", "skipped") with what was said."""
    found = {}
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        told = next(iter(case), None)
        said = "" if told is None else f"{told.get('message')}\n{told.text or ''}"
        found[str(case.get("name"))] = ("passed" if told is None else told.tag, said)
    return found


# The net of the example notebook: it claims little, so its ladder is climbed in a second.
WRONG_TANH = next(cell for cell in cells() if "def backprop" in cell) + "\n"
RIGHT = WRONG_TANH.replace("1 - O}", "1 - O**2}")


def session(folder: Path, *options: str, path: str = "") -> subprocess.CompletedProcess[str]:
    words = ["-P", "-m", "backproof", "test", "my_net.py", "--", "--junitxml=out.xml"]
    return python(folder, *words, *options, path=path)


# In somebody's own tests.

TESTS = """
import backproof
from backproof import doors
from my_net import backprop
import pytest

climbs, climbed = [], doors.climbed
doors.climbed = lambda request: climbs.append(1) or climbed(request)


@pytest.fixture
def thing():
    return 3


@backproof.checks(backprop)
def test_mine(check, thing):
    assert thing == 3
    check()


@pytest.mark.parametrize("collected", [len(climbs)])
def test_climbed_once_and_not_while_collecting(collected):
    assert (collected, climbs) == (0, [1])
"""


def own_tests(folder: Path, settings: str = "") -> dict[str, tuple[str, str]]:
    """Somebody's session over a my_net.py with a wrong tanh', in which warnings are errors."""
    (folder / "my_net.py").write_text(WRONG_TANH)
    (folder / "test_mine.py").write_text(TESTS)
    if settings:
        (folder / "backproof.toml").write_text(settings)
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--junitxml=out.xml"]
    done = python(folder, *words)
    assert (folder / "out.xml").exists(), done.stderr
    return outcomes(folder / "out.xml")


def test_each_check_is_a_test_of_its_own(tmp_path: Path) -> None:
    found = own_tests(tmp_path)
    report = backproof.check(tmp_path / "my_net.py")
    ids = [result.check.id for result in report.checked.results]
    assert list(found) == [
        *(f"test_mine[{id}]" for id in ids),
        f"test_mine[{PROMISED}]",
        "test_climbed_once_and_not_while_collecting[0]",
    ]
    failing = [name for name, (word, _) in found.items() if word in ("failure", "error")]
    assert failing == ["test_mine[activation.tanh]"]
    said = found["test_mine[activation.tanh]"][1]
    first = report.checked.first_broken
    assert first is not None
    assert first.message in said
    assert re.search(rf"backproof replay \S+ --impl {tmp_path}/my_net.py:backprop", said)
    blocked, skipped = "test_mine[loss.half_squared_error.tanh]", "test_mine[update.step]"
    assert found[blocked][0] == found[skipped][0] == "skipped"
    assert "blocked: it stands on activation.tanh" in found[blocked][1]
    assert "no learning rate" in found[skipped][1]


def test_expected_failures_are_xfails_by_exact_id_and_a_stale_one_fails(tmp_path: Path) -> None:
    expected = '[expected]\n"activation.tanh" = "later"\n"depth.2" = "was wrong"\n'
    found = own_tests(tmp_path, expected)
    assert found["test_mine[activation.tanh]"][0] == "skipped"  # JUnit's word for an xfail
    assert "later" in found["test_mine[activation.tanh]"][1]
    failing = [name for name, (word, _) in found.items() if word in ("failure", "error")]
    assert failing == ["test_mine[depth.2]"]
    assert "[XPASS(strict)] was wrong" in found["test_mine[depth.2]"][1]


def test_an_expected_failure_of_no_check_is_an_error(tmp_path: Path) -> None:
    found = own_tests(tmp_path, '[expected]\n"activation.tan" = "later"\n')
    ((word, said),) = found.values()
    assert word == "error"
    assert "`expected` names 'activation.tan', which is no check of this ladder" in said


def test_a_test_function_without_the_argument_is_refused() -> None:
    with pytest.raises(BackproofError, match=r"write `def test_x\(check\):`"):

        @backproof.checks(loaded(EXAMPLE))
        def test_x() -> None:
            pass


class Given(Ladder):
    """A ladder whose results are changed before anybody sees them."""

    def __init__(self, change: Callable[[CheckResult], CheckResult | None]) -> None:
        super().__init__(request_for(loaded(EXAMPLE), False, None))
        self._change = change

    def climbed(self) -> CheckReport:
        report = super().climbed()
        results = [self._change(result) for result in report.checked.results]
        kept = tuple(result for result in results if result is not None)
        return replace(report, checked=replace(report.checked, results=kept))


def test_a_check_that_was_promised_and_not_made_is_red() -> None:
    ladder = Given(lambda result: None if result.check.id == "depth.4" else result)
    with pytest.raises(pytest.fail.Exception, match=r"depth\.4 was promised and not made"):
        Asked(ladder, "depth.4")()
    promised = len(ladder.promised)
    said = rf"{promised} checks were promised and {promised - 1} made; missing: depth\.4"
    with pytest.raises(pytest.fail.Exception, match=said):
        Asked(ladder, PROMISED)()
    Asked(ladder, "depth.5")()


def test_a_ladder_in_which_nothing_passed_is_red() -> None:
    ladder = Given(lambda result: replace(result, status="skipped", message="not claimed"))
    with pytest.raises(pytest.skip.Exception, match="not claimed"):
        Asked(ladder, "depth.4")()
    with pytest.raises(pytest.fail.Exception, match="not one check passed"):
        Asked(ladder, PROMISED)()


def test_what_is_undecided_fails_and_what_only_should_hold_is_skipped() -> None:
    words = {"depth.4": "inconclusive", "extremes.saturated": "fail", "depth.5": "close"}
    ladder = Given(lambda r: replace(r, status=words.get(r.check.id, r.status), message="so"))
    with pytest.raises(pytest.fail.Exception, match="could not be decided: so"):
        Asked(ladder, "depth.4")()
    with pytest.raises(pytest.skip.Exception, match=r"fail \(should\): so"):
        Asked(ladder, "extremes.saturated")()
    Asked(ladder, "depth.5")()


def test_a_body_that_forgets_to_ask_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def said(check: Asked) -> tuple[str, str]:
        asked.append(check.id)
        return "", ""

    monkeypatch.setattr(Asked, "_said", said)

    @backproof.checks(loaded(EXAMPLE))
    def test_x(check: Asked) -> None:
        if check.id == "depth.4":
            check()

    ladder = Ladder(request_for(loaded(EXAMPLE), False, None))
    for id in ("depth.4", "depth.5"):
        test_x(check=Asked(ladder, id))
    assert asked == ["depth.4", "depth.5"]


def test_without_pytest_the_decorator_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(BackproofError, match="needs pytest: python -m pip install pytest"):
        pytest_door.checks(loaded(EXAMPLE))


# One token, one verdict, whichever door.


def test_the_same_token_and_the_same_numbers_through_every_door(tmp_path: Path) -> None:
    """The mistake of the example notebook, asked by its kernel, by a file, and by both pytests."""
    (tmp_path / "my_net.py").write_text(WRONG_TANH)
    (tmp_path / "test_mine.py").write_text(
        "import backproof\nfrom my_net import backprop\n\n\n"
        "@backproof.checks(backprop)\ndef test_ladder(check):\n    check()\n"
    )
    words = ["-P", "-m", "backproof", "check", "my_net.py", "--oracles", "none", "--json", "c.json"]
    assert python(tmp_path, *words).returncode == 1
    told = json.loads((tmp_path / "c.json").read_text())
    first = next(r for r in told["results"] if r["status"] == "fail")
    id, token = first["check"]["id"], first["case"]["token"]
    mine, exact = first["worst"]["value_a"], first["worst"]["value_b"]
    assert id == "activation.tanh"
    assert mine != exact

    here = json.loads(in_fresh_process(f"cells = {cells()!r}\n" + RUN_CELLS, tmp_path))
    assert here["first"] == [id, token, mine, exact]

    own = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=own.xml"]
    assert python(tmp_path, *own).returncode == 1
    assert session(tmp_path, "-k", "not exploration").returncode == 1
    for junit in ("own.xml", "out.xml"):
        found = outcomes(tmp_path / junit)
        failing = {name: said for name, (word, said) in found.items() if word == "failure"}
        assert failing.keys() == {f"test_ladder[{id}]"}
        (said,) = failing.values()
        assert f"= {mine!r}, exact is {exact!r}" in said
        assert f"backproof replay {token} --impl" in said
