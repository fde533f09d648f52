"""A function on the contract is asked: in floats, or in exact arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backproof.drawing import Array
from backproof.gradients import flat
from backproof.protocol import Message
from backproof.replies import (
    Question,
    Reply,
    ResultError,
    arrays_in,
    exact_reply,
    failure_reply,
    kind_of,
    real_array,
)

CONTRACT = "(weights, biases, X, Y, activations, loss)"
LEARNING_RATES = ("alpha", "lr", "learning_rate")

# What a signature may ask for by name, and the kind of value it then gets. A parameter whose
# default is of another kind (`bias=True`) means something of the learner's own.
NAMED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(LEARNING_RATES, (int, float)),
    "slope": (int, float),
    "reduction": str,
    "bias": str,
    "dtype": str,
}


@dataclass(frozen=True)
class Function:
    """The function under test.

    takes: what its signature asks for by name   said: how its file was read, in words, or ""
    """

    function: Callable[..., Any]
    folder: Path
    takes: tuple[str, ...]
    said: str = ""

    def told(self) -> dict[str, Any]:
        """What the harness wants to know before the first question."""
        return {"takes": self.takes, "adapted": self.said}

    def answer(self, message: Message) -> Reply:
        """Ask one question: `result`, `skipped` or `errored`.

        The function gets fresh writable copies; those it changed are named in `changed_inputs`.
        """
        question, given = message.fields, message.arrays
        inputs = {name: array.copy() for name, array in given.items()}
        arrays = arrays_in(question, inputs)
        weights, biases = list(arrays.weights), list(arrays.biases)
        lists = list(weights), list(biases), list(question["activations"])
        try:
            with np.errstate():  # what the function sets for itself ends with the call
                returned = self._call(question, lists, arrays.X, arrays.Y)
                gradient = flat(*_gradients(returned, weights, biases))
        except BaseException as error:  # sys.exit() is one; nothing may end the loop
            return failure_reply(error, self.folder, question)
        changed = [name for name in given if _differs(inputs[name], given[name])]
        changed += _replaced("weights", weights, lists[0]) + _replaced("biases", biases, lists[1])
        if lists[2] != question["activations"]:
            changed.append("activations")
        return "result", {"id": question["id"], "changed_inputs": changed}, {"gradient": gradient}

    def exactly(self, message: Message) -> Reply:
        """The same question on numbers with a proved radius: `exact` or `inexact`."""
        from backproof.exact_arithmetic import exact_answer

        question = message.fields
        return exact_reply(
            question,
            exact_answer(
                arrays_in(question, message.arrays),
                lambda asked: self._call(
                    question,
                    (list(asked.weights), list(asked.biases), list(question["activations"])),
                    asked.X,
                    asked.Y,
                ),
                bits=question["bits"],
                widened=question["widened"],
            ),
        )

    def _call(
        self, question: Question, lists: tuple[list[Any], list[Any], list[str]], X: Any, Y: Any
    ) -> Any:
        named = {name: _value(question, name) for name in self.takes}
        return self.function(*lists[:2], X, Y, lists[2], question["loss"], **named)


def _value(question: Question, name: str) -> Any:
    return question["alpha" if name in LEARNING_RATES else name]


def _differs(now: Array, before: Array) -> bool:
    return now.shape != before.shape or now.tobytes() != before.tobytes()


def _replaced(name: str, before: list[Any], now: list[Any]) -> list[str]:
    """`weights[0] = ...` inside the function changes the caller's list, too."""
    if len(now) != len(before):
        return [name]
    pairs = enumerate(zip(before, now, strict=True))
    return [f"{name}[{layer}]" for layer, (old, new) in pairs if old is not new]


def _gradients(
    returned: object, weights: list[Array], biases: list[Array | None]
) -> tuple[list[Array], list[Array | None]]:
    """dW and db, one array per layer, in the shapes of W and b. Raises ResultError."""
    if not isinstance(returned, (tuple, list)):
        hint = "; is a `return` missing?" if returned is None else "."
        raise ResultError(f"it returned {kind_of(returned)}, expected (dW, db){hint}")
    if len(returned) != 2:
        raise ResultError(f"it returned {len(returned)} results, expected 2, (dW, db).")
    dW = _per_layer("dW", returned[0], weights)
    if biases[0] is None:  # a network without biases has no db: whatever stands there
        return dW, [None] * len(dW)
    return dW, [*_per_layer("db", returned[1], biases)]


def _per_layer(name: str, given: Any, likes: list[Any]) -> list[Array]:
    if not isinstance(given, (tuple, list, np.ndarray)):
        raise ResultError(f"{name} is {kind_of(given)}, expected a list of arrays, one per layer.")
    if len(given) != len(likes):
        raise ResultError(f"{name} has {len(given)} arrays, expected {len(likes)}, one per layer.")
    return [
        real_array(f"{name}[{layer}]", given[layer], like.shape) for layer, like in enumerate(likes)
    ]
