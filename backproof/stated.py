"""What an adapter states about its program, in the worker: what becomes of X and Y, and its loss.

Nothing stated is believed of the program's answer: it only says where the answer is judged. A
statement that is wrong makes a right program fail; it makes no wrong one pass.
"""

from typing import Any

import numpy as np

from backproof.adapters import Adapter, AdapterError, names
from backproof.case import Arrays
from backproof.drawing import Array
from backproof.shown_numbers import one_hot

# The array of a question, and the method that states what the program makes of it.
_MADE_OF = {"X": "inputs", "Y": "targets"}


def methods_of(adapter: Adapter) -> dict[str, str]:
    """{"X": "inputs", "Y": "targets"}, as far as the adapter has them."""
    cls = type(adapter)
    return {
        letter: name
        for letter, name in _MADE_OF.items()
        if getattr(cls, name) is not getattr(Adapter, name)
    }


def _any_numbers(loss: str) -> bool:
    """Whether rows that are no class are asked about, which a program of classes never sees."""
    return not loss.startswith("cross_entropy")


def stated_of(adapter: Adapter) -> list[str]:
    """ "X", "Y", as far as the program makes something of them that is stated here."""
    found = [*methods_of(adapter)]
    takes_classes = adapter.labels == "classes" and any(map(_any_numbers, names(adapter.loss)))
    return found + (["Y"] if takes_classes and "Y" not in found else [])


def made_of(adapter: Adapter, arrays: Arrays, loss: str) -> dict[str, Array]:
    """X and Y as the program's first layer and its loss see them, where they are stated.

    Raises AdapterError for what is no such array; NotImplementedError where it has no numbers, as
    where a program divides by a deviation of 0.
    """
    found = dict[str, Array]()
    for letter, name in methods_of(adapter).items():
        given = getattr(arrays, letter)
        made = _made(name, letter, given, getattr(adapter, name)(given.copy()))
        if not np.isfinite(made).all():
            raise NotImplementedError(f"`{name}` has no finite numbers of this {letter}")
        found[letter] = made
    if adapter.labels == "classes" and "Y" not in found:
        made = one_hot(arrays.Y).astype(arrays.Y.dtype)
        if not _any_numbers(loss):
            if not np.array_equal(made, arrays.Y):
                raise NotImplementedError("a row of Y is no class")
        else:
            found["Y"] = made
    return found


def _made(name: str, letter: str, given: Array, returned: object) -> Array:
    try:
        made = np.asarray(returned)
    except ValueError:
        made = np.asarray(None)
    if made.dtype.kind not in "fiu" or made.shape != given.shape:
        got = "None" if returned is None else f"{made.dtype} of shape {made.shape}"
        raise AdapterError(
            f"`{name}` returned {got}, expected numbers of shape {given.shape}, as {letter} has"
        )
    return made.astype(given.dtype)


def problems_in(adapter: Adapter, arrays: Arrays) -> list[str]:
    """What is wrong with the statements themselves, one sentence each. Raises what they raise."""
    found = []
    for letter, name in methods_of(adapter).items():
        given, method = getattr(arrays, letter).copy(), getattr(adapter, name)
        before = given.copy()
        first = _made(name, letter, before, method(given))
        if not np.array_equal(given, before):
            found.append(f"`{name}` changes its {letter} in place; return another array")
        elif not np.array_equal(first, _made(name, letter, before, method(before.copy()))):
            found.append(f"`{name}` says something else of the same {letter} the second time")
        elif not np.ptp(first) > 0:
            found.append(f"`{name}` returns one number throughout; state what becomes of {letter}")
    return found


def states_loss(adapter: Adapter) -> bool:
    return bool(adapter.printed) or type(adapter).stated_loss is not Adapter.stated_loss


def loss_of(value: Any, said: str) -> float:
    """The loss that is stated. said: how a sentence about it begins.

    Raises AdapterError where it is no number.
    """
    try:
        number = np.asarray([] if value is None else value, dtype=np.float64)
    except (TypeError, ValueError):
        number = np.asarray([])
    if number.size != 1:
        got = "None" if value is None else f"a {type(value).__name__}"
        raise AdapterError(f"{said} {got}, expected one number")
    return float(number.reshape(()))


def words_of(adapter: Adapter) -> list[str]:
    """For people: where the answer is judged."""
    words = [
        f"judged at the {letter} that `{name}` states, which the program makes of it itself"
        for letter, name in methods_of(adapter).items()
    ]
    if "Y" in stated_of(adapter) and "Y" not in methods_of(adapter):
        words.append("the class of a row of Y is its largest number")
    return words
