"""`hello`: what a program of any language says of itself, and what it claims.

Names come from the closed lists. What a program does not list is not claimed, and a name that is
on no list is an error: a misspelt claim would be a check that nobody makes.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from backproof import names
from backproof.claims import HIDDEN, Claims
from backproof.json_lines import GIVES, AnswerError, check_keys, told
from backproof.protocol import VERSION

LAYOUTS = ("rows", "columns")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,60}")


@dataclass(frozen=True)
class Hello:
    """What a program says of itself.

    gives: "gradient" or "step"   layout: "rows" (X is (n, k_0)) or "columns" (X is (k_0, n))
    """

    name: str
    version: str
    language: str
    gives: str
    layout: str
    claims: Claims


def hello_in(fields: Mapping[str, Any]) -> Hello:
    """What a `hello` says. Raises AnswerError."""
    check_keys(
        "the hello",
        fields,
        {"kind", "protocol", "name", "claims"},
        {"version", "language", "gives", "layout"},
    )
    if fields["protocol"] != VERSION or isinstance(fields["protocol"], bool):
        raise AnswerError(f"`protocol` is {told(fields['protocol'])}, expected {VERSION}.")
    name = fields["name"]
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise AnswerError(
            f"`name` is {told(name)}, expected 1 to 60 letters, digits or any of . _ + -"
        )
    version, language = (fields.get(key, "") for key in ("version", "language"))
    for key, value in (("version", version), ("language", language)):
        if not isinstance(value, str) or len(value) > 60 or not value.isprintable():
            raise AnswerError(f"`{key}` is {told(value)}, expected at most 60 printable letters.")
    gives = _one_of("gives", fields.get("gives", "gradient"), GIVES)
    layout = _one_of("layout", fields.get("layout", "rows"), LAYOUTS)
    return Hello(name, version, language, gives, layout, _claims(fields["claims"]))


def _claims(claims: Any) -> Claims:
    if not isinstance(claims, dict):
        raise AnswerError(f"`claims` is {told(claims)}, expected an object.")
    check_keys("`claims`", claims, {"depths", "losses", "reductions", "biases", "dtypes"}, _CLAIMS)
    depths = _some_of(claims, "depths", tuple(range(1, names.MAX_DEPTH + 1)))
    combinations = _combinations(claims["losses"])
    hidden = (
        _some_of(claims, "hidden", HIDDEN) if max(depths) > 1 or _given(claims, "hidden") else ()
    )
    used = {*hidden, *(output for output, _ in combinations)}
    leaky = "leaky_relu" in used or _given(claims, "slopes")
    return Claims(
        activations=tuple(name for name in names.ACTIVATIONS if name in used),
        losses=tuple(loss for loss in names.LOSSES if loss in claims["losses"]),
        reductions=_some_of(claims, "reductions", names.REDUCTIONS),
        biases=_some_of(claims, "biases", names.BIASES),
        dtypes=_some_of(claims, "dtypes", names.DTYPES),
        slopes=_some_of(claims, "slopes", names.SLOPES) if leaky else names.SLOPES[:1],
        combinations=combinations,
        hidden=hidden,
        depths=depths,
        max_rows=_rows(claims.get("max_rows", 1)),
    )


def _given(claims: Mapping[str, Any], key: str) -> bool:
    """Whether there is something to look at; a network of one layer may list no hidden ones."""
    return key in claims and claims[key] != []


_CLAIMS = ("hidden", "slopes", "max_rows")


def _some_of(claims: Mapping[str, Any], key: str, options: tuple[Any, ...]) -> tuple[Any, ...]:
    """The claimed ones of a closed list, in its order: one at least, none twice."""
    given = claims.get(key)
    if not isinstance(given, list) or not given:
        got = "missing" if given is None else "empty" if given == [] else told(given)
        raise AnswerError(f"`claims.{key}` is {got}; list some of {_options(options)}.")
    for entry in given:
        if isinstance(entry, bool) or not isinstance(entry, int | float | str):
            raise AnswerError(f"`claims.{key}` has {told(entry)}; use {_options(options)}.")
        _one_of(f"claims.{key}", entry, options)
    if len(set(given)) < len(given):
        raise AnswerError(f"`claims.{key}` names something twice.")
    return tuple(option for option in options if option in given)


def _one_of(key: str, value: Any, options: Collection[Any]) -> Any:
    if value not in tuple(options):
        raise AnswerError(f"`{key}` has {told(value)}; use {_options(options)}.")
    return value


def _options(options: Collection[Any]) -> str:
    return ", ".join(map(str, options))


def _combinations(losses: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(losses, dict) or not losses:
        raise AnswerError(
            "`claims.losses` names no loss; write the output activations of each: "
            '{"half_squared_error": ["identity", "sigmoid"]}.'
        )
    for loss in losses:
        _one_of("claims.losses", loss, names.LOSSES)
    return tuple(
        (output, loss)
        for loss in names.LOSSES
        if loss in losses
        for output in _some_of(losses, loss, outputs_of(loss))
    )


@cache
def outputs_of(loss: str) -> tuple[str, ...]:
    """The output activations with which a loss may stand."""
    wanted = names.OUTPUT_ACTIVATION.get(loss)
    return names.ACTIVATIONS if wanted is None else (wanted,)


def _rows(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= names.MAX_BATCH:
        raise AnswerError(
            f"`claims.max_rows` is {told(value)}, expected 1 to {names.MAX_BATCH} rows at once."
        )
    return value
