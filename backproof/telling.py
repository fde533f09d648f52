"""How an exception of the learner's is said: one sentence, with the line in their own file."""

from pathlib import Path
from traceback import extract_tb, format_list
from typing import Any

_LONGEST_MESSAGE = 300
_LONGEST_TRACEBACK = 4000


def told(error: BaseException, folder: Path, *files: str) -> str:
    """ "ZeroDivisionError: division by zero at my_net.py line 12": in the learner's own file.

    files: more of them, wherever they lie
    """
    text = text_of(error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    own = _own_frames(error, folder, *files)
    where = f" at {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
    return printable(said)[:_LONGEST_MESSAGE] + where


def file_of(error: BaseException, folder: Path, *files: str) -> str:
    """In which of these files it comes out; "" where in none."""
    own = _own_frames(error, folder, *files)
    return str(own[-1].filename) if own else ""


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it cannot say what is wrong)"


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def traceback_of(error: BaseException, folder: Path) -> str:
    return "".join(format_list(_own_frames(error, folder)))[-_LONGEST_TRACEBACK:]


def _own_frames(error: BaseException, folder: Path, *files: str) -> list[Any]:
    """The frames in the learner's folder, without libraries installed inside it, and in files."""
    installed = {"site-packages", "dist-packages"}
    return [
        frame
        for frame in extract_tb(error.__traceback__)
        if frame.filename in files
        or (
            folder in Path(frame.filename).parents
            and not installed.intersection(Path(frame.filename).parts)
        )
    ]
