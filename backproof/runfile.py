"""run.jsonl: writing records line by line, and reading them back as untrusted text.

The reader is driven by the types of the dataclasses in `records.py`: a missing field, a foreign
type or a truncated line is one sentence with the line's number, never a traceback.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from backproof.errors import RunFileError
from backproof.records import (
    SCHEMA,
    CaseLine,
    DetailLine,
    Footer,
    Header,
    ResultLine,
    Run,
    ShrunkLine,
)

NAME = "run.jsonl"
Line = Header | CaseLine | ResultLine | DetailLine | ShrunkLine | Footer

_KINDS: dict[str, type] = {
    "header": Header,
    "case": CaseLine,
    "result": ResultLine,
    "detail": DetailLine,
    "shrunk": ShrunkLine,
    "footer": Footer,
}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def line_of(record: Line) -> str:
    """One record as one line of JSON, with its newline."""
    return json.dumps(plain(record), allow_nan=False, separators=(",", ":")) + "\n"


def plain(value: Any) -> Any:
    """A record as JSON has it, field by field; NaN and infinities as words."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name: plain(item) for name, item in vars(value).items()}
    return value


def read_lines(path: Path) -> Iterator[Line]:
    """The records of a run file, in order.

    Raises RunFileError with the line's number where a line is no record of ours.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                yield _record(text, f"{path}, line {number}")
    except FileNotFoundError:
        raise RunFileError(
            f"{path} does not exist; `backproof verify --out DIR` makes one."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFileError(f"{path} cannot be read as a run file: {error}.") from None


def read_run(path: Path) -> Run:
    """A whole run file.

    Raises RunFileError for a file that is foreign, of another schema, or does not begin with a
    header. A missing footer is no error here (`Run.footer` is None): the report says it.
    """
    lines = read_lines(path)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise RunFileError(f"{path} does not begin with a header; it is no run file.")
    run = Run(header)
    for line in lines:
        match line:
            case CaseLine():
                run.cases.append(line)
            case ResultLine():
                run.results.append(line)
            case DetailLine():
                run.details.append(line)
            case ShrunkLine():
                run.shrunk.append(line)
            case Footer():
                run.footer = line
            case Header():
                raise RunFileError(f"{path} has a second header; two runs were written into one.")
    return run


def _record(text: str, where: str) -> Line:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise RunFileError(f"{where} is cut off or no JSON; it is no whole run file.") from None
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise RunFileError(f"{where} has no known `kind`; it is no run file of backproof.")
    if kind == "header" and data.get("schema") != SCHEMA:
        raise RunFileError(
            f"{where} has schema {data.get('schema')!r}; this version reads {SCHEMA}."
        )
    try:
        return typing.cast(Line, decoded(_KINDS[kind], data))
    except (TypeError, ValueError, KeyError) as error:
        raise RunFileError(f"{where} is no {kind} line of this version: {error}.") from None


@cache
def _fields(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def decoded(wanted: Any, value: Any) -> Any:
    """`value`, if it is what the type says; tuples from lists, floats from the special words.

    Raises TypeError, ValueError or KeyError where it is not.
    """
    if dataclasses.is_dataclass(wanted):
        return _decoded_record(typing.cast(type, wanted), value)
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple and isinstance(value, list):
        inner = (args[0],) * len(value) if args[1:] == (...,) else args
        return tuple(decoded(kind, item) for kind, item in zip(inner, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {str(key): decoded(args[1], item) for key, item in value.items()}
    if origin is types.UnionType:
        return None if value is None else decoded(args[0], value)
    if wanted is float:
        return _number(value)
    if wanted in (int, str, bool) and type(value) is wanted:
        return value
    raise TypeError(f"{value!r:.60} where {getattr(wanted, '__name__', wanted)} belongs")


def _decoded_record(cls: type, value: Any) -> Any:
    hints = _fields(cls)
    if not isinstance(value, dict) or set(value) != set(hints):
        raise TypeError(f"the fields of {cls.__name__} are {', '.join(hints)}")
    return cls(**{name: decoded(hint, value[name]) for name, hint in hints.items()})


def _number(value: Any) -> float:
    if isinstance(value, str):
        return _SPECIAL[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"{value!r:.60} where a number belongs")
