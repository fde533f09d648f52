"""The program of the child process: load a learner's file, answer one case after the other.

Whatever the learner's code does happens here: it may print, crash, loop, change its inputs or
return nonsense. The harness lives in another process (`child.py`) and only reads messages.
This keeps accidents apart; it is no sandbox against hostile code.
"""

import faulthandler
import importlib.util
import inspect
import math
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from traceback import extract_tb, format_list
from types import ModuleType
from typing import Any, BinaryIO, NoReturn

import numpy as np

from backproof import __version__, protocol
from backproof.drawing import Array
from backproof.gradients import flat

CONTRACT = "(weights, biases, X, Y, activations, loss)"
LEARNING_RATES = ("alpha", "lr", "learning_rate")

# What a signature may ask for by name, and the kind of value it then gets. A parameter whose
# default is of another kind (`bias=True`) means something of the learner's own.
_NAMED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(LEARNING_RATES, (int, float)),
    "slope": (int, float),
    "reduction": str,
    "bias": str,
    "dtype": str,
}
_LONGEST_MESSAGE = 300
_LONGEST_TRACEBACK = 4000


class LoadError(Exception):
    """The file gives no function that could be asked."""


class ResultError(Exception):
    """What the function returned is not (dW, db)."""


@dataclass(frozen=True)
class Learner:
    """The function under test. takes: what its signature asks for by name."""

    function: Callable[..., Any]
    folder: Path
    takes: tuple[str, ...]


def main() -> NoReturn:
    """Answer until `stop`, or until the harness is gone."""
    requests, answers = _pipes_out_of_reach()
    faulthandler.enable(all_threads=False)  # a segfault, or the harness' SIGABRT, says its line
    sys.dont_write_bytecode = True  # nothing appears beside the learner's file
    sys.path[:] = without_the_clone(sys.path, Path(__file__).parent)
    start = protocol.read(requests)
    if start is not None:
        _serve(start, requests, answers)
    with suppress(Exception):
        sys.stdout.flush()
    os._exit(0)  # threads that the learner left behind do not hold the process


def without_the_clone(entries: list[str], package: Path) -> list[str]:
    """sys.path without the folder in which a clone has `reports` and the rest of the suite.

    An editable install, or PYTHONPATH, puts that folder there, and a learner's own `reports.py`
    would come after ours. A wheel has the suite inside the package: beside it lies site-packages.
    """
    if (package / "_suite").is_dir():
        return entries
    clone = package.resolve().parent
    return [entry for entry in entries if Path(entry).resolve() != clone]


def _pipes_out_of_reach() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol off 0 and 1: `print` then goes to stderr, and reading stdin gives EOF."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def _serve(start: protocol.Message, requests: BinaryIO, answers: BinaryIO) -> None:
    me = os.getpid()

    def say(kind: str, fields: dict[str, Any], arrays: dict[str, Array]) -> None:
        if os.getpid() != me:
            os._exit(1)  # the learner forked, and its child came back into this loop
        answers.write(protocol.encode(kind, fields, arrays))
        answers.flush()

    limited = _limit_memory(start.fields["memory"])
    try:
        learner = load(start.fields["path"], start.fields["shown"], start.fields["function"])
    except LoadError as error:
        return say("errored", {"message": str(error)}, {})
    say("hello", _hello(learner, limited), {})
    while (message := protocol.read(requests)) is not None and message.kind == "gradients":
        # Should the harness die first, nobody is left to end an endless loop.
        _alarm(math.ceil(message.fields["deadline"]) + 2)
        reply = answer(learner, message)
        _alarm(0)
        with suppress(Exception):
            sys.stdout.flush()
        say(*reply)


def _hello(learner: Learner, limited: bool) -> dict[str, Any]:
    return {
        "protocol": protocol.VERSION,
        "version": __version__,
        "language": f"python {sys.version.split()[0]}",
        "takes": learner.takes,
        "memory_limited": limited,
    }


def _limit_memory(most: int | None) -> bool:
    """Limit the address space. Returns whether that holds: macOS takes the limit and ignores it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind
        if most is not None:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return most is not None and sys.platform == "linux"
    except (ImportError, ValueError, OSError):
        return False


def _alarm(seconds: int) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)  # its default action ends the process


def load(path: str, shown: str, name: str | None) -> Learner:
    """Import the file and find the function.

    path: absolute   shown: as the user wrote it   name: of the function, None for `backprop`
    Raises LoadError: one sentence.
    """
    sys.argv = [path]
    # Last, so that a json.py or numpy.py beside the file takes nobody's place.
    sys.path.append(str(Path(path).parent))
    module = _imported(Path(path), shown)
    function = getattr(module, name or "backprop", None)
    if not callable(function):
        raise LoadError(_no_function(module, shown, name, function))
    takes = _takes(function)
    try:
        inspect.signature(function).bind(*CONTRACT.split(), **dict.fromkeys(takes))
    except TypeError as error:
        called = name or "backprop"
        raise LoadError(
            f"{shown}: `{called}` cannot be called as `{called}{CONTRACT}` ({error}); "
            "give what is yours alone a default value."
        ) from None
    except ValueError:
        pass  # a function in C has no signature to look at
    return Learner(function, Path(path).parent, takes)


def _imported(path: Path, shown: str) -> ModuleType:
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"learner_{path.stem}" if taken else path.stem
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None  # a loader was given
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except SyntaxError as error:
        where = Path(error.filename or path).name
        raise LoadError(
            f"{shown} cannot be read as Python {sys.version_info[0]}.{sys.version_info[1]}: "
            f"{error.msg} at {where} line {error.lineno}."
        ) from None
    except BaseException as error:  # sys.exit() while importing is one, too
        raise LoadError(
            f"{shown} cannot be imported: {told(error, path.parent)}; what should run only as a "
            'program belongs under `if __name__ == "__main__":`.'
        ) from None
    return module


def _no_function(module: ModuleType, shown: str, name: str | None, found: object) -> str:
    if found is not None:
        return f"{shown}: `{name or 'backprop'}` is a {type(found).__name__}, not a function."
    if name is None:
        return (
            f"{shown} has no function `backprop{CONTRACT}`; "
            f"write one or name yours: {shown}:function"
        )
    own = [key for key, value in vars(module).items() if _is_own(module, key, value)]
    return f"{shown} has no function `{name}`; it has: {', '.join(own) or 'none'}."


def _is_own(module: ModuleType, key: str, value: object) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__ and key[0] != "_"


def _takes(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of `_NAMED` in the signature; `**kwargs` has no name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.kind in by_name and parameter.name in _NAMED and _fits(parameter)
    )


def _fits(parameter: inspect.Parameter) -> bool:
    default = parameter.default
    if default is None or default is inspect.Parameter.empty:
        return True
    return isinstance(default, _NAMED[parameter.name])


Reply = tuple[str, dict[str, Any], dict[str, Array]]


def answer(learner: Learner, message: protocol.Message) -> Reply:
    """Ask the function one question: `result`, `skipped` or `errored`.

    The function gets fresh writable copies; those it changed are named in `changed_inputs`.
    """
    question, given = message.fields, message.arrays
    inputs = {name: array.copy() for name, array in given.items()}
    layers = range(len(question["activations"]))
    weights = [inputs[f"weights[{layer}]"] for layer in layers]
    biases = [inputs.get(f"biases[{layer}]") for layer in layers]
    lists = list(weights), list(biases), list(question["activations"])
    named = {name: _value(question, name) for name in learner.takes}
    try:
        with np.errstate():  # what the function sets for itself ends with the call
            returned = learner.function(
                *lists[:2], inputs["X"], inputs["Y"], lists[2], question["loss"], **named
            )
            gradient = flat(*_gradients(returned, weights, biases))
    except NotImplementedError as error:
        return "skipped", {"id": question["id"], "message": told(error, learner.folder)}, {}
    except BaseException as error:  # sys.exit() is one; nothing may end the loop
        return "errored", {"id": question["id"], **_errored(error, learner, question)}, {}
    changed = [name for name in given if _differs(inputs[name], given[name])]
    changed += _replaced("weights", weights, lists[0]) + _replaced("biases", biases, lists[1])
    if lists[2] != question["activations"]:
        changed.append("activations")
    return "result", {"id": question["id"], "changed_inputs": changed}, {"gradient": gradient}


def _value(question: dict[str, Any], name: str) -> Any:
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
        raise ResultError(f"it returned {_kind(returned)}, expected (dW, db){hint}")
    if len(returned) != 2:
        raise ResultError(f"it returned {len(returned)} results, expected 2, (dW, db).")
    dW = _per_layer("dW", returned[0], weights)
    if biases[0] is None:  # a network without biases has no db: whatever stands there
        return dW, [None] * len(dW)
    return dW, [*_per_layer("db", returned[1], biases)]


def _per_layer(name: str, given: Any, likes: list[Any]) -> list[Array]:
    if not isinstance(given, (tuple, list, np.ndarray)):
        raise ResultError(f"{name} is {_kind(given)}, expected a list of arrays, one per layer.")
    if len(given) != len(likes):
        raise ResultError(f"{name} has {len(given)} arrays, expected {len(likes)}, one per layer.")
    return [
        _real_array(f"{name}[{layer}]", given[layer], like.shape)
        for layer, like in enumerate(likes)
    ]


def _real_array(name: str, given: object, shape: tuple[int, ...]) -> Array:
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


def _kind(value: object) -> str:
    if value is None:
        return "None"
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    return f"an object of type {type(value).__name__}{shape}"


def _errored(error: BaseException, learner: Learner, question: dict[str, Any]) -> dict[str, Any]:
    if isinstance(error, ResultError):
        return {"message": _printable(str(error)), "traceback": "", "refuses": []}
    return {
        "message": told(error, learner.folder),
        "traceback": _traceback(error, learner.folder),
        "refuses": _refuses(error, question),
    }


def _refuses(error: BaseException, question: dict[str, Any]) -> list[str]:
    """Which of the question's names a KeyError or ValueError speaks of: "not claimed"."""
    if not isinstance(error, (KeyError, ValueError)):
        return []
    words = [*question["activations"], *(question[key] for key in ("loss", "reduction", "dtype"))]
    words += [question["bias"], "bias", "biases"]
    text = _text(error)
    return [word for word in words if re.search(rf"\b{re.escape(word)}\b", text)]


def told(error: BaseException, folder: Path) -> str:
    """ "ZeroDivisionError: division by zero at my_net.py line 12": in the learner's own file."""
    text = _text(error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    own = _own_frames(error, folder)
    where = f" at {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
    return _printable(said)[:_LONGEST_MESSAGE] + where


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it cannot say what is wrong)"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _traceback(error: BaseException, folder: Path) -> str:
    return "".join(format_list(_own_frames(error, folder)))[-_LONGEST_TRACEBACK:]


def _own_frames(error: BaseException, folder: Path) -> list[Any]:
    """The frames in the learner's folder, without libraries installed inside it."""
    installed = {"site-packages", "dist-packages"}
    return [
        frame
        for frame in extract_tb(error.__traceback__)
        if folder in Path(frame.filename).parents
        and not installed.intersection(Path(frame.filename).parts)
    ]
