"""Frames: whole ones cross bit for bit, all others are refused."""

import importlib.util
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from backproof import protocol
from backproof.drawing import Array
from backproof.protocol import ProtocolError
from backproof.target import Target
from property_tests.harness.hostile import (
    CASE,
    answered,
    failed,
    hostile,
)
from property_tests.planted import EXAMPLE


def frame_of(header: bytes, payload: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "little") + header + payload


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"\x01", "the stream ends inside a frame"),
        (b"\xff\xff\xff\xff", "4294967295 bytes of header; the limit is 65536"),
        (frame_of(b"{}")[:-1], "the stream ends inside a frame"),
        (frame_of(b"nonsense"), "header is no JSON"),
        (frame_of(b"\xff\xfe"), "header is no JSON"),
        (frame_of(b"[1]"), "names no kind"),
        (frame_of(b'{"kind": 1}'), "names no kind"),
        (frame_of(b'{"kind": "result"}'), "does not list its arrays"),
        (frame_of(b'{"kind": "result", "arrays": [1]}'), "something else than arrays"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "|O", [1]]]}'), "something else than arr"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", ["1"]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [-1]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [true]]]}'), "no possible shape"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [9999999]]]}'), "bytes of arrays"),
        (frame_of(b'{"kind": "result", "arrays": [["a", "<f8", [2]]]}', bytes(15)), "ends inside"),
    ],
)
def test_a_frame_that_is_none_is_refused(frame: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        protocol.read(io.BytesIO(frame))


def test_a_message_crosses_the_wire_bit_for_bit() -> None:
    odd = np.array([[0.0, -0.0, np.nan], [np.inf, 5e-324, 1 / 3]])
    arrays: dict[str, Array] = {"a": odd, "b": odd.T, "c": odd[0].astype(np.float32)}
    with np.errstate(all="ignore"):
        frame = protocol.encode("result", {"id": 3, "text": "Δ\n"}, arrays)
    stream = io.BytesIO(frame * 2)
    for _ in range(2):
        message = protocol.read(stream)
        assert message is not None
        assert (message.kind, message.fields) == ("result", {"id": 3, "text": "Δ\n"})
        for name, array in arrays.items():
            assert message.arrays[name].tobytes() == array.tobytes()
            assert message.arrays[name].shape == array.shape
            assert message.arrays[name].dtype == array.dtype
    assert protocol.read(stream) is None


def test_what_the_other_end_would_refuse_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="`a` has dtype int64; only float64 and float32 go"):
        protocol.encode("result", {}, {"a": np.arange(3)})  # type: ignore[dict-item]
    with pytest.raises(ProtocolError, match="bytes of arrays; the limit is"):
        protocol.encode("result", {}, {"a": np.zeros(3 * 2**20)})
    with pytest.raises(ProtocolError, match="bytes of header; the limit is"):
        protocol.encode("result", {"text": "x" * 70_000}, {})


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loaded", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_wire_changes_no_bit_of_an_answer() -> None:
    backprop: Callable[..., tuple[list[Array], list[Array]]] = loaded(EXAMPLE).backprop
    with Target(str(EXAMPLE)) as target:
        for dtype in ("float64", "float32"):
            case = replace(CASE, dtype=dtype)
            a = case.arrays
            dW, db = backprop(a.weights, a.biases, a.X, a.Y, case.activations, case.loss)
            expected = np.concatenate(
                [part.ravel() for pair in zip(dW, db, strict=True) for part in pair]
            )
            np.testing.assert_array_equal(answered(target, case), expected.astype(np.float64))


def test_the_expected_answer_and_the_token_never_cross_the_wire(tmp_path: Path) -> None:
    deed = """import gc
held = [item for item in gc.get_objects() if isinstance(item, dict) and "loss" in item]
raise RuntimeError(sorted(next(item for item in held if "id" in item)))"""
    with hostile(tmp_path, deed) as target:
        said = failed(target).message
    assert "'loss'" in said
    for word in ("seed", "regime", "token", "gradient", "scale"):
        assert word not in said.partition("RuntimeError: ")[2].partition(" at ")[0]
