"""What was found out about each submission, one JSON file each, named by what decides it."""

import json
import os
from contextlib import suppress
from pathlib import Path

from backproof.errors import BackproofError
from backproof.grades import SCHEMA, Judged
from backproof.runfile import decoded, plain

FOLDER = "results"


def write(out: Path, judged: Judged) -> None:
    """Beside its name and then renamed: a killed process leaves no half result."""
    write_whole(out / FOLDER / f"{judged.key}.json", json.dumps(plain(judged), indent=1) + "\n")


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
