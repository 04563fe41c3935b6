from __future__ import annotations

import numpy as np
import onnx
import pytest

from pixelwise.errors import DataError
from pixelwise.io.protobuf import BYTES, FIXED32, FIXED64, VARINT, read_fields, write_field


def test_fields_are_those_of_the_library() -> None:
    tensor = onnx.TensorProto(name="t", data_type=300, raw_data=b"\x00" * 200)
    fields = list(read_fields(memoryview(tensor.SerializeToString())))
    assert [(part.number, part.kind) for part in fields] == [(2, VARINT), (8, BYTES), (9, BYTES)]
    assert fields[0].value == 300
    assert bytes(fields[1].content) == b"t"
    assert len(fields[2].content) == 200
    assert b"".join(part.raw for part in fields) == tensor.SerializeToString()


def test_numbers_of_fixed_length_are_passed_over() -> None:
    attribute = onnx.AttributeProto(name="a", f=1.5)
    single = [part for part in read_fields(memoryview(attribute.SerializeToString())) if part.kind == FIXED32]
    assert len(single) == 1
    double = memoryview(bytes([1 << 3 | FIXED64]) + bytes(8) + write_field(2, b"after"))
    assert [part.number for part in read_fields(double)] == [1, 2]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 20_000])
def test_what_is_written_is_read(length: int) -> None:
    written = write_field(2000, bytes(length))
    (part,) = read_fields(memoryview(written))
    assert (part.number, len(part.content), bytes(part.raw)) == (2000, length, written)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x0a\x05abc", "ends within a field"),
        (b"\x0d\x00", "ends within a field"),
        (b"\x08", "has no end"),
        (b"\xff" * 20, "has no end"),
        (b"\x0b", "unknown kind 3"),
        (b"\x02\x00", "number 0"),
    ],
)
def test_what_is_no_message_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_fields(memoryview(content)))


def test_any_bytes_are_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    for length in range(300):
        content = rng.integers(0, 256, length, np.uint8).tobytes()
        try:
            fields = list(read_fields(memoryview(content)))
        except DataError:
            continue
        assert b"".join(part.raw for part in fields) == content
