"""The objects of pictures as a table."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pixelwise.io.csv_table import harmless, open_table
from pixelwise.io.shapes.records import ObjectRecord, PictureRecord
from pixelwise.types import LabelSpace

OBJECT_COLUMNS = (
    "picture",
    "id",
    "class",
    "score",
    "area",
    "left",
    "top",
    "right",
    "bottom",
    "perimeter",
    "centroid_x",
    "centroid_y",
)


def write_object_table(
    path: str | os.PathLike[str],
    pictures: Iterable[tuple[PictureRecord, Iterable[ObjectRecord]]],
    label_space: LabelSpace,
) -> int:
    """Write a CSV with one row per object, whole or not at all, with only one object in memory at a time.

    Lengths are in pixels, areas in square pixels, measured as :class:`~pixelwise.io.shapes.records.ObjectRecord` says.
    The score is empty where none is known. Names are made :func:`~pixelwise.io.csv_table.harmless`.

    Args:
        path: the file to write.
        pictures: each with its objects.
        label_space: classes of the objects, without background.

    Returns:
        How many objects were written.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    count = 0
    classes = [harmless(name) for name in label_space.names]
    with open_table(path) as write_row:
        write_row(OBJECT_COLUMNS)
        for picture, objects in pictures:
            for one in objects:
                score = "" if one.score is None else f"{one.score:.6g}"
                lengths = (f"{length:.6g}" for length in (one.area, *one.box))
                measured = (f"{length:.2f}" for length in (one.perimeter, *one.centroid))
                write_row((harmless(picture.name), one.id, classes[one.label], score, *lengths, *measured))
                count += 1
    return count
