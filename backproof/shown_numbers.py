"""X and Y as somebody's program takes them: rows, columns, one instance, classes."""

from typing import Any

import numpy as np

INPUT, LABEL = "X", "Y"


def shown(name: str, array: Any, form: str, lists: bool) -> Any:
    """Our (n, k) in the form of `Adapter.batch` or `Adapter.labels`, a copy.

    Raises NotImplementedError where the form has no such numbers.
    """
    if form.startswith("single") and len(array) != 1:
        raise NotImplementedError(f"{name} has {len(array)} rows, one instance at a time is taken")
    made = {
        "rows": lambda: array,
        "columns": lambda: array.T,
        "single": lambda: array[0],
        "single row": lambda: array,
        "single column": lambda: array.T,
        "flat": lambda: _flat(array),
        "classes": lambda: classes(array),
    }[form]()
    return made.tolist() if lists else made.copy()


def labels_of(Y: Any, form: str, lists: bool) -> Any:
    return shown(LABEL, Y, form, lists)


def _flat(array: Any) -> Any:
    if array.shape[1] != 1:
        raise NotImplementedError(f"{array.shape[1]} outputs, one is taken")
    return array[:, 0]


def classes(Y: Any) -> Any:
    """(n,) the index of the largest number of each row, the first of equal ones."""
    rows = [[_number(y) for y in row] for row in Y]
    return np.array([row.index(max(row)) for row in rows])


def one_hot(Y: Any) -> Any:
    """(n, k) what a program makes of `classes(Y)`: a 1 in each row, and zeros."""
    return np.eye(np.shape(Y)[1])[classes(Y)]


def _number(value: Any) -> float:
    return float(value.x.mid()) if hasattr(value, "x") else float(value)
