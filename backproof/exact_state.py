"""A model whose arrays of floats become arrays of balls, wherever they hang in it."""

from __future__ import annotations

from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from backproof.ball_array import BallArray, CannotRun, inputs_of

_LEAVES = (str, bytes, int, float, complex, type, FunctionType, MethodType, type(None))
_array = np.ndarray


def in_balls(model: Any) -> Any:
    """The same model; whoever shared an array of floats shares the balls instead.

    Raises CannotRun for what holds floats in a way that balls have not: a matrix, views.
    """
    memo: dict[int, Any] = {}
    kept: list[Any] = []  # so that no id is given twice while we look
    changed = _changed(model, memo, kept, top=True)
    views = [old for old in kept if isinstance(old, _array) and isinstance(old.base, _array)]
    for view in views:
        if any(each is not view and np.shares_memory(each, view) for each in kept
               if isinstance(each, _array)):  # fmt: skip
            raise CannotRun("two arrays of the model share their numbers")
    return changed


def _changed(value: Any, memo: dict[int, Any], kept: list[Any], top: bool = False) -> Any:
    if isinstance(value, _LEAVES) or isinstance(value, np.generic):
        return value
    if id(value) in memo:
        return memo[id(value)]
    kept.append(value)
    if isinstance(value, _array):
        memo[id(value)] = found = _array_changed(value, memo, kept)
        return found
    memo[id(value)] = value
    if isinstance(value, list):
        for at, item in enumerate(value):
            value[at] = _changed(item, memo, kept)
    elif isinstance(value, tuple):
        items = [_changed(item, memo, kept) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            made = type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
            memo[id(value)] = made
            return made
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = _changed(item, memo, kept)
    elif isinstance(value, ModuleType):
        if top:  # the learner's own; what it imported is not its state
            _attributes(value, memo, kept)
    elif hasattr(value, "__dict__"):
        _attributes(value, memo, kept)
    return value


def _attributes(value: Any, memo: dict[int, Any], kept: list[Any]) -> None:
    for name, item in list(vars(value).items()):
        if name.startswith("__"):
            continue
        new = _changed(item, memo, kept)
        if new is not item:
            setattr(value, name, new)


def _array_changed(array: Any, memo: dict[int, Any], kept: list[Any]) -> Any:
    if isinstance(array, np.matrix):
        raise CannotRun("a matrix does not hold exact numbers")
    if isinstance(array, BallArray):
        return array
    if array.dtype.kind == "f":
        if array.dtype != np.float64:
            raise CannotRun(f"its arrays are {array.dtype}")
        return inputs_of(array)
    if array.dtype == object:
        for at in np.ndindex(array.shape):
            array[at] = _changed(array[at], memo, kept)
    return array
