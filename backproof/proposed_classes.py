"""A class of nets: how one may be made, and where it keeps its weights."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from backproof.called import is_rate
from backproof.found_arrays import Places, chain_of, general, leaves_of, places_in
from backproof.making import makes, starters
from backproof.names import MAX_WIDTH
from backproof.probe_nets import WIDTHS
from backproof.proposal import Proposal
from backproof.proposed_loops import any_size, in_methods, without_data

_PROBE = WIDTHS[:3]
# np.zeros((n, 10)), np.eye(3)[y]: as many classes as are written there.
_CLASSES = re.compile(r"(?:zeros|eye)\([^\n]*?\b([3-9]|1\d|2[0-6])\)")


def methods_of(cls: type) -> dict[str, Callable[..., Any]]:
    """Those that an object of it has, by name."""
    return {
        name: getattr(cls, name)
        for name in dir(cls)
        if not name.startswith("__") and callable(getattr(cls, name, None))
    }


def class_candidates(
    cls: type, source: str, options: dict[str, str],
    named: Callable[[str, dict[str, Any], str], Proposal], made_by: Callable[[Proposal], Any],
) -> Iterator[tuple[Proposal, Any]]:  # fmt: skip
    """Proposals without a `run`, each with a model that it makes.

    options: of activations, as `options_in` says
    named: a proposal of this name, with these attributes, that makes a net so
    made_by: the model that a proposal makes; None where it makes none
    """
    several = dict.fromkeys(int(found) for found in _CLASSES.findall(source))
    for given in dict.fromkeys(makes(cls, options)):
        made = f"self.module.{cls.__name__}({given})"
        deep: dict[str, Any] = {"depths": 3} if "widths[2]" in given else {}
        for hidden in _hidden(given, options):
            for outputs in (2, 1, *several):
                fields = deep | hidden | {"outputs": outputs}
                proposal = named(f"Of{cls.__name__}", fields, made)
                for found in _found(cls, proposal, outputs, made_by):
                    if outputs == 2:
                        del found[0].fields["outputs"]
                    yield found


def looped_candidates(
    cls: type, tree: ast.Module, module: ModuleType, options: dict[str, str],
    named: Callable[[str, dict[str, Any], str], Proposal], made_by: Callable[[Proposal], Any],
) -> Iterator[Proposal]:  # fmt: skip
    """Of a class that makes its weights and trains them in one method: proposals of its loop."""
    for given in dict.fromkeys(makes(cls, options)):
        made = f"self.module.{cls.__name__}({given})"
        for hidden in _hidden(given, options):
            proposal = named(f"Of{cls.__name__}", hidden, made)
            model = made_by(proposal)
            if model is not None:
                for fields, places in in_methods(cls, tree, module, model):
                    more = proposal.fields | fields | fields_of(places)
                    yield replace(proposal, fields=more)


# Activations of the output, and a loss that each may have.
_ENDS = (
    ("softmax", "cross_entropy"),
    ("sigmoid", "half_squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("identity", "half_squared_error"),
)


def _hidden(given: str, options: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The activations that a net is made with first; `others` adds the rest."""
    if "net.hidden" not in given and "net.activations" not in given:
        yield {}
        return
    spelled = {ours: theirs for ours, theirs in options.items() if ours != theirs}
    more: dict[str, Any] = {"spelled": spelled} if spelled else {}
    for ours in _between(options):
        if "net.hidden" in given:
            yield {"hidden": ours} | more
            continue
        for output, loss in _ENDS:
            if output in options:
                yield {"hidden": ours, "output": output, "loss": loss} | more


def _between(options: dict[str, str]) -> list[str]:
    return [ours for ours in options if ours not in ("identity", "softmax")]


def others(proposal: Proposal, options: dict[str, str]) -> Iterator[str]:
    """What else a net of the proposal may have between its layers."""
    if "net.hidden" in proposal.make or "net.activations" in proposal.make:
        yield from (each for each in _between(options) if each != proposal.fields["hidden"])


def _found(
    cls: type, proposal: Proposal, outputs: int, made_by: Callable[[Proposal], Any]
) -> Iterator[tuple[Proposal, Any]]:
    """Where the weights may be; of a net that has none yet, after what makes them."""
    for begin in ("", *starters(cls)):
        begun = replace(proposal, begin=begin)
        model = made_by(begun)
        if model is None:
            continue
        leaves = leaves_of(model, cls.__module__)
        sizes = _PROBE if "depths" in proposal.fields else _PROBE[:2]
        widths: tuple[int, ...] = (*sizes, outputs)
        fields: dict[str, Any] = {}
        free = False  # arrays of any size may stand where the weights are
        if "net.widths" not in proposal.make and "net.X" not in proposal.make:
            widths = chain_of(leaves)
            fields = {"widths": widths, "outputs": None}
            if max(widths, default=0) > MAX_WIDTH:
                fields, free = {"outputs": widths[-1]}, True
        elif "net.X" in proposal.make:
            leaves = without_data(leaves)
            own = chain_of(leaves)
            free, widths = own != widths, own
        rates = [leaf.path for leaf in leaves if leaf.shape == () and is_rate(leaf.path)]
        if rates and "net.alpha" not in proposal.make:
            fields["rate"] = rates[0]
        places = list(places_in(leaves, widths))[:3] if widths else []
        for each in places:
            sized = any_size(leaves, each, widths) if free else {}
            more = proposal.fields | fields | sized | fields_of(each)
            yield replace(begun, fields=more), model
        if places:
            return


def fields_of(places: Places) -> dict[str, Any]:
    """The attributes that say so."""
    fields: dict[str, Any] = {"W": general(places.W)}
    if places.b:
        fields["b"] = general(places.b)
    if places.bias != "separate":
        fields["bias"] = places.bias
    return fields
