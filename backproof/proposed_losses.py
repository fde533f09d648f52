"""The loss that a program prints, where it has a function for it, as the text of `stated_loss`."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.adapted import Adapted
from backproof.called import FORWARD, OFF, arguments, is_label, required
from backproof.hurrying import hurried
from backproof.probe_nets import probe_of
from backproof.proposal import Proposal
from backproof.proposed_batches import asked, lively
from backproof.shown_numbers import labels_of

_LOSS = re.compile(
    r"(^|_|comp|compute|calc\w*|get)(loss|cost|mse|bce|nll|(binary_?|categorical_?)?cross_?entropy|mean_squared_error)"
    r"($|_(loss|cost|function|fn|func))"
)
_SLOPE = re.compile(r"prime|deriv|grad|back|delta|^d_|_d$|history|plot|print")

Owned = Mapping[str, Callable[..., Any]]  # what can be called, by the text that names it


def loss_texts(
    owned: Owned, source: str, is_output: Callable[[str], bool]
) -> Iterator[tuple[str, ...]]:
    """Bodies of `stated_loss`, of the one function of a loss that the text calls; none otherwise.

    is_output: whether what a text gives has the shape of the net's output
    """
    called = [
        name
        for name in owned
        if _LOSS.search(_word(name)) and not _SLOPE.search(_word(name)) and _is_called(name, source)
    ]
    if len(called) != 1:
        return
    given = list(_given(owned[called[0]]))
    for name, function in owned.items():
        if not FORWARD.search(_word(name)):
            continue
        for inputs in arguments(function, "", ""):
            if "Y" in inputs or inputs == "":
                continue
            forward = f"{name}({inputs})"
            if given == ["Y"] or given == ["Y", "0"]:  # what forward kept is the rest of it
                yield forward, f"return {called[0]}({', '.join(given)})"
            elif sorted(given)[-2:] == ["Y", "out"]:
                forms = (forward, f"{forward}[-1]", f"{forward}[0]")
                found = next((form for form in forms if is_output(form)), "")
                texts = [found if each == "out" else each for each in given]
                yield from [(f"return {called[0]}({', '.join(texts)})",)] if found else []


def _word(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _is_called(name: str, source: str) -> bool:
    """Somewhere else than where it is defined."""
    word = name.rpartition(".")[2]
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(
        (isinstance(each, ast.Name) and each.id == word)
        or (isinstance(each, ast.Attribute) and each.attr == word)
        for each in calls
    )


def _given(function: Callable[..., Any]) -> Iterator[str]:
    """ "Y", "out", or 0 for what is switched off, per parameter without a default."""
    for parameter in required(function) or ():
        if parameter.default is not inspect.Parameter.empty:
            continue
        plain = parameter.name.lower().replace("_", "")
        if re.fullmatch(OFF, plain):
            yield "0"
        else:
            yield "Y" if is_label(parameter.name) and "pred" not in plain else "out"


def gives_output(adapted_by: Callable[[Proposal], Adapted], proposal: Proposal, text: str) -> bool:
    """Whether what a text gives has the shape of the net's output, Y's."""
    try:
        with hurried(0.5):
            adapted = adapted_by(replace(proposal, run=(f"return {text}",)))
            net, arrays, X, Y = probe_of(adapted)
            model = adapted.model_of(net)
            adapted.set(model, arrays)
            rows = labels_of(arrays.Y, adapted.adapter.batch, lists=False)
            return np.shape(adapted.adapter.run(model, X, Y)) == np.shape(rows)
    except BaseException:
        return False


def gives_negative(adapted_by: Callable[[Proposal], Adapted], proposal: Proposal) -> bool:
    """Whether its forward pass gives numbers below 0, as no rectifier at the output does."""
    try:
        with hurried(0.5):
            adapted = adapted_by(proposal)
            net, tame, *_ = probe_of(adapted)
            net, arrays, X, Y = asked(adapted, net, lively(tame, 0))
            model = adapted.model_of(net)
            adapted.set(model, arrays)
            return any(np.min(output) < 0 for output in _outputs(model, X, np.shape(Y)))
    except BaseException:
        return False


def _outputs(model: Any, X: Any, shape: tuple[int, ...]) -> Iterator[Any]:
    """What the forward passes of a model give of X, where that has the shape of its output."""
    for name in dir(type(model)):
        if FORWARD.search(name.lower()) and not name.startswith("__"):
            try:
                output = getattr(model, name)(X)
                parts = output if isinstance(output, tuple) else (output,)
                fitting = [each for each in parts if np.shape(each) == shape]
            except Exception:
                continue
            yield from fitting[-1:]  # Z stands before O
