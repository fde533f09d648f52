"""What is wrong is named once: what stands on it is blocked, or made without it, and says so."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from backproof.settings import Settings
from backproof.target import Target
from backproof.terminal_check import Live
from property_tests.check_run import Request, check
from property_tests.checking import Climb
from property_tests.harness.test_check import named, of_planted
from property_tests.planted import EXAMPLE


def test_what_stands_on_a_broken_rung_is_blocked_and_says_by_which(tmp_path: Path) -> None:
    checked = of_planted("mean_twice", tmp_path)
    statuses = {r.check.id: (r.status, r.message) for r in checked.results}
    assert statuses["scale.mean"][0] == "fail"
    assert statuses["depth.3"] == ("blocked", "it stands on scale")
    assert statuses["extremes.tiny"] == ("blocked", "it stands on scale")


def test_one_wrong_activation_is_named_once_and_hides_nothing_else(tmp_path: Path) -> None:
    checked = of_planted("tanh_derivative", tmp_path)
    assert [r.check.id for r in checked.results if checked.fails(r)] == ["activation.tanh"]
    assert named(checked, "loss.half_squared_error.tanh").message == "it stands on activation.tanh"
    assert named(checked, "depth.5").status == "pass"


@pytest.mark.parametrize(
    ("name", "deed", "status"),
    [
        ("tanh", "1 / 0", "error"),
        ("sigmoid", "1 / 0", "error"),  # the first net of all has it
        ("elu", "import os; os._exit(0)", "crashed"),
    ],
)
def test_an_activation_without_an_answer_costs_one_check(
    tmp_path: Path, name: str, deed: str, status: str
) -> None:
    path = written(tmp_path, f"    if '{name}' in activations:\n        {deed}\n")
    checked, _ = check(Request(str(path)))
    assert checked.first_broken is not None
    assert checked.first_broken.check.id == f"activation.{name}"
    assert checked.first_broken.status == status
    assert [r.check.id for r in checked.results if checked.fails(r)] == [f"activation.{name}"]
    blocked = {r.check.id for r in checked.results if r.status == "blocked"}
    assert all(f".{name}" in id for id in blocked)  # its own losses
    assert named(checked, "training.steps").status == "pass"


@pytest.mark.parametrize(
    ("name", "n"),
    [("silu", 1), ("tanh", 4)],  # `linear.still` and `contract.state` ask for these
)
def test_a_net_without_an_answer_counts_though_its_activation_has_one_elsewhere(
    tmp_path: Path, name: str, n: int
) -> None:
    where = f"{name!r} in activations and len(X) == {n}"
    breaks_alone(written(tmp_path, f"    if {where}:\n        1 / 0\n"), name, n)


def test_where_one_activation_is_all_there_is_it_is_not_blocked_by_itself(tmp_path: Path) -> None:
    """Every net of more than one layer fails, and nets of one are all that is left."""
    lines = """\
    if set(activations[:-1]) - {"sigmoid"}:
        raise NotImplementedError
    if len(weights) > 1:
        1 / 0
"""
    breaks_alone(written(tmp_path, lines), "sigmoid", 6)


def written(folder: Path, lines: str) -> Path:
    """The example with lines before its forward pass."""
    path, call = folder / "net.py", "    Zs, Os = [], [X]\n"
    assert EXAMPLE.read_text().count(call) == 1
    path.write_text(EXAMPLE.read_text().replace(call, lines + call))
    return path


def breaks_alone(path: Path, name: str, n: int) -> None:
    """The check of one activation, by the error of a net with n rows, and no other."""
    checked, _ = check(Request(str(path)))
    assert checked.exit_code == 1
    assert [r.check.id for r in checked.results if checked.fails(r)] == [f"activation.{name}"]
    result = named(checked, f"activation.{name}")
    assert (result.status, result.message[:17]) == ("error", "ZeroDivisionError")
    assert result.case is not None
    assert (result.case.activations[0], result.case.n) == (name, n)


def test_an_activation_that_has_its_answer_after_all_is_taken_again() -> None:
    """A net below may have had none for another reason."""
    with Target(str(EXAMPLE)) as target:
        climb = Climb(target)
        climb.nets = climb.nets.without("sigmoid")
        climb._left_out.append("activation.sigmoid")
        statuses = {result.check.id: result.status for result in climb.results()}
    assert set(statuses.values()) == {"pass", "skipped"}
    assert statuses["loss.half_squared_error.sigmoid"] == "pass"
    assert climb.nets.broken == frozenset()


def test_where_nothing_is_left_to_build_with_the_rungs_above_are_blocked(tmp_path: Path) -> None:
    checked = of_planted("through_updated_weights", tmp_path)
    assert named(checked, "depth.3").status == "blocked"
    assert named(checked, "depth.3").message.startswith("it stands on activation.identity, ")
    assert named(checked, "depth.1").status == "pass"
    assert named(checked, "scale.sum").message.startswith("it stands on a single instance")


def test_a_stale_expectation_has_no_numbers_to_show(tmp_path: Path) -> None:
    expected = Settings(expected={"depth.3": "not written yet"})
    checked, _ = check(Request(str(EXAMPLE), settings=expected))
    out = io.StringIO()
    live = Live(Console(file=out), replay="replay {token}", everything=False)
    for result in checked.results:
        live.saw(result)
    said = "xpass: it passes, but backproof.toml expects a failure (not written yet)"
    assert said in out.getvalue()
    assert "yours" not in out.getvalue()
