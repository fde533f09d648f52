"""A broken adapter is told from a wrong program, in a sentence that says what to do."""

from pathlib import Path

import pytest

from backproof import cli
from backproof.errors import TargetError
from backproof.target import Target
from property_tests.harness import runners
from property_tests.harness.net_styles import STYLES
from property_tests.harness.net_styles_too import Style
from property_tests.harness.test_adapters import HEAD, written

NAMES = [style.name for style in STYLES]


@pytest.mark.parametrize("style", STYLES, ids=NAMES)
def test_nothing_is_said_of_an_adapter_that_works(tmp_path: Path, style: Style) -> None:
    """Whether the program is right or wrong."""
    with Target(written(tmp_path, style)) as target:
        assert target.smoke() == []
    (tmp_path / "wrong").mkdir()
    with Target(written(tmp_path / "wrong", style, style.mistake)) as target:
        assert target.smoke() == []


TRAINS, COLUMNS, RETURNS = STYLES[0], STYLES[1], STYLES[2]


@pytest.mark.parametrize(
    ("style", "change", "said"),
    [
        (TRAINS, ("model.train(X, Y)", "pass"), "no weight moves in a step; `run` must do the"),
        (TRAINS, ("model.train(X, Y)", "model.train(X + 0 * X, Y * 0)"), "not change with Y; see"),
        (TRAINS, ("model.train(X, Y)", "model.train(X * 0 + 1, Y)"), "does not change with X; see"),
        (TRAINS, (', "lr"', ', "W9"'), "there is no .W9 in a Net"),
        (
            TRAINS,
            ('b, rate = "W{l}", "b{l}", "lr"', 'b = "W{l}", "b{l}"'),
            "with the learning rate",
        ),
        (
            TRAINS,
            ("model.train(X, Y)", "model.train(X.T, Y)"),
            "one step raises ValueError: matmul",
        ),
        (
            TRAINS,
            (
                "model.train(X, Y)",
                "model.train(X, Y); model.W1 += self.module.np.random.default_rng().normal()",
            ),
            "two new nets with the same weights answer differently; seed what is random",
        ),
        (
            RETURNS,
            ("return model", "model"),
            "`run` returned None, expected 1 of dW and 1 of d",
        ),
        (COLUMNS, ('"biases[{i}]"', '"weights[{i}]"'), "`weights[{i}]` has shape"),
    ],
)
def test_what_is_broken_is_named(
    tmp_path: Path, style: Style, change: tuple[str, str], said: str
) -> None:
    assert style.adapter.count(change[0]) == 1
    spec = written(tmp_path, style)
    (tmp_path / "net_adapter.py").write_text(HEAD + style.adapter.replace(*change))
    try:
        with Target(spec) as target:
            problems = target.smoke()
    except TargetError as error:  # what is seen when it is loaded needs no question
        problems = [str(error)]
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("half_squared_error", "squares"), "`loss` has 'squares'; use some of half_squared_error"),
        (("hidden, output, loss", "hidden, nothing, loss"), "`output` is missing; name what"),
        (('"W{l}"', '"W{l"'), "`W{l` is no path: nothing is known that looks like {l"),
        (('"W{l}"', '"V{l}"'), "there is no .V1 in a Net"),
        (
            ("return self.module.Net(*net.widths)", "return self.module.Nett()"),
            "no net can be made",
        ),
        (("def run(self, model, X, Y)", "def walk(self, model, X, Y)"), "`run` is missing; write"),
        (("hidden, output", 'batch = "row"\n    hidden, output'), "`batch` is 'row'; use one of"),
    ],
)
def test_what_is_misspelt_is_named_when_it_is_loaded(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert TRAINS.adapter.count(change[0]) == 1
    spec = written(tmp_path, TRAINS)
    (tmp_path / "net_adapter.py").write_text(HEAD + TRAINS.adapter.replace(*change))
    with pytest.raises(TargetError) as caught:
        Target(spec)
    assert str(caught.value).startswith(("net_adapter.py: ", spec))
    assert said in str(caught.value)


def test_a_file_without_an_adapter_in_it_is_said(tmp_path: Path) -> None:
    spec = written(tmp_path, TRAINS)
    (tmp_path / "net_adapter.py").write_text("from backproof.adapters import Adapter\n")
    with pytest.raises(TargetError, match=r"net_adapter\.py has 0 classes of `Adapter`; write one"):
        Target(spec)
    with pytest.raises(TargetError, match="is no file; give the adapter's file"):
        Target(spec, adapter=tmp_path / "none.py")


# Whose fault it is.

BROKEN = ("    def train(self, X, Y):\n", "    def train(self, X, Y):\n        1 / 0\n")


@pytest.mark.parametrize(
    ("program", "adapter", "said"),
    [
        (
            BROKEN,
            None,
            "one step raises ZeroDivisionError: division by zero at net.py line {line}, in "
            "whatever form X and Y are handed over; the implementation is at fault",
        ),
        (
            None,
            ("model.train(X, Y)", "model.train(X)"),
            "missing 1 required positional argument: 'Y' at net_adapter.py line {line}; the "
            "adapter is at fault, for the program itself raises nothing",
        ),
        (
            None,
            ("    hidden, output", '    batch = "columns"\n    hidden, output'),
            "; with batch = 'rows' it runs, so the adapter is at fault if that is the form",
        ),
    ],
)
def test_a_step_that_raises_is_said_to_be_the_adapters_or_the_implementations_fault(
    tmp_path: Path,
    program: tuple[str, str] | None,
    adapter: tuple[str, str] | None,
    said: str,
) -> None:
    spec = written(tmp_path, TRAINS)
    for name, change in (("net.py", program), ("net_adapter.py", adapter)):
        path = tmp_path / name
        text = path.read_text(encoding="utf-8")
        assert change is None or text.count(change[0]) == 1, (name, text)
        changed = text.replace(*change) if change else text
        path.write_text(changed, encoding="utf-8")
        if change:
            lines = changed.splitlines()
            line = next((i for i, each in enumerate(lines, 1)
                         if "1 / 0" in each or "model.train(X)" in each), 0)  # fmt: skip
    with Target(spec) as target:
        (problem,) = target.smoke()
    assert said.format(line=line) in problem


def test_a_program_that_raises_in_every_way_in_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(TRAINS.program.replace(*BROKEN), encoding="utf-8")
    with pytest.raises(TargetError) as caught:
        Target(str(path))
    assert "ways of calling it the program raises, in " in str(caught.value)
    assert "of them ZeroDivisionError: division by zero at net.py line " in str(caught.value)


def test_without_an_adapter_the_implementation_is_at_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(
        "def backprop(weights, biases, X, Y, activations, loss):\n    return inner()\n\n\n"
        "def inner():\n    return [][0]\n"
    )
    assert cli.main(["smoke", str(path)]) == 2
    out = capsys.readouterr().out
    assert "it does not work yet: IndexError: list index out of range at my_net.py line 6." in out
    assert "no adapter is in between: the implementation is at fault\n" in out


ALWAYS = "        raise RuntimeError('always')\n"


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("        h = sigmoid", f"{ALWAYS}        h = sigmoid"),
            "one step raises RuntimeError: always at net.py line {line}, in whatever form X and Y "
            "are handed over; the implementation is at fault",
        ),
        (
            ("        h = sigmoid", "        import os; os.abort()\n        h = sigmoid"),
            "in one step, the process was ended by SIGABRT (aborted) at net.py line {line}; the "
            "implementation is at fault.",
        ),
        (
            ("        self.lr = 0.3\n", f"        self.lr = 0.3\n{ALWAYS}"),
            "RuntimeError: always at net.py line {line}; the implementation is at fault, or `make` "
            "gives it what it does not want.",
        ),
    ],
    ids=["raises", "ends its process", "cannot be made"],
)
def test_a_program_that_always_crashes_is_at_fault_wherever_the_adapter_lies(
    tmp_path: Path, change: tuple[str, str], said: str, beside: bool
) -> None:
    spec = written(tmp_path, TRAINS, change)
    adapter = None
    if not beside:
        (tmp_path / "elsewhere").mkdir()
        adapter = (tmp_path / "net_adapter.py").rename(tmp_path / "elsewhere" / "mine.py")
    lines = Path(spec).read_text().splitlines()
    line = 1 + next(i for i, text in enumerate(lines) if "always" in text or "abort" in text)
    try:
        with Target(spec, adapter=adapter) as target:
            (problem,) = target.smoke()
    except TargetError as error:
        problem = str(error)
    assert said.format(line=line) in problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("model.train(X, Y)", "model.train(X)"),
            "missing 1 required positional argument: 'Y' at mine.py line 12; the adapter is at "
            "fault, for the program itself raises nothing",
        ),
        (
            ("return self.module.Net(*net.widths)", "return self.module.Nett()"),
            "has no attribute 'Nett' at mine.py line 9; the adapter is at fault.",
        ),
    ],
)
def test_an_adapter_that_lies_elsewhere_is_named_with_its_line(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    spec = written(tmp_path, TRAINS)
    (tmp_path / "net_adapter.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    adapter = tmp_path / "elsewhere" / "mine.py"
    adapter.write_text(HEAD + TRAINS.adapter.replace(*change))
    try:
        with Target(spec, adapter=adapter) as target:
            (problem,) = target.smoke()
    except TargetError as error:
        problem = str(error)
    assert said in problem


def test_a_program_of_another_language_that_crashes_is_quoted_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = runners.command(tmp_path, top="def product(A, B):\n    return A[0][99]")
    assert cli.main(["smoke", spec]) == 2
    out = capsys.readouterr().out
    assert "is 'IndexError: list index out of range' at runner.py line 32.\n" in out
    assert "no adapter is in between: the implementation is at fault\n" in out
