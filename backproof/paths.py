"""Where an array lives inside somebody's program, as a short text: "layers[{i}].W".

    W{l}                            an attribute, a global or a dict's key; l counts layers from 1
    weights[{i}]                    i counts them from 0
    [{2i}].W                        every other one, as where activations are layers of their own
    params['W{l}']                  a key that is no word
    layers[{i}].neurons[*].weights  each neuron's own list, one below the other
    layers[{i}].weights[:-1]        a slice; [-1] is the last, and [:, 0] a column
    w1 w2; w3 w4                    a table of numbers that have a name each; ; ends a row

The text is parsed, never evaluated.
"""

import re
from collections.abc import Iterable, MutableMapping
from types import ModuleType
from typing import Any

import numpy as np

EACH = "*"  # the index in [*]
_STEP = re.compile(r"\.?(?P<name>[^\W\d]\w*)|\[(?P<index>[^\[\]]*)\]")
_BLANKS = re.compile(r"[\w\]]\s+\w")
_NUMBER = re.compile(r"\{(\d*)([il])([+-]\d+)?\}")
_WHOLE = re.compile(r"[+-]?\d+")
_KEY = re.compile(r"""(['"])(.*)\1""")

Index = Any  # an int, a str, a slice, EACH, or a tuple of ints and slices
Path = tuple[tuple[str, Index], ...]  # ("name", word) or ("index", what stands in brackets)


class PathError(Exception):
    """A path that is none, or that leads nowhere in this program: one sentence."""


def parsed(text: str, layer: int) -> Path:
    """The steps of a path, for the layer with index `layer` from 0. Raises PathError."""
    filled = numbered(text, layer)
    if ";" in filled or _BLANKS.search(filled):
        rows = [[parsed(word, layer) for word in row.split()] for row in filled.split(";")]
        return (("table", [row for row in rows if row]),)
    steps: list[tuple[str, Index]] = []
    at = 0
    while at < len(filled):
        found = _STEP.match(filled, at)
        if found is None:
            raise PathError(f"`{text}` is no path: nothing is known that looks like {filled[at:]}")
        if found["name"]:
            steps.append(("name", found["name"]))
        else:
            steps.append(("index", _index(found["index"].strip(), text)))
        at = found.end()
    if not steps:
        raise PathError("an empty path leads nowhere; name an attribute, such as 'W{l}'")
    return tuple(steps)


def numbered(text: str, layer: int) -> str:
    """The path of one layer, counted from 0: "W{l}" is "W1" for the first."""
    return _NUMBER.sub(lambda found: str(_counted(found, layer)), text).strip()


def _counted(found: re.Match[str], layer: int) -> int:
    """{2i+1} of layer 3 is 7."""
    count = layer if found[2] == "i" else layer + 1
    return int(found[1] or 1) * count + int(found[3] or 0)


def _index(text: str, path: str) -> Index:
    if text == EACH:
        return EACH
    if key := _KEY.fullmatch(text):
        return key[2]
    parts = [_whole_or_slice(part.strip(), path) for part in text.split(",")]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _whole_or_slice(text: str, path: str) -> int | slice:
    ends = text.split(":")
    if not all(not end.strip() or _WHOLE.fullmatch(end.strip()) for end in ends):
        raise PathError(
            f"`{path}` is no path: in brackets may stand a whole number, a slice, a key in quotes "
            f"or *, got [{text}]"
        )
    numbers = [int(end) if end.strip() else None for end in ends]
    if len(numbers) == 1:
        if numbers[0] is None:
            raise PathError(f"`{path}` is no path: its brackets are empty")
        return numbers[0]
    return slice(*numbers[:3])


def found_at(root: Any, path: Path) -> Any:
    """What stands there; of [*] a list. Raises PathError where there is nothing."""
    value = root
    for at, (kind, step) in enumerate(path):
        if kind == "table":
            rows = [[found_at(value, each) for each in row] for row in step]
            return rows if len(rows) > 1 and len(rows[0]) > 1 else [x for row in rows for x in row]
        if step == EACH and kind == "index":
            return [found_at(item, path[at + 1 :]) for item in value]
        value = _next(value, kind, step)
    return value


def _next(value: Any, kind: str, step: Index) -> Any:
    try:
        if kind == "index" or isinstance(value, MutableMapping):
            return value[step]
        return getattr(value, step)
    except (AttributeError, KeyError, IndexError, TypeError):
        shown = f".{step}" if kind == "name" else f"[{step!r}]"
        where = "the module" if isinstance(value, ModuleType) else f"a {type(value).__name__}"
        raise PathError(f"there is no {shown} in {where}") from None


def stand(root: Any, path: Path, array: Any) -> None:
    """Put the numbers of `array` there, into what stands there already where there is something.

    A list stays a list, a matrix a matrix, and whoever else holds the same array sees them too.
    """
    if path[0][0] == "table":
        cells = [each for row in path[0][1] for each in row]
        for cell, number in zip(cells, np.reshape(array, (len(cells), *_rest(array, cells))),
                                strict=True):  # fmt: skip
            stand(root, cell, number)
        return
    for at, (kind, step) in enumerate(path):
        if step == EACH and kind == "index":
            holder = found_at(root, path[:at]) if at else root
            rest = path[at + 1 :]
            _part(holder, rest)
            for place, row in zip(range(len(holder)), array, strict=True):
                if rest:
                    stand(holder[place], rest, row)
                else:
                    holder[place] = _kept(holder[place], row)
            return
    holder = found_at(root, path[:-1]) if len(path) > 1 else root
    kind, step = path[-1]
    try:
        old = _next(holder, kind, step)
    except PathError:
        old = None  # a script whose beginning was not run has no such name yet
    new = _kept(old, array)
    if isinstance(step, slice) and isinstance(holder, list):
        new = _nested(array)
    if isinstance(holder, tuple):  # (W, b) per layer: a new pair takes its place
        parts = list(holder)
        parts[step] = new
        _put_at(root, path[:-1], tuple(parts))
    else:
        _put(holder, kind, step, new)


def _put_at(root: Any, path: Path, value: Any) -> None:
    if not path:
        raise PathError("the model itself is a tuple, which no number can be put into")
    _put(found_at(root, path[:-1]) if len(path) > 1 else root, *path[-1], value)


def _put(holder: Any, kind: str, step: Index, value: Any) -> None:
    if kind == "index" or isinstance(holder, MutableMapping):
        holder[step] = value
    else:
        setattr(holder, step, value)


def _part(units: Any, rest: Path) -> None:
    """A list of its own for each unit, where all were made with the same one: `w = [0] * k`.

    What is put into one of them in place would otherwise be what the last one got.
    """
    seen = set[int]()
    for place in range(len(units) if len(rest) < 2 else 0):
        holder, (kind, step) = (units[place], rest[0]) if rest else (units, ("index", place))
        there = _next(holder, kind, step)
        if isinstance(there, list | np.ndarray) and id(there) in seen:
            _put(holder, kind, step, there.copy())
        seen.add(id(there))


def _rest(array: Any, cells: list[Path]) -> tuple[int, ...]:
    """What is left of a shape after as many cells as rows."""
    return np.shape(array)[1:] if np.size(array) > len(cells) else ()


def _kept(old: Any, array: Any) -> Any:
    """`array` in the container that stood there, or the array where that cannot hold it."""
    if isinstance(old, list):
        old[:] = _nested(array)
        return old
    if isinstance(old, tuple):
        return tuple(_nested(array))
    if isinstance(old, np.ndarray) and old.ndim:
        holds = old.dtype.kind == "f" or array.dtype == old.dtype
        if old.shape == array.shape and holds and old.flags.writeable:
            old[...] = array
            return old
        return array.copy()
    if np.ndim(array) == 0:
        number = array.item() if isinstance(array, np.ndarray | np.generic) else array
        return type(old)(number) if isinstance(old, np.floating) and _is_float(number) else number
    return array.copy()


def _is_float(number: Any) -> bool:
    return isinstance(number, float | int)


def _nested(array: Any) -> list[Any]:
    return [_nested(row) if np.ndim(row) else _plain(row) for row in array]


def _plain(number: Any) -> Any:
    return float(number) if isinstance(number, np.floating) else number


def numbers_at(root: Any, path: Path) -> Any:
    """What stands there as an array of its own; an object array where it holds exact numbers.

    Raises PathError where it is no array of numbers.
    """
    value = found_at(root, path)
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype == object and (
        array.size == 0 or any(isinstance(each, _NO_NUMBER) for each in array.ravel())
    ):
        raise PathError(f"what stands there is no array of numbers but {_shown(value)}")
    if array.dtype.kind not in "fiuO":
        raise PathError(f"what stands there is no array of real numbers but {_shown(value)}")
    return array


_NO_NUMBER = (str, bytes, Iterable, type(None))


def _shown(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
