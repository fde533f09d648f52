"""In the worker: the adapter is found and checked, the learner's file loaded the way it says."""

import ast
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backproof import cells
from backproof.adapted import Adapted
from backproof.adapters import Adapter, AdapterError, depths_of, misspelt, names
from backproof.blaming import raised_inside, with_line
from backproof.cells import NotebookError, is_notebook
from backproof.chained import loops_of_its_own
from backproof.contract import CONTRACT, NAMED, Function
from backproof.guessed_claims import unnamed_loss
from backproof.layouts import LayoutError
from backproof.loading import (
    LoadError,
    cannot_import,
    code_of,
    function_of,
    imported,
    module_at,
    named,
)
from backproof.names import OUTPUT_ACTIVATION
from backproof.paths import PathError
from backproof.probe_nets import dtype_of
from backproof.proposal import Proposal, adapter_source
from backproof.proposed_scripts import is_script, missing_packages
from backproof.proposing import adapted_by, propose
from backproof.protocol import Message
from backproof.replies import Reply, arrays_in, failure_reply
from backproof.scripts import marked, replace_packages, run_definitions, source_of
from backproof.smoking import loss_at, problems_of
from backproof.stated import stated_of, states_loss, words_of


class Loaded:
    """An adapted program as the worker serves it."""

    def __init__(
        self, adapted: Adapted, path: Path, shown: str, proposal: str = "", beside: str = ""
    ) -> None:
        """proposal: the text of an adapter that was inferred   beside: what is not judged so"""
        self._adapted, self._shown, self._proposal = adapted, shown, proposal
        self._path, self._beside = path, beside
        self.answer, self.exactly = adapted.answer, adapted.exactly

    def smoke(self, message: Message) -> Reply:
        """`smoked`, with the problems of the adapter."""
        return "smoked", {"id": message.fields["id"], "problems": problems_of(self._adapted)}, {}

    def stated_loss(self, message: Message) -> Reply:
        """`loss`, the one that the program states at the weights of the question; or `errored`."""
        question, adapted = message.fields, self._adapted
        arrays = arrays_in(question, {name: a.copy() for name, a in message.arrays.items()})
        try:
            with np.errstate():
                value = loss_at(adapted, question, arrays)
        except BaseException as error:
            return failure_reply(error, adapted.folder, question)
        return "loss", {"id": question["id"]}, {"value": np.array([value])}

    def steps(self, message: Message) -> Reply:
        """`stepped`: W before each of `count` steps of one model, and what moved; or `errored`."""
        question, adapted = message.fields, self._adapted
        arrays = arrays_in(question, {name: a.copy() for name, a in message.arrays.items()})
        try:
            with np.errstate():
                X, Y = adapted.inputs(arrays)
                net = adapted.net_of(question, arrays, X, Y)
                found = adapted.steps(net, arrays, X, Y, question["count"])
                before, moved = (np.array([adapted.flat_of(both) for both in each])
                                 for each in zip(*found, strict=True))  # fmt: skip
                resets, uncalled = resets_of(adapted.adapter.module, source_of(self._path))
        except BaseException as error:
            return failure_reply(error, adapted.folder, question)
        fields = {"id": question["id"], "resets": resets, "uncalled": uncalled}
        return "stepped", fields, {"before": before.T.copy(), "moved": moved.T.copy()}

    def told(self) -> dict[str, Any]:
        """Claims and the rest, for `hello`. Raises LoadError where no net can be made."""
        adapter, gives = self._adapted.adapter, self._adapted.gives
        try:
            dtype = dtype_of(self._adapted)
        except (AdapterError, PathError, LayoutError) as error:
            raise LoadError(f"{self._adapted.shown}: {error}.") from None
        except BaseException as error:
            who = "the adapter is at fault"
            if raised_inside(self._adapted, error):
                who = "the implementation is at fault, or `make` gives it what it does not want"
            raise LoadError(
                f"{self._shown}: no net can be made through {self._adapted.shown}: "
                f"{with_line(self._adapted, error)}; {who}."
            ) from None
        return {
            "takes": [],
            "claims": claims_of(adapter, dtype),
            "gives": gives,
            "lives_on": self._adapted.lives_on,
            "adapted": self._words(),
            "proposal": self._proposal,
            "stated": stated_of(adapter),
        }

    def _words(self) -> str:
        adapted = self._adapted
        adapter = adapted.adapter
        how = {
            "update": "ΔW is W after its update minus W before",
            "weights": "ΔW is the weights it returns minus those it was given",
            "gradient": "it gives its gradient",
        }[adapted.gives]
        form = {"rows": "one instance per row", "columns": "one instance per column"}.get(
            adapter.batch, "one instance at a time"
        )
        script = [] if adapted.marked is None else [adapted.marked.words]
        notebook = [cells.words_of(self._path)] if is_notebook(self._path) else []
        if adapter.script and adapted.marked is None:
            script = ["only its definitions are run when it is loaded"]
        elif adapter.script or adapted.marked is not None:
            script = [*script, "of the rest only the definitions"]
        script += words_of(adapter)
        if adapter.without:
            script.append(f"without {', '.join(adapter.without)}")
        script += [self._beside] if self._beside else []
        return f"through {adapted.shown}: {'; '.join([form, how, *notebook, *script])}"


_RESETS = re.compile(r"(zero|reset|clear|init)_?(grad|delta|acc|cum)\w*|zero", re.IGNORECASE)


def resets_of(module: ModuleType, source: str) -> tuple[list[str], list[str]]:
    """Functions and methods of a program that set its gradients back, by their names.

    Those that its text calls, as a loop does that the adapter stands in for; and those that
    nothing calls: where gradients add up, that is the mistake.
    """
    named = {
        each
        for owner in (module, *(v for v in vars(module).values() if isinstance(v, type)))
        for each, value in vars(owner).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }
    calls = [each.func for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Call)]
    called = {each.attr for each in calls if isinstance(each, ast.Attribute)}
    called |= {each.id for each in calls if isinstance(each, ast.Name)}
    found = {each for each in named if _RESETS.fullmatch(each)}
    return sorted(found & called), sorted(found - called)


def claims_of(adapter: Adapter, dtype: str) -> dict[str, Any]:
    """What the attributes say, as the fields of `Claims`."""
    hidden, outputs, losses = (names(v) for v in (adapter.hidden, adapter.output, adapter.loss))
    pairs = [
        (output, loss)
        for loss in losses
        for output in outputs
        if OUTPUT_ACTIVATION.get(loss, output) == output
    ]
    return {
        "activations": list(dict.fromkeys([*hidden, *outputs])),
        "losses": losses,
        "biases": {"none": ["none"], "separate": ["separate"]}.get(adapter.bias, ["augmented"]),
        "dtypes": [dtype],
        "slopes": [adapter.slope],
        "combinations": pairs,
        "hidden": hidden,
        "mixed": adapter.mixed,
        "depths": depths_of(adapter),
        "max_rows": 1 if adapter.batch.startswith("single") else None,
        "widths": adapter.widths,
        "outputs": 1 if adapter.labels == "flat" else adapter.outputs,
        "alphas": None if adapter.alpha is None else [adapter.alpha],
        "states_loss": states_loss(adapter),
    }


def load_adapted(start: dict[str, Any]) -> Loaded:
    """The program of `start` behind the adapter of `start`. Raises LoadError: one sentence."""
    path, shown = Path(start["path"]), start["shown"]
    sys.path.append(str(path.parent))
    if start["module"]:
        sys.path.append(start["search"])
    sys.argv = [str(path)]
    adapter, name = _adapter_of(start)
    trouble = misspelt(adapter)
    if trouble:
        raise LoadError(f"{name}: {trouble[0]}.")
    replace_packages(adapter.without)
    module, source = _module_of(adapter, start, path)
    adapter.module = module
    try:
        part = marked(adapter, source, module, path)
    except AdapterError as error:
        raise LoadError(f"{name}: {error}.") from None
    if part is None and type(adapter).run is Adapter.run:
        raise LoadError(f"{name}: `run` is missing; write what runs one step.")
    return Loaded(Adapted(adapter, path.parent, name, part), path, shown)


def load_proposed(start: dict[str, Any]) -> Loaded | Function:
    """The program of `start` behind an adapter that is inferred, or its `backprop` without one.

    Raises LoadError: the file cannot be read, or nothing was found that could be asked.
    """
    path, shown = Path(start["path"]), start["shown"]
    sys.path.append(str(path.parent))
    sys.argv = [str(path)]
    source, tree = code_of(path, shown)
    without = missing_packages(tree, path.parent)
    replace_packages(without)
    fields: dict[str, Any] = {"without": without} if without else {}
    if is_script(tree):
        module = module_at(path)
        run_definitions(tree, module, path)
    else:
        module, fields = _imported_or_defined(path, shown, tree, fields)
    raised = list[str]()
    proposal = propose(module, source, path, fields, raised)
    if proposal is None and hasattr(module, "backprop"):  # says how it would have to be called
        return function_of(module, path, shown, None)
    if proposal is None:
        raise LoadError(
            f"{shown} has no function `backprop{CONTRACT}`; write one or name yours: "
            f"{shown}:function (no adapter was found that fits what it has{_often(raised)})."
        )
    text = adapter_source(proposal)
    adapted = adapted_by(text, proposal, module, source, path)
    beside = _passed_by(proposal, tree), unnamed_loss(adapted.adapter.loss, source)
    return Loaded(adapted, path, shown, text, "; ".join(filter(None, beside)))


def _passed_by(proposal: Proposal, tree: ast.Module) -> str:
    """What of a program of layers is not judged: a loop of its own, in place of which is ours."""
    own = loops_of_its_own(tree) if any("backward(model" in line for line in proposal.run) else []
    if not own:
        return ""
    lines = ", ".join(map(str, own))
    where = f"the loop at line {lines} is" if len(own) == 1 else f"the loops at {lines} are"
    return f"its layers are judged, in a loop of the adapter's; {where} not"


def _often(raised: list[str]) -> str:
    """What the program itself raised in most of the ways in that were tried."""
    if not raised:
        return ""
    said, times = Counter(raised).most_common(1)[0]
    return f"; in {len(raised)} ways of calling it the program raises, in {times} of them {said}"


_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _imported_or_defined(
    path: Path, shown: str, tree: ast.Module, fields: dict[str, Any]
) -> tuple[ModuleType, dict[str, Any]]:
    """The module; only its definitions where the rest of it cannot run here."""
    try:
        if not is_notebook(path):
            return imported(path, shown), fields
    except LoadError:
        if not any(isinstance(each, _DEFINITION) for each in tree.body):
            raise
    module = module_at(path)
    run_definitions(tree, module, path)
    return module, fields | {"script": True}


def has_function(path: str) -> bool:
    """Whether the file itself defines a `backprop` that may be meant to be on the contract.

    What cannot be read is said by who loads it.
    """
    try:
        tree = ast.parse(source_of(Path(path)))
    except (SyntaxError, ValueError, OSError, NotebookError):
        return True
    named = {each.name for each in tree.body if isinstance(each, _DEFINITION)
             if not (isinstance(each, ast.FunctionDef) and _is_another(each))}  # fmt: skip
    for each in ast.walk(tree):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            named.add(each.id)
        elif isinstance(each, ast.ImportFrom):
            brought = {alias.asname or alias.name for alias in each.names}
            if "*" in brought and _may_give(each.module or "", Path(path).parent):
                return True
            named |= brought
    return "backprop" in named


def _may_give(module: str, folder: Path) -> bool:
    """Whether `from module import *` may bring a `backprop`; NumPy's and Python's own do not."""
    beside = folder.joinpath(*module.split(".")).with_suffix(".py")
    if beside.is_file():
        return "backprop" in source_of(beside)
    return module.partition(".")[0] not in {*sys.stdlib_module_names, *_WITHOUT_IT}


_WITHOUT_IT = ("numpy", "scipy", "matplotlib", "pylab")


def _is_another(function: ast.FunctionDef) -> bool:
    """Whether it has other parameters than the contract, by their number or their order.

    What the contract gives by name, such as `alpha`, may stand among them without a default.
    """
    given = function.args
    found = [each.arg.lower() for each in (*given.posonlyargs, *given.args)]
    wanted = CONTRACT.lower().strip("()").split(", ")
    if given.vararg is not None:
        return False
    needed = found[: len(found) - len(given.defaults)]
    by_name = sum(name in NAMED for name in needed)
    if not len(needed) - by_name <= len(wanted) <= len(found):
        return True
    return any(name in wanted and name != here for name, here in zip(found, wanted, strict=False))


def _adapter_of(start: dict[str, Any]) -> tuple[Adapter, str]:
    if start["adapter_source"]:
        name = "the adapter that was proposed"
        module = ModuleType("proposed_adapter")
        exec(compile(start["adapter_source"], "<proposed adapter>", "exec"), vars(module))
    else:
        path = Path(start["adapter"])
        name = path.name
        module = imported(path, name)
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Adapter) and each is not Adapter
    ]
    own = [each for each in found if not any(other is not each and issubclass(other, each)
                                             for other in found)]  # fmt: skip
    if len(own) != 1:
        raise LoadError(f"{name} has {len(own)} classes of `Adapter`; write one.")
    return own[0](), name


def _module_of(adapter: Adapter, start: dict[str, Any], path: Path) -> tuple[ModuleType, str]:
    shown = start["shown"]
    wanted = adapter.script or adapter.loop or adapter.lines is not None
    if not wanted and not is_notebook(path):
        if start["module"]:
            return named(start["module"], shown), ""
        return imported(path, shown), ""
    source, tree = code_of(path, shown)
    module = module_at(path)
    if wanted:
        run_definitions(tree, module, path)
        return module, source
    try:
        exec(compile(tree, str(path), "exec"), vars(module))
    except BaseException as error:
        raise LoadError(cannot_import(error, path, shown)) from None
    return module, source
