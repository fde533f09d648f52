"""An adapter that is proposed, and its text."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """An adapter that is not written yet.

    make: what its method returns   begin: a method of the model that is called first, or ""
    run, stated_loss: bodies of methods, one text per line   fields: the attributes
    """

    name: str
    fields: dict[str, Any]
    make: str = ""
    begin: str = ""
    run: tuple[str, ...] = ()
    stated_loss: tuple[str, ...] = ()


def of_weights(best: tuple[int, bool, Proposal], kept: list[tuple[int, bool, Proposal]]
               ) -> Proposal:  # fmt: skip
    """New weights look like a gradient that fits nothing; where they fit as weights, they are."""
    for _, certain, other in kept:
        if certain and not best[1] and other.run == best[2].run:
            if (best[2].fields.get("gives"), other.fields.get("gives")) == ("gradient", "weights"):
                return other
    return best[2]


def length_of(text: str) -> int:
    """How many lines an adapter has below its imports and its class line."""
    return len([line for line in text.splitlines() if line.strip()]) - 2


MOST_TAKEN = 4


def takes(proposal: Proposal) -> int:
    """How much of a program can be seen so: a batch, biases, any widths, two outputs."""
    fields = proposal.fields
    parts = (
        not str(fields.get("batch", "rows")).startswith("single"),
        fields.get("bias", "separate") != "none",
        fields.get("widths") is None,
        fields.get("outputs") is None,
    )
    return sum(parts)


def adapter_source(proposal: Proposal) -> str:
    """The text of the adapter, as a user would write it."""
    together = ("hidden", "output", "loss")
    fields = {
        k: v
        for k, v in proposal.fields.items()
        if k not in together and (k == "mixed" or v not in (None, False))
    }
    chained = any("forward(model" in line for line in proposal.run)
    imported = "Adapter, backward, forward" if chained else "Adapter"
    head = f"from backproof.adapters import {imported}"
    lines = [head, "", "", f"class {proposal.name}(Adapter):"]
    claims = ", ".join(_quoted(proposal.fields[name]) for name in together)
    lines.append(f"    hidden, output, loss = {claims}")
    group = dict[str, Any]()
    for name, value in fields.items():
        if group and len(_assigned(group | {name: value})) > 96:
            lines.append(_assigned(group))
            group = {}
        group[name] = value
    lines += [_assigned(group)] if group else []
    if proposal.begin:
        lines += ["", "    def make(self, net):", f"        model = {proposal.make}"]
        lines += [f"        model.{proposal.begin}()", "        return model"]
    elif proposal.make:
        lines += ["", "    def make(self, net):", f"        return {proposal.make}"]
    if proposal.run:
        lines += ["", "    def run(self, model, X, Y):"]
        lines += [f"        {line}" for line in proposal.run]
    if proposal.stated_loss:
        lines += ["", "    def stated_loss(self, model, X, Y):"]
        lines += [f"        {line}" for line in proposal.stated_loss]
    return "\n".join(lines) + "\n"


def _assigned(fields: dict[str, Any]) -> str:
    """Some attributes in one line."""
    values = [_quoted(value) for value in fields.values()]
    return f"    {', '.join(fields)} = {', '.join(values)}"


def _quoted(value: Any) -> str:
    """As `repr`, with the quotes that people use where nothing is to be escaped."""
    if isinstance(value, tuple):
        inside = ", ".join(map(_quoted, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    text = repr(value)
    plain = isinstance(value, str) and text == f"'{value}'" and '"' not in value
    return f'"{value}"' if plain else text
