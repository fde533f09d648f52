"""The bench on trial: what it says about numbers, not the numbers."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oracles.finite_difference import central_differences
from property_tests import bench
from property_tests.bench import Row, exit_code, line

_FAST = Row("times faster", "fast", 0.001, "slow", 0.05, 50.0, at_least=20.0)
_SLOW = Row("times faster", "slow", 0.001, "slow", 0.019, 19.0, at_least=20.0)
_DEAR = Row("times as long", "dear", 0.011, "base", 0.001, 11.0, at_most=10.0)
_UNAIMED = Row("times faster", "beside", 0.1, "slow", 0.05, 0.5)
_BROKEN = Row("times faster", "broken", 0.0, "slow", 0.0, float("nan"), at_least=20.0)


def test_a_missed_target_is_red() -> None:
    assert exit_code([_FAST, _UNAIMED]) == 0
    for missed in (_SLOW, _DEAR, _BROKEN):
        assert exit_code([_FAST, missed]) == 1
        assert line(missed).endswith("MISSED")


def test_nothing_measured_is_red() -> None:
    assert exit_code([]) == 1


def test_a_line_has_the_ratio_and_the_target() -> None:
    assert "50" in line(_FAST)
    assert ">= 20" in line(_FAST)


def test_all_rows_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(quick: bool) -> Iterator[Row]:
        yield from (_FAST, _SLOW)

    monkeypatch.setitem(bench._PARTS, "costs", part)
    out = tmp_path / "new" / "bench.json"
    assert bench.main(["--only", "costs", "--out", str(out)]) == 1
    assert [row["met"] for row in json.loads(out.read_text())] == [True, False]


def test_a_race_between_different_functions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: differences of another loss would make any ratio look good."""
    pytest.importorskip("torch")
    monkeypatch.setattr(
        bench, "central_differences", lambda case, step: 2 * central_differences(case, step)
    )
    assert bench.main(["--only", "gradcheck", "--quick", "--out", "unwritten.json"]) == 2


def test_a_ratio_is_taken_turn_by_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_LEAST_SECONDS", 0.001)
    assert bench._ratio([10.0, 40.0, 90.0], [1.0, 2.0, 3.0]) == pytest.approx(20.0)
    assert np.isfinite(bench._in_turn(2, [lambda: None])).all()
