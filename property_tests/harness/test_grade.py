"""`backproof grade` from end to end: a small class with planted mistakes and hostile files."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from backproof import cli
from backproof.suite import suite_root
from property_tests import grade_pool, grading
from property_tests.class_of_mistakes import MISTAKES, source_of, write_class, write_hostile
from property_tests.harness.net_styles import STYLES

RUBRIC = suite_root() / "examples" / "rubric.toml"

# Who is in the class: status, and the check that breaks first.
MISTAKEN = {
    "": ("right", ""),
    "transposed": ("error", "contract.answer"),
    "derivative_at_activation": ("wrong", "activation.sigmoid"),
    "no_hidden_derivative": ("wrong", "activation.sigmoid"),
    "db_mean": ("wrong", "scale.sum"),
    "db_first_row": ("wrong", "scale.sum"),
    "db_zero": ("wrong", "linear.still"),
    "dW_1_zero": ("wrong", "linear.still"),
    "tanh_derivative": ("wrong", "activation.tanh"),
    "relu_sign": ("wrong", "activation.relu"),
    "softmax_diagonal": ("wrong", "loss.half_squared_error.softmax"),
    "mean_twice": ("wrong", "scale.mean"),
    "crash": ("error", "contract.answer"),
}
HOSTILE = {
    "syntax_error": ("error", "cannot be read as Python"),
    "no_function": ("error", "has no function `backprop`"),
    "exits": ("crashed", "the process ended itself (exit code 0)"),
    "huge": ("error", "MemoryError"),
    "loud": ("right", ""),
}
HEAD = "from backproof.adapters import Adapter\n\n\nclass Mine(Adapter):\n"
TRAP = "<script>alert(1)<"  # and a name that a spreadsheet would run
FORMULA = "=cmd|'calc'!A0"


def grade(folder: Path, out: Path, *options: object, rubric: Path = RUBRIC) -> int:
    words = ["grade", folder, "--rubric", rubric, "--out", out, *options]
    return cli.main([*map(str, words)])


def submit(folder: Path, student: str, source: str) -> None:
    (folder / student).mkdir(parents=True, exist_ok=True)
    (folder / student / "my_net.py").write_text(source, encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def grades_of(out: Path) -> dict[str, dict[str, Any]]:
    told = json.loads((out / "grades.json").read_text(encoding="utf-8"))
    return {each["student"]: each for each in told["grades"]}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of the grades, and student -> mistake."""
    folder = tmp_path_factory.mktemp("class")
    mistakes = write_class(folder, len(MISTAKES) + 1)
    write_hostile(folder, tuple(HOSTILE))
    for name in (TRAP, FORMULA):
        submit(folder, name, "raise ValueError('=1+1 <b>bold</b> \\x1b[2J')\n")
    (folder / "nothing").mkdir()
    out = folder / "grades"  # below DIR: what we write is no submission
    assert grade(folder, out, "--jobs", 2) == 0
    return out, mistakes


def test_every_mistake_breaks_its_rung_and_nothing_stops_the_class(
    graded: tuple[Path, dict[str, str]],
) -> None:
    out, mistakes = graded
    grades = grades_of(out)
    found = {m: (grades[s]["status"], grades[s]["first_broken"]) for s, m in mistakes.items()}
    assert found == MISTAKEN
    for name, (status, said) in HOSTILE.items():
        assert grades[name]["status"] == status
        assert said in grades[name]["message"]
    assert (grades["nothing"]["status"], grades["nothing"]["points"]) == ("missing", "0")
    assert len(grades) == len(mistakes) + len(HOSTILE) + 3


def test_only_who_is_right_gets_all_points(graded: tuple[Path, dict[str, str]]) -> None:
    for each in grades_of(graded[0]).values():
        assert (each["points"] == "20") == (each["status"] == "right"), each["student"]


def test_the_class_table_has_a_row_for_each_and_counts_what_broke(
    graded: tuple[Path, dict[str, str]],
) -> None:
    out, mistakes = graded
    with (out / "class.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(mistakes) + len(HOSTILE) + 3
    db_mean = next(row for student, row in rows.items() if mistakes.get(student) == "db_mean")
    assert (db_mean["linear"], db_mean["scale"], db_mean["depth"]) == ("pass", "fail", "blocked")
    assert (db_mean["points"], db_mean["out_of"]) == ("5.0", "20.0")
    assert f"'{FORMULA}" in rows  # an apostrophe: no spreadsheet runs it
    with (out / "rungs.csv").open(encoding="utf-8", newline="") as file:
        rungs = {row["id"]: row for row in csv.DictReader(file)}
    assert rungs["scale"]["broke_first"] == "3"
    assert rungs["scale.mean"]["broke_first"] == "1"
    assert rungs["activation.sigmoid"]["broke_first"] == "2"
    assert rungs["contract"]["broke"] == "4"


def test_a_page_for_each_with_names_and_messages_as_text(
    graded: tuple[Path, dict[str, str]],
) -> None:
    out = graded[0]
    pages = sorted((out / "students").iterdir())
    assert len(pages) == len(grades_of(out))
    for page in (out / "index.html", *pages):
        text = page.read_text(encoding="utf-8")
        assert text.startswith("<!DOCTYPE html>")
        assert "default-src 'none'" in text
        assert "<script" not in text
        assert "<b>bold" not in text
        assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;" in (out / "index.html").read_text(encoding="utf-8")


def page_of(out: Path, mistakes: dict[str, str], mistake: str) -> str:
    student = next(student for student, planted in mistakes.items() if planted == mistake)
    return (out / "students" / f"{student}.html").read_text(encoding="utf-8")


def test_a_students_page_says_where_from_the_output_down_and_how_to_see_it(
    graded: tuple[Path, dict[str, str]],
) -> None:
    text = page_of(*graded, "no_hidden_derivative")
    assert "layer 1 is the first wrong one: dW_1 and db_1 are. Layer 2 above it is right" in text
    assert "delta_1 does not follow from your delta_2: W_2.T, or g_1&#x27;(Z_1)" in text
    assert "backproof check my_net.py:backprop\nbackproof replay bp1" in text
    assert "On single instances every layer is right." in page_of(*graded, "db_mean")


# Again, side by side, after a change.


@pytest.fixture
def again(graded: tuple[Path, dict[str, str]], tmp_path: Path) -> tuple[Path, Path]:
    """The same class and what is known of it, to be changed."""
    out, _ = graded
    shutil.copytree(out.parent, tmp_path / "class", ignore=shutil.ignore_patterns("grades"))
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "class", tmp_path / "out"


# What it says is different in each run.
ADDRESSES = """
import os
def backprop(weights, biases, X, Y, activations, loss):
    raise ValueError(f"{object()} in {os.getcwd()}")
"""


def test_the_same_bytes_from_one_job_or_three_and_from_what_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    submit(folder, "a", source_of("db_zero", 1))
    submit(folder, "b", source_of("transposed", 2))
    submit(folder, "c", ADDRESSES)
    assert grade(folder, tmp_path / "three", "--jobs", 3) == 0
    first = contents(tmp_path / "three")
    assert len([name for name in first if name.startswith("results/")]) == 3
    assert grade(folder, tmp_path / "three") == 0
    assert contents(tmp_path / "three") == first
    shutil.rmtree(tmp_path / "three")
    assert grade(folder, tmp_path / "three") == 0
    assert contents(tmp_path / "three") == first


def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are judged from now on."""
    paths: list[str] = []
    answers = grade_pool.Pool.answers

    def noted(self: grade_pool.Pool, jobs: Any) -> Any:
        paths.extend(job.path for job in jobs)
        return answers(self, jobs)

    monkeypatch.setattr(grade_pool.Pool, "answers", noted)
    return paths


def test_only_what_changed_is_judged_again(
    again: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = again
    rubric, before, paths = tmp_path / "rubric.toml", contents(out), asked_for(monkeypatch)
    text = RUBRIC.read_text(encoding="utf-8")
    rubric.write_text(text, encoding="utf-8")
    grade(folder, out, rubric=rubric)
    assert contents(out) == before
    rubric.write_text(text.replace("contract = 1", "contract = 9"), encoding="utf-8")
    grade(folder, out, "--hints", "none", rubric=rubric)
    assert paths == []  # points and hints are no reason to ask again
    assert grades_of(out)["student_000"]["rungs"]["contract"]["points"] == "9"
    submit(folder, "student_001", source_of("db_zero", 7))
    (folder / "syntax_error" / "helper.py").write_text("x = 1\n", encoding="utf-8")
    grade(folder, out, rubric=rubric)
    assert paths == ["student_001/my_net.py", "syntax_error/my_net.py"]
    assert grades_of(out)["student_001"]["first_broken"] == "linear.still"


def test_a_result_that_is_not_ours_is_judged_again_and_again_judges_everybody(
    again: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = again
    for student in [path.name for path in folder.iterdir() if path.is_dir()]:
        if student not in ("syntax_error", "no_function", "nothing"):
            shutil.rmtree(folder / student)
    grade(folder, out)
    before = contents(out)
    keys = [grades_of(out)[student]["result"] for student in ("syntax_error", "no_function")]
    whole = (out / "results" / f"{keys[0]}.json").read_text(encoding="utf-8")
    (out / "results" / f"{keys[0]}.json").write_text(whole[:-9], encoding="utf-8")
    (out / "results" / f"{keys[1]}.json").write_text(whole, encoding="utf-8")  # another's
    paths = asked_for(monkeypatch)
    grade(folder, out)
    assert sorted(paths) == ["no_function/my_net.py", "syntax_error/my_net.py"]
    assert contents(out) == before
    grade(folder, out, "--again")
    assert len(paths) == 4


@pytest.mark.parametrize(
    ("hints", "there", "absent"),
    [
        ("none", ["of 20 points"], ["linear.still", "exact", "bp1", "Rung by rung", "delta"]),
        ("rung", ["linear.still", "Rung by rung"], ["exact is", "bp1", "dW_1", "own delta"]),
        ("layer", ["linear.still", "exact is", "backproof replay bp1", "own delta"], []),
    ],
)
def test_a_page_gives_away_what_the_hints_allow(
    hints: str,
    there: list[str],
    absent: list[str],
    graded: tuple[Path, dict[str, str]],
    again: tuple[Path, Path],
) -> None:
    folder, out = again
    grade(folder, out, "--hints", hints)
    body = page_of(out, graded[1], "db_zero").partition("<body>")[2]
    assert [word for word in there if word not in body] == []
    assert [word for word in absent if word in body] == []


def test_without_pandas_there_are_results_a_table_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(tmp_path / "class", "ada", source_of("crash", 0))
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert grade(tmp_path / "class", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert "python -m pip install 'backproof[suite]'" in said.err
    assert "contract.answer" in said.out
    assert "1 submission: 1 error; 0 of 20 points on average." in said.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["grades.json", "results"]


# What goes wrong around the submissions.


def test_an_endless_loop_costs_the_time_limit_and_no_more(tmp_path: Path) -> None:
    write_hostile(tmp_path / "class", ("endless", "endless_import"))
    rubric = tmp_path / "rubric.toml"
    text = RUBRIC.read_text(encoding="utf-8").replace("time_limit = 60", "time_limit = 2")
    rubric.write_text(text, encoding="utf-8")
    start = time.monotonic()
    assert grade(tmp_path / "class", tmp_path / "out", "--jobs", 2, rubric=rubric) == 0
    assert time.monotonic() - start < 20
    grades = grades_of(tmp_path / "out")
    assert [each["status"] for each in grades.values()] == ["timeout", "timeout"]
    assert "no answer within 2 s" in grades["endless_import"]["message"]
    assert "the 2 s of one submission were used up" in grades["endless"]["message"]


def test_a_worker_that_dies_is_said_and_tried_again_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(tmp_path / "class", "ada", source_of("crash", 0))
    with monkeypatch.context() as patched:
        patched.setattr(grade_pool, "_BOOTSTRAP", "import sys; input(); sys.exit(7)")
        assert grade(tmp_path / "class", tmp_path / "out") == 3
    assert "ended itself (exit code 7)" in grades_of(tmp_path / "out")["ada"]["message"]
    assert grade(tmp_path / "class", tmp_path / "out") == 0
    assert grades_of(tmp_path / "out")["ada"]["first_broken"] == "contract.answer"


def test_a_result_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(tmp_path / "class", "ada", source_of("crash", 0))
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    assert grade(tmp_path / "class", tmp_path / "out") == 2
    assert "choose another --out." in capsys.readouterr().err


# Whoever is started in the background ignores Ctrl-C; a command at a prompt does not.
HEARS_CTRL_C = """\
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("backproof", run_name="__main__", alter_sys=True)
"""


def test_ctrl_c_keeps_what_is_done_and_ends_all_that_runs(tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    submit(folder, "a", source_of("crash", 0))
    write_hostile(folder, ("endless",))
    process = subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, "grade", str(folder), "--rubric", str(RUBRIC),
         "--out", str(out)],
        cwd=suite_root(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list((out / "results").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "1 of 2 submissions are judged and kept" in said
    assert "the same command goes on from there" in said
    assert len(list((out / "results").glob("*.json"))) == 1
    assert running_in(folder) == []


def running_in(folder: Path) -> list[str]:
    """Processes that still stand in a folder or are told of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = os.readlink(process / "cwd")
        except OSError:
            continue
        if Path(here) == folder:
            found.append(process.name)
    return found


def test_known_checks_are_those_of_the_ladder() -> None:
    known = grading.known_checks()
    assert {"contract.answer", "scale.rows", "scale.sum", "scale.mean"} <= {*known}
    assert {"activation.tanh", "update.step", "extremes.float32"} <= {*known}
    assert len(known) == len({*known}) > 60


def test_one_adapter_serves_a_class_that_writes_classes(tmp_path: Path) -> None:
    """Steps instead of gradients; a student's own adapter beside the file is not asked."""
    style = STYLES[0]
    (tmp_path / "adapter.py").write_text(HEAD + style.adapter, encoding="utf-8")
    rubric = tmp_path / "rubric.toml"
    text = RUBRIC.read_text(encoding="utf-8").replace('function = "backprop"', "")
    text = text.replace('"*/my_net.py"', '"*.py"\nadapter = "adapter.py"')
    rubric.write_text(re.sub("required = .*", "", text), encoding="utf-8")
    folder = tmp_path / "class"
    folder.mkdir()
    old, new = style.mistake
    for name, source in (("ada", style.program), ("bob", style.program.replace(old, new))):
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    trap = "raise ValueError('a student wrote this')\n"
    (folder / "bob_adapter.py").write_text(trap, encoding="utf-8")
    assert grade(folder, tmp_path / "out", rubric=rubric) == 0
    grades = grades_of(tmp_path / "out")
    assert grades["ada"]["status"] == "right"
    assert (grades["bob"]["status"], grades["bob"]["rungs"]["linear"]["status"]) == (
        "wrong",
        "fail",
    )
    page = (tmp_path / "out" / "students" / "bob.html").read_text(encoding="utf-8")
    assert "backproof check bob.py --adapter adapter.py" in page
    assert "backproof replay" not in page
    assert "db_1 is not your delta_1" in page
