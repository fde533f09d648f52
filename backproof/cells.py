"""A notebook file as a program: the text of its code cells, one after the other."""

import json
from pathlib import Path
from typing import Any


class NotebookError(Exception):
    """The file is no notebook: one sentence, without its name."""


def is_notebook(path: Path) -> bool:
    return path.suffix == ".ipynb"


def code_in(path: Path) -> str:
    """The code cells; lines that are commands to the notebook (`%`, `!`, `?`) are left empty.

    Raises NotebookError, OSError.
    """
    return "\n\n".join(_without_commands(cell) for cell in _cells(path)) + "\n"


def words_of(path: Path) -> str:
    """What of it is a program, for people."""
    cells = _cells(path)
    left = len(_lines("\n".join(cells))) - len(_lines(code_in(path)))
    said = f"a notebook of {len(cells)} code cell{'s' if len(cells) > 1 else ''}"
    if not left:
        return said
    return f"{said}, without {left} line{'s' if left > 1 else ''} of commands to the notebook"


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _cells(path: Path) -> list[str]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        return [_text(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotebookError(
            "is no notebook of format 4: JSON whose `cells` have a `cell_type` and a `source`"
        ) from None


def _text(source: Any) -> str:
    """A cell's source is a text, or a list of its lines."""
    if isinstance(source, str):
        return source
    return "".join(source)


def _without_commands(cell: str) -> str:
    lines = cell.split("\n")
    if cell.lstrip().startswith("%%"):
        return "\n" * (len(lines) - 1)
    return "\n".join("" if line.lstrip()[:1] in ("%", "!", "?") else line for line in lines)
