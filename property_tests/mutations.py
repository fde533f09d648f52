"""Small changes of a case's arrays, each of a kind that moves rounding: what a climb steps with.

A change may leave anything behind, also a number that no case may hold; `mutant` then says that
there is none. Shapes stay, but for the number of rows.
"""

from collections.abc import Callable
from random import Random

import numpy as np

import reference_impl
from backproof.case import Case
from backproof.drawing import Array
from backproof.errors import CaseError
from property_tests.derived import with_arrays

# "X", "Y", "W1", "b1", "W2" ...: copies that a change may write into.
Numbers = dict[str, Array]
Mutation = Callable[[Case, Numbers, Random], None]

_MOST_AT_ONCE = 3
_SQUARED = ("half_squared_error", "mean_squared_error")


def mutant(case: Case, random: Random) -> Case | None:
    """The case after one to three changes; None where that is no case."""
    names = [random.choice(list(MUTATIONS)) for _ in range(random.randint(1, _MOST_AT_ONCE))]
    return changed(case, names, random)


def changed(case: Case, names: list[str], random: Random) -> Case | None:
    """The case after these changes, by their names; None where that is no case."""
    numbers = _numbers(case)
    with np.errstate(all="ignore"):
        for name in names:
            MUTATIONS[name](case, numbers, random)
    layers = range(1, case.depth + 1)
    arrays = {name: _allowed(case, name, array) for name, array in numbers.items()}
    try:
        return with_arrays(
            case,
            weights=[arrays[f"W{l}"] for l in layers],
            biases=[arrays.get(f"b{l}") for l in layers],
            X=arrays["X"],
            Y=arrays["Y"],
        )
    except CaseError:
        return None


def _numbers(case: Case) -> Numbers:
    arrays = case.arrays
    numbers = {"X": arrays.X.copy(), "Y": arrays.Y.copy()}
    for l, (W, b) in enumerate(zip(arrays.weights, arrays.biases, strict=True), 1):
        numbers[f"W{l}"] = W.copy()
        if b is not None:
            numbers[f"b{l}"] = b.copy()
    return numbers


def _allowed(case: Case, name: str, array: Array) -> Array:
    """No subnormals, and no label of a class outside [0, 1]."""
    if name == "Y" and case.loss not in _SQUARED:
        array = np.clip(array, 0.0, 1.0)
    array = array.astype(case.dtype)
    small = np.abs(array) < np.finfo(case.dtype).smallest_normal
    return np.where(small, array.dtype.type(0), array)


# ---- a part of an array, and a new value for it ----


def _part(numbers: Numbers, random: Random) -> tuple[Array, tuple[int | slice, ...]]:
    """An array and an index: all of it, one row, one column or one element."""
    array = numbers[random.choice(list(numbers))]
    index = tuple(
        random.randrange(size) if random.random() < 0.5 else slice(None) for size in array.shape
    )
    return array, index


def _on_a_part(new: Callable[[Array, Random], Array]) -> Mutation:
    def mutation(case: Case, numbers: Numbers, random: Random) -> None:
        array, index = _part(numbers, random)
        part = np.asarray(array[index])
        array[index] = new(part, random)

    return mutation


def _scaled(part: Array, random: Random) -> Array:
    factor = random.uniform(0.5, 2.0) if random.random() < 0.5 else 2.0 ** random.randint(-9, 9)
    return part * factor


def _nudged(part: Array, random: Random) -> Array:
    """Other last digits: each number is another draw in the lottery of rounding."""
    fine = np.finfo(part.dtype).eps * 2.0 ** random.randint(0, 30)
    return part * (1.0 + fine * _uniform(part, random))


def _redrawn(part: Array, random: Random) -> Array:
    return _uniform(part, random) * 2.0 ** random.randint(-4, 4)


def _shortened(part: Array, random: Random) -> Array:
    """To a few binary digits: products of such numbers do not round."""
    digits = 2.0 ** random.randint(1, 12)
    mantissa, exponent = np.frexp(part)
    return np.ldexp(np.round(mantissa * digits) / digits, exponent)


def _uniform(part: Array, random: Random) -> Array:
    drawn = [random.uniform(-1.0, 1.0) for _ in range(part.size)]
    return np.array(drawn).reshape(part.shape)


# ---- places where little is left of what came in ----


def _near_zero(case: Case, numbers: Numbers, random: Random) -> None:
    """Some z comes near 0, on a kink or where a sum cancels: its bias, or a weight, takes it back.

    The passes of the reference say where z is; how near it comes is drawn.
    """
    Z, O = _forward(case, numbers)
    l = random.randrange(case.depth)
    i, j = (random.randrange(size) for size in Z[l].shape)
    take = Z[l][i, j] * (1.0 + random.choice((0.0, 1.0, -1.0)) * 2.0 ** -random.randint(1, 53))
    if f"b{l + 1}" in numbers:
        numbers[f"b{l + 1}"][j] -= take
    else:
        k = random.randrange(O[l].shape[1])
        numbers[f"W{l + 1}"][k, j] -= take / O[l][i, k]


def _cancelling(case: Case, numbers: Numbers, random: Random) -> None:
    """Two units, or two inputs, become the same, and their weights nearly opposite."""
    l = random.randrange(case.depth)
    leading_out = numbers[f"W{l + 1}"]
    one, other = (random.randrange(len(leading_out)) for _ in range(2))
    if l:
        numbers[f"W{l}"][:, other] = numbers[f"W{l}"][:, one]
        if f"b{l}" in numbers:
            numbers[f"b{l}"][other] = numbers[f"b{l}"][one]
    else:
        numbers["X"][:, other] = numbers["X"][:, one]
    if one != other:
        leading_out[other] = -leading_out[one] * (1.0 + 2.0 ** -random.randint(1, 53))


def _solved(case: Case, numbers: Numbers, random: Random) -> None:
    """The labels of one row are nearly what the network says there, so their difference cancels."""
    _, O = _forward(case, numbers)
    i = random.randrange(len(O[-1]))
    numbers["Y"][i] = O[-1][i] * (1.0 + random.choice((0.0, 1.0)) * 2.0 ** -random.randint(1, 53))


def _forward(case: Case, numbers: Numbers) -> tuple[list[Array], list[Array]]:
    layers = range(1, case.depth + 1)
    activations = reference_impl.layers_named(case.activations, case.slope)
    weights = [numbers[f"W{l}"] for l in layers]
    return reference_impl.forward(
        weights, [numbers.get(f"b{l}") for l in layers], numbers["X"], activations
    )


# ---- numbers that round alike, so that errors add up instead of cancelling ----


def _repeated(case: Case, numbers: Numbers, random: Random) -> None:
    """All rows, columns or elements of an array take the value of one of them."""
    array = numbers[random.choice(list(numbers))]
    axis = random.randrange(array.ndim)
    one = random.randrange(array.shape[axis])
    array[...] = np.take(array, [one], axis=axis)


def _same_rows(case: Case, numbers: Numbers, random: Random) -> None:
    rows = [random.randrange(len(numbers["X"]))] * len(numbers["X"])
    numbers["X"], numbers["Y"] = numbers["X"][rows], numbers["Y"][rows]


def _without_a_row(case: Case, numbers: Numbers, random: Random) -> None:
    n = len(numbers["X"])
    if n > 1:
        kept = sorted(random.sample(range(n), n - 1))
        numbers["X"], numbers["Y"] = numbers["X"][kept], numbers["Y"][kept]


MUTATIONS: dict[str, Mutation] = {
    "scaled": _on_a_part(_scaled),
    "nudged": _on_a_part(_nudged),
    "redrawn": _on_a_part(_redrawn),
    "shortened": _on_a_part(_shortened),
    "sign": _on_a_part(lambda part, random: -part),
    "positive": _on_a_part(lambda part, random: np.abs(part)),
    "zero": _on_a_part(lambda part, random: np.zeros_like(part)),
    "near zero": _near_zero,
    "cancelling": _cancelling,
    "solved": _solved,
    "repeated": _repeated,
    "same rows": _same_rows,
    "without a row": _without_a_row,
}
