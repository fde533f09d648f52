"""Every planted mistake, put before `backproof verify --impl` as a learner would.

The exit code alone proves little: the terminal and the CSV must name the layer, the parameter,
the element and the token, and the token must show the same again.
"""

import csv
import re
from pathlib import Path

import pytest

from backproof import cli
from backproof.tokens import token_of
from property_tests.planted import EXAMPLE, PLANTED, PlantedBug, write_planted

IDS = [bug.name for bug in PLANTED]
WRONG = [bug for bug in PLANTED if bug.verdict == "wrong"]
UNANSWERED = [bug for bug in PLANTED if bug.verdict == "error"]
SENTENCE = re.compile(
    r"(?P<name>\w+): (?P<parameter>d[Wb])_(?P<layer>\d)\[(?P<index>[\d, ]+)\] = (?P<value>\S+), "
    r"but torch_autograd says (?P<other>\S+) "
    r"\(layer (?P<again>\d), (\S+ times the bound|no number|where nothing rounds)\)"
)


def verify(bug: PlantedBug, folder: Path) -> int:
    """On the case that the bug was planted for, several times for a bug that shows late."""
    tokens = folder / "tokens.txt"
    tokens.write_text(f"# {bug.what}\n" + f"{token_of(bug.case)}\n" * bug.call, encoding="utf-8")
    target = write_planted(bug, folder)
    return cli.main(
        [
            "verify",
            "--impl",
            str(target),
            "--cases-from",
            str(tokens),
            "--oracles",
            "torch_autograd",
            "--out",
            str(folder / "out"),
        ]
    )


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "agreement.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_a_dozen_mistakes_of_different_kinds() -> None:
    assert len({bug.what for bug in PLANTED}) >= 12


@pytest.mark.parametrize("bug", WRONG, ids=[bug.name for bug in WRONG])
def test_a_planted_mistake_is_named_in_terminal_and_csv(
    bug: PlantedBug, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(bug, tmp_path) == 1

    said = capsys.readouterr().out
    found = SENTENCE.search(said)
    assert found is not None, said
    assert found["name"] == bug.name
    assert found["layer"] == found["again"]
    assert token_of(bug.case) in said

    wrong = [row for row in rows(tmp_path) if row["verdict"] == "wrong"]
    arrays = {f"{row['parameter']}_{row['layer']}" for row in wrong if row["row"] == "parameter"}
    assert arrays == set(bug.wrong)
    for row in wrong:
        assert row["token"] == token_of(bug.case)
        assert float(row["error_in_bounds"]) > 1
        assert re.fullmatch(r"\[?\d+(, \d+)?\]?", row["element"])


@pytest.mark.parametrize("bug", UNANSWERED, ids=[bug.name for bug in UNANSWERED])
def test_a_planted_mistake_that_gives_no_answer_says_why(
    bug: PlantedBug, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(bug, tmp_path) == 1

    said = capsys.readouterr().out
    assert bug.message in said
    assert token_of(bug.case) in said
    (row,) = [row for row in rows(tmp_path) if row["row"] == "case"][-1:]
    assert row["verdict"] == "error"
    assert bug.message in row["failure"]


def test_replay_shows_all_sides_of_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bug = WRONG[0]
    target = write_planted(bug, tmp_path)
    call = ["replay", token_of(bug.case), "--impl", str(target)]

    assert cli.main([*call, "--oracles", "torch_autograd,finite_difference"]) == 1
    said = capsys.readouterr().out
    assert f"{bug.name} x torch_autograd" in said
    assert re.search(rf"^element +{bug.name} +torch_autograd +finite_difference", said, re.M)
    assert len(re.findall(r"^d[Wb]_\d\[", said, re.M)) == sum(
        k * j + j for k, j in zip(bug.case.widths, bug.case.widths[1:], strict=False)
    )


def test_the_example_without_a_mistake_agrees(tmp_path: Path) -> None:
    call = ["verify", "--impl", str(EXAMPLE), "--cases", "150", "--oracles", "torch_autograd"]

    assert cli.main([*call, "--out", str(tmp_path)]) == 0


def test_a_mistake_is_found_in_random_cases_and_shrunk_to_paper_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bug = next(bug for bug in PLANTED if bug.name == "db_first_row")
    call = ["verify", "--impl", str(write_planted(bug, tmp_path)), "--cases", "60"]

    assert cli.main([*call, "--oracles", "torch_autograd", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "smallest case: db_first_row and torch_autograd differ in db" in said
    assert "worst case:" in said
    assert re.search(r"\(1-1, identity, half_squared_error, n = 2, float64\)", said)
