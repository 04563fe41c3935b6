from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from io import BytesIO

import pytest

from pixelwise.io.journal import Damaged, Seal, entries

VALUES = [{"job": "one"}, [0, 0, 100, 201], [100, 0, 50, 201], "Übergang\udcff", 7]

DAMAGES: dict[str, Callable[[list[bytes]], Iterable[bytes]]] = {
    "swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "repeated": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "repeated at the end": lambda lines: [*lines, lines[-1]],
    "left out": lambda lines: [lines[0], *lines[2:]],
    "altered": lambda lines: [lines[0], lines[1].replace(b"201", b"200"), *lines[2:]],
    "another value": lambda lines: [lines[0], lines[1].replace(b"[0, 0, 100, 201]", b"[50, 0, 100, 201]"), *lines[2:]],
    "nested": lambda lines: [lines[0], lines[1].replace(b"[0, 0, 100, 201]", b"[" * 10**6), *lines[2:]],
    "without its checksum": lambda lines: [lines[0], lines[1].partition(b" ")[2], *lines[2:]],
    "cut short within": lambda lines: [lines[0], lines[1][:-4] + b"\n", *lines[2:]],
    "run together": lambda lines: [lines[0], lines[1].rstrip(b"\n"), *lines[2:]],
    "of another list": lambda lines: [lines[0], Seal().line([0, 0, 100, 201]), *lines[2:]],
    "binary": lambda lines: [lines[0], bytes(range(256)) + b"\n", *lines[2:]],
    "empty": lambda lines: [lines[0], b"\n", *lines[1:]],
}


def sealed(values: Iterable[object] = VALUES) -> list[bytes]:
    seal = Seal()
    return [seal.line(value) for value in values]


def read(lines: Iterable[bytes]) -> list[object]:
    return list(entries(BytesIO(b"".join(lines)), Seal()))


def test_what_was_written_is_read() -> None:
    assert read(sealed()) == VALUES
    assert read([]) == []
    assert [json.loads(line.partition(b" ")[2]) for line in sealed()] == VALUES, "people can read it, too"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_shows(damage: Callable[[list[bytes]], Iterable[bytes]]) -> None:
    with pytest.raises(Damaged):
        read(damage(sealed()))


@pytest.mark.parametrize("kept", [1, 9, -1])
def test_a_last_line_that_was_cut_short_never_happened(kept: int) -> None:
    lines = sealed()
    assert read([*lines[:-1], lines[-1][:kept]]) == VALUES[:-1]


def test_every_changed_byte_shows() -> None:
    content = b"".join(sealed())
    for place in range(len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(Damaged):
            read([bytes(changed)])


def test_a_seal_goes_on_where_reading_ended() -> None:
    seal = Seal()
    lines = sealed()
    with pytest.raises(Damaged):
        list(entries(BytesIO(b"".join([*lines[:2], lines[3]])), seal))
    assert seal.line(VALUES[2]) == lines[2]
    twin = seal.copy()
    assert twin.line(VALUES[3]) == seal.line(VALUES[3]) == lines[3]
