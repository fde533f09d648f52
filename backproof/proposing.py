"""An adapter proposed from what a file has: signatures, attributes after construction, shapes.

Candidates are tried in the worker, and the first is kept whose arrays move, or come back in the
right shapes. It is a proposal: a user confirms it, for a program that is wrong can look like one
that is called wrongly.
"""

import ast
import inspect
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from backproof.adapted import Adapted
from backproof.adapters import Adapter
from backproof.blaming import Step, raised_inside
from backproof.called import returned_names, runs_of
from backproof.found_arrays import chain_of, general, leaves_of, places_in
from backproof.guessed_claims import among, combinations_in, named_claims, reproduced, told_by
from backproof.hurrying import hurried
from backproof.making import options_in
from backproof.paths import numbered
from backproof.probe_nets import probe_of
from backproof.proposal import MOST_TAKEN, Proposal, adapter_source, length_of, of_weights, takes
from backproof.proposed_batches import answer_of, is_one_by_one, lively
from backproof.proposed_classes import (
    class_candidates,
    fields_of,
    looped_candidates,
    methods_of,
    others,
)
from backproof.proposed_layers import layer_candidates
from backproof.proposed_losses import gives_negative, gives_output, loss_texts
from backproof.proposed_scripts import is_script, rates_in, script_fields
from backproof.scripts import marked
from backproof.smoking import problems_of
from backproof.telling import told

_LINES = 10
_LARGEST = 3000  # numbers of a net, each of which is moved for a difference
_SECONDS = 8.0  # for the whole search
_PATIENCE = 0.5  # for one call of the learner's code
_BATCHES = ("rows", "columns", "single column", "single", "single row")


def propose(
    module: ModuleType,
    source: str,
    path: Path,
    fields: dict[str, Any] | None = None,
    raised: list[str] | None = None,
) -> Proposal | None:
    """The first candidate that works; one whose answer some combination reproduces comes first.

    module, source, path: the learner's   fields: attributes that every candidate has
    raised: gets what the program itself raised, once per candidate
    """
    raised = [] if raised is None else raised
    search = _Search(module, source, path, fields or {}, raised)
    # Numbers choose among claims, and between forms that take as much: never a form that shows
    # less of the program, for there its mistakes may not show.
    kept: list[tuple[int, bool, Proposal]] = []
    for candidate in search.candidates():
        if kept and takes(candidate) < kept[0][0]:
            continue
        chosen, certain = search.claimed(candidate)
        if not certain and search.one_by_one(candidate):
            alone = candidate.fields | {"batch": "single row"}
            chosen, certain = search.claimed(replace(candidate, fields=alone))
        kept.append((takes(chosen), certain, chosen))
        if certain and takes(chosen) == MOST_TAKEN:
            break
    if not kept:
        return None
    most = max(each[0] for each in kept)
    best = next((each for each in kept if each[:2] == (most, True)), None)
    best = best or next(each for each in kept if each[0] == most)
    chosen = search.biased(of_weights(best, kept))
    _, certain = search.claimed(chosen)
    chosen = search.widened(chosen)
    return search.deepened(search.stating(chosen) if certain else chosen)


def adapted_by(
    text: str, proposal: Proposal, module: ModuleType, source: str, path: Path
) -> Adapted:
    """The program behind an adapter whose text was written here."""
    namespace: dict[str, Any] = {}
    exec(compile(text, "<proposed adapter>", "exec"), namespace)
    adapter: Adapter = namespace[proposal.name]()
    adapter.module = module
    part = marked(adapter, source, module, path)
    return Adapted(adapter, path.parent, "an adapter that was inferred", part)


class _Search:
    def __init__(
        self,
        module: ModuleType,
        source: str,
        path: Path,
        fixed: dict[str, Any],
        raised: list[str],
    ) -> None:
        self.module, self.source, self.path = module, source, path
        self.fixed, self.raised = fixed, raised
        self.until = time.monotonic() + _SECONDS
        self.combinations = combinations_in(source)
        self.tree = ast.parse(source)
        self.options = options_in(self.tree, module)
        self.returned = returned_names(self.tree)

    def candidates(self) -> Iterator[Proposal]:
        """All that pass the smoke test; of a script its loop, or else what it defines."""
        found = False
        for form in [self._of_script, self._of_definitions][not is_script(self.tree) :]:
            for proposal in () if found else form():
                if time.monotonic() > self.until:
                    return
                if self.works(proposal):
                    found = True
                    yield proposal

    def works(self, proposal: Proposal) -> bool:
        # What depends on the learning rate is a step, or new weights, and no gradient.
        if proposal.fields.get("gives") == "gradient" and "net.alpha" in str(proposal.run):
            return False
        try:
            with hurried(_PATIENCE):
                return not problems_of(self.adapted(proposal), self._remember)
        except BaseException:
            return False

    def _remember(self, adapted: Adapted, error: BaseException, step: Step) -> str:
        said = told(error, adapted.folder)
        if raised_inside(adapted, error) and not isinstance(error, TimeoutError):
            self.raised.append(said)
        return said

    def rated(self, proposal: Proposal) -> Proposal:
        """The same, with the number that is written into the program where its rate is not set."""
        if "alpha" in proposal.fields or "rate" in proposal.fields or "net.alpha" in str(proposal):
            return proposal
        rates = rates_in(self.source)
        return replace(proposal, fields=proposal.fields | {"alpha": (rates or [1.0])[0]})

    def adapted(self, proposal: Proposal) -> Adapted:
        text = adapter_source(proposal)
        return adapted_by(text, proposal, self.module, self.source, self.path)

    # --- which ----------------------------------------------------------------------------------

    def _of_script(self) -> Iterator[Proposal]:
        yield from self._of_loops()
        self.fixed = self.fixed | {"script": True}  # for what comes after its loop

    def _of_loops(self) -> Iterator[Proposal]:
        """Functions that make their own weights and train them."""
        for fields in script_fields(self.tree, self.module, self.path):
            yield from self._called(self._named("Mine", fields), [()])

    def _of_definitions(self) -> Iterator[Proposal]:
        own = [each for each in vars(self.module).values() if self._is_own(each)]
        classes = [each for each in own if isinstance(each, type)]
        functions: list[Callable[..., Any]] = [each for each in own if inspect.isfunction(each)]
        for cls in reversed(classes):
            yield from self._of_class(cls)
        for make, run, fields in layer_candidates(self.module, self.source):
            proposal = self._named("OfLayers", fields, make=make, run=run)
            yield from self._called(proposal, [run])
        if functions:
            yield from self._of_globals(functions)
            yield from self._of_functions(functions)
            yield from self._of_loops()

    def _is_own(self, each: Any) -> bool:
        return getattr(each, "__module__", None) == self.module.__name__

    def _named(
        self, name: str, fields: dict[str, Any], make: str = "", run: tuple[str, ...] = ()
    ) -> Proposal:
        return Proposal(name, self._claims() | fields | self.fixed, make, run=run)

    def _of_class(self, cls: type) -> Iterator[Proposal]:
        proposal = None
        given = self.options, self._named, self._model
        for proposal, model in class_candidates(cls, self.source, *given):
            methods = {name: getattr(model, name) for name in methods_of(cls)}
            has_data = "net.X" in proposal.make
            runs = list(runs_of(methods, "model.", self.returned, has_data=has_data))
            yield from self._called(proposal, runs)
        if proposal is None:
            for looped in looped_candidates(cls, self.tree, self.module, *given):
                yield from self._called(looped, [()])

    def _claims(self) -> dict[str, Any]:
        return dict(zip(("hidden", "output", "loss"), self.combinations[0], strict=True))

    def _model(self, proposal: Proposal) -> Any:
        try:
            with hurried(_PATIENCE):
                adapted = self.adapted(replace(proposal, run=("pass",)))
                net, *_ = probe_of(adapted)
                return adapted.adapter.make(net)
        except BaseException:
            return None

    def _called(self, proposal: Proposal, runs: list[tuple[str, ...]]) -> Iterator[Proposal]:
        for run in runs:
            for batch in ("rows",) if "zip(" in str(run) else _BATCHES:
                for lists in (False, True) if batch == "single" else (False,):
                    more: dict[str, Any] = {} if batch == "rows" else {"batch": batch}
                    more |= {"lists": True} if lists else {}
                    made = replace(proposal, run=run, fields=proposal.fields | more)
                    yield from self._giving(made)

    def _giving(self, made: Proposal) -> Iterator[Proposal]:
        """What comes out: a step, a step of a rate of its own, a gradient, new weights."""
        for labels in ("", "classes") if _CLASSES.search(self.source) else ("",):
            each = replace(made, fields=made.fields | ({"labels": labels} if labels else {}))
            if "W" in each.fields:
                yield each
                if self.rated(each) is not each:
                    yield self.rated(each)
            if not each.run:
                continue
            yield replace(each, fields=each.fields | {"gives": "gradient"})
            last = each.run[-1] + "[1]"  # (loss, gradients)
            yield replace(each, run=(*each.run[:-1], last), fields=each.fields
                          | {"gives": "gradient"})  # fmt: skip
            if "W" not in each.fields:
                yield self.rated(replace(each, fields=each.fields | {"gives": "weights"}))
            if stored := self._stored(each):
                yield replace(each, fields=each.fields | stored)

    def _stored(self, proposal: Proposal) -> dict[str, Any]:
        """Where a run leaves arrays of the weights' shapes that are not the weights."""
        if "W" not in proposal.fields:
            return {}
        try:
            with hurried(_PATIENCE):
                adapted = self.adapted(proposal)
                net, arrays, X, Y = probe_of(adapted)
                model = adapted.model_of(net)
                adapted.set(model, arrays)
                adapted.adapter.run(model, X, Y)
        except BaseException:
            return {}
        taken = {
            numbered(texts if isinstance(texts, str) else texts[at], at)
            for texts in (proposal.fields["W"], proposal.fields.get("b", ""))
            for at in range(net.depth)
        }
        leaves = [each for each in leaves_of(model, self.module.__name__)
                  if each.path not in taken]  # fmt: skip
        leaves.sort(key=lambda each: not _GRADIENT.search(each.path.lower()))
        for places in places_in(leaves, net.widths, odd=True):
            if places.bias == proposal.fields.get("bias", "separate"):
                found: dict[str, Any] = {"dW": general(places.W)}
                return found | ({"db": general(places.b)} if places.b else {})
        return {}

    def _of_globals(self, functions: list[Callable[..., Any]]) -> Iterator[Proposal]:
        leaves = leaves_of(self.module, self.module.__name__)
        widths = chain_of([leaf for leaf in leaves if "." not in leaf.path])
        if not widths:
            return
        methods = {each.__name__: each for each in functions}
        for places in list(places_in(leaves, widths))[:2]:
            proposal = self._named("Mine", {"widths": widths} | fields_of(places))
            yield from self._called(proposal, list(runs_of(methods, "self.module.", self.returned)))

    def _of_functions(self, functions: list[Callable[..., Any]]) -> Iterator[Proposal]:
        methods = {each.__name__: each for each in functions}
        given = list(runs_of(methods, "self.module.", self.returned, "model.params"))
        dicts = list(runs_of(methods, "self.module.", self.returned, "model"))
        for more in self._forms():
            for bias in ("separate", "none"):
                fields = more | ({} if bias == "separate" else {"bias": bias})
                yield from self._called(self._named("Mine", fields), given)
                places = {"W": "W{l}"} | ({"b": "b{l}"} if bias == "separate" else {})
                trained = self._named("Mine", fields | places, make="net.params")
                yield from self._called(trained, dicts)

    def _forms(self) -> Iterator[dict[str, Any]]:
        """What functions may want of the arrays that they are given, the plainest first."""
        depth: dict[str, Any] = {"depths": 3} if _THREE.search(self.source) else {}
        forms: tuple[dict[str, Any], ...] = (
            {},
            {"bias_shape": "row"},
            {"layout": "out, in", "bias_shape": "column"},
        )
        for outputs in (None, 1):
            for form in forms:
                yield depth | form | ({"outputs": outputs} if outputs else {})

    # --- what it claims -------------------------------------------------------------------------

    def claimed(self, proposal: Proposal) -> tuple[Proposal, bool]:
        """The same with the claims that its answer shows; True where all of it is reproduced."""
        try:
            with hurried(4 * _PATIENCE):
                adapted = self.adapted(proposal)
                net, tame, *_ = probe_of(adapted)
                if sum(W.size for W in tame.weights) > _LARGEST:
                    return proposal, False
                answers = [answer_of(adapted, net, lively(tame, turn)) for turn in range(2)]
        except BaseException:
            return proposal, False
        falls = adapted.gives != "gradient"
        named = told_by(proposal.fields)
        combinations = among(self.combinations, proposal)
        if gives_negative(self.adapted, proposal):
            combinations = [each for each in combinations if each[1] != "relu"]
        found, certain = reproduced([named] if named else combinations, answers, falls=falls)
        if found is None or named:  # layers have names of their own
            return proposal, certain
        return replace(proposal, fields=proposal.fields | named_claims(found)), certain

    def one_by_one(self, proposal: Proposal) -> bool:
        """Whether a batch is nothing but its instances, each with an update, or its first one
        alone: all it claims then is one instance a call."""
        fields = proposal.fields
        if fields.get("batch", "rows") != "rows" or fields.get("gives") == "gradient":
            return False
        try:
            with hurried(4 * _PATIENCE):
                return is_one_by_one(self.adapted(proposal))
        except BaseException:
            return False

    def biased(self, proposal: Proposal) -> Proposal:
        """The same with biases that are not called so, where its answer then is the derivative."""
        if "W" not in proposal.fields or proposal.fields.get("bias") != "none":
            return proposal
        try:
            with hurried(_PATIENCE):
                adapted = self.adapted(proposal)
                net, *_ = probe_of(adapted)
                leaves = leaves_of(adapted.model_of(net), self.module.__name__)
        except BaseException:
            return proposal
        plain = {name: value for name, value in proposal.fields.items() if name != "bias"}
        for places in places_in(leaves, net.widths, named=False):
            other = replace(proposal, fields=plain | fields_of(places))
            if places.bias == "separate" and self.works(other):
                chosen, certain = self.claimed(other)
                if certain:
                    return chosen
        return proposal

    def widened(self, proposal: Proposal) -> Proposal:
        """The same with every activation that its nets may be made with."""
        hidden = [proposal.fields["hidden"]]
        for other in others(proposal, self.options):
            if self.works(replace(proposal, fields=proposal.fields | {"hidden": other})):
                hidden.append(other)
        if len(hidden) == 1:
            return proposal
        mixed = {} if "net.activations" in proposal.make else {"mixed": False}
        return replace(proposal, fields=proposal.fields | {"hidden": tuple(hidden)} | mixed)

    def stating(self, proposal: Proposal) -> Proposal:
        """The same with the loss that the program prints, where a method or two show it."""
        if "self.module." not in proposal.make or not proposal.run:
            return proposal
        model = self._model(proposal)
        owned = {f"model.{name}": getattr(model, name) for name in methods_of(type(model))}
        owned |= {f"self.module.{each.__name__}": each for each in vars(self.module).values()
                  if inspect.isfunction(each)}  # fmt: skip
        is_output = partial(gives_output, self.adapted, proposal)
        for text in loss_texts(owned, self.source, is_output):
            stated = replace(proposal, stated_loss=text)
            if length_of(adapter_source(stated)) <= _LINES and self.works(stated):
                return stated
        return proposal

    def deepened(self, proposal: Proposal) -> Proposal:
        """The same for other depths where it works there, with the numbers of its own rate."""
        if "widths" in proposal.fields or "depths" in proposal.fields:
            return proposal
        for depths in ((1, 2, 3), (2, 3)):
            deeper = replace(proposal, fields=proposal.fields | {"depths": depths})
            if self.works(deeper):
                return deeper
        return proposal


# Arrays of a third layer, and of no fourth.
_THREE = re.compile(r"\b[wW](eights?)?_?3\b(?![\s\S]*\b[wW](eights?)?_?4\b)")
_CLASSES = re.compile(
    r"arange|one_?hot|argmax|astype\(int|eye\(|\[[^\]\n]+,[^\]\n]+\]\s*-?=\s*1\b", re.IGNORECASE
)
_GRADIENT = re.compile(r"(^|[._'])(d|g|grad|nabla|delta)")
