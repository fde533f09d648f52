"""As much of JSON Schema (2020-12) as `docs/protocol.schema.json` uses; any other word is an error.

A test needs it to hold the published schema to the code, and a package more for that is too much.
"""

import re
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

# Words that say something to a reader and nothing to a validator.
_REMARKS = {"$schema", "$id", "$defs", "title", "description", "default"}
# Looked at together with "if".
_TOGETHER = {"else"}


def complaints(value: Any, schema: Schema, root: Schema, at: str = "$") -> list[str]:
    """Why the value does not fit; empty where it does. Raises KeyError for an unknown keyword."""
    found: list[str] = []
    for word in schema.keys() - _REMARKS - _TOGETHER:
        found += [f"{at}: {word}{more}" for more in _RULES[word](value, schema, root, at)]
    return sorted(found)


def _fits(value: Any, schema: Schema, root: Schema, at: str) -> bool:
    return not complaints(value, schema, root, at)


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON: true is not 1, and 1.0 is."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == int(value),
}


def _when(fails: Callable[[Any, Any], bool], kind: type | tuple[type, ...]) -> Any:
    """A rule about one kind of value, which leaves all others alone."""

    def rule(word: str) -> Any:
        def check(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
            if not isinstance(value, kind) or isinstance(value, bool):
                return []
            return [f" {schema[word]}"] if fails(value, schema[word]) else []

        return check

    return rule


def _ref(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    name = schema["$ref"].removeprefix("#/$defs/")
    return [f" {more}" for more in complaints(value, root["$defs"][name], root, at)]


def _one_of(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    fitting = sum(_fits(value, option, root, at) for option in schema["oneOf"])
    return [] if fitting == 1 else [f" {fitting} options fit"]


def _properties(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [
        f" {more}"
        for key, inner in schema["properties"].items()
        if key in value
        for more in complaints(value[key], inner, root, f"{at}.{key}")
    ]


def _no_others(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    assert schema["additionalProperties"] is False
    known = schema.get("properties", {})
    return [f" {key}" for key in value if key not in known] if isinstance(value, dict) else []


def _items(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    return [
        f" {more}"
        for index, entry in enumerate(value if isinstance(value, list) else [])
        for more in complaints(entry, schema["items"], root, f"{at}[{index}]")
    ]


def _otherwise(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    if _fits(value, schema["if"], root, at):
        return []
    return [f" {more}" for more in complaints(value, schema["else"], root, at)]


def _required(value: Any, schema: Schema, root: Schema, at: str) -> list[str]:
    missing = [key for key in schema["required"] if key not in value]
    return [f" {key}" for key in missing] if isinstance(value, dict) else []


def _twice(value: Any, unique: bool) -> bool:
    return unique and any(_same(a, b) for i, a in enumerate(value) for b in value[:i])


_NUMBER = (int, float)
_RULES: dict[str, Any] = {
    "$ref": _ref,
    "oneOf": _one_of,
    "properties": _properties,
    "additionalProperties": _no_others,
    "items": _items,
    "if": _otherwise,
    "required": _required,
    "type": lambda value, schema, *_: (
        [] if _TYPES[schema["type"]](value) else [f" {schema['type']}"]
    ),
    "const": lambda value, schema, *_: [] if _same(value, schema["const"]) else [""],
    "enum": lambda value, schema, *_: [] if any(_same(value, e) for e in schema["enum"]) else [""],
    "pattern": _when(lambda text, pattern: not re.search(pattern, text), str)("pattern"),
    "maxLength": _when(lambda text, most: len(text) > most, str)("maxLength"),
    "minItems": _when(lambda entries, least: len(entries) < least, list)("minItems"),
    "maxItems": _when(lambda entries, most: len(entries) > most, list)("maxItems"),
    "uniqueItems": _when(_twice, list)("uniqueItems"),
    "minProperties": _when(lambda fields, least: len(fields) < least, dict)("minProperties"),
    "minimum": _when(lambda number, least: number < least, _NUMBER)("minimum"),
    "maximum": _when(lambda number, most: number > most, _NUMBER)("maximum"),
    "exclusiveMinimum": _when(lambda number, least: number <= least, _NUMBER)("exclusiveMinimum"),
}
