"""What the harness and an implementation say to each other, and how it looks on the wire.

    harness                                  implementation
    start      file, function, limits   ->
                                        <-   hello     name, language, what it takes by name
    gradients  id, question, arrays     ->
                                        <-   result | skipped | errored
    stop                                ->

A frame is a header's length (u32, little-endian), the header (JSON, one object) and the raw
little-endian numbers of the arrays that the header lists as [name, dtype, shape], one after the
other, row by row. Nothing is ever unpickled, no expected answer crosses the wire, and both ends
check every size before they allocate.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from backproof.case import Case
from backproof.drawing import Array

VERSION = 1

# The largest case (8 layers of width 64, 128 rows) is below half a MiB.
MOST_HEADER_BYTES = 64 * 2**10
MOST_ARRAY_BYTES = 16 * 2**20
_DTYPES: dict[str, np.dtype[Any]] = {"<f8": np.dtype("<f8"), "<f4": np.dtype("<f4")}
_CODES = {np.dtype(np.float64): "<f8", np.dtype(np.float32): "<f4"}
_LENGTH = struct.Struct("<I")


class ProtocolError(Exception):
    """The bytes that came, or those that were to go, are no message."""


def question_of(case: Case, number: int) -> dict[str, Any]:
    """What a network is asked about, arrays apart. Not the case itself: nothing gives away how it
    was drawn."""
    return {
        "id": number,
        "activations": case.activations,
        "loss": case.loss,
        "reduction": case.reduction,
        "bias": case.bias,
        "dtype": case.dtype,
        "alpha": case.alpha,
        "slope": case.slope,
    }


@dataclass(frozen=True, eq=False)
class Message:
    """One message: its kind (see the module's picture), scalars, and arrays by name.

    Arrays that were read are read-only views of the frame.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)


def encode(kind: str, fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """A message as one frame. Raises ProtocolError for one that the other end would refuse."""
    layout, buffers = [], []
    for name, array in arrays.items():
        code = _CODES.get(array.dtype)
        if code is None:
            raise ProtocolError(f"`{name}` has dtype {array.dtype}; only float64 and float32 go.")
        layout.append((name, code, array.shape))
        buffers.append(array.astype(_DTYPES[code], copy=False).tobytes())
    header = json.dumps({**fields, "kind": kind, "arrays": layout}).encode()
    _limit("header", len(header), MOST_HEADER_BYTES)
    _limit("arrays", sum(map(len, buffers)), MOST_ARRAY_BYTES)
    return b"".join([_LENGTH.pack(len(header)), header, *buffers])


def read(stream: IO[bytes]) -> Message | None:
    """The next message, or None where the stream ends between two of them.

    Raises ProtocolError for anything else than a whole frame within the limits.
    """
    start = stream.read(_LENGTH.size)
    if not start:
        return None
    if len(start) < _LENGTH.size:
        raise ProtocolError("the stream ends inside a frame")
    (length,) = _LENGTH.unpack(start)
    _limit("header", length, MOST_HEADER_BYTES)
    fields = _header(_exactly(stream, length))
    kind, layout = fields.pop("kind"), _layout(fields.pop("arrays", None))
    size = sum(count * dtype.itemsize for _, dtype, _, count in layout)
    _limit("arrays", size, MOST_ARRAY_BYTES)
    payload, arrays, at = _exactly(stream, size), {}, 0
    for name, dtype, shape, count in layout:
        arrays[name] = np.frombuffer(payload, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    return Message(kind, fields, arrays)


def _limit(what: str, size: int, most: int) -> None:
    if size > most:
        raise ProtocolError(f"a frame with {size} bytes of {what}; the limit is {most}")


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ProtocolError("the stream ends inside a frame")
    return data


def _header(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except ValueError:
        raise ProtocolError("a frame whose header is no JSON") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
        raise ProtocolError("a frame whose header names no kind of message")
    return fields


def _layout(entries: object) -> list[tuple[str, np.dtype[Any], list[int], int]]:
    """The header's list of arrays, checked, each with its number of elements."""
    if not isinstance(entries, list):
        raise ProtocolError("a frame whose header does not list its arrays")
    layout: list[tuple[str, np.dtype[Any], list[int], int]] = []
    for entry in entries:
        try:
            name, code, shape = entry
            dtype, count = _DTYPES[code], math.prod(shape)
        except (KeyError, TypeError, ValueError):
            raise ProtocolError("a frame that lists something else than arrays") from None
        if type(count) is not int or any(type(k) is not int or k < 0 for k in shape):
            raise ProtocolError("a frame with an array of no possible shape")
        layout.append((name, dtype, shape, count))
    return layout
