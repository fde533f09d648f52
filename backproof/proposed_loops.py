"""Loops inside functions and methods: what is known where one begins, with numbers for parameters.

A class that makes its weights and trains them in one method has nothing to be set before that.
"""

import ast
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from backproof.called import FACTOR, OFF, RATE, ROUNDS, is_input, is_label, is_rate
from backproof.found_arrays import Leaf, Places, chain_of, is_called_bias, leaves_of, places_in
from backproof.hurrying import hurried
from backproof.making import is_place
from backproof.scripts import defined_before

_ROWS, _IN, _HIDDEN, _OUT = 3, 6, 5, 2


def numbers_for(function: ast.FunctionDef) -> dict[str, Any]:
    """By the names of its parameters: data of three rows, sizes, a rate. What has a default, and
    what no name tells, is left out."""
    given = function.args
    free = len(given.posonlyargs) + len(given.args) - len(given.defaults)
    known = dict[str, Any]()
    for at, parameter in enumerate([*given.posonlyargs, *given.args]):
        value = _number(parameter.arg)
        if value is not None and (at < free or is_place(parameter.arg, ("in", "hidden", "out"))):
            known[parameter.arg] = value
    return known


def _number(name: str) -> Any:
    plain = name.lower().replace("_", "")
    for words, value in ((RATE, 0.5), (ROUNDS, 1), (OFF, 0.0), (FACTOR, 0.0)):
        if re.fullmatch(words, plain):
            return value
    if is_place(name, ("hidden",)):
        return _HIDDEN
    if is_label(name):
        return np.ones((_ROWS, _OUT))
    if is_input(name):
        return np.ones((_ROWS, _IN))
    if is_place(name, ("in",)):
        return _IN
    return _OUT if is_place(name, ("out",)) else None


def run_above(statements: list[ast.stmt], loop: ast.stmt, known: dict[str, Any]) -> None:
    """Run what stands above a loop, as far as it can be run; loops of its own are its end."""
    for statement in statements:
        if statement.lineno >= loop.lineno or isinstance(statement, ast.For | ast.While):
            break
        try:
            with hurried(0.5):
                tree = ast.fix_missing_locations(ast.Module([statement], []))
                exec(compile(tree, "<above a loop>", "exec"), known)
        except BaseException:
            continue


def in_methods(
    cls: type, tree: ast.Module, module: ModuleType, model: Any
) -> Iterator[tuple[dict[str, Any], Places]]:
    """For each method that makes weights and trains them in a loop: attributes of an adapter, and
    where the weights then are. model: a net without weights, which gets some"""
    for method, loop in _loops_of(cls, tree):
        arguments = [each.arg for each in method.args.args[1:]]
        data = [next(filter(of, arguments), "") for of in (is_input, is_label)]
        if not all(data):
            continue
        known = vars(module) | numbers_for(method) | {method.args.args[0].arg: model}
        run_above(defined_before(method, loop), loop, known)
        found = leaves_of(model, cls.__module__)
        leaves = without_data(found)
        widths = chain_of(leaves)
        fields: dict[str, Any] = {"loop": loop.lineno, "data": tuple(data)}
        rates = [leaf.path for leaf in leaves if leaf.shape == () and is_rate(leaf.path)]
        fields |= {"rate": rates[0]} if rates else {}
        for places in list(places_in(leaves, widths))[:2] if widths else []:
            yield fields | any_size(leaves, places, widths), places


def _loops_of(cls: type, tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.stmt]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and len(method.args.args) > 2:
                    loops = [each for each in method.body if isinstance(each, ast.For | ast.While)]
                    yield from ((method, loop) for loop in loops)


# The shapes of the data of a probe: instances one per row or per column.
_DATA = {(_ROWS, size) for size in (_IN, _OUT, 1)} | {(size, _ROWS) for size in (_IN, _OUT, 1)}


def without_data(leaves: list[Leaf]) -> list[Leaf]:
    """Without what has the shape of X or Y and is not called a bias."""
    return [leaf for leaf in leaves if leaf.shape not in _DATA or is_called_bias(leaf.path)]


def any_size(leaves: list[Leaf], places: Places, widths: tuple[int, ...]) -> dict[str, Any]:
    """Of weights that are made later, or in sizes of the program's own: others may stand there."""
    shapes = {leaf.path: leaf.shape for leaf in leaves}
    rows = shapes[places.W[0]] == widths[:2]
    fields = {"layout": "in, out" if rows else "out, in"}
    form = shapes[places.b[0]] if places.b else ()
    if len(form) == 2:
        fields["bias_shape"] = "row" if form[0] == 1 else "column"
    return fields
