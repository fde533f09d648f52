"""Cases with given arrays, as files: `<sha256>.npz`, named by what they hold.

A file is untrusted: no pickle is ever read, every number is checked as in any other case, and the
hash of what was read must be the name that was asked for.
"""

import hashlib
import re
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from backproof.case import Arrays, Case
from backproof.drawing import Array
from backproof.errors import CaseError

FILE_PREFIX = "file:"
_SCALARS = tuple(field.name for field in fields(Case) if field.name != "given")
_MOST_BYTES = 64 * 2**20
_LONGEST_SHOWN = 80


def case_hash(case: Case) -> str:
    """SHA-256 of a case with given arrays: its scalars as JSON, then each array's bytes."""
    digest = hashlib.sha256(_scalars_json(case).encode())
    for name, array in _named_arrays(case.arrays).items():
        digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def save(case: Case, folder: Path) -> Path:
    """Write a case with given arrays into `folder`; the same case gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case_hash(case)}.npz"
    scalars = np.frombuffer(_scalars_json(case).encode(), dtype=np.uint8)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, scalars=scalars, **_named_arrays(case.arrays))  # type: ignore[arg-type]
    part.replace(path)  # a killed run leaves no half-written case under a whole name
    return path


def case_path(token: str, folder: Path) -> Path:
    """Where the case of a `file:<sha256>` token lies in `folder`.

    Raises CaseError for anything else than `file:` and 64 hexadecimal digits in lower case. A token
    may come from somebody else's run; none of them leads out of the folder.
    """
    found = re.fullmatch(f"{FILE_PREFIX}([0-9a-f]{{64}})", token)
    if found is None:
        shown = token if len(token) <= _LONGEST_SHOWN else token[:_LONGEST_SHOWN] + "..."
        raise CaseError(
            f"{shown!r} names no case file; give `{FILE_PREFIX}` and the 64 hexadecimal digits, "
            "in lower case, that the report shows."
        )
    return folder / f"{found[1]}.npz"


def load(path: Path) -> Case:
    """Read a case file.

    Raises CaseError for a file that is missing, truncated, foreign, too large, or that holds
    something else than its name says.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CaseError(f"{path} is larger than {_MOST_BYTES >> 20} MiB; it is no case file.")
        with zipfile.ZipFile(path) as file:
            unpacked = sum(member.file_size for member in file.infolist())
        if unpacked > _MOST_BYTES:  # a few bytes can unpack to more than the memory
            raise CaseError(f"{path} unpacks to more than {_MOST_BYTES >> 20} MiB; no case does.")
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        case = _case_from(arrays)
    except FileNotFoundError:
        raise CaseError(f"{path} does not exist; it stands beside its run, in `cases/`.") from None
    except CaseError:
        raise
    except Exception as error:
        # Whatever zipfile, zlib, NumPy and json make of foreign bytes; each has its own errors,
        # down to NotImplementedError for a flipped bit.
        raise CaseError(f"{path} is truncated or no case file ({type(error).__name__}).") from None
    if path.stem != case_hash(case):
        raise CaseError(f"{path} holds another case than its name says; fetch the file again.")
    return case


def _case_from(arrays: dict[str, Array]) -> Case:
    import json  # when needed: `import backproof` then works beside somebody's own json.py

    scalars = json.loads(bytes(arrays.pop("scalars")).decode())
    if not isinstance(scalars, dict) or set(scalars) != set(_SCALARS):
        raise CaseError("the case file's scalars are not those of this version.")
    scalars["widths"] = tuple(scalars["widths"])
    scalars["activations"] = tuple(scalars["activations"])
    depth = len(scalars["activations"])
    given = Arrays(
        tuple(_read_only(arrays[f"W{layer}"]) for layer in range(1, depth + 1)),
        tuple(
            _read_only(arrays[f"b{layer}"]) if f"b{layer}" in arrays else None
            for layer in range(1, depth + 1)
        ),
        _read_only(arrays["X"]),
        _read_only(arrays["Y"]),
    )
    case = Case(**scalars, given=given)
    if set(arrays) != set(_named_arrays(given)):
        raise CaseError("the case file holds arrays that no layer of its network has.")
    return case


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _named_arrays(arrays: Arrays) -> dict[str, Array]:
    named = {f"W{layer}": W for layer, W in enumerate(arrays.weights, 1)}
    named |= {f"b{layer}": b for layer, b in enumerate(arrays.biases, 1) if b is not None}
    return {**named, "X": arrays.X, "Y": arrays.Y}


def _scalars_json(case: Case) -> str:
    import json

    scalars = {name: getattr(case, name) for name in _SCALARS}
    # alpha=1 and alpha=1.0 are the same case, so they need the same bytes.
    scalars |= {name: float(scalars[name]) for name in ("alpha", "slope")}
    return json.dumps(scalars, sort_keys=True)
