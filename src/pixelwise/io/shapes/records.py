"""The numbers that files hold per object, and the lists of them that a job over many pictures keeps while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.io.atomic import atomic_path
from pixelwise.io.journal import Damaged, Seal, entries
from pixelwise.io.shapes.outlines import perimeter


@dataclass(frozen=True)
class PictureRecord:
    """A picture whose objects are listed.

    Args:
        name: its path below the given folder, with forward slashes, after which its files are named.
        height: in pixels.
        width: in pixels.
    """

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class ObjectRecord:
    """An object in numbers; lengths are in pixels, and pixel ``i`` reaches from ``i`` to ``i + 1``.

    Args:
        id: its number in its picture, from 1.
        label: index of its class among the classes of objects.
        score: confidence 0 .. 1, or None where none is known.
        area: pixels of its mask; where only the box is known, the area of the box.
        box: left, top, right and bottom edge.
        perimeter: length of its outline, see :func:`pixelwise.io.shapes.outlines.perimeter`; of a box, that of its
            sides.
        centroid: x and y of its centre of mass.
        counts: its mask as the text of COCO's run-length encoding; None where only the box is known.
    """

    id: int
    label: int
    score: float | None
    area: float
    box: tuple[float, float, float, float]
    perimeter: float
    centroid: tuple[float, float]
    counts: str | None = None


def describe(instances: Instances) -> Iterator[ObjectRecord]:
    """Give the numbers of objects one by one, in their order and without their run-length encoding."""
    for number in range(len(instances)):
        left, top, right, bottom = (float(edge) for edge in instances.boxes[number])
        score = None if instances.scores is None else round(float(instances.scores[number]), 6)
        mask = None if instances.masks is None else instances.masks[number]
        if mask is None:
            length = 2 * (right - left + bottom - top)
            area, centroid = (right - left) * (bottom - top), ((left + right) / 2, (top + bottom) / 2)
        else:
            area, length = float(mask.area), perimeter(mask)
            down, along = mask.pixels.sum(1), mask.pixels.sum(0)
            share = max(area, 1.0)
            centroid = (
                mask.left + 0.5 + float(np.arange(len(along)) @ along) / share,
                mask.top + 0.5 + float(np.arange(len(down)) @ down) / share,
            )
        label = int(instances.labels[number])
        yield ObjectRecord(number + 1, label, score, area, (left, top, right, bottom), length, centroid)


def write_records(path: str | os.PathLike[str], picture: PictureRecord, objects: Iterable[ObjectRecord]) -> None:
    """Write a picture, its objects and their number, one line with a checksum for each; whole or not at all.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    seal, count = Seal(), 0
    with atomic_path(path) as beside, open(beside, "wb") as file:
        file.write(seal.line(asdict(picture)))
        for record in objects:
            file.write(seal.line(asdict(record)))
            count += 1
        file.write(seal.line(count))


def read_picture(path: str | os.PathLike[str]) -> PictureRecord:
    """Read the picture of a list.

    Raises:
        DataError: the list is damaged.
    """
    with open(path, "rb") as file:
        return PictureRecord(**_next(entries(file, Seal()), path))


def read_records(path: str | os.PathLike[str]) -> Iterator[ObjectRecord]:
    """Read the objects of a list one by one; raises as :func:`read_picture`."""
    with open(path, "rb") as file:
        lines = entries(file, Seal())
        _next(lines, path)
        while not isinstance(values := _next(lines, path), int):
            yield ObjectRecord(**{**values, "box": tuple(values["box"]), "centroid": tuple(values["centroid"])})


def _next(lines: Iterator[Any], path: str | os.PathLike[str]) -> Any:
    try:
        return next(lines)
    except (Damaged, StopIteration) as error:
        raise DataError(f"{Path(path)}: this list of objects is damaged; remove it and predict again") from error
