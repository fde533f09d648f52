"""With which arguments a net of somebody's class may be made, by the names of its parameters."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from types import ModuleType
from typing import Any

from backproof.called import FACTOR, KEPT, OFF, RATE, ROUNDS, is_input, is_label, required

_SIZES = r"sizes?|layers?|layersizes?|architecture|dims?|layerdims?|structure|topology|neurons|shape|layerstructure|layersdims|units|numunits|layerssizes?|parameters|nodes"  # noqa: E501
# The sizes of the hidden layers alone.
_BETWEEN = r"hidden(layers?)?(sizes|dims|units|nodes|neurons)|hidden(layers?|s)"
_COUNT = r"(?:nn|nbr|nb|no|numberof|numof|num|n|size|dim)?(?:{})(?:size|dim|nodes?|neurons?|units?|layers?|num|count|s|\d)*"  # noqa: E501
_PLACES = {
    "in": "in|input|inputs|features?|x|d",
    "hidden": "hid|hidden|h|units|neurons|nodes",
    "out": "out|output|outputs|class|classes|c|y|k|targets?|labels?",
}
_ACTIVATION = (
    r"(hidden)?(act|activ|activation|nonlinearity)(s|fn|fun|func|function|type|name|hidden)*"
)
# Ours, and how else people write it.
_SPELT = {
    "sigmoid": ("sigmoid", "logistic", "sigm"),
    "tanh": ("tanh", "hyperbolictangent"),
    "relu": ("relu",),
    "leaky_relu": ("leakyrelu", "lrelu"),
    "elu": ("elu",),
    "softplus": ("softplus",),
    "gelu": ("gelu",),
    "silu": ("silu", "swish"),
    "softsign": ("softsign",),
    "identity": ("identity", "linear"),
    "softmax": ("softmax",),
}


def options_in(tree: ast.Module, module: ModuleType) -> dict[str, str]:
    """{"leaky_relu": "LeakyReLU"}: activations that the text, or a table that it imports, has names
    for, ours and its own."""
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 25
    ]
    for table in vars(module).values():
        if isinstance(table, dict) and all(map(callable, table.values())):
            texts += [name for name in table if isinstance(name, str)]
    found = dict[str, str]()
    for ours, spelt in _SPELT.items():
        for text in texts:
            if re.sub(r"[\s_-]", "", text.lower()) in spelt:
                found.setdefault(ours, text)
    return found


def makes(cls: type, options: Mapping[str, str]) -> Iterator[str]:
    """Arguments, as text, the likeliest first. options: as `options_in` says"""
    parameters = required(cls)
    if parameters is None:
        return
    wanted = [p for p in parameters if p.default is inspect.Parameter.empty]
    if sum(is_input(p.name) for p in wanted) == sum(is_label(p.name) for p in wanted) == 1:
        yield ", ".join(_with_data(parameters, bool(options)))
    lists = [_listed(parameter.name) for parameter in parameters]
    for chosen in product(*([True, False] if each else [False] for each in lists)):
        texts = list(_texts(parameters, chosen, bool(options)))
        yield ", ".join(texts)
    yield "*net.widths"
    yield "list(net.widths)"
    yield "*net.widths, net.alpha"
    if len(wanted) > 1:
        yield "list(net.widths), net.alpha"
        if options:  # [(5, "relu"), (2, "sigmoid")]
            yield "net.widths[0], [*zip(net.widths[1:], net.activations)]"
    yield ""


def _with_data(parameters: list[inspect.Parameter], spelt: bool) -> Iterator[str]:
    """Of a class that is given its data when it is made."""
    left = {"in": ["net.widths[0]"], "hidden": ["net.widths[1]"], "out": ["net.widths[-1]"]}
    for parameter in parameters:
        free = parameter.default is not inspect.Parameter.empty
        data = "net.X" if is_input(parameter.name) else "net.Y" * is_label(parameter.name)
        text = data if data and not free else _made_of(parameter, left, spelt)
        if text or not free:
            yield f"{parameter.name}={text}" if free else (text or "1")


def _listed(name: str) -> bool:
    return re.fullmatch(_BETWEEN, _plain(name)) is not None


def _texts(
    parameters: list[inspect.Parameter], listed: tuple[bool, ...], spelt: bool
) -> Iterator[str]:
    """One text per parameter that is given."""
    left = {"in": ["net.widths[0]"], "out": ["net.widths[-1]"]}
    left["hidden"] = ["net.widths[1]", "net.widths[2]", "net.widths[3]"]
    alone = not any(is_place(parameter.name, ("in", "out")) for parameter in parameters)
    whole = False
    for parameter, is_list in zip(parameters, listed, strict=True):
        free = parameter.default is not inspect.Parameter.empty
        text = "list(net.widths[1:-1])" if is_list else _made_of(parameter, left, spelt)
        if alone and re.fullmatch(_SIZES, _plain(parameter.name)):
            text = "list(net.widths)"
        whole = whole or text == "list(net.widths)"
        if text is None and free:
            continue
        if text is None:  # of an unknown name: the next size, or any number
            rest = [each for place in ("in", "hidden", "out") for each in left[place][:1]]
            sized = whole or any(listed) or not rest
            text = "1" if sized else left[_place_of(rest[0])].pop(0)
        yield f"{parameter.name}={text}" if free else text


def is_place(name: str, places: tuple[str, ...]) -> bool:
    """Whether a parameter is called like the number of units there: "in", "hidden" or "out"."""
    return any(re.fullmatch(_COUNT.format(_PLACES[place]), _plain(name)) for place in places)


def _place_of(text: str) -> str:
    return {"net.widths[0]": "in", "net.widths[-1]": "out"}.get(text, "hidden")


def _made_of(parameter: inspect.Parameter, left: dict[str, list[str]], spelt: bool) -> str | None:
    plain, default = _plain(parameter.name), parameter.default
    free = default is not inspect.Parameter.empty
    if re.fullmatch(RATE, plain):
        return "net.alpha"
    if re.fullmatch(OFF, plain):
        return None if free and not default else "0"
    if re.fullmatch(KEPT, plain):
        return "1"
    if spelt and re.fullmatch(_ACTIVATION, plain) and not (free and callable(default)):
        several = plain.endswith("s") or isinstance(default, list | tuple)
        return "list(net.activations)" if several else "net.hidden"
    for place, word in _PLACES.items():
        if re.fullmatch(_COUNT.format(word), plain) and left[place]:
            return left[place].pop(0)
    if re.fullmatch(_SIZES, plain):
        return "list(net.widths)"
    if not free and re.fullmatch(ROUNDS, plain):
        return "1"
    if not free and re.fullmatch(FACTOR, plain):
        return "0"
    return None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


_STARTS = re.compile(
    r"_*(random_?)?(init|initiali[sz]e|build|create|setup|reset|make)?_?"
    r"(all_?)?(weights?|params?|parameters|network|model|layers|init|bias\w*)?(_?and_?\w+)?"
)


def starters(cls: type) -> Iterator[str]:
    """Methods that make the weights after a net was made, and want nothing for it."""
    for name in dir(cls):
        method: Callable[..., Any] | None = getattr(cls, name, None)
        if name.startswith("__") or not inspect.isfunction(method):
            continue
        if re.search(r"init|build|create|setup|reset|make", name) and _STARTS.fullmatch(name):
            parameters = (required(method) or [])[1:]
            if all(each.default is not inspect.Parameter.empty for each in parameters):
                yield name
