"""The pytest doors: `@backproof.checks` in somebody's own tests, and `backproof test`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

import backproof
from backproof import cli, pytest_door
from backproof.case import Case
from backproof.checked import CheckResult
from backproof.claims import Claims
from backproof.doors import request_for
from backproof.errors import BackproofError
from backproof.notebook import CheckReport
from backproof.pytest_door import PROMISED, Asked, Ladder
from property_tests.exploration import Exploration, explored
from property_tests.harness.test_doors import (
    ROOT,
    RUN_CELLS,
    cells,
    in_fresh_process,
    loaded,
)
from property_tests.nets import Nets
from property_tests.planted import EXAMPLE
from property_tests.space import EVERYTHING
from property_tests.strategies import cases
from property_tests.trying import LOST, Found


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


# `backproof test`.


def session(folder: Path, *options: str, path: str = "") -> subprocess.CompletedProcess[str]:
    words = ["-P", "-m", "backproof", "test", "my_net.py", "--", "--junitxml=out.xml"]
    return python(folder, *words, *options, path=path)


SQUARE = RIGHT.replace(
    "return dW, db", "return [d.T if len(d) == d.size // len(d) else d for d in dW], db"
)
TRAP = "raise ImportError('a file of the learner was taken')\n"


def learner(folder: Path, source: str) -> Path:
    """A folder with a my_net.py, in which everything that could be taken for ours is a trap."""
    (folder / "my_net.py").write_text(source)
    for name in ("conftest.py", "test_trap.py", "reports.py", "oracles.py", "sitecustom.py"):
        (folder / name).write_text(TRAP)
    (folder / "property_tests").mkdir()
    (folder / "property_tests" / "conftest.py").write_text(TRAP)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    return folder / "my_net.py"


def test_a_mistake_that_no_rung_shows_is_found_made_small_and_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A square dW is transposed; in the ladder's nets no two widths are alike."""
    target = learner(tmp_path, SQUARE)
    assert backproof.check(target)
    before = sorted(tmp_path.rglob("*"))
    done = session(tmp_path, "--hypothesis-seed=3")
    assert done.returncode == 1, done.stdout + done.stderr
    found = outcomes(tmp_path / "out.xml")
    failing = [name for name, (word, _) in found.items() if word in ("failure", "error")]
    assert failing == ["test_exploration"]
    said = found["test_exploration"][1]
    words = re.search(r"backproof replay (bp1\S+) --impl (\S+)", said)
    assert words is not None
    case = backproof.case_of(words[1])
    assert (case.widths, case.n) == ((2, 2), 1)
    assert cli.main(["replay", words[1], "--impl", str(target), "--oracles", "exact"]) == 1
    value = re.search(r"dW_1\[\d, \d\] = (-?[\d.]+)", said)
    assert value is not None
    assert value[1].removesuffix(".0") in capsys.readouterr().out
    assert sorted({*tmp_path.rglob("*")} - {*before}) == [tmp_path / "out.xml"]


def test_the_example_passes_without_a_framework_in_half_a_minute(tmp_path: Path) -> None:
    import resource

    learner(tmp_path, EXAMPLE.read_text())
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in ("torch.py", "jax.py"):
        (traps / name).write_text(TRAP)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = session(tmp_path, path=str(traps))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile learner, 20 drawn" in done.stdout
    assert "warning" not in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 30
    words = [word for word, _ in outcomes(tmp_path / "out.xml").values()]
    counts = backproof.check(loaded(EXAMPLE)).checked.counted()
    # The promise and the exploration come on top.
    assert words.count("passed") == counts["pass"] + 2
    assert words.count("skipped") == counts["skipped"]
    assert len(words) == sum(counts.values()) + 2


def test_a_target_that_cannot_be_called_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text("def forward(): pass\n")
    done = session(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 2
    assert "my_net.py has no function `backprop" in done.stderr


@pytest.mark.parametrize("missing", ["pytest", "hypothesis"])
def test_without_the_extra_it_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else object()
    )
    monkeypatch.setattr("backproof.suite.load_suite", lambda: None)
    assert cli.main(["test", str(EXAMPLE)]) == 2
    said = capsys.readouterr().err
    assert f"test needs {missing}: python -m pip install 'backproof[suite]'" in said


# What is drawn, and what of it counts.


def test_what_the_ladder_found_wrong_is_not_drawn_and_what_is_extreme_only_when_strict() -> None:
    nets = Nets(Claims()).without("tanh", ("identity", "half_squared_error"))
    drawn = explored(nets, "", strict=False)
    assert "tanh" not in drawn.hidden
    assert not {pair for pair in drawn.combinations if pair[0] == "tanh"}
    assert ("identity", "half_squared_error") not in drawn.combinations
    assert drawn.dtypes == ("float64",)
    assert "saturated" not in drawn.regimes
    assert "integers" in drawn.regimes
    assert "integers" not in explored(nets, "it has a loop in C", strict=False).regimes
    assert "saturated" in explored(nets, "", strict=True).regimes
    single = Nets(Claims(dtypes=("float32",)))
    assert explored(single, "", strict=False).dtypes == ("float32",)


def exploration(of: Callable[[Case], Found], strict: bool = False, **claims: Any) -> Exploration:
    """Of a program that answers as `of` says."""
    climb: Any = SimpleNamespace(trial=SimpleNamespace(of=of), target=SimpleNamespace(printed=""))
    return Exploration(climb, Claims(**claims), EVERYTHING, "replay {token}", strict)


def test_a_fixed_architecture_and_a_fixed_rate_are_kept() -> None:
    found = exploration(
        lambda case: Found(case, "pass"), widths=(2, 3, 1), depths=(2,), alphas=(0.1,)
    )
    found.claims = replace(EVERYTHING, depths=(2,))

    @settings(max_examples=20, database=None)
    @given(case=found.drawn())
    def kept(case: Case) -> None:
        assert (case.widths, case.alpha) == ((2, 3, 1), 0.1)
        found.judge(case)

    kept()
    assert found.decided == 20


CASE = Case((3, 2), ("identity",), seed=1)


@pytest.mark.parametrize(
    ("status", "message", "strict", "fails"),
    [
        ("fail", "", False, True),
        ("error", "it raised", False, True),
        ("close", "an epsilon", False, False),
        ("close", "an epsilon", True, True),
        ("fail", LOST, False, False),
        ("fail", LOST, True, True),
        ("pass", "", True, False),
        ("inconclusive", "", False, False),
    ],
)
def test_what_counts_as_wrong(status: str, message: str, strict: bool, fails: bool) -> None:
    found = exploration(lambda case: Found(case, status, message), strict)
    if fails:
        with pytest.raises(pytest.fail.Exception, match=r"exploration\.case"):
            found.judge(CASE)
    else:
        found.judge(CASE)
    assert found.decided == (status in ("pass", "close") and not fails)


def test_an_endless_loop_is_not_made_smaller() -> None:
    asked = list[Case]()

    def loops(case: Case) -> Found:
        asked.append(case)
        return Found(case, "timeout", "no answer in 5 s")

    found = exploration(loops)

    @settings(max_examples=50, database=None)
    @given(case=cases())
    def holds(case: Case) -> None:
        found.judge(case)

    with pytest.raises(pytest.fail.Exception, match="no answer in 5 s"):
        holds()
    assert len(asked) == 1


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
