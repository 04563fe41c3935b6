"""Datumaro: ``annotations/SUBSET.json`` beside ``images/``, with polygons, masks and boxes.

The format of https://openvinotoolkit.github.io/datumaro/latest/docs/data-formats/formats/datumaro.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelwise.data.annotations import named_outlines
from pixelwise.data.annotations.faults import sort_out
from pixelwise.data.annotations.json_files import as_dict, as_list, as_numbers, as_size, json_files, read_json
from pixelwise.data.annotations.named_outlines import Annotated, Named
from pixelwise.data.annotations.picture_places import PicturePlaces
from pixelwise.data.pairs import SPLIT_NAMES, Found
from pixelwise.errors import DataError, quoted
from pixelwise.instances import Size
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle

LOOKED_FOR = "annotations/SUBSET.json + images/ (Datumaro)"
PARTS = (("annotations/train.json", "annotations/*.json"), ("images/",))

_OF_WHOLE_PICTURES = ("label", "caption")  # of the picture as a whole


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Objects of one ``group`` other than 0 are parts of one object, as in Datumaro. A file of boxes alone is read as
    boxes; among outlines a box is refused, because it does not say which of its pixels are the object's.

    Raises:
        DataError: a file is damaged, or the classes or the splits of files contradict each other.
    """
    files = [(path, content) for path in json_files(root / "annotations") if (content := _content(path)) is not None]
    if not files:
        return None
    names = _names(files)
    kinds = {
        raw.get("type") for path, content in files for item in _items(content, path) for raw in _listed(item, path)
    }
    splits: dict[str, list[Annotated]] = {}
    for path, content in files:
        split = SPLIT_NAMES.get(path.stem.lower(), "all")
        places = PicturePlaces(root, path, path.stem)
        for item in _items(content, path):
            one = _read(item, path, root, places, names, not kinds & {"polygon", "mask"})
            splits.setdefault(split, []).append(one)
    if len(splits) > 1 and "all" in splits:
        others = next(path for path, _ in files if path.stem.lower() not in SPLIT_NAMES)
        raise DataError(f"{others}: it stands beside the files of splits, and is called as none of them; rename it")
    return named_outlines.found("datumaro", root, splits, names=names, named_by=files[0][0])


def _content(path: Path) -> dict[str, Any] | None:
    content = read_json(path, "categories", "items")
    fits = isinstance(content, dict) and isinstance(content.get("items"), list)
    return content if fits and isinstance(content.get("categories"), dict) else None


def _items(content: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    return [as_dict(item, f"{path}: items") for item in content["items"]]


def _listed(item: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    where = f"{path}: {quoted(item.get('id'))}: annotations"
    return [as_dict(raw, where) for raw in as_list(item.get("annotations") or [], where)]


def _names(files: list[tuple[Path, dict[str, Any]]]) -> tuple[str, ...]:
    lists = {}
    for path, content in files:
        labels = as_dict(content["categories"].get("label", {}), f"{path}: categories")
        listed = as_list(labels.get("labels", []), f"{path}: categories")
        lists[path] = tuple(str(as_dict(one, f"{path}: categories").get("name")) for one in listed)
    first, names = next(iter(lists.items()))
    for path, others in lists.items():
        if others != names:
            raise DataError(f"{path}: its classes differ from those of {first}")
    if not names or len(set(names)) != len(names):
        raise DataError(f"{first}: categories: expected the names of the classes, all different")
    return names


def _read(
    item: Mapping[str, Any], path: Path, root: Path, places: PicturePlaces, names: tuple[str, ...], boxes_alone: bool
) -> Annotated:
    """Read the annotations of a picture; what is wrong with them, or with the picture, is told when it is used."""
    where = f"{path}: {quoted(item.get('id'))}"
    media = as_dict(item.get("image") or item.get("media") or {}, f"{where}: image")
    given = media.get("path") or item.get("id")
    if not isinstance(given, str) or not given:
        raise DataError(f"{where}: expected the path of its picture, found {quoted(given)}")
    suffixes = [""] if Path(given).suffix.lower() in IMAGE_SUFFIXES else sorted(IMAGE_SUFFIXES)
    picture = next((found for suffix in suffixes if (found := places.find(given + suffix)) is not None), None)
    if picture is None:
        fault = f"{path}: {places.missing(given, 'export the data with its media')}"
        return Annotated(root / PurePosixPath(given).name, path, (), faults=(fault,))
    size: Size | None = None
    if media.get("size"):
        height, width = as_numbers(media["size"], f"{where}: size", count=2)
        size = as_size(height, width, f"{where}: size")
    objects: list[Named] = []
    groups: dict[tuple[str, int], int] = {}

    def add(numbered: tuple[int, dict[str, Any]]) -> None:
        number, raw = numbered
        if raw.get("type") in _OF_WHOLE_PICTURES:
            return
        one = _object(raw, names, f"annotation {number} of {given}", str(path), boxes_alone)
        group = raw.get("group")
        if one.polygons and isinstance(group, int) and group != 0:
            place = groups.setdefault((one.class_name, group), len(objects))
            if place < len(objects):
                first = objects[place]
                objects[place] = Named(first.class_name, first.name, (*first.polygons, *one.polygons))
                return
        objects.append(one)

    _, faults = sort_out(add, enumerate(_listed(item, path), 1))
    return Annotated(picture, path, tuple(objects), size, faults)


def _object(raw: Mapping[str, Any], names: tuple[str, ...], name: str, origin: str, boxes_alone: bool) -> Named:
    where = f"{origin}: {name}"
    kind, label = raw.get("type"), raw.get("label_id")
    if type(label) is not int or not 0 <= label < len(names):
        raise DataError(f"{where}: label_id is {quoted(label)}; expected 0 .. {len(names) - 1}")
    if kind == "polygon":
        numbers = as_numbers(raw.get("points"), f"{where}: points")
        if len(numbers) < 6 or len(numbers) % 2:
            raise DataError(f"{where}: points: expected x and y of 3 corners or more, found {len(numbers)} numbers")
        return Named(names[label], name, (np.array(numbers, np.float64).reshape(-1, 2),))
    if kind == "mask":
        return Named(names[label], name, rle=_rle(as_dict(raw.get("rle"), f"{where}: rle"), f"{where}: rle"))
    if kind == "bbox" and boxes_alone:
        left, top, width, height = as_numbers(raw.get("bbox"), f"{where}: bbox", count=4)
        return Named(names[label], name, box=(left, top, left + width, top + height))
    if kind == "bbox":
        raise DataError(
            f"{where}: a box among outlines does not say which of its pixels are the object's; draw its outline, or "
            "remove the boxes"
        )
    raise DataError(
        f"{where}: an annotation of type {quoted(kind)} has no area; draw a polygon or a mask, or remove it"
    )


def _rle(raw: Mapping[str, Any], where: str) -> Rle:
    height, width = as_numbers(raw.get("size"), f"{where}: size", count=2)
    size, counts = as_size(height, width, f"{where}: size"), raw.get("counts")
    if not isinstance(counts, str):
        raise DataError(f"{where}: counts: expected text, found {quoted(counts)}")
    return {"size": list(size), "counts": counts}
