"""Every form in which people write backprop is reached: right code passes, a mistake does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backproof.case import Case
from backproof.conventions import Factor, Factors
from backproof.target import Target
from property_tests.harness.net_styles import STYLES
from property_tests.harness.net_styles_too import Style
from property_tests.trying import Trial

NAMES = [style.name for style in STYLES]
HEAD = "from backproof.adapters import Adapter\n\n\nclass Mine(Adapter):\n"


def written(folder: Path, style: Style, change: tuple[str, str] | None = None) -> str:
    program = style.program
    if change is not None:
        assert program.count(change[0]) == 1
        program = program.replace(*change)
    (folder / "net.py").write_text(program)
    (folder / "net_adapter.py").write_text(HEAD + style.adapter)
    return str(folder / "net.py")


def case_of(style: Style) -> Case:
    fields: dict[str, Any] = {
        "widths": (3, 5, 2),
        "activations": ("sigmoid", "sigmoid"),
        "n": 6,
        "seed": 7,
        "alpha": 2.0**10 if "alpha" not in style.case else 1.0,
    }
    return Case(**(fields | style.case))


@pytest.mark.parametrize("style", STYLES, ids=NAMES)
def test_right_code_passes_and_a_mistake_fails(tmp_path: Path, style: Style) -> None:
    case = case_of(style)
    factor = Factor(**style.factor)
    with Target(written(tmp_path, style)) as target:
        assert target.adapted.startswith("through net_adapter.py: ")
        trial = Trial(target, Factors(factor))
        found = trial.of(case)
        assert found.status == "pass", (found.message, target.printed)
        assert trial.of(case).status == "pass"  # the same again
        assert bool(trial.not_exactly) is not style.exact, trial.not_exactly
    (tmp_path / "wrong").mkdir()
    with Target(written(tmp_path / "wrong", style, style.mistake)) as target:
        mine = replace(case, reduction=target.claims.reductions[0])  # a mistake may change that
        assert Trial(target, Factors(factor)).of(mine).status == "fail"


@pytest.mark.parametrize("style", STYLES, ids=NAMES)
def test_an_adapter_is_at_most_ten_lines(style: Style) -> None:
    lines = [line for line in style.adapter.splitlines() if line.strip()]
    assert len(lines) <= 10
