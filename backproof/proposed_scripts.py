"""What a script that trains in a loop may be: which loop, which names are weights and data."""

import ast
import builtins
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any

import numpy as np

from backproof.called import is_input, is_label, is_rate
from backproof.found_arrays import Leaf, chain_of, places_in
from backproof.proposed_loops import numbers_for, run_above
from backproof.scripts import defined_before, functions_around

_ASSIGNED = re.compile(r"(\w+)\s*=\s*(\d*\.?\d+(?:e[-+]?\d+)?)", re.IGNORECASE)
_SMALL = re.compile(r"(?<![\w.])(0?\.\d+(?:e-?\d+)?|\d+(?:\.\d*)?e-\d+)(?![\w.])", re.IGNORECASE)


def rates_in(source: str) -> list[float]:
    """Numbers that the text may use as a learning rate, the likeliest first."""
    named = [float(number) for name, number in _ASSIGNED.findall(source) if is_rate(name)]
    others = [float(number) for number in _SMALL.findall(source)]
    return list(dict.fromkeys(each for each in [*named, *others] if each > 0))


def missing_packages(tree: ast.Module, folder: Path) -> tuple[str, ...]:
    """What the text imports and nobody has, nor is a file beside it."""
    named: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named.append(node.module)
    tops = dict.fromkeys(name.partition(".")[0] for name in named)
    return tuple(top for top in tops if not _is_there(top, folder))


def _is_there(top: str, folder: Path) -> bool:
    if (folder / f"{top}.py").exists() or (folder / top).is_dir():
        return True
    return top in sys.modules or importlib.util.find_spec(top) is not None


def is_script(tree: ast.Module) -> bool:
    """Whether importing it would train: a loop at its top level computes something."""
    loops = [each for each in tree.body if isinstance(each, ast.For | ast.While)]
    return any(isinstance(node, ast.Assign | ast.AugAssign) for each in loops
               for node in ast.walk(each))  # fmt: skip


def script_fields(tree: ast.Module, module: ModuleType, path: Path) -> Iterator[dict[str, Any]]:
    """Attributes of adapters that may fit, for each loop of the script."""
    for loop in _loops(tree):
        known = _begun(tree, loop, module, path)
        read, written = _names(loop, ast.Load), _names(loop, ast.Store)
        carried = _carried(loop)
        updated = [name for name in written if name in carried and not _SUMMED.search(name.lower())]
        # A weight or a bias that is read and never written is a mistake to be seen, not data.
        updated += [name for name in read if name not in written and _PARAMETER.match(name.lower())]
        leaves = [
            Leaf(name, np.shape(known[name]))
            for name in known  # in the order in which they were made: the input's first
            if name in updated and isinstance(known[name], np.ndarray | float | int)
        ]
        widths = chain_of(leaves)
        if not widths:
            continue
        data = [
            name
            for name in read
            if name not in updated
            and name not in written
            and not hasattr(builtins, name)
            and isinstance(known.get(name), np.ndarray | NoneType)  # a file that is not there
        ]
        scalars = [name for name in read if isinstance(known.get(name), float | int)]
        rates = [name for name in scalars if is_rate(name)]
        losses = [name for name in written if _LOSS.fullmatch(name)]
        for places in list(places_in(leaves, widths, named=False))[:2]:
            fields: dict[str, Any] = {"script": True, "loop": loop.lineno, "data": _pair(data)}
            fields |= {"W": places.W} | ({"b": places.b} if places.b else {"bias": places.bias})
            fields |= {"rate": rates[0]} if rates else {}
            shapes = {leaf.path: leaf.shape for leaf in leaves}
            turned = shapes[places.W[0]] == (widths[1], widths[0]) != (widths[0], widths[1])
            fields["layout"] = "out, in" if turned else "in, out"
            if places.b:
                fields["bias_shape"] = _form(shapes[places.b[0]])
            for printed in (*losses, "") if len(losses) == 1 else ("",):
                more: dict[str, Any] = {"printed": printed} if printed else {}
                yield fields | more
                yield fields | more | {"widths": widths}


_LOSS = re.compile("loss|cost|mse|bce|cross_entropy", re.IGNORECASE)
_SUMMED = re.compile("err|loss|cost|total|count|acc|sum")
_PARAMETER = re.compile(r"(w|b)(\d|eight|ias|_|$)")


def _carried(loop: ast.stmt) -> set[str]:
    """Names that the loop's body reads before it writes them: what one round leaves to the next."""
    first: dict[str, bool] = {}
    _first_seen([*ast.iter_child_nodes(loop)], first)
    return {name for name, is_read in first.items() if is_read}


def _first_seen(nodes: list[ast.AST], first: dict[str, bool]) -> None:
    for node in nodes:
        if isinstance(node, ast.Name):
            first.setdefault(node.id, isinstance(node.ctx, ast.Load))
        elif isinstance(node, ast.AugAssign):
            names = [each for each in ast.walk(node.target) if isinstance(each, ast.Name)]
            for name in names:
                first.setdefault(name.id, True)
            _first_seen([node.value], first)
        elif isinstance(node, ast.Assign):  # what stands on the right comes first
            _first_seen([node.value, *node.targets], first)
        else:
            _first_seen([*ast.iter_child_nodes(node)], first)


def _pair(data: list[str]) -> tuple[str, str]:
    """Which are X and Y: by their names, or by which is read first."""
    X, Y = ([name for name in data if of(name)] for of in (is_input, is_label))
    if X and Y:
        return X[0], Y[0]
    return (data[0], data[1]) if len(data) > 1 else ("X", "y")


def _form(shape: tuple[int, ...]) -> str:
    if len(shape) < 2:
        return "flat"
    return "row" if shape[0] == 1 else "column"


def _loops(tree: ast.Module) -> list[ast.For | ast.While]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.For | ast.While) and node.col_offset < 5
    ]


def _names(loop: ast.stmt, context: type) -> list[str]:
    """Names that are written, or read, in the loop, in the order of the text."""
    found = [
        node
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    ]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in found))


def _begun(tree: ast.Module, loop: ast.stmt, module: ModuleType, path: Path) -> dict[str, Any]:
    """The names of the script where the loop begins; what raises is left out."""
    known = dict(vars(module))
    around = functions_around(tree, loop)
    above: list[ast.stmt] = []
    for function in around:
        known |= numbers_for(function)
        above += defined_before(function, loop)
    run_above(above if around else tree.body, loop, known)
    return known
