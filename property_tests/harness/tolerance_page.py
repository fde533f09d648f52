"""`docs/tolerance.md` as numbers: its formulas are evaluated, its tables read.

A formula is a line `name = expression` in a block that begins with ```formulas TITLE. Expressions
are a handful of operations on arrays, walked node by node; nothing of the page is executed.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oracles import bound_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tolerance.md"

_BLOCK = re.compile(r"^```formulas (.+?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"(?:\[(?P<tag>\w+)\] )?(?P<name>\w+) (?P<sign>\+?=) (?P<text>.+)")
_SYMBOLS = {"·": "*", "²": "**2", "³": "**3", "≤": "<=", "≥": ">="}
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
}


class Formula(NamedTuple):
    """One line: `name` becomes the value of `text`, or more by it, where `tag` counts."""

    tag: str | None
    name: str
    more: bool
    text: str


def blocks(page: str) -> dict[str, list[Formula]]:
    """All formulas, by the title of their block. Raises ValueError for a line that is none."""
    found: dict[str, list[Formula]] = {}
    for title, body in _BLOCK.findall(page):
        if title in found:
            raise ValueError(f"the page has the formulas of {title} twice")
        found[title] = [_formula(line) for line in body.splitlines()]
    return found


def _formula(line: str) -> Formula:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"the page has a formula that is none: {line}")
    return Formula(match["tag"], match["name"], match["sign"] == "+=", match["text"])


def values(
    formulas: list[Formula], known: Mapping[str, Any], tags: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Every name after the last line, beside those that were known."""
    found = {**_FUNCTIONS, **known}
    for formula in formulas:
        if formula.tag is None or formula.tag in tags:
            value = value_of(formula.text, found)
            found[formula.name] = found[formula.name] + value if formula.more else value
    return found


def value_of(text: str, known: Mapping[str, Any]) -> Any:
    """The value of one expression. Raises ValueError for what is no arithmetic."""
    for symbol, python in _SYMBOLS.items():
        text = text.replace(symbol, python)
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text)
    text = re.sub(r"(abs\(\w+\)|\w+)ᵀ", r"transposed(\1)", text)
    return _walked(ast.parse(text, mode="eval").body, known)


def _walked(node: ast.expr, known: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_walked(node.operand, known)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_walked(node.left, known), _walked(node.right, known))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return known[node.func.id](*(_walked(argument, known) for argument in node.args))
    if isinstance(node, ast.List) and isinstance(node.elts[0], ast.Compare):
        question = node.elts[0]
        ends = _walked(question.left, known), _walked(question.comparators[0], known)
        return np.asarray(_OPERATORS[type(question.ops[0])](*ends), dtype=np.float64)
    raise ValueError(f"the page has a formula with `{ast.unparse(node)}`, which nothing explains")


def _largest(*x: Any) -> Any:
    """Of several arrays elementwise; of one, over the neurons of a row."""
    return x[0].max(axis=-1, keepdims=True) if len(x) == 1 else reduce(np.maximum, x)


_FUNCTIONS: dict[str, Any] = {
    "abs": np.abs,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "max": _largest,
    "min": np.minimum,
    "transposed": lambda x: x.swapaxes(-1, -2),
    "Σ": lambda x: x.sum(axis=-1, keepdims=True),
    "rows": lambda x: x.sum(axis=-2, keepdims=True),
    "σ": bound_tables.sigma,
    "φ": bound_tables.phi,
    "Φ": lambda z: bound_tables._normal(z)[0],
    "bell": bound_tables.bell,
}


def table(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose header begins with this cell. Raises ValueError for none."""
    lines = page.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(f"| {first} |")]
    if len(starts) != 1:
        raise ValueError(f"the page has {len(starts)} tables that begin with {first!r}")
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().replace("\\|", "|") for cell in cells])
    return rows


def section(page: str, title: str) -> str:
    """The text below a `##` heading that ends with this title."""
    found = re.search(rf"^## [^\n]*{re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    if found is None:
        raise ValueError(f"the page has no section {title!r}")
    return found[1]
