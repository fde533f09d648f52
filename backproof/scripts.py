"""Programs that are no module: scripts that train as they are imported, and notebooks.

Of such a file only the definitions are run: imports that work, functions, classes, and assignments
of constants. What an adapter marks, some lines or the body of a loop, is run once per question, in
the namespace that has the weights and the data.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from backproof.adapters import Adapter, AdapterError
from backproof.cells import code_in, is_notebook


def source_of(path: Path) -> str:
    """The text of a Python file, or of the code cells of a notebook.

    Raises OSError, ValueError for what is no text, NotebookError.
    """
    return code_in(path) if is_notebook(path) else path.read_text(encoding="utf-8-sig")


def run_definitions(tree: ast.Module, module: ModuleType, path: Path) -> None:
    """Run what defines something; what a line of it raises is as if that line were not there."""
    for statement in tree.body:
        if not _defines(statement):
            continue
        try:
            exec(_compiled([statement], path), vars(module))
        except Exception:
            # A package that is missing, or a constant made of what was not run: whoever needs it
            # will say so by name.
            continue


_CONSTANT = (
    ast.Constant, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.Tuple, ast.List, ast.Dict,
    ast.Name, ast.expr_context, ast.Attribute,
)  # fmt: skip
_DEFINITIONS = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Try):
        return all(isinstance(each, ast.Import | ast.ImportFrom) for each in statement.body)
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        return _is_written(statement.value)
    return isinstance(statement, _DEFINITIONS)


def _is_written(node: ast.AST) -> bool:
    """Whether a value is written down: constants and functions, in whatever they are kept in."""
    if isinstance(node, ast.Lambda):
        return True
    return isinstance(node, _CONSTANT) and all(map(_is_written, ast.iter_child_nodes(node)))


def only_read(model: object, path: tuple[tuple[str, Any], ...]) -> bool:
    """Whether a path names a global that functions of the module read and nothing in it makes."""
    if not isinstance(model, ModuleType) or path[0][0] != "name" or path[0][1] in vars(model):
        return False
    own = (each for each in vars(model).values() if isinstance(each, FunctionType))
    return any(path[0][1] in each.__code__.co_names for each in own)


class Marked:
    """The part of a script that is one forward and backward pass.

    words: what it is, for people   given: names and values that are set before it runs
    above: what the function around a loop does before it   owner: how a method calls its object
    """

    def __init__(
        self,
        code: CodeType,
        module: ModuleType,
        words: str,
        above: Sequence[CodeType] = (),
        owner: str = "",
    ) -> None:
        self._code, self._module, self.words = code, module, words
        self._above, self._owner = above, owner
        self.given: dict[str, Any] = {}

    def begin(self, model: object) -> None:
        """What stands above a loop in its function: sizes of the data, weights to be replaced.

        What a line of it raises is as if that line were not there: whoever needs it will say so.
        """
        if self._owner and model is not self._module:
            self.given[self._owner] = model
        vars(self._module).update(self.given)
        for code in self._above:
            try:
                exec(code, vars(self._module))
            except Exception:
                continue

    def run(self) -> None:
        vars(self._module).update(self.given)
        exec(self._code, vars(self._module))


def marked(adapter: Adapter, source: str, module: ModuleType, path: Path) -> Marked | None:
    """What the adapter's `loop` or `lines` name; None without them. Raises AdapterError."""
    if not adapter.loop and adapter.lines is None:
        return None
    tree = ast.parse(source)
    body: list[ast.stmt]
    above, owner = list[CodeType](), ""
    if adapter.loop:
        found = _loop(tree, source, adapter.loop)
        body = [_once(found)]
        for function in functions_around(tree, found):
            before = defined_before(function, found)
            run_definitions(ast.Module(before, []), module, path)
            above += [_compiled([each], path) for each in before if isinstance(each, _PLAIN)]
            owner = owner or owner_of(tree, function)
        words = f"the body of its loop at line {found.lineno} is run once"
    else:
        assert adapter.lines is not None
        first, last = (_line(source, mark) for mark in adapter.lines)
        body = _between(tree, first, last)
        words = f"its lines {body[0].lineno} to {body[-1].end_lineno} are run"
    try:
        return Marked(_compiled(body, path), module, words, above, owner)
    except SyntaxError as error:
        raise AdapterError(f"what is marked cannot be run on its own: {error.msg}") from None


# What may be run above a loop: neither a loop of its own nor a `with` that opens a file.
_PLAIN = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If)


def owner_of(tree: ast.Module, function: ast.FunctionDef) -> str:
    """What a method calls the object that it belongs to; "" of a function."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    given = [*function.args.posonlyargs, *function.args.args]
    return given[0].arg if given and any(function in each.body for each in classes) else ""


def functions_around(tree: ast.Module, inner: ast.stmt) -> list[ast.FunctionDef]:
    """The functions in whose bodies a statement stands, the outermost first."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any(each is inner for each in ast.walk(node))
    ]


def defined_before(function: ast.FunctionDef, inner: ast.stmt) -> list[ast.stmt]:
    """The defaults of a function's parameters, and what its body has above a statement."""
    given = function.args
    places = [*given.posonlyargs, *given.args]
    pairs = [
        *zip(places[len(places) - len(given.defaults) :], given.defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    defaults = [
        ast.copy_location(ast.Assign([ast.Name(place.arg, ast.Store())], value), function)
        for place, value in pairs
        if value is not None
    ]
    above = [each for each in function.body if (each.end_lineno or 0) < inner.lineno]
    return [*defaults, *above]


def _compiled(body: Sequence[ast.stmt], path: Path) -> CodeType:
    tree = ast.Module(body=list(body), type_ignores=[])
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def _line(source: str, mark: int | str) -> int:
    if isinstance(mark, int):
        return mark
    found = [at for at, line in enumerate(source.splitlines(), 1) if mark in line]
    if len(found) != 1:
        raise AdapterError(f"{mark!r} stands in {len(found)} lines; give a text of one line, or it")
    return found[0]


def _loop(tree: ast.Module, source: str, mark: int | str) -> ast.For | ast.While:
    line = _line(source, mark)
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]
    for loop in loops:
        if loop.lineno == line:
            return loop
    lines = ", ".join(str(loop.lineno) for loop in loops) or "nowhere"
    raise AdapterError(f"`loop` is {mark!r}, but no loop begins there; loops begin at {lines}")


def _once(loop: ast.For | ast.While) -> ast.For:
    """The loop with a single round. A counter is 0 in it; other names are the data's."""
    name: ast.expr = ast.Name("_once", ast.Store())
    if isinstance(loop, ast.For) and isinstance(loop.target, ast.Name):
        if _counts(loop.iter):
            name = loop.target
    rounds = ast.Tuple([ast.Constant(0)], ast.Load())
    once = ast.For(target=name, iter=rounds, body=loop.body, orelse=[])
    return ast.copy_location(once, loop)


def _counts(rounds: ast.expr) -> bool:
    """range(n), or what shows or slows it: tqdm(range(n)), iter(range(n))."""
    if not isinstance(rounds, ast.Call):
        return False
    return ast.unparse(rounds.func) == "range" or (bool(rounds.args) and _counts(rounds.args[0]))


def _between(tree: ast.Module, first: int, last: int) -> list[ast.stmt]:
    """The statements from one line to another, of the outermost block that has some."""
    for body in _blocks(tree):
        found = [each for each in body if first <= each.lineno and (each.end_lineno or 0) <= last]
        if found:
            return found
    raise AdapterError(f"no whole statement stands in the lines {first} to {last}")


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    level: list[Any] = [tree]
    while level:
        deeper: list[Any] = []
        for node in level:
            for _, value in ast.iter_fields(node):
                if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                    yield value
                    deeper += value
                elif isinstance(value, list):
                    deeper += [each for each in value if isinstance(each, ast.excepthandler)]
        level = deeper


class _Inert(ModuleType):
    """A package that does nothing: whatever is asked of it is such a thing again."""

    __path__: list[str] = []  # noqa: RUF012 - of a package, as Python wants it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()


class _Nothing:
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type):
            return args[0]  # a decorator, such as @jit, leaves what it decorates as it is
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()  # a class that is derived from it is derived from nothing

    def __iter__(self) -> Iterator["_Nothing"]:
        return iter((self, self))  # fig, ax = plt.subplots()

    def __getitem__(self, at: object) -> "_Nothing":
        return self

    def __add__(self, text: object) -> object:  # Fore.RED + "loss": the text without its colour
        return text

    __radd__ = __add__

    def __str__(self) -> str:
        return ""

    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *error: object) -> None:
        pass


class _Without(MetaPathFinder, Loader):
    """Finds the packages that are to be replaced, and their submodules."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if any(name == each or name.startswith(each + ".") for each in self._names):
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Inert(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def replace_packages(names: tuple[str, ...]) -> None:
    """From now on an import of these gives a package that does nothing."""
    if names:
        sys.meta_path.insert(0, _Without(names))
