"""What somebody's function returned, as one array per parameter: the forms that people give it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from backproof.layouts import LayoutError, turned
from backproof.replies import ResultError, kind_of

Shapes = Sequence[tuple[int, ...]]


class Reading(NamedTuple):
    """One way to read it. form: which   W, b: per layer, b empty where there is none"""

    form: str
    W: Sequence[Any]
    b: Sequence[Any]


def read(value: Any, W: Shapes, b: Shapes, theirs: Shapes, remembered: str) -> Reading:
    """The reading whose shapes fit, the remembered form first.

    W, b: our shapes; b is empty without biases of their own
    theirs: of `Net.params`, for a flat vector   remembered: a form, or ""
    Raises ResultError where none fits; it names the array of the plainest form.
    """
    readings = sorted(_readings(value, W, b, theirs), key=lambda each: each.form != remembered)
    if not readings:
        wanted = f"{len(W)} of dW" + (f" and {len(b)} of db" if b else "")
        hint = "; is a `return` missing?" if value is None else "."
        raise ResultError(f"`run` returned {_described(value)}, expected {wanted}{hint}")
    for reading in readings:
        if not misfit(reading.W, reading.b, W, b):
            return reading
    first = next((each for each in readings if _of_arrays(each)), readings[0])
    raise ResultError(misfit(first.W, first.b, W, b))


def misfit(found_W: Sequence[Any], found_b: Sequence[Any], W: Shapes, b: Shapes) -> str:
    """What does not fit, in words; "" where all does."""
    pairs = [(f"dW{l}", *pair) for l, pair in enumerate(zip(found_W, W, strict=True), 1)]
    pairs += [(f"db{l}", *pair) for l, pair in enumerate(zip(found_b, b, strict=True), 1)]
    for name, array, shape in pairs:
        if array is None:
            return f"{name} is None, expected an array of shape {shape}."
        try:
            turned(_shape(array), shape)
        except LayoutError as error:
            return f"{name} has {error}."
    return ""


def _shape(array: Any) -> tuple[int, ...]:
    try:
        return np.shape(array)
    except ValueError:
        return (-1,)  # lists of unequal length


def _of_arrays(reading: Reading) -> bool:
    return all(isinstance(array, np.ndarray) for array in reading.W)


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(str, value))}"
    if isinstance(value, tuple | list):
        return f"{len(value)} results"
    return kind_of(value)


def _readings(value: Any, W: Shapes, b: Shapes, theirs: Shapes) -> Iterator[Reading]:
    L = len(W)
    if isinstance(value, Mapping):
        yield from _of_dict(value, L, bool(b))
        return
    if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) > 2 * L:
        yield from _of_vector(value, theirs, bool(b))
        return
    if not isinstance(value, tuple | list | np.ndarray):
        if L == 1 and not b:
            yield Reading("alone", [value], [])
        return
    if not b:
        if len(value) == L:
            yield Reading("W", list(value), [])
            yield Reading("W backwards", list(value)[::-1], [])
        if len(value) == 1 and isinstance(value[0], tuple | list) and len(value[0]) == L:
            yield Reading("W inside", list(value[0]), [])
        if len(value) == 2 and _long(value[0]) == L:  # a db that means nothing
            yield Reading("lists, no b", list(value[0]), [])
        if L == 1:
            yield Reading("alone", [value], [])
        return
    if len(value) == 2 and _long(value[0]) == _long(value[1]) == L:
        for form, (first, second) in {"dW, db": (0, 1), "db, dW": (1, 0)}.items():
            yield Reading(form, list(value[first]), list(value[second]))
            yield Reading(form + " backwards", value[first][::-1], value[second][::-1])
    if len(value) == L and all(_long(pair) == 2 for pair in value):
        for form, at in {"pairs": 1, "pairs backwards": -1}.items():
            pairs = [_pair(pair) for pair in value][::at]
            yield Reading(form, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
            yield Reading(form + " b W", [pair[1] for pair in pairs], [pair[0] for pair in pairs])
    if len(value) == L and all(isinstance(each, Mapping) for each in value):
        found = [_first_of(each, ("dW", "W")) for each in value]
        yield Reading("dicts", found, [_first_of(each, ("db", "b")) for each in value])
    if len(value) == 2 * L:
        for form, pick in _IN_A_ROW.items():
            yield Reading(form, *pick(list(value), L))


def _long(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return len(value) if value.ndim else -1
    return len(value) if isinstance(value, tuple | list) else -1


def _pair(pair: Any) -> tuple[Any, Any]:
    return pair[0], pair[1]


# All arrays of a tuple in a row: which are dW and which db.
_IN_A_ROW: dict[str, Callable[[list[Any], int], tuple[list[Any], list[Any]]]] = {
    "dW1 db1 dW2 db2": lambda v, L: (v[0::2], v[1::2]),
    "dW1 dW2 db1 db2": lambda v, L: (v[:L], v[L:]),
    "dW2 db2 dW1 db1": lambda v, L: (v[0::2][::-1], v[1::2][::-1]),
    "db2 dW2 db1 dW1": lambda v, L: (v[1::2][::-1], v[0::2][::-1]),
    "db1 dW1 db2 dW2": lambda v, L: (v[1::2], v[0::2]),
    "dW2 dW1 db2 db1": lambda v, L: (v[:L][::-1], v[L:][::-1]),
    "db1 db2 dW1 dW2": lambda v, L: (v[L:], v[:L]),
}


def _of_dict(value: Mapping[Any, Any], L: int, biased: bool) -> Iterator[Reading]:
    """{"dW1": ...}, {"W1": ...}, {"dW": [...]}, whatever the case and the underscores are."""
    plain = {str(key).lower().replace("_", ""): item for key, item in value.items()}
    for prefix in ("d", "grad", ""):
        for start in (1, 0):
            names = [
                [f"{prefix}{letter}{layer}" for layer in range(start, start + L)]
                for letter in ("w", "b")
            ]
            if all(name in plain for name in names[0] + (names[1] if biased else [])):
                W, b = ([plain.get(name) for name in each] for each in names)
                yield Reading(f"{prefix}W{start}", W, b if biased else [])
        lists = [plain.get(f"{prefix}{letter}") for letter in ("w", "b")]
        if _long(lists[0]) == L:
            yield Reading(f"lists of {prefix}W", list(lists[0] or ()), list(lists[1] or ()))


def _first_of(each: Mapping[Any, Any], names: tuple[str, ...]) -> Any:
    return next((each[name] for name in names if name in each), None)


def _of_vector(value: Any, theirs: Shapes, biased: bool) -> Iterator[Reading]:
    """One vector of all parameters, each array row by row in the shape that `Net.flat` has."""
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in theirs)]).tolist()
    if ends[-1] == len(value):
        parts = [
            np.reshape(value[i:j], shape)
            for (i, j), shape in zip(pairwise(ends), theirs, strict=True)
        ]
        yield Reading("flat", *((parts[0::2], parts[1::2]) if biased else (parts, [])))
