"""Files that a run leaves: asked for before the work and not after it, whole or as they were."""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from backproof.errors import BackproofError


def write_whole(path: Path, text: str) -> Path:
    """Write beside the path and rename: a killed process leaves no half file under a whole name.

    Half a surrogate pair, which UTF-8 has no bytes for, is spelled out. Raises OSError.
    """
    if path.exists() and not path.is_file():  # a pipe, a terminal: nothing to put in its place
        path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        return path
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return path


def expect_writable(files: Mapping[str, Path]) -> None:
    """Whether each file can be written, found out without touching it.

    files: option -> file   Raises BackproofError.
    """
    options: dict[str, str] = {}
    for option, path in files.items():
        if os.path.isdir(path):  # a name that is too long is none, and is said below
            raise BackproofError(f"`{option}` {path} is a folder; name a file in it.")
        other = options.setdefault(os.path.realpath(path), option)
        if other != option:
            raise BackproofError(
                f"`{other}` and `{option}` both name {path}; give each a file of its own."
            )
        try:
            _try(path)
        except OSError as error:
            raise cannot_be_written(option, path, error) from None


def _try(path: Path) -> None:
    if path.exists() and not path.is_file():  # whoever reads a pipe would take this for its end
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    if path.exists():
        path.open("ab").close()
    probe = path.with_name(f"{path.name}.{os.getpid()}.part")
    probe.open("xb").close()
    probe.unlink()


def cannot_be_written(option: str, path: Path, error: OSError) -> BackproofError:
    """The sentence for it."""
    return BackproofError(
        f"`{option}` {path} cannot be written ({error.strerror or error}); name another file."
    )
