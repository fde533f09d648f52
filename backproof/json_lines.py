"""The protocol for a program of any language: one JSON object per line (docs/protocol.md).

This end trusts nothing: a line is read within limits, every field of an answer is looked at, and
what is wrong is said in one sentence that the author of the program can act on. The arrays of a
question are nested lists, its doubles as short as they can be and still come back bit for bit.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import numpy as np

from backproof import names
from backproof.case import Case
from backproof.drawing import Array
from backproof.gradients import Vector
from backproof.protocol import VERSION, ProtocolError, question_of
from backproof.telling import printable

# The largest case (8 layers of width 64, 128 rows) is 1.3 MB of digits.
MOST_LINE_BYTES = 4 * 2**20

GIVES = {"gradient": ("dW", "db"), "step": ("step_W", "step_b")}
NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_LONGEST_TEXT = 300


class AnswerError(Exception):
    """A message that answers, but not with what was asked for: one sentence."""


# --- what the harness says --------------------------------------------------------------------


def start() -> bytes:
    """The first line: the version of the protocol, and every name that may ever be asked for."""
    features = {
        **names.CLAIMED,
        "slopes": names.SLOPES,
        "max_depth": names.MAX_DEPTH,
        "max_width": names.MAX_WIDTH,
        "max_rows": names.MAX_BATCH,
    }
    return _line({"kind": "start", "protocol": VERSION, "features": features})


def question(case: Case, number: int, layout: str) -> bytes:
    """What a network is asked about, with its arrays."""
    arrays = case.arrays
    fields = {
        "kind": "gradients",
        **question_of(case, number),
        "weights": [_turned(W, layout).tolist() for W in arrays.weights],
        "biases": [None if b is None else b.tolist() for b in arrays.biases],
        "X": _turned(arrays.X, layout).tolist(),
        "Y": _turned(arrays.Y, layout).tolist(),
    }
    return _line(fields)


def stop() -> bytes:
    """The last line."""
    return _line({"kind": "stop"})


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _turned(array: Array, layout: str) -> Array:
    return array.T if layout == "columns" else array


# --- what a program says ----------------------------------------------------------------------


def message_in(line: bytes, *kinds: str) -> dict[str, Any]:
    """The message on a line, which must be of one of these kinds.

    Raises ProtocolError: the line is no such message.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ProtocolError("it wrote a line that is no UTF-8") from None
    if not text.lstrip().startswith("{"):
        raise ProtocolError(
            f"it wrote {quoted(text)} on stdout, where only messages belong; print it to stderr"
        )
    fields = _parsed(text)
    if fields.get("kind") not in kinds:
        raise ProtocolError(
            f"it wrote a message of kind {told(fields.get('kind'))}, expected {' or '.join(kinds)}"
        )
    return fields


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(  # it begins with a brace
            text, object_pairs_hook=_without_doubles, parse_float=_finite, parse_constant=_bare
        )
        return fields
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        if re.match(r"[-+]?(nan|inf)", rest, re.IGNORECASE):
            _bare(rest[:8])
        raise ProtocolError(
            f"it wrote a line that is no JSON from character {error.pos + 1} on, "
            f"{quoted(rest)} ({error.msg})"
        ) from None
    except (ValueError, RecursionError):  # a whole number of 5000 digits, a list 1000 lists deep
        raise ProtocolError("it wrote a line that no reader of JSON takes") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ProtocolError(f"it wrote the key {quoted(twice)} twice into one object")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ProtocolError(f"it wrote {text}, which no double holds; {_AS_STRING}")
    return number


def _bare(text: str) -> NoReturn:
    raise ProtocolError(f"it wrote {quoted(text)} without quotes; {_AS_STRING}")


_AS_STRING = 'what is not finite goes as the string "NaN", "Infinity" or "-Infinity"'


def quoted(text: str) -> str:
    """Words that came from outside, short and on one line."""
    return f"'{printable(text[:60])}'" + ("..." if len(text) > 60 else "")


def gradient_in(fields: Mapping[str, Any], case: Case, gives: str, layout: str) -> Vector:
    """The numbers of a `result`, (P,) in the order of `slots_of`. Raises AnswerError."""
    of_W, of_b = GIVES[gives]
    check_keys("the result", fields, {"kind", "id", of_W, of_b})
    weights, biases = case.arrays.weights, case.arrays.biases
    parts: list[Array] = []
    for name in (of_W, of_b):
        _list(name, fields[name], case.depth, "layers")
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        shape = _turned(W, layout).shape
        found = _array(f"{of_W}[{layer}]", fields[of_W][layer], shape)
        parts.append(_turned(found, layout).ravel())
        name, value = f"{of_b}[{layer}]", fields[of_b][layer]
        if b is not None:
            parts.append(_array(name, value, b.shape))
        elif value is not None:
            raise AnswerError(f"`{name}` is {told(value)}, expected null, as in `biases`.")
    return np.concatenate(parts)


def _array(name: str, value: object, shape: tuple[int, ...]) -> Array:
    got = _shape(value) if isinstance(value, list) else None
    if got is not None and got != shape:
        raise AnswerError(f"`{name}` has shape {got}, expected {shape}.")
    return np.array(_numbers(name, value, shape), dtype=np.float64).reshape(shape)


def _shape(value: object, deepest: int = 4) -> tuple[int, ...] | None:
    """The shape of nested lists; None where they have none."""
    if not isinstance(value, list) or deepest == 0:
        return ()
    inner = {_shape(entry, deepest - 1) for entry in value}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(inner.pop() or () if inner else ()))


def _numbers(name: str, value: object, shape: tuple[int, ...]) -> list[float]:
    entries = _list(name, value, shape[0], "numbers" if len(shape) == 1 else "rows")
    if len(shape) == 1:
        return [
            entry if type(entry) is float else _number(f"{name}[{index}]", entry)
            for index, entry in enumerate(entries)
        ]
    return [
        number
        for index, entry in enumerate(entries)
        for number in _numbers(f"{name}[{index}]", entry, shape[1:])
    ]


def _list(name: str, value: object, length: int, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise AnswerError(f"`{name}` is {told(value)}, expected a list of {length} {what}.")
    if len(value) != length:
        raise AnswerError(f"`{name}` has {len(value)} {what}, expected {length}.")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise AnswerError(f"`{name}` is larger than any double; {_AS_STRING}.") from None
    if isinstance(value, str) and value in NOT_FINITE:
        return float(value)
    raise AnswerError(f"`{name}` is {told(value)}, expected a number; {_AS_STRING}.")


def told(value: object) -> str:
    """What came instead: lists and objects by their kind, all else as it is written."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    return "a number of many digits" if _is_long(value) else json.dumps(value)


def _is_long(value: object) -> bool:
    return isinstance(value, int) and abs(value) >= 10**30


def check_keys(
    where: str, fields: Mapping[str, Any], wanted: Collection[str], may: Collection[str] = ()
) -> None:
    missing = [f"`{key}`" for key in sorted(wanted) if key not in fields]
    foreign = [quoted(key) for key in fields if key not in {*wanted, *may}]
    if missing:
        instead = f"; it has {', '.join(foreign)}, which is not asked for" if foreign else ""
        raise AnswerError(f"{where} has no {', '.join(missing)}{instead}.")
    if foreign:
        known = ", ".join(sorted({*wanted, *may}))
        raise AnswerError(f"{where} has a key {foreign[0]}; what it may have is {known}.")


def text_in(fields: Mapping[str, Any], key: str) -> str:
    """The words of `skipped` (`reason`) and `errored` (`message`). Raises AnswerError."""
    kind = fields["kind"]
    check_keys(
        f"the {kind}", fields, {"kind", "id", key}, {"traceback"} if kind == "errored" else ()
    )
    for name in {key, "traceback"} & fields.keys():
        if not isinstance(fields[name], str):
            raise AnswerError(f"`{name}` is {told(fields[name])}, expected a string.")
    return _in_short(fields[key])


def traceback_in(fields: Mapping[str, Any]) -> str:
    """The lines of a `traceback` that `text_in` has looked at."""
    return "\n".join(map(_in_short, fields.get("traceback", "").splitlines()[-100:]))


def _in_short(text: str) -> str:
    return printable(text[:_LONGEST_TEXT])
