"""What the README shows is what the commands print."""

import re
from itertools import zip_longest
from pathlib import Path

import pytest

from backproof import cli
from backproof.suite import suite_root
from property_tests.planted import EXAMPLE, PLANTED, write_planted

README = suite_root() / "README.md"


def opening(text: str) -> tuple[str, list[str]]:
    """The changed line of Python, and the output, of the README's first two blocks."""
    python, console = re.findall(r"```(?:python|console)\n(.*?)```", text, re.DOTALL)[:2]
    (changed,) = [line for line in python.splitlines() if line.startswith("    ")]
    command, *output = console.splitlines()
    assert command == "$ backproof check my_net.py"
    return changed.partition("  #")[0], output


def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command prints about the README's mistake, in the example."""
    bug = next(bug for bug in PLANTED if bug.name == "derivative_at_activation")
    write_planted(bug, tmp_path).rename(tmp_path / "my_net.py")
    assert cli.main(["check", "my_net.py", "--oracles", "none"]) == 1
    return capsys.readouterr().out.splitlines()


def shown_otherwise(text: str, printed: list[str]) -> list[str]:
    """The lines that the README shows and the command does not print there."""
    _, shown = opening(text)
    pairs = zip_longest(shown, printed[: len(shown)], fillvalue="")
    return [line for line, real in pairs if line.rstrip() != real.rstrip()]


def test_the_opening_is_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8")
    real = printed(tmp_path, capsys)
    changed, _ = opening(text)
    assert changed in (tmp_path / "my_net.py").read_text(encoding="utf-8")
    assert changed not in EXAMPLE.read_text(encoding="utf-8")
    assert shown_otherwise(text, real) == []
    (line,) = shown_otherwise(text.replace("56 pass", "54 pass"), real)  # it would be seen
    assert "54 pass" in line
