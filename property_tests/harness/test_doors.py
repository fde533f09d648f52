"""The Python doors: `backproof.check` in a notebook or a test, beside the command line."""

import json
import os
import random
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backproof
from backproof import suite
from backproof.errors import BackproofError, TargetError
from property_tests.planted import EXAMPLE, PLANTED, PlantedBug, write_planted

ROOT = Path(__file__).resolve().parents[2]
Backprop = Callable[..., Any]


def planted(name: str) -> PlantedBug:
    return next(bug for bug in PLANTED if bug.name == name)


def loaded(path: Path) -> Backprop:
    """The function of a file, as somebody's `import` brings it in."""
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    return namespace["backprop"]


def in_fresh_process(program: str, folder: Path) -> str:
    """stdout of a program that stands in `folder`, with this clone importable."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The same ladder, in this process.


def test_the_example_is_right_in_this_process() -> None:
    report = backproof.check(loaded(EXAMPLE))
    assert report
    assert report.exit_code == 0
    assert report.checked.counted().keys() == {"pass", "skipped"}
    judged = {r.judged_by for r in report.checked.results if r.status == "pass"}
    assert judged == {"", "exact arithmetic"}  # it runs on balls here as well
    assert any(note.startswith("not isolated") for note in report.checked.notes)


@pytest.mark.parametrize(
    "name", ["tanh_derivative", "updated_in_place", "kept_state", "db_first_row", "crash"]
)
def test_a_planted_mistake_breaks_the_same_rung_with_the_same_words(
    name: str, tmp_path: Path
) -> None:
    path = write_planted(planted(name), tmp_path)
    here, apart = backproof.check(loaded(path)), backproof.check(path)
    assert not here
    assert here.exit_code == apart.exit_code == 1
    assert [(r.check.id, r.status, r.message) for r in here.checked.results] == [
        (r.check.id, r.status, r.message) for r in apart.checked.results
    ]
    assert here.checked.first_broken == apart.checked.first_broken
    assert "not isolated" not in str(apart)


def test_a_text_that_names_a_file_is_what_the_command_line_would_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_planted(planted("tanh_derivative"), tmp_path)
    from backproof import cli

    assert cli.main(["check", str(path), "--oracles", "none"]) == 1
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert str(backproof.check(str(path))).splitlines() == printed
    report = backproof.check(str(path), all=True)
    assert all(f"\n{result.check.id} " in str(report) for result in report.checked.results)


def test_other_witnesses_are_heard_when_they_are_named() -> None:
    report = backproof.check(loaded(EXAMPLE), oracles=["finite_difference"])
    assert "finite_difference: says the same as exact arithmetic in all" in str(report)


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (3, "`fn` is a int; give a function (weights, biases, X, Y, activations, loss)"),
        (lambda weights: None, "cannot be called as"),
        ("nowhere.py", "nowhere.py is no file"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(fn: Any, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        backproof.check(fn)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_without_a_file_is_refused() -> None:
    with pytest.raises(BackproofError, match="`adapter` belongs to a file"):
        backproof.check(loaded(EXAMPLE), adapter="my_adapter.py")


# The caller's process stays as it was.


def noisy(backprop: Backprop) -> Backprop:
    """The same function; it prints, warns, draws random numbers and changes NumPy's error state."""

    def noise(*args: Any, **kwargs: Any) -> Any:
        print("epoch 1")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        random.random()
        np.random.rand()  # noqa: NPY002 - the state that must come back
        np.seterr(all="ignore")
        return backprop(*args, **kwargs)

    return noise


def test_random_numbers_error_state_and_warnings_are_put_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def state() -> tuple[Any, ...]:
        numbers: Any = np.random.get_state()  # noqa: NPY002
        drawn = [str(part) for part in numbers[2:]], numbers[1].tobytes()
        return random.getstate(), drawn, np.geterr(), list(warnings.filters)

    with np.errstate(all="raise"):  # as strict as somebody may be: the verdict is the same
        before = state()
        assert backproof.check(noisy(loaded(EXAMPLE)))
        assert state() == before
    assert capsys.readouterr().out == ""


def test_ctrl_c_inside_the_function_ends_the_check() -> None:
    calls = 0

    def interrupted(weights: Any, biases: Any, X: Any, Y: Any, activations: Any, loss: Any) -> Any:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backproof.check(interrupted)
    assert calls == 1


def test_their_own_oracles_and_reports_stay_theirs(tmp_path: Path) -> None:
    (tmp_path / "reports.py").write_text("mine = 'reports'\n")
    (tmp_path / "oracles").mkdir()
    (tmp_path / "oracles" / "__init__.py").write_text("mine = 'oracles'\n")
    (tmp_path / "my_net.py").write_text(EXAMPLE.read_text())
    program = """
        import sys
        import oracles, backproof, my_net
        path = list(sys.path)
        for _ in range(2):
            assert backproof.check(my_net.backprop)
            assert sys.modules["oracles"] is oracles
            assert "property_tests" not in sys.modules
            assert sys.path == path
        import reports
        print(oracles.mine, reports.mine)
    """
    # Their folder comes first on the path, as it does in a notebook.
    assert in_fresh_process(program, tmp_path) == "oracles reports\n"


def test_without_borrowing_theirs_would_be_refused(tmp_path: Path) -> None:
    """What the test above rests on: loaded the plain way, their `oracles` stands in the way."""
    (tmp_path / "oracles.py").write_text("")
    program = """
        import oracles
        from backproof import suite
        try:
            suite.load_suite()
        except Exception as error:
            print(error)
    """
    assert "which is not backproof's" in in_fresh_process(program, tmp_path)


def test_a_process_that_has_the_suite_keeps_it() -> None:
    module = sys.modules["property_tests.planted"]
    with suite.borrowed():
        assert sys.modules["property_tests.planted"] is module
    assert sys.modules["property_tests.planted"] is module


def test_the_doors_load_nothing_until_they_are_used(tmp_path: Path) -> None:
    program = """
        import sys
        import backproof
        assert {"check", "checks", "CheckReport"} <= set(dir(backproof))
        print([m for m in ("rich", "flint", "pytest", "backproof.doors") if m in sys.modules])
        backproof.check
        print("backproof.doors" in sys.modules, "property_tests" in sys.modules)
        try:
            backproof.no_such_door
        except AttributeError as error:
            print(error)
    """
    assert in_fresh_process(program, tmp_path).splitlines() == [
        "[]",
        "True False",
        "module 'backproof' has no attribute 'no_such_door'",
    ]


def test_no_framework_enters_the_process(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(EXAMPLE.read_text())
    program = """
        import sys, backproof, my_net
        backproof.check(my_net.backprop)
        print([m for m in ("torch", "jax", "hypothesis", "pandas", "scipy") if m in sys.modules])
    """
    assert in_fresh_process(program, tmp_path) == "[]\n"


# As a notebook shows it.


class _Read(HTMLParser):
    """The tags that are open, the text, and whether each end has its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert all(name == "class" for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["style"] else ""


def read(html: str) -> _Read:
    page = _Read()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def test_the_table_of_a_notebook_has_the_first_broken_rung_on_top(tmp_path: Path) -> None:
    report = backproof.check(write_planted(planted("tanh_derivative"), tmp_path))
    html = report._repr_html_()
    page = read(html)
    first = report.checked.first_broken
    assert first is not None
    assert first.case is not None
    assert first.worst is not None
    at = [page.text.index(said) for said in (first.check.id, first.message, "dW_1", "all ")]
    assert at == sorted(at)
    assert f"{first.worst.value_a:.8g}" in page.text
    assert f"{first.worst.value_b:.8g}" in page.text
    assert f"backproof replay {first.case.token} --impl" in page.text
    assert page.text.count("wrong here") == 1
    assert not page.tags & {"script", "img", "link", "iframe"}
    assert "http" not in html
    assert len(html) < 40_000


def test_the_table_of_right_code_says_so() -> None:
    page = read(backproof.check(loaded(EXAMPLE))._repr_html_())
    assert "is right in everything that it claims" in page.text
    assert "not isolated" in page.text
    assert "wrong here" not in page.text


def test_what_comes_from_outside_is_text_and_never_markup() -> None:
    def hostile(weights: Any, biases: Any, X: Any, Y: Any, activations: Any, loss: Any) -> Any:
        raise RuntimeError("</td><script>alert('&')</script>")

    hostile.__name__ = "<b>bold</b>"
    report = backproof.check(hostile)
    page = read(report._repr_html_())
    assert "script" not in page.tags
    assert "</td><script>alert('&')</script>" in page.text
    assert "<b>bold</b>" in page.text
    assert report.exit_code == 1


# The notebook among the examples.

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


def cells() -> list[str]:
    """The code of the example notebook, cell by cell."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    told = json.loads(in_fresh_process(f"cells = {cells()!r}\n" + RUN_CELLS, tmp_path))
    assert told["first"][0] == "activation.tanh"
    assert told["right"] == 0
    assert told["X"] == list(backproof.case_of(told["first"][1]).arrays.X.shape)


# What a kernel does: one namespace, one cell after the other; then what the tests ask.
RUN_CELLS = """
import json
names = {"__name__": "__main__"}
for cell in cells:
    exec(cell, names)
first = names["report"].checked.first_broken
print(json.dumps({
    "first": [first.check.id, first.case.token, first.worst.value_a, first.worst.value_b],
    "right": names["right"].exit_code,
    "X": names["case"].arrays.X.shape,
}))
"""
