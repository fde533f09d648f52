"""Layer objects, one after the other: what most programs of them do in two loops.

    out = forward(model, X)
    backward(model, out - Y, self.net.alpha)

Each layer has its own forward and backward pass, under one of the names that people give them. What
it keeps instead of returning it is taken from where it is kept.
"""

import ast
import inspect
from collections.abc import Callable, Sequence
from typing import Any

_FORWARD = ("forward", "forward_pass", "forward_propagation", "feedforward", "fwd", "__call__")
_BACKWARD = ("backward", "backward_pass", "backward_propagation", "backprop", "backpropagate",
             "backpropagation", "bwd")  # fmt: skip
_OUTPUT = ("output", "outputs", "out")
_DOWN = ("dinputs", "dinput", "input_gradient", "grad_input", "dx")


class ChainError(Exception):
    """A layer that has no such pass, or nothing that came out of it: one sentence."""


def forward(layers: Sequence[Any], X: Any) -> Any:
    """X through all layers, from the first to the last; returns what comes out.

    Raises ChainError, and what the layers raise.
    """
    for layer in layers:
        X = _came_out(layer, pass_of(layer, _FORWARD)(X), _OUTPUT)
    return X


def backward(layers: Sequence[Any], upstream: Any, *more: Any) -> Any:
    """The derivative of the loss through all layers, from the last to the first; likewise.

    upstream: dLoss/dO of the last layer
    more: what a layer wants besides it, such as the learning rate; one that wants less gets less
    """
    for layer in reversed(layers):
        back = pass_of(layer, _BACKWARD)
        upstream = _came_out(layer, back(upstream, *more[: wants_of(back) - 1]), _DOWN)
    return upstream


def loops_of_its_own(tree: ast.Module) -> list[int]:
    """The lines of loops of a program that call a backward pass; the innermost of each nest."""
    loops = [each for each in ast.walk(tree) if isinstance(each, ast.For | ast.While)]
    calling = [loop for loop in loops if any(map(_calls_backward, ast.walk(loop)))]
    around = {loop for loop in calling for inner in ast.walk(loop)
              if inner is not loop and inner in calling}  # fmt: skip
    return sorted(loop.lineno for loop in calling if loop not in around)


def _calls_backward(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _BACKWARD
    )


def pass_of(layer: Any, names: tuple[str, ...]) -> Callable[..., Any]:
    """The method of a layer that has one of the names. Raises ChainError."""
    found = next((getattr(layer, name) for name in names if hasattr(layer, name)), None)
    if found is None:
        raise ChainError(f"a {type(layer).__name__} has none of {', '.join(names)}; call it in run")
    method: Callable[..., Any] = found
    return method


def wants_of(method: Callable[..., Any]) -> int:
    """How many arguments it takes at most."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    if any(each.kind == inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return len(parameters) + 9
    return sum(each.kind in kinds for each in parameters)


def _came_out(layer: Any, returned: Any, kept: tuple[str, ...]) -> Any:
    if returned is not None:
        return returned
    found = next((getattr(layer, name) for name in kept if hasattr(layer, name)), None)
    if found is None:
        raise ChainError(
            f"a {type(layer).__name__} returned None and keeps none of {', '.join(kept)}; is a "
            "`return` missing?"
        )
    return found


def has_passes(cls: type) -> bool:
    """Whether its objects are layers."""
    return any(hasattr(cls, name) for name in _FORWARD[:-1]) and any(
        hasattr(cls, name) for name in _BACKWARD
    )
