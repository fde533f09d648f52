"""`backproof grade` for programs of any language: right, wrong, and whatever else they do."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backproof.errors import BackproofError
from property_tests import submissions
from property_tests.harness.runners import HELLO, RUNNER
from property_tests.harness.test_any_language import C, has_compiler
from property_tests.harness.test_grade import contents, grade, grades_of, running_in

TANH = HELLO | {"claims": HELLO["claims"] | {"hidden": ["tanh"]}}


@dataclass(frozen=True)
class Student:
    """Changes to a right program; what it gets, and a part of what is said of it."""

    status: str
    first_broken: str = ""
    said: str = ""
    top: str = ""
    deed: str = "pass"
    changes: tuple[tuple[str, str], ...] = ()
    hello: dict[str, Any] = field(default_factory=lambda: HELLO)

    @property
    def source(self) -> str:
        text = RUNNER.format(hello=repr(self.hello), top=self.top, deed=self.deed)
        for old, new in self.changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text


NOTES = 'notes = open("notes.txt", "a"); print("started", file=notes, flush=True)'
CLASS = {
    "right": Student("right", hello=TANH),
    # Takes sigmoid for tanh: right wherever tanh is, and claims both.
    "wrong": Student("wrong", "activation.sigmoid"),
    "slope": Student(
        "wrong", "activation.tanh", hello=TANH, changes=(("1 - o * o", "o - o * o"),)
    ),
    "bias": Student("wrong", "linear.still", changes=(("for delta in (d1, d2)]",
        "for delta in (d1, [[0.0] * len(d) for d in d2])]"),)),
    "shape": Student("error", "contract.answer", "`dW[0]`", changes=(("dW=dW", "dW=dW[::-1]"),)),
    "crashes": Student("crashed", "activation.sigmoid", "SIGABRT", deed="os.abort()"),
    "raises": Student("crashed", "activation.sigmoid", "ZeroDivisionError", deed="1 / 0"),
    "hangs": Student("timeout", "activation.sigmoid", "within 5 s", deed="while True: pass"),
    "nonsense": Student("error", "activation.sigmoid", "I am fine", deed='print("I am fine")'),
    "never": Student("timeout", "", "does not say hello: no answer", top="while True: pass"),
    "gone": Student("crashed", "", "ended itself (exit code 3)", top="sys.exit(3)"),
    "greets": Student("error", "", "does not say hello", top='say("hello, world")'),
    "claims": Student("error", "", "names no loss", hello=HELLO | {
        "claims": HELLO["claims"] | {"losses": {}}}),
    # Right, and it leaves something behind each time it is started.
    "notes": Student("right", hello=TANH, top=NOTES),
    # Right as long as it stands beside its own files.
    "helped": Student("right", hello=TANH, top='open("helper.txt").close()'),
}  # fmt: skip


def rubric_in(folder: Path, **more: object) -> Path:
    fields = {
        "title": "Backprop in any language",
        "ladder": "1",
        "files": "*/runner.py",
        "command": [sys.executable, "-S", "-E", "{file}"],
        "time_limit": 12,
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    points = "[points]\ncontract = 2\nactivation = 4\ndepth = 2\nfollow_through = 2\n"
    path = folder / "rubric.toml"
    path.write_text("\n".join([*lines, points]), encoding="utf-8")
    return path


def hand_in(folder: Path, names: tuple[str, ...] = tuple(CLASS)) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "runner.py").write_text(CLASS[name].source, encoding="utf-8")
        (folder / name / "helper.txt").write_text("", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the class, the rubric and the grades are."""
    here = tmp_path_factory.mktemp("programs")
    (hand_in(here / "class") / "nothing").mkdir()
    assert grade(here / "class", here / "out", "--jobs", 2, rubric=rubric_in(here)) == 0
    return here


def test_each_gets_what_it_is_and_no_bad_one_stops_the_class(graded: Path) -> None:
    grades = grades_of(graded / "out")
    for name, student in CLASS.items():
        found = grades[name]
        assert found["status"] == student.status, (name, found)
        assert found["first_broken"] == student.first_broken or not student.first_broken, name
        assert student.said in found["message"], (name, found["message"])
        assert (found["points"] == "10") == (student.status == "right"), (name, found)
    assert (grades["nothing"]["status"], grades["nothing"]["points"]) == ("missing", "0")
    assert len(grades) == len(CLASS) + 1
    assert running_in(graded / "class") == []


def test_the_same_bytes_under_other_jobs_from_what_is_known_and_with_folders_untouched(
    graded: Path, tmp_path: Path
) -> None:
    names = ("right", "wrong", "crashes", "nonsense", "greets", "notes")
    folder, rubric = hand_in(tmp_path / "class", names), rubric_in(tmp_path)
    handed_in = contents(folder)
    assert grade(folder, tmp_path / "out", "--jobs", 3, rubric=rubric) == 0
    first = contents(tmp_path / "out")
    assert len([name for name in first if name.startswith("results/")]) == len(names)
    assert grade(folder, tmp_path / "out", rubric=rubric) == 0
    assert contents(tmp_path / "out") == first
    shutil.rmtree(tmp_path / "out")
    assert grade(folder, tmp_path / "out", rubric=rubric) == 0
    assert contents(tmp_path / "out") == first
    assert contents(folder) == handed_in


def test_layers_are_marked_given_their_own_delta_in_any_language(graded: Path) -> None:
    """Nothing of it is inside of the program: dW and db of single instances are enough."""
    followed = {n: g["rungs"]["follow_through"] for n, g in grades_of(graded / "out").items()}
    assert followed["right"]["points"] == "2"
    # Six nets, each with two layers of three words; g' is wrong, so delta_1 is, and nothing else.
    assert (followed["slope"]["passed"], followed["slope"]["asked"]) == (30, 36)
    page = (graded / "out" / "students" / "slope.html").read_text(encoding="utf-8")
    assert "delta_1 does not follow from your delta_2" in page
    for name in ("never", "gone", "greets", "shape"):
        assert (followed[name]["status"], followed[name]["points"]) == ("not asked", "0"), name


def test_a_program_that_skips_single_instances_has_no_marks(tmp_path: Path) -> None:
    skips = ('say(answer)', 'say(answer if n > 1 else dict(kind="skipped", id=question["id"], '
             'reason="batches only"))')  # fmt: skip
    source = Student("", hello=TANH, changes=(skips,)).source
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "runner.py").write_text(source, encoding="utf-8")
    assert grade(tmp_path / "class", tmp_path / "out", rubric=rubric_in(tmp_path)) == 0
    ada = grades_of(tmp_path / "out")["ada"]
    assert ada["status"] == "right"
    assert ada["rungs"]["follow_through"]["status"] == "not asked"
    assert ada["points"] == "8"


def test_the_page_says_what_to_type_where_the_program_lies(graded: Path) -> None:
    page = (graded / "out" / "students" / "wrong.html").read_text(encoding="utf-8")
    typed = f"cmd:{sys.executable} -S -E ./runner.py"
    assert f"backproof check &#x27;{typed}&#x27;" in page
    assert "backproof replay bp1" in page
    assert f"--impl &#x27;{typed}&#x27;" in page
    assert "backproof-" not in json.dumps(grades_of(graded / "out"))  # of a temporary folder


@pytest.mark.skipif(not has_compiler(), reason="no C compiler (cc or gcc) is installed")
def test_a_compiled_program_needs_nothing_but_its_file(tmp_path: Path) -> None:
    for name, changes in (("ada", ()), ("bob", (("return o * (1 - o)", "return o * (1 + o)"),))):
        (tmp_path / "class" / name / "build").mkdir(parents=True)
        C.written(tmp_path / "class" / name / "build", *changes)
    rubric = rubric_in(tmp_path, files="*/build/backprop", command=["{file}"], time_limit=60)
    assert grade(tmp_path / "class", tmp_path / "out", "--jobs", 2, rubric=rubric) == 0
    grades = grades_of(tmp_path / "out")
    assert (grades["ada"]["status"], grades["ada"]["points"]) == ("right", "10")
    assert (grades["bob"]["status"], grades["bob"]["first_broken"]) == (
        "wrong",
        "activation.sigmoid",
    )
    page = (tmp_path / "out" / "students" / "bob.html").read_text(encoding="utf-8")
    assert "backproof check cmd:./build/backprop\n" in page
    (tmp_path / "class" / "ada" / "build" / "backprop").chmod(0o644)  # is seen at once
    assert grade(tmp_path / "class", tmp_path / "out", rubric=rubric) == 0
    assert "is not executable; `chmod +x" in grades_of(tmp_path / "out")["ada"]["message"]


def test_one_file_a_student_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "-ada.py").write_text(CLASS["right"].source, encoding="utf-8")
    assert (
        grade(tmp_path / "class", tmp_path / "out", rubric=rubric_in(tmp_path, files="*.py")) == 0
    )
    assert grades_of(tmp_path / "out")["-ada"]["status"] == "right"


def test_what_everybody_is_called_with_decides_as_well(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "class", ("greets",))
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text("import sys; sys.exit(4)\n", encoding="utf-8")
    rubric = rubric_in(tmp_path, command=[sys.executable, str(wrapper), "{file}"])
    for code in (4, 5):
        wrapper.write_text(f"import sys; sys.exit({code})\n", encoding="utf-8")
        assert grade(folder, tmp_path / "out", rubric=rubric) == 0
        assert f"(exit code {code})" in grades_of(tmp_path / "out")["greets"]["message"]


# The copy in which a program starts.


def test_a_copy_holds_what_identifies_the_submission(tmp_path: Path) -> None:
    ada = tmp_path / "ada"
    (ada / "data" / "__pycache__").mkdir(parents=True)
    (ada / "target").write_text("#!/bin/sh\necho here\n", encoding="utf-8")
    (ada / "target").chmod(0o755)
    (ada / "run").symlink_to("target")
    (ada / "data" / "w.txt").write_text("1", encoding="utf-8")
    (ada / "data" / "__pycache__" / "x.pyc").write_text("", encoding="utf-8")
    os.mkfifo(ada / "pipe")
    with submissions.copied(tmp_path, "ada/run") as copy:
        assert sorted(contents(copy)) == ["data/w.txt", "run", "target"]
        said = subprocess.run([copy / "run"], capture_output=True, check=True).stdout
        assert said == b"here\n"
    assert not copy.exists()


def test_where_temporary_files_may_not_run_it_is_our_fault_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "run").write_text("", encoding="utf-8")
    (tmp_path / "ada" / "run").chmod(0o755)
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).is_relative_to(tmp_path)
    )  # as of a file system that is mounted noexec
    with (
        pytest.raises(BackproofError, match=r"no program may run below .*; set TMPDIR to"),
        submissions.copied(tmp_path, "ada/run"),
    ):
        pass
