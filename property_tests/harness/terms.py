"""Each additive term of the bound, and the bound without it.

A term is an operand of + or - in a formula for an error. Its mutant multiplies it by 0 or by 1/4 in
the function's own code; everything that calls the function then computes the weaker bound.
"""

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

from oracles import bound, bound_losses, bound_tables

# Names that hold an error, or a part of one. What else is added is a value of the witness.
_ERRORS = {
    "E", "Eo", "Es", "Ec", "EG", "EH", "E_W", "E_b", "Ep", "r0", "r1", "rPhi", "L1", "L2", "change",
    "steep", "bend", "terms", "moved", "rounding", "relative", "sizes", "spread", "least", "shares",
    "each", "extra", "top", "rounds", "room",
}  # fmt: skip
# Functions whose result is an error as a whole.
_WHOLE = {"closed", "_top", "g", "_finished", "low", "high", "farthest", "nearest", "row_of"}
_CENTRES = {"self.a", "self.z"}  # of a box: without them it is another box, not a smaller one
FACTORS = (0.0, 0.25)


@dataclass(frozen=True)
class Term:
    """One operand in one function; `text` names it, `place` finds it in the parsed source."""

    module: str
    function: str
    text: str
    place: int

    def __str__(self) -> str:
        return self.text


def terms() -> list[Term]:
    """Every term of `bound`, `bound_losses` and `bound_tables`, in the order of the files."""
    found, times = [], Counter[str]()
    for module in _MODULES.values():
        for name in _functions(module):
            for place, (parent, side) in enumerate(_operands(_definition(module, name))):
                text = f"{name}: {_text(parent, side)}"
                times[text] += 1
                again = f" ({times[text]})" if times[text] > 1 else ""
                found.append(Term(module.__name__, name, text + again, place))
    return found


@contextmanager
def mutated(term: Term, factor: float) -> Iterator[None]:
    """While this lasts, the bound has `factor` times this term."""
    function = _functions(_MODULES[term.module])[term.function]
    before = function.__code__
    function.__code__ = _mutant(term, factor)
    try:
        yield
    finally:
        function.__code__ = before


_MODULES: dict[str, ModuleType] = {m.__name__: m for m in (bound, bound_losses, bound_tables)}


@cache
def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """Every function of a module, and the properties of its classes."""
    found: dict[str, FunctionType] = {}
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, FunctionType):
            found[name] = value
        if inspect.isclass(value):
            found.update(_properties(value))
    return found


def _properties(owner: type[Any]) -> dict[str, FunctionType]:
    return {
        name: value.func  # type: ignore[misc]
        for name, value in vars(owner).items()
        if isinstance(value, cached_property)
    }


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _definition(module: ModuleType, name: str) -> ast.FunctionDef:
    (found,) = [
        node
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return found


def _operands(definition: ast.FunctionDef) -> list[tuple[ast.BinOp, str]]:
    """Sums inside of formulas for errors, each with the side that is meant."""
    found: list[tuple[ast.BinOp, str]] = []
    for node in ast.walk(definition):
        if isinstance(node, ast.Assign) and _names(node.targets) & _ERRORS:
            own = ast.unparse(node.targets[0])  # E = E + ... adds one term
            found += [(p, s) for p, s in _sums(node.value) if ast.unparse(getattr(p, s)) != own]
        if isinstance(node, ast.Return) and node.value is not None:
            for formula in _returned(definition.name, node.value):
                found += _sums(formula)
    return list(dict.fromkeys(found))


def _names(targets: list[ast.expr]) -> set[str]:
    return {
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    }


def _returned(name: str, value: ast.expr) -> list[ast.AST]:
    """What is handed to `closed` or `_finished`, or to a row's parts; or all that is returned."""
    if name in _WHOLE:
        return [value]
    return [
        argument
        for call in ast.walk(value)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("closed", "_finished", "Parts")
        for argument in call.args[2 if ast.unparse(call.func) == "Parts" else 0 :]
    ]


def _sums(formula: ast.AST) -> Iterator[tuple[ast.BinOp, str]]:
    """Not in a divisor: there a smaller term makes the bound larger."""
    if _is_sum(formula):
        assert isinstance(formula, ast.BinOp)
        for side in ("left", "right"):
            operand = getattr(formula, side)
            if not _is_sum(operand) and ast.unparse(operand) not in _CENTRES:
                yield formula, side
    if not _is_sum(formula) and ast.unparse(formula).endswith("eta"):
        return  # how often eta counts is one term
    for field, child in ast.iter_fields(formula):
        divides = isinstance(formula, ast.BinOp) and isinstance(formula.op, ast.Div | ast.Pow)
        if divides and field == "right":
            continue
        for node in child if isinstance(child, list) else [child]:
            if isinstance(node, ast.AST):
                yield from _sums(node)


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _text(parent: ast.BinOp, side: str) -> str:
    mine, other = parent.left, parent.right
    if side == "right":
        mine, other = other, mine
    return f"{_short(mine, 32)} [beside {_short(other, 12)}]"


def _short(node: ast.expr, most: int) -> str:
    text = ast.unparse(node)
    return text if len(text) <= most else f"{text[: most - 2]}.."


def _mutant(term: Term, factor: float) -> CodeType:
    module = _MODULES[term.module]
    parent, side = _operands(_definition(module, term.function))[term.place]
    original = getattr(parent, side)
    setattr(parent, side, ast.BinOp(ast.Constant(factor), ast.Mult(), original))
    try:
        tree = ast.fix_missing_locations(_tree(module))
        return _code_named(compile(tree, module.__file__ or "", "exec"), term.function)
    finally:
        setattr(parent, side, original)


def _code_named(code: CodeType, name: str) -> CodeType:
    found = [c for c in code.co_consts if isinstance(c, CodeType)]
    for inner in found:
        if inner.co_name == name:
            return inner
    return next(c for inner in found for c in inner.co_consts
                if isinstance(c, CodeType) and c.co_name == name)  # fmt: skip
