"""The table of what frameworks do by default: it is measured again, and what is gone is said."""

import math
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from backproof.case import Case
from backproof.gradients import Failure, Gradients
from backproof.tokens import case_of
from oracles.exact import Exact
from property_tests import frameworks
from property_tests.asking import installed
from property_tests.framework_rows import ROWS, Row
from property_tests.frameworks import complaint, derivative, measured, reproduction, version
from property_tests.judging import Seat, judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frameworks.md"
AGAIN = "make it again: python -m property_tests.frameworks --out docs/frameworks.md"
# What a change of the processor's own exp and tanh can do to a worst error, and no more.
_ANOTHER_MACHINE = 4.0

measured_once = cache(measured)


def of(framework: str) -> list[Row]:
    pytest.importorskip(framework)
    return [row for row in ROWS if row.framework == framework]


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_each_row_still_deviates(framework: str) -> None:
    said = [complaint(row, measured_once(row)) for row in of(framework)]
    assert [sentence for sentence in said if sentence] == []


def test_a_deviation_that_is_gone_is_said() -> None:
    softplus = of("torch")[0]
    mended = softplus._replace(call=lambda torch, Z: -torch.nn.functional.logsigmoid(-Z))
    sentence = complaint(mended, measured(mended))
    assert sentence.startswith("torch.nn.functional.softplus of torch ")
    assert "does not deviate any more" in sentence
    assert sentence.endswith("or say there what it does now.")


def test_another_convention_is_said() -> None:
    clamp = next(row for row in of("torch") if row.function == "clamp")
    changed = clamp._replace(call=lambda torch, Z: torch.relu(Z))
    assert "has the slope 0.0 at z = 0, not 1.0 any more" in complaint(changed, measured(changed))


def test_a_slope_outside_the_kink_is_no_convention() -> None:
    clamp = next(row for row in of("torch") if row.function == "clamp")
    steep = clamp._replace(call=lambda torch, Z: 1.5 * torch.clamp(Z, min=0), says=1.5)
    assert "leaves the interval of right slopes" in complaint(steep, measured(steep))


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_conventions_lie_inside_the_kink_and_inaccuracies_have_none(framework: str) -> None:
    for row in of(framework):
        found = measured_once(row)
        if row.kind == "convention":
            assert not found.units > 1, row.function
        else:
            cases = frameworks.on_the_grid(row)[::20]
            answers = [Exact().gradients(case) for case in cases]
            assert all(isinstance(a, Gradients) and a.gradient_ends is None for a in answers)


class Framework:
    """A framework's function as the accused, in nets of one layer and one weight."""

    name, step_form = "accused", "direct"

    def __init__(self, row: Row) -> None:
        self.row = row

    def gradients(self, case: Case) -> Gradients | Failure:
        return Gradients(frameworks._gradients_of(self.row, [case]), None)

    def gradients_of(self, cases: Sequence[Case]) -> list[Gradients | Failure]:
        return [self.gradients(case) for case in cases]


def verdicts_at_the_tie(row: Row) -> set[str]:
    """What every witness that is installed says of it at z = 0; -2 is the label, so it matters."""
    seats = [Seat(Framework(row), family="any", is_oracle=False), *installed()]
    (pairs,) = judge(frameworks.on_the_grid(row), seats)
    said = {pair.b: pair.verdict for pair in pairs if pair.a == Framework.name}
    assert len(said) >= 3
    # A difference across the kink says nothing there, and may not.
    return {word for oracle, word in said.items() if oracle != "finite_difference"}


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_convention_is_a_kink_before_every_witness_and_never_an_error(framework: str) -> None:
    rows = [row for row in of(framework) if row.kind == "convention" and row.name]
    assert len(rows) >= 2
    for row in rows:
        ours = 0.0 if row.name == "relu" else 1 / 64
        assert verdicts_at_the_tie(row) == {"agree" if row.says == ours else "kink"}, row.function


def test_a_slope_beyond_the_kink_is_wrong_before_every_witness() -> None:
    clamp = next(row for row in of("torch") if row.function == "clamp")
    for factor in (1.5, -0.1):
        steep = clamp._replace(call=lambda torch, Z, f=factor: f * torch.clamp(Z, min=0))
        assert verdicts_at_the_tie(steep) == {"wrong"}


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_token_is_a_case_that_shows_it(framework: str) -> None:
    for row in of(framework):
        found = measured_once(row)
        assert bool(found.token) == bool(row.name), row.function
        if found.token:
            assert case_of(found.token).depth == 1
            assert found.shown > (1 if found.units > 1 else 0), row.function


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_reproductions_show_it_alone(framework: str) -> None:
    """All of one framework's programs, one after the other in one new interpreter."""
    rows = of(framework)
    programs = [reproduction(row) for row in rows]
    assert max(len(program.splitlines()) for program in programs) <= 10
    answer = subprocess.run(
        [sys.executable, "-P", "-c", "\n".join(programs)], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    for row, line in zip(rows, answer.stdout.splitlines(), strict=True):
        shown, exact = line.split(" exact: ")
        assert exact == frameworks.exact_text(row)
        ours, theirs = derivative(row), float(shown)
        assert theirs == pytest.approx(ours, rel=1e-14, nan_ok=True), row.function
        if row.kind == "inaccuracy":
            off = abs(theirs - float(exact)) / abs(float(exact))
            u = 2.0**-24 if row.dtype == "float32" else 2.0**-53
            assert math.isnan(off) or off > frameworks.NOTHING * u, line


def test_the_page_is_that_of_this_version() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [*of("torch"), *of("jax")] == list(ROWS)
    head = f"What PyTorch {version('torch')} and JAX {version('jax')} do by default"
    assert head in text, f"docs/frameworks.md is of other versions; {AGAIN}"
    for row in ROWS:
        assert reproduction(row) in text, f"{row.function}: another reproduction; {AGAIN}"
        if row.kind == "inaccuracy":
            _assert_told(row, text)


def _assert_told(row: Row, text: str) -> None:
    ours = _told(frameworks._inaccuracy(row, measured_once(row)))
    found = [cells for line in text.splitlines() if (cells := _told(line))[:3] == ours[:3]]
    assert len(found) == 1, f"{row.function} {row.dtype} stands there {len(found)} times; {AGAIN}"
    theirs = found[0]
    assert theirs[3] == ours[3], f"{row.function}: other words; {AGAIN}"
    for a, b in ((ours[4], theirs[4]), (ours[6], theirs[6])):
        near = a == b or 1 / _ANOTHER_MACHINE < float(a) / float(b) < _ANOTHER_MACHINE
        assert near, f"{row.function} {row.dtype}: measured {a}, the page says {b}; {AGAIN}"


def _told(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_a_page_that_says_something_else_is_seen() -> None:
    row = of("torch")[0]
    line = frameworks._inaccuracy(row, measured_once(row))
    _assert_told(row, line)
    worse = measured_once(row)._replace(ulps=measured_once(row).ulps * 100)
    with pytest.raises(AssertionError, match="make it again"):
        _assert_told(row, frameworks._inaccuracy(row, worse))
