"""An index of things with boxes by their position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from pixelwise.instances import Box

ThingT = TypeVar("ThingT")

BUCKET_SIDE = 256
"""The side of a bucket in pixels."""


class Buckets(Generic[ThingT]):
    """Gives the things near a box without comparing it with all of them; iterates in the order of insertion."""

    def __init__(self) -> None:
        self._things: list[tuple[Box, ThingT]] = []
        self._cells: dict[tuple[int, int], list[int]] = {}

    def add(self, box: Box, thing: ThingT) -> None:
        """Keep a thing."""
        for cell in _cells(box):
            self._cells.setdefault(cell, []).append(len(self._things))
        self._things.append((box, thing))

    def near(self, box: Box) -> Iterator[ThingT]:
        """Give the things whose boxes meet a box, in the order of insertion."""
        numbers = {number for cell in _cells(box) for number in self._cells.get(cell, ())}
        for number in sorted(numbers):
            (left, top, right, bottom), thing = self._things[number]
            if left <= box[2] and right >= box[0] and top <= box[3] and bottom >= box[1]:
                yield thing

    def __iter__(self) -> Iterator[ThingT]:
        return (thing for _, thing in self._things)

    def __len__(self) -> int:
        return len(self._things)


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    left, top, right, bottom = (int(edge) // BUCKET_SIDE for edge in box)
    return ((row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))
