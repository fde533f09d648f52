"""Where the suite's own folders are, and that nobody else's stand in their place.

`oracles` and `reports` are common names. In a wheel they live inside this package (`_suite/`), in
a clone beside it; either way this process puts that folder first on its own path and then looks
whether what it would import really lies there.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from backproof.errors import BackproofError

PACKAGES = ("reference_impl", "oracles", "property_tests", "reports")


def suite_root() -> Path:
    """The folder that holds the suite's packages."""
    inside = Path(__file__).parent / "_suite"
    return inside if inside.is_dir() else Path(__file__).parent.parent


def load_suite() -> None:
    """Make the suite importable in this process.

    Raises BackproofError where a package of the same name from elsewhere would be imported.
    """
    root = suite_root().resolve()
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise BackproofError(f"`{name}` is missing from {root}; install backproof again.")
        if root not in Path(spec.origin).resolve().parents:
            raise BackproofError(
                f"`{name}` would be imported from {spec.origin}, which is not backproof's; "
                "start backproof in a process of its own."
            )


def sources(*packages: str) -> dict[str, Path]:
    """Name -> file of this package and those of the suite, without the trial of the harness.

    "backproof/case.py" is called so in a clone and in a wheel, wherever the two lie.
    """
    folders = {"backproof": Path(__file__).parent}
    folders |= {name: suite_root() / name for name in packages}
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for name, folder in folders.items()
        for path in sorted(folder.rglob("*.py"))
        if not {"_suite", "harness"}.intersection(path.relative_to(folder).parts)
    }


# Of `borrowed`: the suite's modules, kept between two uses.
_ours: dict[str, ModuleType] = {}


@contextmanager
def borrowed() -> Iterator[None]:
    """The suite importable for as long as this holds, in a process that is somebody else's.

    Whoever has an `oracles` or a `reports` of their own keeps it: before and after, the name means
    theirs. A process that has loaded ours by itself keeps ours.
    """
    path, loaded = list(sys.path), _by_package()
    lent = [name for name in PACKAGES if not _is_ours(name)]
    for name in lent:
        _swap(loaded[name], {n: m for n, m in _ours.items() if _package(n) == name})
    try:
        load_suite()
        yield
    finally:
        now = _by_package()
        for name in lent:
            _ours.update(now[name])
            _swap(now[name], loaded[name])
        sys.path[:] = path


def _by_package() -> dict[str, dict[str, ModuleType]]:
    loaded = dict(sys.modules)
    return {name: {n: m for n, m in loaded.items() if _package(n) == name} for name in PACKAGES}


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_ours(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and suite_root().resolve() in Path(file).resolve().parents


def _swap(out: dict[str, ModuleType], into: dict[str, ModuleType]) -> None:
    for name in out:
        del sys.modules[name]
    sys.modules.update(into)
