"""Reading and writing messages of Protocol Buffers field by field, without their schema and without copying.

The encoding is that of https://protobuf.dev/programming-guides/encoding: a field is a number, a kind and a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pixelwise.errors import DataError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The kinds of values; groups (3 and 4), which no current format has, are refused."""

_MOST_VARINT_BYTES = 10


class Field(NamedTuple):
    """One field of a message."""

    number: int
    kind: int
    value: int
    """The number, of a field that is one; 0 of others."""
    content: memoryview
    """The bytes of a text or a message; empty for others."""
    raw: memoryview
    """The whole field as it stands in the message."""


def read_fields(message: memoryview) -> Iterator[Field]:
    """Read the fields of a message, in order.

    Raises:
        DataError: the bytes are no message, or end within a field.
    """
    place = 0
    while place < len(message):
        start = place
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        value, content = 0, message[:0]
        if kind == VARINT:
            value, place = _varint(message, place)
        elif kind in (FIXED64, FIXED32):
            place += 8 if kind == FIXED64 else 4
        elif kind == BYTES:
            length, place = _varint(message, place)
            content = message[place : place + length]
            place += length
        else:
            raise DataError(f"a field is of the unknown kind {kind}")
        if place > len(message) or not number:
            raise DataError("it ends within a field" if number else "a field has the number 0")
        yield Field(number, kind, value, content, message[start:place])


def write_field(number: int, content: bytes | memoryview) -> bytes:
    """Write a field that is a text or a message."""
    return _written_varint(number << 3 | BYTES) + _written_varint(len(content)) + bytes(content)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, lowest first, and give the place behind it."""
    value = 0
    for count, byte in enumerate(message[place : place + _MOST_VARINT_BYTES]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise DataError("a number in it has no end")


def _written_varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
