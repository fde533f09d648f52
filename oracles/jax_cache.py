"""Compiled JAX programs on disk, so that only the first process on a machine waits for XLA.

JAX has one persistent cache, and its folder is a global setting. It is set while a program is
compiled and put back afterwards; a folder that the user has chosen for JAX is left alone.
"""

import hashlib
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CacheWarning(UserWarning):
    """The cache folder is of no use: answers are the same, but each process compiles anew."""


@dataclass
class Compilations:
    """Programs that a process made ready.

    compiled: by XLA   loaded: from the cache folder   seconds: for both, tracing included
    """

    compiled: int = 0
    loaded: int = 0
    seconds: float = 0.0


@contextmanager
def persistent_cache(counted: Compilations) -> Iterator[None]:
    """One program is compiled inside: with JAX's cache in our folder, and counted.

    Warns with one CacheWarning where the folder cannot be written or a program in it cannot be
    read; never fails for that.
    """
    start = time.perf_counter()
    with _events("/jax/compilation_cache/cache_hits") as hits, _in_folder():
        yield
    counted.loaded += len(hits)
    counted.compiled += not hits
    counted.seconds += time.perf_counter() - start


@contextmanager
def _events(name: str) -> Iterator[list[str]]:
    """JAX's own reports of one kind of event, as they come in."""
    import jax

    seen: list[str] = []

    def listen(event: str, **details: Any) -> None:
        if event == name:
            seen.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_listener(listen)


@contextmanager
def _in_folder() -> Iterator[None]:
    import jax

    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        yield  # the user has decided
        return
    try:
        folder = cache_folder()
        _check_writable(folder)
    except (OSError, RuntimeError) as fault:  # RuntimeError: there is no home folder
        _warn(f"The cache folder for JAX cannot be used ({fault}); `jax_grad` compiles again")
        yield
        return
    with _jax_settings(folder), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    _pass_on(caught, folder)


def cache_folder() -> Path:
    """Where compiled programs lie: the platform's cache folder, then backproof/jax/<machine>.

    XDG_CACHE_HOME or ~/.cache; ~/Library/Caches on macOS; LOCALAPPDATA on Windows. One folder per
    kind of processor: homes are shared, and a program compiled for another one may crash.
    """
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        # By the XDG specification a relative path counts as unset.
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = given if given.is_absolute() else Path.home() / ".cache"
    return base / "backproof" / "jax" / _machine()


def _machine() -> str:
    """A short name for the processor and what it can do."""
    facts = [platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        facts += [line for line in lines if line.startswith(("flags", "Features"))][:1]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _check_writable(folder: Path) -> None:
    """Raises OSError if a file cannot be made there."""
    # Whoever can write there can make JAX run code: nobody else may.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def _jax_settings(folder: Path) -> Iterator[None]:
    """The global settings of JAX's cache, put back afterwards."""
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    wanted: Mapping[str, Any] = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_raise_persistent_cache_errors": False,
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    # JAX opens its cache once and keeps it; opened anew, it looks at the setting again.
    reset_cache()
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        reset_cache()


def _pass_on(caught: list[warnings.WarningMessage], folder: Path) -> None:
    """JAX's warnings about the cache become one sentence; others go on as they are."""
    faults = []
    for warning in caught:
        text = str(warning.message)
        if text.startswith(("Error reading persistent", "Error writing persistent")):
            faults.append(text)
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if any(fault.startswith("Error reading") for fault in faults):
        # JAX never overwrites an entry, so a broken one would be met again in each process.
        for entry in folder.glob("*-cache"):
            entry.unlink(missing_ok=True)
        _warn(f"A compiled program in {folder} was broken; all are removed and `jax_grad` compiles")
    elif faults:
        _warn(f"A compiled program could not be written to {folder}; `jax_grad` compiles again")


def _warn(fact: str) -> None:
    warnings.warn(f"{fact} in the next process.", CacheWarning, stacklevel=2)
