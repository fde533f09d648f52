"""How somebody's functions and methods may be called, by the names of their parameters."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

_INPUT = r"xs?|x\w?|inputs?|input\w*|data|features?|samples?|train(ing)?(x|inputs?|data)|xtrain|images?|a0|vector"  # noqa: E501
_LABEL = r"ys?|y\w?|targets?|target\w*|labels?|ts?|expected\w*|desired\w*|ytrue|ytrain|yonehot|train(ing)?(y|outputs?|labels?)|correct\w*|d|answers?"  # noqa: E501
_RATE = r"lr|learningrate|alpha|alfa|eta|rate|stepsize|learnrate|learning"
_ROUNDS = r"epochs?|iterations?|niter|numepochs|numiterations?|maxiter|iters?|nepochs?|rounds"
_BATCH = r"batchsize|minibatchsize|m|n|batch|numsamples|nsamples"
_SIZES = r"sizes?|layers?|layersizes?|architecture|dims?|layerdims?|structure|topology|neurons|shape|layerstructure|layersdims|units|numunits"  # noqa: E501
_PARAMS = r"params?|parameters|weights|net|network|model|theta"
# A list of arrays, one per layer.
_LISTS = {"W": r"weights?|ws?|wlist|allweights", "b": r"bias(es)?|bs?|blist|allbiases"}

_COUNT = r"(?:n|num|size)?(?:{})(?:size|dim|nodes|neurons|units|layer|s)*"

FORWARD = re.compile(r"forward|feedforward|fwd|propagate$|outputs?$|predict$|query|think|activate")
BACKWARD = re.compile(r"back|bkd|grad")
TRAIN = re.compile(r"train|fit$|learn|step|train_step|update|sgd|run$|cost|loss")
UPDATE = re.compile(r"update|descent|step|optimi[sz]e|apply")


def _is(name: str, words: str) -> bool:
    return re.fullmatch(words, name.lower().replace("_", "")) is not None


def is_label(name: str) -> bool:
    return _is(name, _LABEL + "|actual|true")


def required(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters to be given; None where that cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in kinds]


def makes(cls: type) -> Iterator[str]:
    """Arguments with which a net of the class may be made, as text."""
    parameters = required(cls)
    if parameters is None:
        return
    named: list[str] = []
    numbers = ["net.widths[0]", "net.widths[1]", "net.widths[-1]"]
    for parameter in parameters:
        given = parameter.default is inspect.Parameter.empty
        text = _made_of(parameter.name)
        if text is None and given and numbers:
            text = numbers[0]
        if text in numbers:
            numbers.remove(text)
        if text is not None and (given or text.startswith("net.widths") or text == "net.alpha"):
            named.append(text if given else f"{parameter.name}={text}")
        elif given:
            named = [""]
            break
    if named != [""]:
        yield ", ".join(named)
    yield "*net.widths"
    yield "list(net.widths)"
    yield "*net.widths, net.alpha"
    yield ""


def _made_of(name: str) -> str | None:
    plain = name.lower().replace("_", "")
    if re.fullmatch(_SIZES, plain):
        return "list(net.widths)"
    if re.fullmatch(_RATE, plain):
        return "net.alpha"
    if re.fullmatch(_ROUNDS, plain):
        return "1"
    words = {
        "0": "in|input|inputs|features|x",
        "1": "hid|hidden|h",
        "-1": "out|output|outputs|classes|y|k",
    }
    for place, word in words.items():
        if re.fullmatch(_COUNT.format(word), plain):
            return f"net.widths[{place}]"
    return None


def arguments(
    function: Callable[..., Any], out: str, params: str, returned: Sequence[str] = ()
) -> Iterator[str]:
    """Texts of the arguments of a call that has X, Y, what forward returned (`out`) and `params`.

    params: text for a dict of parameters; "" where there is none
    returned: the names that forward itself has for what it returns
    """
    named = {name: out if len(returned) == 1 else f"{out}[{i}]" for i, name in enumerate(returned)}
    parameters = required(function)
    if parameters is None:
        return
    choices: list[list[str]] = []
    labelled = any(_is(p.name, _LABEL) for p in parameters)
    for parameter in parameters:
        found = _meaning(parameter.name, out, params, labelled)
        if parameter.name in named and found not in (["X"], ["Y"]):
            found = [named[parameter.name]]
        if parameter.default is not inspect.Parameter.empty:
            if found and _is(parameter.name, f"{_RATE}|{_ROUNDS}|(mini)?batchsize"):
                choices.append([f"{parameter.name}={found[0]}"])
            continue
        if not found:
            return
        choices.append(found)
    for picked in product(*choices):
        # what stands by name comes last
        ordered = sorted(picked, key=lambda each: "=" in each)
        yield ", ".join(ordered)


def _meaning(name: str, out: str, params: str, labelled: bool) -> list[str]:
    layer = re.fullmatch(r"(w|weights?|b|bias(?:es)?)_?(\d)", name.lower())
    if layer:
        letter = "W" if name.lower().startswith("w") else "b"
        return [f"{params or 'net.params'}['{letter}{layer[2]}']"]
    if _is(name, _INPUT):
        return ["X"]
    if _is(name, _LABEL) or (not labelled and re.search(r"out", name.lower())):
        return ["Y"]
    if _is(name, _RATE):
        return ["self.net.alpha"]
    if _is(name, _ROUNDS):
        return ["1"]
    lists = [f"self.net.{letter}" for letter, words in _LISTS.items() if _is(name, words)]
    if _is(name, _PARAMS) and params:
        return [params, *lists]
    if lists:
        return lists
    if _is(name, _BATCH):
        return ["self.net.n"]
    if not out:
        return []
    position = re.fullmatch(r"[az](\d)|cache|caches|memory", name.lower())
    error = re.search(r"err|delta|grad|upstream", name.lower())
    if error:
        return [f"{out} - Y", f"Y - {out}"]
    return [out, f"{out}[0]", f"{out}[1]"] if position is None else [f"{out}[1]", f"{out}[0]", out]


def returned_names(tree: ast.Module) -> dict[str, list[str]]:
    """By function or method: what it calls the things that it returns last."""
    found = dict[str, list[str]]()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            last = [each.value for each in function.body if isinstance(each, ast.Return)]
            parts = last[-1].elts if last and isinstance(last[-1], ast.Tuple) else last[-1:]
            names = [each.id for each in parts if isinstance(each, ast.Name)]
            found[function.name] = names if len(names) == len(parts) else []
    return found


def runs_of(
    methods: dict[str, Callable[..., Any]],
    owner: str,
    returned: dict[str, list[str]],
    params: str = "",
) -> Iterator[tuple[str, ...]]:
    """Bodies of `run`: one call that trains, or forward, backward and update.

    returned: of each function, as `returned_names` says
    """
    forwards = [name for name in methods if FORWARD.search(name.lower())]
    backwards = [name for name in methods if BACKWARD.search(name.lower())]
    trains = [name for name in methods if TRAIN.search(name.lower())]
    updates = [name for name in methods if UPDATE.search(name.lower()) and name not in backwards]
    for backward in backwards:
        for forward in forwards:
            for given in arguments(methods[forward], "", params):
                if "Y" in given:
                    continue
                first = f"out = {owner}{forward}({given})"
                for rest in arguments(methods[backward], "out", params, returned.get(forward, ())):
                    second = f"{owner}{backward}({rest})"
                    yield (first, f"return {second}")
                    for update in updates:
                        for last in arguments(methods[update], "out", params):
                            yield (first, second, f"{owner}{update}({last})")
    for name in [*trains, *backwards]:
        for given in arguments(methods[name], "", params):
            if "X" in given and "Y" in given:
                yield (f"return {owner}{name}({given})",)
