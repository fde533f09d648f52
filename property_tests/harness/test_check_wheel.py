"""`nox -s package` judges the wheel with `check_wheel`; here that judge is shown bad wheels."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from backproof import suite
from property_tests.harness import check_wheel

GOOD = [
    "backproof/__init__.py",
    *(f"backproof/_suite/{part}/__init__.py" for part in check_wheel.SUITE),
    "backproof/_suite/reports/style.css",
    "backproof/_suite/property_tests/learner_session.ini",
    "backproof-0.1.0.dist-info/METADATA",
]


def wheel(path: Path, names: list[str], content: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_a_good_wheel_is_let_through(tmp_path: Path) -> None:
    one, other = (wheel(tmp_path / name, GOOD) for name in ("a.whl", "b.whl"))
    assert check_wheel.complaints_about_wheel(one, other) == []


def test_each_fault_of_a_wheel_is_named(tmp_path: Path) -> None:
    names = [name for name in GOOD if "oracles" not in name and not name.endswith((".css", ".ini"))]
    names += ["reports/__init__.py", "backproof/_suite/reports/out/index.html"]
    one, other = wheel(tmp_path / "a.whl", names), wheel(tmp_path / "b.whl", [*names, "extra.py"])
    assert check_wheel.complaints_about_wheel(one, other) == [
        "reports/__init__.py would enter site-packages under a name of its own",
        "the wheel lacks backproof/_suite/oracles",
        "the wheel lacks backproof/_suite/reports/style.css",
        "the wheel lacks backproof/_suite/property_tests/learner_session.ini",
        "backproof/_suite/reports/out/index.html is a written report and was packed",
        "extra.py differs between the wheel of the sdist and the wheel of the tree",
    ]


def test_another_content_under_the_same_name_is_a_difference(tmp_path: Path) -> None:
    one = check_wheel.contents(wheel(tmp_path / "a.whl", ["x.py"], "right"))
    other = check_wheel.contents(wheel(tmp_path / "b.whl", ["x.py"], "wrong"))
    assert check_wheel.difference(one, other) == ["x.py"]


def test_a_framework_that_came_along_is_named() -> None:
    listed = json.dumps([{"name": name} for name in ("backproof", "numpy", "Pygments", "torch")])
    assert check_wheel.brought_along(listed) == ["torch"]


def test_the_taken_names_are_a_trap(tmp_path: Path) -> None:
    """A command line that looked for the suite in the learner's folder would fall into it."""
    check_wheel.take_the_names(tmp_path)
    for part in check_wheel.SUITE:
        said = check_wheel.complaint([sys.executable, "-c", f"import {part}"], str(tmp_path))
        assert "exit code 1" in said
        assert "a file of the learner was imported" in said


def test_a_command_that_says_nothing_is_no_success(tmp_path: Path) -> None:
    said = check_wheel.complaint([sys.executable, "-c", ""], str(tmp_path))
    assert said.endswith("said nothing")


NAMES = "import json; from backproof import suite; print(json.dumps([*suite.sources('oracles')]))"


def test_where_the_suite_lies_inside_the_package_a_class_is_graded_too(tmp_path: Path) -> None:
    """As a wheel has it: what judges is found, and has the names that it has in a clone."""
    site, clone = tmp_path / "site-packages", suite.suite_root()
    ignored = shutil.ignore_patterns("__pycache__", "out")
    shutil.copytree(clone / "backproof", site / "backproof", ignore=ignored)
    for name in suite.PACKAGES:
        shutil.copytree(clone / name, site / "backproof" / "_suite" / name, ignore=ignored)
    check_wheel.take_the_names(tmp_path / "learner")
    start = [sys.executable, "-P"]
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    here, there = (
        subprocess.run(
            [*start, "-c", NAMES], env=where, cwd=tmp_path, capture_output=True, check=True
        ).stdout
        for where in (os.environ | {"PYTHONPATH": str(clone)}, environment)
    )
    assert here == there
    assert "oracles/bound.py" in json.loads(here)
    assert "backproof/case.py" in json.loads(here)
    graded = subprocess.run(
        [*start, "-m", "backproof", "grade", "class", "--rubric", "rubric.toml"],
        env=environment,
        cwd=tmp_path / "learner",
        capture_output=True,
        text=True,
        check=False,
    )
    assert graded.returncode == 0, graded.stderr
    assert "1 submission: 1 error; 0 of 1 points on average." in graded.stdout
