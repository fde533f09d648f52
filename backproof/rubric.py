"""rubric.toml: what a class is graded by.

    title = "Assignment 3: backprop by hand"
    ladder = "1"                    # the ladder that the points refer to; another one is refused
    files = "*/my_net.py"           # below DIR; the student is the first folder, or the file's stem
    function = "backprop"           # or adapter = "adapter.py", beside this file, one for all,
                                    # or command = ["node", "{file}"]: programs of any language
    time_limit = 60                 # seconds for one submission

    [points]                        # of a rung, shared among its checks; or of one check by its id
    linear = 2
    "activation.tanh" = 1
    follow_through = 2              # layers that are right given their own wrong delta

Every field is refused with one sentence that says where, what was got and what to write.
"""

import math
import shlex
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from backproof.errors import BackproofError
from backproof.program import PREFIX

FILE = "{file}"  # in a command: the submission's file, as it is named in the student's folder
FOLLOW_THROUGH = "follow_through"
_MOST_POINTS, _LONGEST = 1000, 3600.0


@dataclass(frozen=True)
class Rubric:
    """What is asked of every submission, and what it is worth.

    ladder: version of the ladder   files: a glob below DIR   function: of the contract
    adapter: absolute path, or None   command: the words that start a program, () for Python code
    points: rung id, check id or "follow_through" -> points
    should: whether checks of level `should` count within their rung   strict: `close` is no pass
    required: ids of checks that nobody may leave out; one that is not claimed then counts as failed
    time_limit: seconds for one submission, all checks together
    """

    title: str
    ladder: str
    points: dict[str, Fraction]
    files: str = "*/my_net.py"
    function: str = "backprop"
    adapter: Path | None = None
    command: tuple[str, ...] = ()
    should: bool = False
    strict: bool = False
    required: tuple[str, ...] = ()
    time_limit: float = 60.0

    @property
    def out_of(self) -> Fraction:
        """The points of a submission that is right in everything."""
        return sum(self.points.values(), Fraction(0))

    def program(self, path: str) -> str:
        """What names a submission's program where its student stands: "cmd:node ./my_net.mjs".

        path: of its file, below DIR; "" for Python code
        """
        if not self.command:
            return ""
        first, *rest = PurePosixPath(path).parts
        file = "./" + "/".join(rest or [first])  # no file is taken for an option
        return PREFIX + shlex.join(word.replace(FILE, file) for word in self.command)


def read_rubric(path: Path, ladder: str, rungs: Collection[str], checks: Collection[str]) -> Rubric:
    """The rubric of a file.

    ladder: the version there is   rungs, checks: the ids there are
    Raises BackproofError: one sentence with the file, the field, what was got and what to write.
    """
    return _Reader(path, _table(path)).rubric(ladder, rungs, checks)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackproofError(f"`--rubric` {path} does not exist; give a rubric.toml.") from None
    except (OSError, ValueError) as error:
        raise BackproofError(f"`--rubric` {path} cannot be read as TOML: {error}.") from None


_FIELDS = (
    *("title", "ladder", "files", "function", "adapter", "command"),
    *("should", "strict", "required", "time_limit", "points"),
)


_EXAMPLE = '["node", "{file}"]'


class _Reader:
    """One file, field by field."""

    def __init__(self, path: Path, table: Mapping[str, Any]) -> None:
        self._path, self._table = path, table

    def rubric(self, ladder: str, rungs: Collection[str], checks: Collection[str]) -> Rubric:
        for name in self._table:
            if name not in _FIELDS:
                raise self._wrong(name, f"is unknown; the fields are {', '.join(_FIELDS)}")
        self._one_way_to_call()
        return Rubric(
            title=self._text("title"),
            ladder=self._ladder(ladder),
            files=self._files(),
            function=self._function(),
            adapter=self._adapter(),
            command=self._command(),
            should=self._flag("should"),
            strict=self._flag("strict"),
            required=self._required(checks),
            time_limit=self._time_limit(),
            points=self._points(rungs, checks),
        )

    def _wrong(self, name: str, what: str) -> BackproofError:
        return BackproofError(f"{self._path}: `{name}` {what}.")

    def _text(self, name: str, default: str | None = None) -> str:
        value = self._table.get(name, default)
        if value is None:
            raise self._wrong(name, "is missing; write it as a text")
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, f"is {value!r}; write a text that is not empty")
        return value

    def _flag(self, name: str) -> bool:
        value = self._table.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, f"is {value!r}; write true or false")
        return value

    def _ladder(self, there: str) -> str:
        named = self._text("ladder")
        if named != there:
            raise self._wrong(
                "ladder",
                f"is {named!r}, but this backproof climbs ladder {there!r}, so grades would move; "
                f"install the version that the class was graded with, or write {there!r} and "
                "grade everybody again",
            )
        return named

    def _files(self) -> str:
        # A default with the name of a Python file would find nobody's program.
        pattern = self._text("files", None if "command" in self._table else Rubric.files)
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts or "\\" in pattern or "\0" in pattern:
            raise self._wrong(
                "files", f"is {pattern!r}; write a pattern below DIR, such as {Rubric.files!r}"
            )
        if "*" not in pattern or "**" in pattern:
            raise self._wrong(
                "files", f"is {pattern!r}; write one `*` or more, no `**`, as in {Rubric.files!r}"
            )
        return pattern

    def _adapter(self) -> Path | None:
        if "adapter" not in self._table:
            return None
        named = self._text("adapter")
        path = (self._path.parent / named).resolve()
        if not path.is_file():
            raise self._wrong("adapter", f"is {named!r}, which is no file beside the rubric")
        return path

    def _one_way_to_call(self) -> None:
        given = [name for name in ("function", "adapter", "command") if name in self._table]
        if len(given) > 1:
            raise self._wrong(given[0], f"is of no use beside `{given[1]}`; leave one of them out")

    def _command(self) -> tuple[str, ...]:
        if "command" not in self._table:
            return ()
        words = self._table["command"]
        if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
            raise self._wrong(
                "command", f"is {words!r}; write a list of words, as in {_EXAMPLE}: no shell"
            )
        if not any(FILE in word for word in words):
            raise self._wrong(
                "command",
                f"is {words!r}, the same for everybody; write {FILE} where the submission's file "
                f"belongs, as in {_EXAMPLE}",
            )
        return tuple(words)

    def _function(self) -> str:
        name = self._text("function", Rubric.function)
        if not name.isidentifier():
            raise self._wrong("function", f"is {name!r}; write the name of a Python function")
        return name

    def _required(self, checks: Collection[str]) -> tuple[str, ...]:
        ids = self._table.get("required", [])
        if not isinstance(ids, list):
            raise self._wrong("required", f"is {ids!r}; write a list of ids of checks")
        for id in ids:
            if id not in checks:
                raise self._wrong("required", f"names {id!r}, which is no check of this ladder")
        return tuple(dict.fromkeys(ids))

    def _time_limit(self) -> float:
        value = self._table.get("time_limit", Rubric.time_limit)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 1 <= value <= _LONGEST:
            raise self._wrong("time_limit", f"is {value!r}; write seconds, 1 to {_LONGEST:g}")
        return float(value)

    def _points(self, rungs: Collection[str], checks: Collection[str]) -> dict[str, Fraction]:
        table = self._table.get("points")
        if not isinstance(table, dict) or not table:
            raise self._wrong("points", "is missing or no table; write [points] and a line a rung")
        for name, value in table.items():
            if name not in (*rungs, *checks, FOLLOW_THROUGH):
                raise self._wrong(
                    f"points.{name}",
                    f"is no rung and no check; the rungs are {', '.join(rungs)}, and "
                    f"{FOLLOW_THROUGH}",
                )
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 <= value <= _MOST_POINTS:
                raise self._wrong(
                    f"points.{name}", f"is {value!r}; write a number from 0 to {_MOST_POINTS}"
                )
        # As it is written: 0.1 is a tenth, so that ten of them are one.
        return {name: Fraction(str(value)) for name, value in table.items()}
