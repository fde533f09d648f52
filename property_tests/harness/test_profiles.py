"""A run with our profiles draws new cases each time, and its header says how to draw them again.

Each test starts pytest anew on one property that writes down what it was given.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from property_tests.conftest import WITNESSES
from property_tests.sides import ORACLES

ROOT = Path(__file__).resolve().parents[2]

KEPT = {"PATH", "SYSTEMROOT", "TEMP", "TMPDIR"}  # anything else could tell Hypothesis of a CI

PROPERTY = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_anything(drawn):
    print("drawn:", drawn)
"""


def run(folder: Path, *words: str, ours: bool = True, ci: bool = True) -> str:
    """The output of pytest on PROPERTY, where it seems to be a CI service or does not."""
    (folder / "test_anything.py").write_text(PROPERTY, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    call = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*call, *(["-p", "property_tests.conftest"] if ours else []), *words, "test_anything.py"],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def drawn(output: str) -> list[int]:
    found = [int(number) for number in re.findall(r"^drawn: (-?\d+)$", output, re.MULTILINE)]
    assert len(found) > 10
    return found


def test_two_runs_on_ci_draw_different_cases_and_the_printed_words_repeat_one(
    tmp_path: Path,
) -> None:
    one, other = run(tmp_path), run(tmp_path)
    assert drawn(one) != drawn(other)

    again = re.search(r"--hypothesis-profile=ci --hypothesis-seed=\d+", one)
    assert again, one
    assert drawn(run(tmp_path, *again[0].split(), ci=False)) == drawn(one)


def test_without_our_profiles_ci_would_draw_the_same_cases_for_ever(tmp_path: Path) -> None:
    """The reason for a `ci` of our own: this fails when Hypothesis changes its mind."""
    one, other = (run(tmp_path, ours=False) for _ in range(2))
    assert drawn(one) == drawn(other)


@pytest.mark.parametrize(
    ("words", "ci", "profile"),
    [
        ([], False, "learner, 20"),
        ([], True, "ci, 100"),
        (["--hypothesis-profile=nightly"], True, "nightly, 2000"),
        (["--hypothesis-profile=learner"], True, "learner, 20"),
    ],
)
def test_the_header_names_the_profile(
    words: list[str], ci: bool, profile: str, tmp_path: Path
) -> None:
    header = run(tmp_path, *words, "--collect-only", ci=ci)
    assert f"cases: profile {profile} for each property" in header
    assert "oracles: torch_autograd" in header


def test_the_header_lists_every_oracle() -> None:
    assert list(WITNESSES) == list(ORACLES)
