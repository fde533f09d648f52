"""What was found out about each submission, one JSON file each, named by what decides it."""

import json
from pathlib import Path

from backproof import outputs
from backproof.errors import BackproofError
from backproof.grades import SCHEMA, Judged
from backproof.lasting import lasting
from backproof.runfile import decoded, plain

FOLDER = "results"


def write(out: Path, judged: Judged) -> None:
    """Beside its name and then renamed: a killed process leaves no half result."""
    text = json.dumps(plain(lasting(judged)), indent=1) + "\n"
    write_whole(out / FOLDER / f"{judged.key}.json", text)


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        outputs.write_whole(path, text)
    except OSError as error:
        raise BackproofError(
            f"{path} cannot be written ({error.strerror}); make room or choose another --out."
        ) from None


def writable(out: Path) -> None:
    """Asked for before minutes of work and not after them. Raises BackproofError."""
    probe = out / FOLDER / ".writable"
    write_whole(probe, "")
    probe.unlink()
