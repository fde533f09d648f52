"""What was found out about each submission, one JSON file each, named by what decides it."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from backproof.errors import BackproofError
from backproof.grades import SCHEMA, Judged
from backproof.runfile import decoded, plain

FOLDER = "results"


def write(out: Path, judged: Judged) -> None:
    """Beside its name and then renamed: a killed process leaves no half result."""
    text = json.dumps(_lasting(plain(judged)), indent=1) + "\n"
    write_whole(out / FOLDER / f"{judged.key}.json", text)


# Addresses and the names of temporary folders differ from run to run, and mean nothing to a reader.
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_TEMPORARY = re.compile(r"\bbackproof-[a-z0-9_]{8}\b")


def _lasting(value: Any) -> Any:
    """The same, each text without what is different in the next run."""
    if isinstance(value, str):
        return _TEMPORARY.sub("backproof-...", _ADDRESS.sub("0x...", value))
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items()}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def read(out: Path, key: str) -> Judged | None:
    """What is known already; None where nothing is, or what is there is not ours."""
    try:
        text = (out / FOLDER / f"{key}.json").read_text(encoding="utf-8")
        judged = decoded(Judged, json.loads(text))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return judged if judged.key == key and judged.schema == SCHEMA else None


def write_whole(path: Path, text: str) -> None:
    """A file that is whole or as it was before. Raises BackproofError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise BackproofError(
            f"{path} cannot be written ({error.strerror}); make room or choose another --out."
        ) from None


def writable(out: Path) -> None:
    """Asked for before minutes of work and not after them. Raises BackproofError."""
    probe = out / FOLDER / ".writable"
    write_whole(probe, "")
    probe.unlink()
