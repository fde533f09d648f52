"""What is the same in the next run of the same program, so that two reports can be compared."""

import re
from typing import TypeVar

from backproof.runfile import decoded, plain

T = TypeVar("T")

# Addresses and the names of temporary folders differ from run to run, and mean nothing to a reader.
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_TEMPORARY = re.compile(r"\bbackproof-[a-z0-9_]{8}\b")


def lasting(record: T) -> T:
    """The same record, each text without what is different in the next run."""
    made: T = decoded(type(record), _lasting(plain(record)))
    return made


def _lasting(value: object) -> object:
    if isinstance(value, str):
        return _TEMPORARY.sub("backproof-...", _ADDRESS.sub("0x...", value))
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items()}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
