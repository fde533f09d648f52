"""Where an implementation is: its file or module, its function, the adapter beside it."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from backproof.errors import TargetError
from backproof.line import Place


def place_of(spec: str, adapter: Path | str | None = None) -> Place:
    """Where an implementation is.

    "my_net.py:train" is a file and its function; a colon inside a path stays there.
    "package.module:train" is a module, where there is no such file. Raises TargetError.
    """
    file, _, name = spec.rpartition(":")
    if not (file and name.isidentifier() and not os.path.isfile(spec)):
        file, name = spec, ""
    function = name or None
    if os.path.isfile(file):
        path = Path(file).resolve()
        return Place(file, str(path), "", function, _adapter_for(path, function, adapter))
    found = _file_of_module(file) if all(map(str.isidentifier, file.split("."))) else ""
    if not found:
        raise TargetError(f"{file} is {_missing(file)}; give the Python file to be judged.")
    if function is None:
        raise TargetError(
            f"{file} is a module, and a module may hold many functions; name the one to be judged, "
            f"as {file}:backprop, or give its file."
        )
    return Place(file, found, file, function, _adapter_for(Path(found), function, adapter))


def _missing(name: str) -> str:
    if os.path.isdir(name):
        return "a folder"
    like_a_module = name.replace(".", "").isidentifier() and not name.endswith(".py")
    return "no file, and no module that could be imported from here" if like_a_module else "no file"


def _adapter_for(file: Path, function: str | None, adapter: Path | str | None) -> str:
    if adapter is not None:
        if not os.path.isfile(adapter):
            raise TargetError(f"`adapter` {adapter} is no file; give the adapter's file.")
        return str(Path(adapter).resolve())
    beside = file.with_name(f"{file.stem}_adapter.py")
    return str(beside) if function is None and os.path.isfile(beside) else ""


def _file_of_module(name: str) -> str:
    """Where `package.module` lies; nothing is imported for it. "" where there is none."""
    folders: Sequence[str] | None = [*sys.path, str(Path.cwd())]
    spec = None
    for i in range(1, name.count(".") + 2):
        spec = PathFinder.find_spec(".".join(name.split(".")[:i]), folders)
        if spec is None:
            return ""
        folders = spec.submodule_search_locations or []
    return spec.origin or "" if spec is not None else ""
