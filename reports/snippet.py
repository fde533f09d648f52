"""A few lines of Python that hold the numbers of a case, to paste beside one's own code."""

import math

import numpy as np

from backproof.casefiles import FILE_PREFIX
from backproof.drawing import Array
from backproof.errors import CaseError
from backproof.records import CaseLine
from backproof.tokens import case_of

# Nets up to this many numbers are written out; larger ones are made from their token.
_MOST_NUMBERS = 64


def numpy_snippet(case: CaseLine) -> str:
    """X, Y, W and b of a case as Python: literals for a small net, otherwise two lines of API."""
    if case.token.startswith(FILE_PREFIX):
        name = case.token.removeprefix(FILE_PREFIX) + ".npz"
        return (
            "from pathlib import Path\nfrom backproof import casefiles\n\n"
            f"case = casefiles.load(Path('cases') / {name!r})\n{_USE}"
        )
    if _numbers(case) <= _MOST_NUMBERS:
        try:
            return _literals(case)
        except CaseError:
            pass  # a token of another version: the lines below then say so
    return f"from backproof import case_of\n\ncase = case_of({case.token!r})\n{_USE}"


_USE = (
    "X, Y = case.arrays.X, case.arrays.Y\n"
    "W, b = case.arrays.weights, case.arrays.biases  # per layer, the first above the input first"
)


def _numbers(case: CaseLine) -> int:
    layers = zip(case.widths, case.widths[1:], strict=False)
    rows = case.n * (case.widths[0] + case.widths[-1])
    return rows + sum(math.prod(shape) + shape[1] for shape in layers)


def _literals(line: CaseLine) -> str:
    arrays = case_of(line.token).arrays
    weights = ",\n     ".join(_array(W) for W in arrays.weights)
    biases = ",\n     ".join("None" if b is None else _array(b) for b in arrays.biases)
    return (
        f"from numpy import array, {line.dtype}\n\n"
        f"X = {_array(arrays.X)}\n"
        f"Y = {_array(arrays.Y)}\n"
        f"W = [{weights}]\n"
        f"b = [{biases}]\n"
        f"# activations {', '.join(line.activations)}; {line.loss}, {line.reduction}; "
        f"alpha = {line.alpha!r}"
    )


def _array(array: Array) -> str:
    return f"array({array.tolist()!r}, dtype={np.dtype(array.dtype).name})"
