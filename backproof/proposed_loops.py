"""Loops inside functions: what is known where one begins, with numbers for the parameters."""

import ast
import re
from typing import Any

import numpy as np

from backproof.called import FACTOR, OFF, RATE, ROUNDS, is_input, is_label
from backproof.making import is_place

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
