"""What `--help` looks like: prose fits the terminal, what is to be copied keeps its lines."""

import argparse

import pytest

from backproof import cli
from backproof.commands import Help

COMMANDS = [
    name
    for action in cli._parser()._actions
    if isinstance(action, argparse._SubParsersAction)
    for name in action.choices
]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_line_is_wider_than_the_terminal(
    command: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_of([command] if command else [], capsys)
    assert [line for line in text.splitlines() if len(line) > columns] == []


def test_every_command_is_looked_at() -> None:
    assert {"check", "test", "init", "smoke", "grade", "verify", "replay"} <= {*COMMANDS}


def test_the_description_uses_the_width_that_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heights = []
    for columns in (60, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = help_of(["check"], capsys)
        assert "Climb the ladder" in text
        heights.append(len(text.partition("Climb")[2].partition("\n\n")[0].splitlines()))
    assert heights[0] > heights[1]


def test_an_example_stays_as_it_is_written() -> None:
    example = "    backproof check my_net.py --html page.html --csv table.csv"
    parser = argparse.ArgumentParser(
        epilog=f"{'prose ' * 20}\nexamples:\n{example}\n", formatter_class=lambda prog: Help(
            prog, width=40
        )
    )  # fmt: skip
    lines = parser.format_help().splitlines()
    assert example in lines
    assert "examples:" in lines
    assert max(len(line) for line in lines if line.startswith("prose")) <= 40
