"""`backproof test`: the ladder as a session of its own, and the cases that it draws."""

import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

import backproof
from backproof import cli
from backproof.case import Case
from backproof.claims import Claims
from backproof.cli_session import split
from property_tests.exploration import Exploration, explored
from property_tests.harness.test_doors import loaded
from property_tests.harness.test_doors_pytest import RIGHT, outcomes, python, session
from property_tests.nets import Nets
from property_tests.planted import EXAMPLE
from property_tests.space import EVERYTHING
from property_tests.strategies import cases
from property_tests.trying import LOST, Found

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


@pytest.mark.parametrize(
    ("words", "own", "rest"),
    [
        (["test", "x.py", "--strict", "--", "-k", "a"], ["test", "x.py", "--strict"], ["-k", "a"]),
        (["test", "x.py", "--", "-k", "--"], ["test", "x.py"], ["-k", "--"]),
        (["test", "x.py"], ["test", "x.py"], []),
        (["check", "--", "-x.py"], ["check", "--", "-x.py"], []),
    ],
)
def test_what_follows_two_dashes_is_for_pytest(
    words: list[str], own: list[str], rest: list[str]
) -> None:
    assert split(words) == (own, rest)


def test_options_of_both_kinds_go_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(RIGHT)
    words = ["-P", "-m", "backproof", "test", "my_net.py", "--strict", "--", "-q", "-k", "answer"]
    done = python(tmp_path, *words)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


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
