"""The bench on trial: what it says about numbers, not the numbers."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backproof.names import ACTIVATIONS, LOSSES
from oracles.bound import bounds_of
from oracles.finite_difference import central_differences
from property_tests import bench
from property_tests.batched import batched_gradients
from property_tests.bench import Row, exit_code, line
from property_tests.harness.inside import reference_gradient
from property_tests.space import sampled_case

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


def test_a_batched_backprop_that_is_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: half the work would make the bound look twice as dear, another one cheaper."""
    monkeypatch.setattr(bench, "BLOCK", 20)
    monkeypatch.setattr(
        bench, "batched_gradients", lambda cases: [1.001 * g for g in batched_gradients(cases)]
    )
    assert bench.main(["--only", "bound", "--quick", "--out", "unwritten.json"]) == 2


def test_the_batched_backprop_is_right_in_any_company() -> None:
    """Every loss and activation; a case gets the same bytes alone and among others."""
    cases = [sampled_case(8, i, size="standard") for i in range(300)]
    bench._same_gradients(cases)
    names = {name for case in cases for name in case.activations}
    assert names == set(ACTIVATIONS)
    assert {case.loss for case in cases} == set(LOSSES)
    for case, among in list(zip(cases, batched_gradients(cases), strict=True))[:40]:
        assert batched_gradients([case])[0].tobytes() == among.tobytes()
    ours = [reference_gradient(case) for case in cases]
    off = [
        np.abs(a - b) > 2.0 * bound.gradient_kink
        for a, b, bound in zip(ours, batched_gradients(cases), bounds_of(cases), strict=True)
    ]
    assert not any(own.any() for own in off)
