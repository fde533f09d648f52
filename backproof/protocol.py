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
from typing import Any, BinaryIO

import numpy as np

from backproof.drawing import Array

VERSION = 1

# The largest case (8 layers of width 64, 128 rows) is below half a MiB.
MOST_HEADER_BYTES = 64 * 2**10
MOST_ARRAY_BYTES = 16 * 2**20
_DTYPES = {"<f8": np.dtype("<f8"), "<f4": np.dtype("<f4")}
_LENGTH = struct.Struct("<I")


class ProtocolError(Exception):
    """The bytes that came, or those that were to go, are no message."""


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
        code = f"<f{array.dtype.itemsize}"
        if array.dtype.kind != "f" or code not in _DTYPES:
            raise ProtocolError(f"`{name}` has dtype {array.dtype}; only float64 and float32 go.")
        layout.append((name, code, array.shape))
        buffers.append(np.ascontiguousarray(array, dtype=_DTYPES[code]).tobytes())
    header = json.dumps({**fields, "kind": kind, "arrays": layout}).encode()
    _limit("header", len(header), MOST_HEADER_BYTES)
    _limit("arrays", sum(map(len, buffers)), MOST_ARRAY_BYTES)
    return b"".join([_LENGTH.pack(len(header)), header, *buffers])


def read(stream: BinaryIO) -> Message | None:
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
    kind, layout = fields.pop("kind"), _layout(fields.pop("arrays"))
    sizes = [math.prod(shape) * dtype.itemsize for _, dtype, shape in layout]
    _limit("arrays", sum(sizes), MOST_ARRAY_BYTES)
    payload, arrays, at = _exactly(stream, sum(sizes)), {}, 0
    for (name, dtype, shape), size in zip(layout, sizes, strict=True):
        arrays[name] = np.frombuffer(payload[at : at + size], dtype=dtype).reshape(shape)
        at += size
    return Message(kind, fields, arrays)


def _limit(what: str, size: int, most: int) -> None:
    if size > most:
        raise ProtocolError(f"a frame with {size} bytes of {what}; the limit is {most}")


def _exactly(stream: BinaryIO, size: int) -> bytes:
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


def _layout(entries: object) -> list[tuple[str, "np.dtype[Any]", tuple[int, ...]]]:
    """The header's list of arrays, checked: names, known dtypes, whole sizes, two axes at most."""
    layout = []
    for entry in entries if isinstance(entries, list) else [None]:
        match entry:
            case [str(name), str(code), [*shape]] if code in _DTYPES and len(shape) <= 2:
                if not all(type(size) is int and 0 <= size <= MOST_ARRAY_BYTES for size in shape):
                    raise ProtocolError(f"a frame whose array `{name}` has no shape")
                layout.append((name, _DTYPES[code], tuple(shape)))
            case _:
                raise ProtocolError("a frame whose header does not list its arrays")
    return layout
