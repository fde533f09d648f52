"""The learner's file or module is imported, here in the child process, and its function found."""

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from backproof.cells import NotebookError, is_notebook, words_of
from backproof.contract import CONTRACT, NAMED, Function
from backproof.telling import told


class LoadError(Exception):
    """The file gives no function that could be asked."""


def load(start: dict[str, Any]) -> Function:
    """What the message `start` names. Raises LoadError: one sentence."""
    if start["module"]:
        sys.path.append(start["search"])
        module = named(start["module"], start["shown"])
        path = Path(getattr(module, "__file__", None) or start["search"])
        return function_of(module, path, start["shown"], start["function"])
    return function_in(start["path"], start["shown"], start["function"])


def function_in(path: str, shown: str, name: str | None) -> Function:
    """Import the file and find the function.

    path: absolute   shown: as the user wrote it   name: of the function, None for `backprop`
    Raises LoadError: one sentence.
    """
    sys.argv = [path]
    # Last, so that a json.py or numpy.py beside the file takes nobody's place.
    sys.path.append(str(Path(path).parent))
    if is_notebook(Path(path)):
        found = function_of(definitions_of(Path(path), shown), Path(path), shown, name)
        return replace(found, said=f"{words_of(Path(path))}; only its definitions are run")
    return function_of(imported(Path(path), shown), Path(path), shown, name)


def code_of(path: Path, shown: str) -> tuple[str, ast.Module]:
    """The text of a file or of a notebook's code cells, and the same parsed. Raises LoadError."""
    from backproof.scripts import source_of

    try:
        source = source_of(path)
        return source, ast.parse(source, str(path))
    except SyntaxError as error:
        raise LoadError(cannot_read(error, path, shown)) from None
    except NotebookError as error:
        raise LoadError(f"{shown} {error}.") from None


def definitions_of(path: Path, shown: str) -> ModuleType:
    """A notebook as a module: what its code cells define. Raises LoadError."""
    from backproof.scripts import run_definitions  # a function in a file needs none of it

    _, tree = code_of(path, shown)
    module = module_at(path)
    run_definitions(tree, module, path)
    return module


def function_of(module: ModuleType, path: Path, shown: str, name: str | None) -> Function:
    """The function of a module that is imported already."""
    function = getattr(module, name or "backprop", None)
    if not callable(function):
        raise LoadError(_no_function(module, shown, name, function))
    return on_the_contract(function, path.parent, shown, name or "backprop")


def on_the_contract(
    function: Callable[..., Any], folder: Path, shown: str, called: str
) -> Function:
    """A function that can be called as the contract says. Raises LoadError."""
    answers_later = _answers_later(function)
    if answers_later:
        raise LoadError(f"{shown}: `{called}` is {answers_later}.")
    takes = _takes(function)
    try:
        inspect.signature(function).bind(*CONTRACT.split(), **dict.fromkeys(takes))
    except TypeError as error:
        raise LoadError(
            f"{shown}: `{called}{_parameters(function)}` cannot be called as "
            f"`{called}{CONTRACT}` ({error}); give what is yours alone a default value."
        ) from None
    except ValueError:
        pass  # a function in C has no signature to look at
    return Function(function, folder, takes)


def _answers_later(function: Callable[..., Any]) -> str:
    """What a function is that gives no arrays when it is called, and what to do; "" for others."""
    called = getattr(function, "__call__", function)  # noqa: B004 - of an object, its method
    for each in (function, called):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            return "an async function, whose call gives no arrays yet; write it without `async`"
        if inspect.isgeneratorfunction(each):
            return "a generator function, whose call gives no arrays yet; `return` them once"
    return ""


def _parameters(function: Callable[..., Any]) -> str:
    """ "(X, Y, rate)": as it is written, without defaults."""
    parameters = inspect.signature(function).parameters.values()
    return f"({', '.join(each.name for each in parameters)})"


def named(name: str, shown: str) -> ModuleType:
    """`package.module`, from where the user stands or from what is installed."""
    try:
        return importlib.import_module(name)
    except BaseException as error:
        folder = Path(sys.path[-1])
        raise LoadError(f"{shown} cannot be imported: {told(error, folder)}.") from None


def imported(path: Path, shown: str) -> ModuleType:
    """The file as a module. Raises LoadError."""
    try:
        return _as_a_program_is(path)
    except SyntaxError as error:
        raise LoadError(cannot_read(error, path, shown)) from None
    except BaseException as error:  # sys.exit() while importing is one, too
        raise LoadError(cannot_import(error, path, shown)) from None


def _as_a_program_is(path: Path) -> ModuleType:
    """Run it. What works as `python my_net.py`, or from the folder above, works here.

    Two files that import each other do only where one is run, under a name that is not its own.
    """
    module = module_at(path)
    try:
        SourceFileLoader(module.__name__, str(path)).exec_module(module)
    except ImportError as error:
        above = str(path.parent.parent)
        if isinstance(error, ModuleNotFoundError) and above not in sys.path:
            if (error.name or "").partition(".")[0] != path.parent.name:
                raise
            sys.path.append(above)
        elif error.name != module.__name__ or module.__name__ != path.stem:
            raise
        else:
            del sys.modules[path.stem]
            module = module_at(path, its_own=False)
        SourceFileLoader(module.__name__, str(path)).exec_module(module)
    return module


def module_at(path: Path, its_own: bool = True) -> ModuleType:
    """An empty module for a file, under a name that nobody else has.

    its_own: under the file's name, where nobody has it
    """
    taken = not its_own or path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"learner_{path.stem}" if taken else path.stem
    if levels := _levels_of(path):  # a part of a package, which is found from above it
        sys.path.append(str(path.parents[levels]))
        name = ".".join([*(each.name for each in path.parents[levels - 1 :: -1]), path.stem])
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None  # a loader was given
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    return module


def _levels_of(path: Path) -> int:
    """How many folders up its relative imports reach, its own counted; 0 without such imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return 0  # a notebook, or what the import itself will name
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return min(max(levels, default=0), len(path.parents) - 1)


def cannot_read(error: SyntaxError, path: Path, shown: str) -> str:
    where = Path(error.filename or path).name
    return (
        f"{shown} cannot be read as Python {sys.version_info[0]}.{sys.version_info[1]}: "
        f"{error.msg} at {where}{f' line {error.lineno}' if error.lineno else ''}."
    )


def cannot_import(error: BaseException, path: Path, shown: str) -> str:
    said = f"{shown} cannot be imported: {told(error, path.parent)}"
    return f'{said}; what should run only as a program belongs under `if __name__ == "__main__":`.'


def _no_function(module: ModuleType, shown: str, name: str | None, found: object) -> str:
    if found is not None:
        return f"{shown}: `{name or 'backprop'}` is a {type(found).__name__}, not a function."
    if name is None:
        return (
            f"{shown} has no function `backprop{CONTRACT}`; "
            f"write one or name yours: {shown}:function"
        )
    own = [key for key, value in vars(module).items() if _is_own(module, key, value)]
    return f"{shown} has no function `{name}`; it has: {', '.join(own) or 'none'}."


def _is_own(module: ModuleType, key: str, value: object) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__ and key[0] != "_"


def _takes(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of `NAMED` in the signature; `**kwargs` has no name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.kind in by_name and parameter.name in NAMED and _fits(parameter)
    )


def _fits(parameter: inspect.Parameter) -> bool:
    default = parameter.default
    if default is None or default is inspect.Parameter.empty:
        return True
    return isinstance(default, NAMED[parameter.name])
