"""One file of COCO JSON: its categories, its pictures, and the outlines of their objects."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from pixelwise.data.annotations.json_files import as_dict, as_list, as_numbers, as_size, read_json
from pixelwise.data.annotations.outlines import Outline, Points
from pixelwise.errors import MOST_QUOTED_CHARACTERS, DataError, quoted
from pixelwise.instances import Box, Size
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle


@dataclass(frozen=True, eq=False)
class CocoPicture:
    """One picture of a file.

    Args:
        id: what annotations call it.
        file_name: as the file has it.
        size: height and width, where the file states them.
        annotations: its annotations, as the file has them.
    """

    id: Any
    file_name: str
    size: Size | None
    annotations: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class CocoFile:
    """What one file holds.

    Args:
        path: the file.
        categories: category id -> name, by rising id.
        pictures: in the order of the file.
        matched: annotations whose image_id is text where that of the picture is a number, or the other way round.
        strays: the names of annotations whose picture the file does not list, each with its image_id.
    """

    path: Path
    categories: Mapping[Any, str]
    pictures: tuple[CocoPicture, ...]
    matched: int = 0
    strays: tuple[str, ...] = ()

    def outline(self, raw: dict[str, Any], labels: Mapping[Any, int]) -> Outline:
        """Check one annotation.

        Args:
            raw: as the file has it.
            labels: category id -> class index.

        Raises:
            DataError: it makes no sense; the message names the file and the annotation.
        """
        name = _called(raw)
        where = f"{self.path}: {name}"
        category = raw.get("category_id")
        if not _is_id(category) or category not in labels:
            raise DataError(f"{where}: category_id is {quoted(category)}, which `categories` does not have")
        shape = raw.get("segmentation")
        polygons: tuple[Points, ...] = ()
        rle = None
        if isinstance(shape, dict):
            rle = _run_lengths(shape, f"{where}: segmentation")
        elif shape:
            polygons = _polygons(shape, f"{where}: segmentation")
        box = _box(raw["bbox"], f"{where}: bbox") if raw.get("bbox") else None
        if rle is None and box is None and not polygons:
            raise DataError(f"{where}: it has neither a segmentation nor a bbox; remove it, or give it one")
        crowd = raw.get("iscrowd")
        if crowd not in (None, 0, 1):
            raise DataError(f"{where}: iscrowd is {quoted(crowd)}; expected 0 or 1")
        area = raw.get("area")
        stated = float(area) if isinstance(area, int | float) and 0 < area <= sys.float_info.max else math.nan
        return Outline(labels[category], name, polygons, rle, box, bool(crowd), area=stated)


def read_coco(path: Path) -> CocoFile | None:
    """Read a file; None where it is other JSON. Without the key ``annotations`` it states pictures without objects.

    Raises:
        DataError: the file is damaged.
    """
    content = read_json(path, "images", "categories")
    if not isinstance(content, dict) or not {"images", "categories"} <= content.keys():
        return None
    categories: dict[Any, str] = {}
    for raw in as_list(content["categories"], f"{path}: categories"):
        category = as_dict(raw, f"{path}: categories")
        number, name = category.get("id"), category.get("name")
        if not _is_id(number) or not isinstance(name, str) or not name:
            raise DataError(f"{path}: categories: expected an id and a name each, found {quoted(category)}")
        if number in categories:
            raise DataError(f"{path}: categories: the id {number} is there twice ('{categories[number]}', '{name}')")
        categories[number] = name
    pictures: dict[Any, CocoPicture] = {}
    for raw in as_list(content["images"], f"{path}: images"):
        picture = _picture(as_dict(raw, f"{path}: images"), path)
        if picture.id in pictures:
            raise DataError(f"{path}: image {picture.id}: the id is there twice; ids of images must differ")
        pictures[picture.id] = picture
    matched, strays = 0, []
    for raw in as_list(content.get("annotations", []), f"{path}: annotations"):
        annotation = as_dict(raw, f"{path}: annotations")
        image = annotation.get("image_id")
        if _is_id(image) and image not in pictures:  # some tools write ids as text in one place and not in the other
            image = next((number for number in _as_other_type(image) if number in pictures), image)
            matched += image in pictures
        if not _is_id(image) or image not in pictures:
            strays.append(f"{_called(annotation)}: image_id is {quoted(image)}")
            continue
        pictures[image].annotations.append(annotation)
    rising = sorted(categories, key=lambda number: (isinstance(number, str), number))
    named = {number: categories[number] for number in rising}
    return CocoFile(path, named, tuple(pictures.values()), matched, tuple(strays))


def _picture(raw: dict[str, Any], path: Path) -> CocoPicture:
    number, name = raw.get("id"), raw.get("file_name")
    if not _is_id(number) or not isinstance(name, str) or not name:
        raise DataError(f"{path}: images: expected an id and a file_name each, found {quoted(raw)}")
    size = None
    if raw.get("height") and raw.get("width"):
        size = as_size(raw["height"], raw["width"], f"{path}: image {number}: height and width")
    return CocoPicture(number, name, size, [])


def _polygons(shape: Any, where: str) -> tuple[Points, ...]:
    parts = as_list(shape, where)
    if not isinstance(parts[0], list):
        parts = [parts]  # some tools leave out the list of parts where there is one
    polygons = []
    for part in parts:
        numbers = as_numbers(part, where)
        if len(numbers) % 2:
            raise DataError(f"{where}: a polygon of {counted(len(numbers), 'number')}; expected x and y of each point")
        if numbers:
            polygons.append(np.array(numbers, np.float64).reshape(-1, 2))
    return tuple(polygons)


def _run_lengths(shape: dict[str, Any], where: str) -> Rle:
    """Check what run lengths are made of; whether they add up is found when the mask is made of them."""
    size = as_list(shape.get("size"), f"{where}: size")
    if len(size) != 2 or set(map(type, size)) != {int} or min(size) < 1:
        raise DataError(f"{where}: size: expected height and width in pixels, found {quoted(size)}")
    counts = shape.get("counts")
    if not isinstance(counts, str):
        counts = as_list(counts, f"{where}: counts")
        for run in counts:
            if type(run) is not int or run < 0:
                raise DataError(f"{where}: counts: expected whole numbers of pixels, found {quoted(run)}")
    return {"size": size, "counts": counts}  # type: ignore[typeddict-item]  # lists are COCO's too


def _called(raw: dict[str, Any]) -> str:
    """What to call an annotation in errors."""
    number = raw.get("id")
    return f"annotation {number[:MOST_QUOTED_CHARACTERS] if isinstance(number, str) else quoted(number)}"


def _is_id(value: Any) -> TypeGuard[int | str]:
    """Whether a value may be an id; ``true`` is none, though Python takes it for 1.

    Some tools write ids as ``3.0``, which equals 3.
    """
    whole = isinstance(value, float) and value.is_integer()
    return whole or (isinstance(value, int | str) and not isinstance(value, bool))


def _as_other_type(value: int | str) -> tuple[int | str, ...]:
    """The number that a text shows, or the text that shows a number."""
    if not isinstance(value, str):
        return (str(int(value)),)
    return (int(value),) if re.fullmatch(r"-?\d{1,18}", value) else ()


def _box(raw: Any, where: str) -> Box:
    left, top, width, height = as_numbers(raw, where, count=4)
    if width < 0 or height < 0:
        raise DataError(f"{where}: width and height are {width:g} and {height:g}; expected left, top, width, height")
    return left, top, left + width, top + height
