"""backproof.toml, or [tool.backproof] in pyproject.toml: what is fixed for one implementation.

    [conventions]
    factor = { two = 1, n = -1 }          # the answers are 2/n times the derivative
    losses.binary_cross_entropy = { outputs = 1 }   # of this loss, k times

    [expected]                             # failures that are known, by the exact id of the check
    "activation.gelu" = "the tanh form"

A file is looked for beside the implementation and then in each folder above it, up to one that has
a pyproject.toml.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from backproof.conventions import Factor, Factors
from backproof.errors import BackproofError
from backproof.names import LOSSES

NAME = "backproof.toml"
_KNOWN = ("conventions", "expected")


@dataclass(frozen=True)
class Settings:
    """factors: None where they are to be inferred   expected: id -> reason   source: of all this"""

    factors: Factors | None = None
    expected: dict[str, str] = field(default_factory=dict)
    source: Path | None = None


def settings_for(target: Path) -> Settings:
    """The settings that hold for a file. Raises BackproofError for ones that cannot be read."""
    for path, keys in _places(target.resolve()):
        if path.is_file():
            table = _table(path, keys)
            if table is not None:
                return _settings(path, table)
    return Settings()


def _places(target: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for folder in target.parents:
        yield folder / NAME, ()
        project = folder / "pyproject.toml"
        yield project, ("tool", "backproof")
        if project.is_file():
            return


def _table(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        table: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackproofError(f"{path} cannot be read as TOML: {error}.") from None
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    if table is not None and not isinstance(table, dict):
        raise BackproofError(f"{path}: `{'.'.join(keys)}` is no table.")
    return table


def _settings(path: Path, table: dict[str, Any]) -> Settings:
    for key in table:
        if key not in _KNOWN:
            raise BackproofError(f"{path}: `{key}` is unknown; use {' or '.join(_KNOWN)}.")
    conventions = _dict(path, "conventions", table.get("conventions", {}))
    return Settings(
        _factors(path, conventions) if conventions else None,
        _expected(path, _dict(path, "expected", table.get("expected", {}))),
        path,
    )


def _dict(path: Path, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BackproofError(f"{path}: `{name}` is {value!r}; write it as a table.")
    return value


def _factors(path: Path, conventions: dict[str, Any]) -> Factors:
    for key in conventions:
        if key not in ("factor", "losses"):
            raise BackproofError(
                f"{path}: `conventions.{key}` is unknown; use `factor` or `losses`."
            )
    losses = _dict(path, "conventions.losses", conventions.get("losses", {}))
    for loss in losses:
        if loss not in LOSSES:
            raise BackproofError(
                f"{path}: `conventions.losses.{loss}` is unknown; use {', '.join(LOSSES)}."
            )
    own = {loss: _factor(path, f"conventions.losses.{loss}", losses[loss]) for loss in losses}
    return Factors(_factor(path, "conventions.factor", conventions.get("factor", {})), own)


def _factor(path: Path, key: str, value: object) -> Factor:
    names = [each.name for each in fields(Factor)]
    table = _dict(path, key, value)
    for name, power in table.items():
        small = isinstance(power, int) and not isinstance(power, bool) and abs(power) <= 4
        if name not in names or not small or (name == "sign" and power not in (1, -1)):
            raise BackproofError(
                f"{path}: `{key}.{name}` is {power!r}; use whole powers of "
                f"{', '.join(names[1:])} from -4 to 4, and sign = 1 or -1."
            )
    return Factor(**table)


def _expected(path: Path, table: dict[str, Any]) -> dict[str, str]:
    for id, reason in table.items():
        if not isinstance(reason, str) or not reason.strip():
            raise BackproofError(
                f"{path}: `expected.{id}` needs a reason, a text that is not empty."
            )
    return table


def frozen(factors: Factors) -> str:
    """The text of a backproof.toml that holds what was inferred."""
    own = [f"losses.{loss} = {_told(factor)}\n" for loss, factor in factors.of_losses.items()]
    return (
        f"# The answers are {factors} times the derivative. `backproof check` holds them to that.\n"
        f"[conventions]\nfactor = {_told(factors.common)}\n{''.join(own)}"
    )


def _told(factor: Factor) -> str:
    powers = {name: value for name, value in asdict(factor).items() if value != (name == "sign")}
    told = ", ".join(f"{name} = {value}" for name, value in powers.items())
    return f"{{ {told} }}" if told else "{}"
