"""`nox -s tests` says where to look next, also when a test failed, and what it says works.

The workshop has no nox, so a session here is a record of what noxfile.py did with it.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE = "property_tests/harness/test_noxfile.py::test_what_is_said_after_the_tests_stands_there"


class Session:
    """Notes what it is told to run and to log; `run` fails where pytest would."""

    def __init__(self, *posargs: str, fails: bool = False) -> None:
        self.posargs, self.name, self.cache_dir = posargs, "tests", ROOT / ".nox" / ".cache"
        self.logged, self.ran, self._fails = list[str](), list[tuple[str, ...]](), fails

    def run(self, *words: str, external: bool) -> None:
        self.ran.append(words)
        if self._fails:
            raise RuntimeError("a test failed")

    def log(self, line: str) -> None:
        self.logged.append(line)


@pytest.fixture
def noxfile(monkeypatch: pytest.MonkeyPatch) -> Any:
    nox = ModuleType("nox")
    nox.__dict__.update(
        options=SimpleNamespace(),
        project=SimpleNamespace(load_toml=lambda path: {}, dependency_groups=lambda *_: ()),
        session=lambda **_: lambda function: function,
    )
    monkeypatch.setitem(sys.modules, "nox", nox)
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_last_words_come_where_all_is_well_and_where_a_test_failed(noxfile: Any) -> None:
    well, failing = Session(), Session(fails=True)
    noxfile.tests(well)
    with pytest.raises(RuntimeError, match="a test failed"):  # nox still sees the failure
        noxfile.tests(failing)
    assert well.logged == failing.logged == list(noxfile.AFTER_TESTS)
    assert len(well.logged) > 0


def test_a_test_that_is_named_after_the_dashes_runs_alone(noxfile: Any) -> None:
    session = Session(ONE, "--collect-only", "--quiet")
    noxfile.tests(session)
    ((_, *words),) = session.ran  # the first word is the workshop's Python
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert re.findall(r"^property_tests/\S+", done.stdout, re.MULTILINE) == [ONE], done.stdout


def test_without_words_the_tests_are_those_of_the_project() -> None:
    options = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'testpaths = ["property_tests"]' in options


def gone(lines: list[str]) -> list[str]:
    """What the last words send people to and is not there: headings and sessions."""
    said = " ".join(lines)
    headings = re.findall(r"([A-Z]+\.md), `([^`]+)`", said)
    assert headings, "no heading is named"
    nox_sessions = re.findall(r"nox -s (\w+)", said)
    source = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    return [
        *(
            f"{file}, {heading}"
            for file, heading in headings
            if f"\n## {heading}\n" not in (ROOT / file).read_text(encoding="utf-8")
        ),
        *(name for name in nox_sessions if f"\ndef {name}(session: nox.Session)" not in source),
    ]


def test_what_is_said_after_the_tests_stands_there(noxfile: Any) -> None:
    assert gone(list(noxfile.AFTER_TESTS)) == []


def test_a_heading_or_a_session_that_is_gone_is_seen() -> None:
    lines = [
        "README.md, `Reading a verdict`, CONTRIBUTING.md, `Errata`",
        "nox -s tests, nox -s all",
    ]
    assert gone(lines) == ["CONTRIBUTING.md, Errata", "all"]
