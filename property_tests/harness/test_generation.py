"""The generate phase on trial: as many cases as asked for, the same for a seed, in silence."""

import subprocess
import sys
from pathlib import Path

import pytest

from backproof.tokens import token_of
from property_tests import generation
from property_tests.generation import draw_cases
from property_tests.space import Claims, sampled_case

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_exactly_as_many_cases_as_asked_for(count: int) -> None:
    numbers: list[int] = []
    drawn = draw_cases(count, 7, progress=numbers.append)
    assert len(drawn) == count
    assert numbers == list(range(1, count + 1))


def test_the_same_seed_gives_the_same_list() -> None:
    assert draw_cases(60, 7) == draw_cases(60, 7)
    assert draw_cases(60, 7) != draw_cases(60, 8)


def test_a_space_of_one_network_still_gives_as_many() -> None:
    one = Claims(
        activations=("tanh",), losses=("half_squared_error",), depths=(1,), max_width=1, max_batch=1
    )
    assert len(draw_cases(50, 7, claims=one)) == 50


def test_beyond_hypothesis_the_sampler_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "MOST_DRAWN", 10)
    assert draw_cases(11, 7) == [sampled_case(7, index) for index in range(11)]
    assert draw_cases(10, 7) != [sampled_case(7, index) for index in range(10)]


def test_should_hypothesis_stop_early_the_sampler_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = generation._drawn_by_hypothesis
    monkeypatch.setattr(generation, "_drawn_by_hypothesis", lambda *a: drawn(*a)[:4])
    assert draw_cases(6, 7)[4:] == [sampled_case(7, 4), sampled_case(7, 5)]


_DRAW = """
import sys
if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import neighbour
from property_tests.generation import draw_cases
from backproof.tokens import token_of
cases = draw_cases(80, 7)
open("tokens", "w").write(" ".join(map(token_of, cases)))
"""


def test_drawing_is_silent_leaves_nothing_and_knows_no_neighbours(tmp_path: Path) -> None:
    """A local module full of numbers changes nothing, and no folder of Hypothesis' appears."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "neighbour.py").write_text(f"NUMBERS = {list(range(2, 60))}\n")
    tokens = []
    for arguments in ([], [str(tmp_path / "beside")]):
        folder = tmp_path / f"run{len(arguments)}"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _DRAW, *arguments], cwd=folder, capture_output=True, text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""}, check=True,
        )  # fmt: skip
        assert done.stdout + done.stderr == ""
        assert [path.name for path in folder.iterdir()] == ["tokens"]
        tokens.append((folder / "tokens").read_text())
    assert tokens[0] == tokens[1]
    assert tokens[0].split() == [token_of(case) for case in draw_cases(80, 7)]
