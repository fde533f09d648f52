"""Where in somebody's model the weights may be: all arrays that hang in it, by path and shape."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from types import ModuleType
from typing import Any

import numpy as np

from backproof.layouts import squeezed
from backproof.paths import PathError, numbers_at, parsed

_MOST = 400  # leaves: a data set in a list of lists is none of ours


@dataclass(frozen=True)
class Leaf:
    """An array, a list of numbers or a number, and its path from the model."""

    path: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Places:
    """Where all weights and biases are. W, b: paths per layer   bias: as `Adapter.bias`"""

    W: tuple[str, ...]
    b: tuple[str, ...]
    bias: str


def leaves_of(model: Any, own: str) -> list[Leaf]:
    """All arrays of numbers in a model. own: the name of the learner's module"""
    found: list[Leaf] = []
    for leaf in _walk(model, "", own, 0, set()):
        found.append(leaf)
        if len(found) >= _MOST:
            break
    return found


def _walk(value: Any, path: str, own: str, deep: int, seen: set[int]) -> Iterator[Leaf]:
    if deep > 4 or id(value) in seen:
        return
    shape = _shape_of(value)
    if shape is not None:
        yield Leaf(path, shape)
        if not isinstance(value, list) or len(shape) < 2 or deep > 1:
            return
    seen = seen | {id(value)}
    if isinstance(value, list | tuple):
        if path and len(value) and _is_object(value[0], own):
            yield from _each(value, path)
        for at, item in enumerate(value[:12]):
            yield from _walk(item, f"{path}[{at}]", own, deep + 1, seen)
    elif isinstance(value, dict):
        for key, item in list(value.items())[:60]:
            if isinstance(key, str) and "'" not in key:
                yield from _walk(item, f"{path}['{key}']", own, deep + 1, seen)
    elif isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        for at, item in enumerate(value[:12]):
            yield from _walk(item, f"{path}[{at}]", own, deep + 1, seen)
    elif _is_object(value, own) or isinstance(value, ModuleType):
        for name, item in list(vars(value).items()):
            if not name.startswith("__") and not isinstance(item, ModuleType | type):
                yield from _walk(item, f"{path}.{name}".lstrip("."), own, deep + 1, seen)


def _each(objects: Sequence[Any], path: str) -> Iterator[Leaf]:
    """One neuron's own numbers, one below the other."""
    for name in vars(objects[0]):
        text = f"{path}[*].{name}"
        try:
            array = numbers_at(objects, parsed(f"[*].{name}", 0))
        except (PathError, AttributeError, ValueError):
            continue
        yield Leaf(text, array.shape)


def _is_object(value: Any, own: str) -> bool:
    return type(value).__module__ == own and hasattr(value, "__dict__")


def _shape_of(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, bool | str | bytes):
        return None
    if isinstance(value, int | float | np.number):
        return ()
    if isinstance(value, np.ndarray):
        return value.shape if value.dtype.kind in "fiu" else None
    if isinstance(value, list) and value and len(value) < 200:
        try:
            array = np.array(value)
        except ValueError:
            return None
        return array.shape if array.dtype.kind in "fiu" else None
    return None


# Names of what is no weight, though of its shape.
_OTHERS = ("d", "g_", "grad", "delta", "v_", "vd", "m_", "veloc", "moment", "last", "prev", "old",
           "best", "cache", "acc", "sum")  # fmt: skip


def _oddness(leaf: Leaf) -> int:
    word = leaf.path.lower().replace("['", ".").rpartition(".")[2]
    return sum(word.startswith(each) for each in _OTHERS)


def places_in(
    leaves: Sequence[Leaf], widths: Sequence[int], *, odd: bool = False, named: bool = True
) -> Iterator[Places]:
    """Ways to take the leaves for the weights of a net of these widths, the likeliest first.

    odd: in the order in which they come, whatever their names
    named: what is a bias must be called like one
    """
    plain = list(leaves) if odd else sorted(leaves, key=_oddness)
    none = True
    for bias, extra in (("separate", 0), ("last", 1), ("first", 1), ("none", 0)):
        if bias == "none" and not none:
            return  # biases that are there are part of the program
        found = list[Leaf]()
        likely = sorted(plain, key=lambda leaf: _BIAS.search(leaf.path.lower()) is not None)
        for k, j in pairwise(widths):
            fitting = (leaf for leaf in likely if _is_matrix(leaf.shape, k + extra, j))
            found += [leaf for leaf in fitting if leaf not in found][:1]
        if len(found) < len(widths) - 1:
            continue
        W = tuple(leaf.path for leaf in found)
        b: tuple[str, ...] = ()
        if bias == "separate":
            free = [leaf for leaf in plain if leaf.path not in W]
            free = [leaf for leaf in free if not named or _may_be_bias(leaf, W)]
            b = tuple(
                next((leaf.path for leaf in free if _is_bias(leaf, j)), "") for j in widths[1:]
            )
            if not all(b):
                continue
        none = False
        yield Places(W, b, bias)


def _may_be_bias(leaf: Leaf, W: Sequence[str]) -> bool:
    """By its name, or as the neighbour of a matrix: [0][1] of [0][0]."""
    holder = leaf.path.rpartition("[")[0]
    beside = leaf.path.endswith("[1]") and any(path == f"{holder}[0]" for path in W)
    return beside or _BIAS.search(leaf.path.lower()) is not None


def _is_matrix(shape: tuple[int, ...], k: int, j: int) -> bool:
    if squeezed(shape) not in (squeezed((k, j)), squeezed((j, k))):
        return False
    return len(shape) == 2 or (min(k, j) == 1 and len(shape) > 0)


def _is_bias(leaf: Leaf, j: int) -> bool:
    if j == 1 and leaf.shape == ():
        return True
    return leaf.shape != () and squeezed(leaf.shape) == squeezed((j,))


def chain_of(leaves: Sequence[Leaf]) -> tuple[int, ...]:
    """The widths of a net whose matrices are the first ones that fit together; () without."""
    matrices = [leaf for leaf in sorted(leaves, key=_oddness) if len(leaf.shape) == 2]
    matrices = [leaf for leaf in matrices if not _BIAS.search(leaf.path.lower())]
    plain = [leaf.shape for leaf in matrices]
    surely = [leaf.shape for leaf in matrices if not _oddness(leaf)]
    for first, second in combinations(plain, 2):
        for a, b in ((first, second), (first[::-1], second[::-1])):
            if a[1] == b[0]:
                turned = first != a
                at = surely.index(second) + 1 if second in surely else len(surely)
                return _longer((*a, b[1]), surely[at:], turned)
    return ()


def _longer(widths: tuple[int, ...], later: Sequence[tuple[int, ...]], turned: bool
            ) -> tuple[int, ...]:  # fmt: skip
    """The chain with what goes on behind it, each matrix the same way round."""
    for shape in later:
        k, j = shape[::-1] if turned else shape
        if k == widths[-1]:
            widths = (*widths, j)
    return widths


_BIAS = re.compile(
    r"(^|[._'])(d|g_?|grad_?|nabla_?)?b(\d|[a-z]?'|_|[a-z]?$|[a-z]?\[|s\b)"
    r"|bias|thresh|offset|intercept"
)


def is_called_bias(path: str) -> bool:
    return _BIAS.search(path.lower()) is not None


def general(paths: Sequence[str]) -> str | tuple[str, ...]:
    """One path for all layers where they differ by a number only."""
    for count, start in (("{l}", 1), ("{i}", 0), ("{2i}", 0)):
        step = 2 if count == "{2i}" else 1
        pattern = paths[0].replace(str(start), count)
        if len(paths) > 1 and all(
            pattern.replace(count, str(start + step * at)) == path for at, path in enumerate(paths)
        ):
            return pattern
    return tuple(paths)
