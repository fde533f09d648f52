"""What a child process answers: the forms that a function and an adapter share."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from backproof.case import Arrays
from backproof.drawing import Array
from backproof.telling import printable, text_of, told, traceback_of

# kind, fields, arrays: see `protocol.py`
Reply = tuple[str, dict[str, Any], dict[str, Array]]
Question = dict[str, Any]


class ResultError(Exception):
    """What came back is no gradient and no step of this network: one sentence."""


def arrays_in(question: Question, given: dict[str, Array]) -> Arrays:
    """The arrays of a message as a network's."""
    layers = range(len(question["activations"]))
    return Arrays(
        tuple(given[f"weights[{layer}]"] for layer in layers),
        tuple(given.get(f"biases[{layer}]") for layer in layers),
        given["X"],
        given["Y"],
    )


def exact_reply(question: Question, found: Any) -> Reply:
    """`exact` with the balls as whole numbers, or `inexact` with the reason."""
    from backproof.exact_arithmetic import NotExactly
    from backproof.exact_wire import arrays_of

    if isinstance(found, NotExactly):
        fields = {"id": question["id"], "note": found.note, "undecidable": found.undecidable}
        return "inexact", {**fields, "note": printable(found.note)[:1000]}, {}
    return "exact", {"id": question["id"]}, arrays_of(found)


def failure_reply(error: BaseException, folder: Path, question: Question) -> Reply:
    """`skipped` or `errored` for what was raised."""
    if isinstance(error, NotImplementedError):
        return "skipped", {"id": question["id"], "message": told(error, folder)}, {}
    return "errored", {"id": question["id"], **_errored(error, folder, question)}, {}


def _errored(error: BaseException, folder: Path, question: dict[str, Any]) -> dict[str, Any]:
    if isinstance(error, ResultError):
        return {"message": printable(str(error)), "traceback": "", "refuses": []}
    return {
        "message": told(error, folder),
        "traceback": traceback_of(error, folder),
        "refuses": _refused(error, question),
    }


def _refused(error: BaseException, question: dict[str, Any]) -> list[str]:
    """Which of the question's names an error speaks of: "not claimed"."""
    text = text_of(error)
    if question["bias"] == "none" and _of_no_biases(error, text):
        return ["biases"]
    if not isinstance(error, (KeyError, ValueError)):
        return []
    words = [*question["activations"], *(question[key] for key in ("loss", "reduction", "dtype"))]
    words += [question["bias"], "bias", "biases", "depth", "layers"]
    return [word for word in words if re.search(rf"\b{re.escape(word)}\b", text)]


def _of_no_biases(error: BaseException, text: str) -> bool:
    """Whether a program that has only networks with biases was given None where b belongs.

    `Z = X @ W + b` is right, and raises then.
    """
    if isinstance(error, (TypeError, AttributeError)):
        return "NoneType" in text
    return isinstance(error, ValueError) and _JOINED_WITH_NONE.search(text) is not None


# np.vstack([b, W]) and its like take None for an array without a shape.
_JOINED_WITH_NONE = re.compile(
    "concatenation axis|zero-dimensional|same number of dim|inhomogeneous"
)


def real_array(name: str, given: object, shape: tuple[int, ...]) -> Array:
    if given is None:
        raise ResultError(f"{name} is None, expected an array of shape {shape}.")
    try:
        array = np.asarray(given)
    except Exception as error:
        raise ResultError(f"{name} cannot be read as an array: {error}.") from None
    if array.dtype.kind not in "fiu":
        raise ResultError(f"{name} has dtype {array.dtype}, expected real numbers.")
    if array.shape != shape:
        raise ResultError(f"{name} has shape {array.shape}, expected {shape}.")
    return array


def kind_of(value: object) -> str:
    if value is None:
        return "None"
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    return f"an object of type {type(value).__name__}{shape}"
