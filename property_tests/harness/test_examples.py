"""Every example with its verdict: what it is called, which rung breaks, what is said."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from backproof.suite import suite_root
from property_tests.check_run import Request, check
from property_tests.trying import TOO_EARLY

FOLDER = suite_root() / "examples" / "styles"


@dataclass(frozen=True)
class Expected:
    """first: the rung that breaks, "" where the example is right   said: a part of its message

    arrays: those that are wrong in the first case that shows it   convention: what is named
    """

    first: str = ""
    said: str = ""
    arrays: tuple[str, ...] = ()
    convention: str = ""


EXAMPLES = {
    "trains_in_place": Expected(),
    "updated_too_early": Expected(
        "update.order", "weights are used after they have moved", ("step_W_1", "step_b_1")
    ),
    "layer_objects": Expected(
        "linear.still", "Δb_1, Δb_2 are 0 throughout", ("step_b_2", "step_b_1")
    ),
    "params_dict": Expected(convention="the gradient is k times the derivative"),
    "neurons": Expected("activation.sigmoid", "ΔW_1[1, 0]", ("step_W_1", "step_b_1")),
    "script": Expected(),
    "odd_but_right": Expected(),
    "mean_squared": Expected(convention="the gradient is k/2 times the derivative"),
    "sigmoid_twice": Expected("activation.sigmoid", "db_2[1]", ("dW_2", "db_2", "dW_1", "db_1")),
}


def programs() -> set[str]:
    return {path.stem for path in FOLDER.glob("*.py") if not path.stem.endswith("_adapter")}


def test_every_example_is_expected_to_be_something() -> None:
    assert programs() == EXAMPLES.keys()
    assert len(EXAMPLES) >= 8
    assert {bool(expected.first) for expected in EXAMPLES.values()} == {False, True}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gets_its_verdict(name: str) -> None:
    expected = EXAMPLES[name]
    checked, climb = check(Request(str(FOLDER / f"{name}.py")))
    assert climb.trial.not_exactly == ""  # all of them run on balls
    assert checked.conventions.get("factor", "").startswith(expected.convention)
    assert bool(expected.convention) == ("factor" in checked.conventions)
    first = checked.first_broken
    if not expected.first:
        assert first is None
        assert checked.exit_code == 0
        return
    assert first is not None
    assert checked.exit_code == 1
    assert first.check.id == expected.first
    assert expected.said in first.message
    assert (TOO_EARLY in first.message) == (name == "updated_too_early")
    wrong = tuple(f"{p.parameter}_{p.layer}" for p in first.parameters if p.verdict == "wrong")
    assert sorted(wrong) == sorted(expected.arrays)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_adapter.py")), ids=lambda path: path.stem)
def test_an_adapter_has_ten_lines_at_most(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 10
