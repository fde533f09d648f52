"""How somebody's functions and methods may be called, by the names of their parameters."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

_INPUT = r"xs?|x\w?|x(batch|data|in)|inputs?|input\w*|data|features?|samples?|train(ing)?(x|inputs?|data)|xtrain|images?|a0|vector"  # noqa: E501
_LABEL = r"ys?|y\w?|targets?|target\w*|labels?|ts?|expected\w*|desired\w*|ytrue|ytrain|yonehot|train(ing)?(y|outputs?|labels?|targets?)|ybatch|correct\w*|d|answers?"  # noqa: E501
RATE = r"lr|lrate|learningrate|alpha|alfa|eta|rate|stepsize|learnrate|learn|learning"
ROUNDS = (
    r"epochs?|iterations?|niter|numepochs|numiterations?|numiters?|maxiter|iters?|nepochs?|rounds"
)
# What is no part of the loss of a case is switched off: L2, dropout.
OFF = r"(l2|l1|reg|regulari[sz]ation|lambda|lambd|lam|lmbda|weightdecay|dropout|dropoutrate|droprate)(reg|lambda|param|parameter|strength|rate|factor|coefficient|penalty|prob)?"  # noqa: E501
KEPT = r"keep(prob|rate|probability)"
# A step of plain descent has no momentum or, where it multiplies the step, all of it.
FACTOR = r"momentum|mu|beta\d?|decay(rate)?"
# Instances as pairs (x, y), each a column or a row.
_PAIRED = r"(train(ing)?|mini)?(batch|data|dataset|examples?|samples|pairs|set)"
_PAIRS = ["[*zip(X[:, :, None], Y[:, :, None])]", "[*zip(X, Y)]"]
_BATCH = r"batchsize|minibatchsize|m|n|batch|numsamples|nsamples"
_PARAMS = r"params?|parameters|weights|net|network|model|theta"
# A list of arrays, one per layer.
_LISTS = {"W": r"weights?|ws?|wlist|allweights", "b": r"bias(es)?|bs?|blist|allbiases"}

FORWARD = re.compile(r"forward|feedforward|fwd|propagate$|outputs?$|predict$|query|think|activate")
BACKWARD = re.compile(r"back|bkd|grad")
TRAIN = re.compile(r"train|fit$|learn|step|train_step|update|sgd|run$|cost|loss")
UPDATE = re.compile(r"update|descent|step|optimi[sz]e|apply")


def _is(name: str, words: str) -> bool:
    return re.fullmatch(words, _plain(name)) is not None


def is_input(name: str) -> bool:
    return _is(name, _INPUT)


def is_label(name: str) -> bool:
    return _is(name, _LABEL + "|actual|true")


def is_rate(name: str) -> bool:
    return _is(name, RATE)


def required(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters to be given; None where that cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in kinds]


def arguments(
    function: Callable[..., Any],
    out: str,
    params: str,
    returned: Sequence[str] = (),
    trains: bool = False,
) -> Iterator[str]:
    """Texts of the arguments of a call that has X, Y, what forward returned (`out`) and `params`.

    params: text for a dict of parameters; "" where there is none
    returned: the names that forward itself has for what it returns
    trains: whether the call is all of a step: its data may be pairs, its rate have any name
    """
    named = {name: out if len(returned) == 1 else f"{out}[{i}]" for i, name in enumerate(returned)}
    parameters = required(function)
    if parameters is None:
        return
    choices: list[list[str]] = []
    labelled = any(_is(p.name, _LABEL) for p in parameters)
    paired = trains and not labelled
    rated = any(_is(p.name, RATE) for p in parameters)
    for parameter in parameters:
        found = _meaning(parameter.name, out, params, labelled)
        if _plain(parameter.name) in named and found not in (["X"], ["Y"]):
            found = [named[_plain(parameter.name)]]
        if parameter.default is not inspect.Parameter.empty:
            if found and _is(parameter.name, f"{RATE}|{ROUNDS}|(mini)?batchsize|{_off(parameter)}"):
                choices.append([f"{parameter.name}={found[0]}"])
            continue
        if paired and _is(parameter.name, _PAIRED):
            found = [*_PAIRS, *found]
        if not found and trains and not rated:
            found, rated = ["self.net.alpha"], True
        if not found:
            return
        choices.append(found)
    for picked in product(*choices):
        # what stands by name comes last
        ordered = sorted(picked, key=lambda each: "=" in each)
        yield ", ".join(ordered)


def _off(parameter: inspect.Parameter) -> str:
    return OFF if parameter.default else "-"


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _meaning(name: str, out: str, params: str, labelled: bool) -> list[str]:
    layer = re.fullmatch(r"(w|weights?|b|bias(?:es)?)_?(\d)", name.lower())
    if layer:
        letter = "W" if name.lower().startswith("w") else "b"
        return [f"{params or 'net.params'}['{letter}{layer[2]}']"]
    if _is(name, _INPUT):
        return ["X"]
    if _is(name, _LABEL) or (not labelled and re.search(r"out", name.lower())):
        return ["Y"]
    if _is(name, RATE):
        return ["self.net.alpha"]
    if _is(name, OFF):
        return ["0"]
    if _is(name, FACTOR):
        return ["0", "1"]
    if _is(name, KEPT):
        return ["1"]
    if _is(name, ROUNDS):
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
    """By function or method: what it calls the things that it returns last, without case and _."""
    found = dict[str, list[str]]()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            last = [each.value for each in function.body if isinstance(each, ast.Return)]
            parts = last[-1].elts if last and isinstance(last[-1], ast.Tuple) else last[-1:]
            names = [_plain(ast.unparse(each).rpartition(".")[2]) for each in parts
                     if isinstance(each, ast.Name | ast.Attribute)]  # fmt: skip
            found[function.name] = names if len(names) == len(parts) else []
    return found


def runs_of(
    methods: dict[str, Callable[..., Any]],
    owner: str,
    returned: dict[str, list[str]],
    params: str = "",
    has_data: bool = False,
) -> Iterator[tuple[str, ...]]:
    """Bodies of `run`: one call that trains, or forward, backward and update.

    returned: of each function, as `returned_names` says   has_data: X and Y were given before
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
        for given in arguments(methods[name], "", params, trains=True):
            if has_data or ("X" in given and "Y" in given):
                yield (f"return {owner}{name}({given})",)
