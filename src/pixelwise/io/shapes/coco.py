"""Writing objects as COCO JSON, one object at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

from pixelwise.io.atomic import atomic_text
from pixelwise.io.shapes.coco_ids import CocoEntry, CocoIds
from pixelwise.io.shapes.records import ObjectRecord, PictureRecord
from pixelwise.types import LabelSpace


def write_coco(
    path: str | os.PathLike[str],
    pictures: Callable[[], Iterable[tuple[PictureRecord, Iterable[ObjectRecord]]]],
    label_space: LabelSpace,
    *,
    like: CocoIds | None = None,
) -> int:
    """Write the objects of pictures as a COCO data set, whole or not at all, with only one object in memory at a time.

    Pictures, annotations and categories count from 1, categories in the order of the classes. Masks are compressed
    run-length encodings, which keep holes and separate parts to the pixel. An object of which only the box is known has
    an empty ``segmentation``. ``bbox`` is left, top, width and height. ``score`` is written where it is known, as in
    COCO's results, so that the list of annotations alone can be scored as results.

    Args:
        path: the file to write.
        pictures: gives the pictures with their objects, each time from the first picture on; it is called twice.
        label_space: classes of the objects, without background.
        like: the ids of pictures and categories of a file that the objects are to be scored against.

    Returns:
        How many objects were written.

    Raises:
        DataError: the file that ids are taken from states another size of a picture.
        PixelwiseError: the file cannot be written.
    """
    numbers = {name: index for index, name in enumerate(label_space.names, 1)} if like is None else like.categories
    categories = [{"id": numbers[name], "name": name} for name in label_space.names]
    with atomic_text(path) as file:
        file.write('{"info": {"description": "objects found by pixelwise"},\n"categories": ')
        json.dump(categories, file, ensure_ascii=False)
        file.write(',\n"images": [')
        _write_all(file, (_image(number, picture, like) for number, (picture, _) in enumerate(pictures(), 1)))
        file.write('],\n"annotations": [')
        count = _write_all(file, _annotations(pictures(), [one["id"] for one in categories], like))
        file.write("]}\n")
    return count


def _write_all(file: TextIO, values: Iterable[dict[str, Any]]) -> int:
    count = 0
    for value in values:
        file.write(",\n" if count else "\n")
        json.dump(value, file, ensure_ascii=False)
        count += 1
    return count


def _image(number: int, picture: PictureRecord, like: CocoIds | None) -> dict[str, Any]:
    size = (picture.height, picture.width)
    entry = CocoEntry(picture.name, number) if like is None else like.entry_of_size(picture.name, size)
    return {"id": entry.id, "file_name": entry.name, "height": picture.height, "width": picture.width}


def _annotations(
    pictures: Iterable[tuple[PictureRecord, Iterable[ObjectRecord]]], categories: Sequence[Any], like: CocoIds | None
) -> Iterator[dict[str, Any]]:
    count = 0
    for number, (picture, objects) in enumerate(pictures, 1):
        image = number if like is None else like.entry(picture.name).id
        for one in objects:
            count += 1
            left, top, right, bottom = one.box
            size = [picture.height, picture.width]
            yield {
                "id": count,
                "image_id": image,
                "category_id": categories[one.label],
                "bbox": [left, top, right - left, bottom - top],
                "area": one.area,
                "iscrowd": 0,
                "segmentation": [] if one.counts is None else {"size": size, "counts": one.counts},
                **({} if one.score is None else {"score": one.score}),
            }
