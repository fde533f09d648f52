"""Layer objects without a net: which of the file's classes may stand one behind the other."""

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from backproof.called import is_label, required
from backproof.chained import has_passes
from backproof.found_arrays import Places, leaves_of, places_in
from backproof.probe_nets import WIDTHS

_NAMES = ("sigmoid", "tanh", "relu", "softmax")
_SLOPE = re.compile(r"prime|deriv|grad|back|^d_|_d$")
_SIZE = WIDTHS[:2]


def layer_candidates(
    module: ModuleType, source: str
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(what `make` returns, the body of `run`, attributes), of every net that may be meant."""
    own = [each for each in vars(module).values() if _own(each, module)]
    classes = [each for each in own if isinstance(each, type) and not inspect.isabstract(each)]
    layers = [each for each in classes if has_passes(each)]
    texts = dict(_activations(layers, own))
    hidden = tuple(name for name in texts if name != "softmax")
    if not hidden:
        return
    for dense in layers:
        for pairs, made, places in _weights_of(dense, module):
            text = _net(pairs, made, texts)
            for output, loss in _endings(hidden, source):
                for upstream in _upstreams(own):
                    fields = {"hidden": hidden, "output": output, "loss": (loss,)}
                    yield text, _run(upstream), fields | places


def _endings(hidden: tuple[str, ...], source: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Activations of the output and their loss, by the words of the text; numbers choose."""
    words = source.lower()
    if "softmax" in words:
        yield ("softmax",), "cross_entropy"
    if "sigmoid" in hidden and re.search("binary|bce|log_?loss", words):
        yield ("sigmoid",), "binary_cross_entropy"
    yield (*hidden, "identity"), "half_squared_error"


def _own(each: Any, module: ModuleType) -> bool:
    return getattr(each, "__module__", None) == module.__name__


def _weights_of(cls: type, module: ModuleType) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """How a layer of weights is made, in a loop over what, and where it keeps them.

    Nothing of a layer without weights.
    """
    if len(required(cls) or ()) < 2:
        return
    arrays = np.zeros(_SIZE), np.zeros(_SIZE[1])
    name = f"self.module.{cls.__name__}"
    for given, pairs, made in (
        (_SIZE, "k, j, g in zip(net.widths, net.widths[1:], net.activations)", f"{name}(k, j)"),
        (arrays, "W, b, g in zip(net.W, net.b, net.activations)", f"{name}(W, b)"),
    ):
        try:
            leaves = leaves_of(cls(*given), module.__name__)
        except Exception:  # it is not made so
            continue
        for places in list(places_in(leaves, _SIZE))[:1]:
            yield pairs, made, _fields(places)


def _fields(places: Places) -> dict[str, Any]:
    fields: dict[str, Any] = {"W": f"[{{2i}}].{places.W[0]}"}
    if places.b:
        fields["b"] = f"[{{2i}}].{places.b[0]}"
    if places.bias != "separate":
        fields["bias"] = places.bias
    return fields


def _activations(layers: list[type], own: list[Any]) -> Iterator[tuple[str, str]]:
    """(name of the closed list, text that makes such a layer)."""
    functions = [each.__name__ for each in own if inspect.isfunction(each)]
    for cls in layers:
        wanted = [p for p in required(cls) or [] if p.default is inspect.Parameter.empty]
        if (name := _named(cls.__name__)) and not wanted:
            yield name, f"self.module.{cls.__name__}()"
        if len(wanted) == 2:
            for each in functions:
                slope = next((o for o in functions if o != each and _slope_of(o, each)), None)
                if _named(each) and slope:
                    pair = f"self.module.{each}, self.module.{slope}"
                    yield _named(each), f"self.module.{cls.__name__}({pair})"


def _named(word: str) -> str:
    plain = word.lower()
    if re.search("leaky|prelu|loss|entropy", plain):
        return ""
    return next((name for name in _NAMES if name in plain), "")


def _slope_of(name: str, function: str) -> bool:
    return function.lower() in name.lower() and _SLOPE.search(name.lower()) is not None


def _net(pairs: str, made: str, activations: dict[str, str]) -> str:
    """A layer of weights and one of its activation, where it is one of its own, again and again."""
    named = ", ".join(f'"{name}": [{text}]' for name, text in activations.items())
    return f"[layer for {pairs}\n{' ' * 16}for layer in [{made}, *{{{named}}}.get(g, [])]]"


def _upstreams(own: list[Any]) -> Iterator[tuple[str, ...]]:
    """What begins the backward pass, the file's own derivative of the loss first.

    Lines, the last of which is dLoss/dO itself.
    """
    for each in own:
        if isinstance(each, type):
            yield from _of_loss_class(each)
        elif inspect.isfunction(each) and _SLOPE.search(each.__name__.lower()):
            if pair := _pair(each):
                yield (f"self.module.{each.__name__}({pair})",)
    yield ("out - Y",)


def _of_loss_class(cls: type) -> Iterator[tuple[str, ...]]:
    """A class of two numbers a row, what came out and what should have."""
    made, parameters = f"self.module.{cls.__name__}()", required(cls) or []
    if any(each.default is inspect.Parameter.empty for each in parameters):
        return
    methods = {name: each for name, each in vars(cls).items() if inspect.isfunction(each)}
    given = {name: pair for name, each in methods.items() if (pair := _pair(each, method=True))}
    for name, pair in given.items():
        if _SLOPE.search(name.lower()):
            yield (f"{made}.{name}({pair})",)
    for name, pair in given.items():
        for back, method in methods.items():
            wanted = [p for p in required(method) or [] if p.default is inspect.Parameter.empty]
            if back != name and _SLOPE.search(back.lower()) and len(wanted) == 1:
                yield (f"loss = {made}", f"loss.{name}({pair})", f"loss.{back}()")


def _pair(function: Callable[..., Any], *, method: bool = False) -> str:
    """Its two arguments in its order; "" where it has not just two."""
    parameters = [p for p in required(function) or [] if p.default is inspect.Parameter.empty]
    names = [each.name for each in parameters][1 if method else 0 :]
    if len(names) != 2 or sum(map(is_label, names)) != 1:
        return ""
    return "Y, out" if is_label(names[0]) else "out, Y"


def _run(upstream: tuple[str, ...]) -> tuple[str, ...]:
    *before, derivative = upstream
    return ("out = forward(model, X)", *before, f"backward(model, {derivative}, self.net.alpha)")
