"""VIA: the JSON of the VGG Image Annotator 1 and 2, a saved project or exported annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pixelwise.data.annotations import named_outlines
from pixelwise.data.annotations.faults import sort_out
from pixelwise.data.annotations.json_files import (
    as_dict,
    as_numbers,
    as_points,
    beside_its_picture,
    json_files,
    read_json,
)
from pixelwise.data.annotations.named_outlines import Annotated, Named
from pixelwise.data.annotations.outlines import Points, ellipse, rectangle
from pixelwise.data.annotations.picture_places import PicturePlaces
from pixelwise.data.layouts.objects.id_masks import UNNAMED_CLASS
from pixelwise.data.pairs import NO_SPLIT, SPLIT_NAMES, Found
from pixelwise.errors import DataError, quoted, unknown_name
from pixelwise.words import counted

LOOKED_FOR = "VIA JSON beside its pictures, in the folder or in train/ val/ test/"
PARTS = (("via_region_data.json", "via_*.json", "*/via_*.json"),)

_CLASS_KEYS = ("class", "label", "category", "name", "type", "object", "species")


def find(root: Path, attribute: str | None = None) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    The class of a region is the attribute that is asked for, else the one called ``class``, else the only one called
    ``label``, ``category``, ``name``, ``type``, ``object`` or ``species``, else the only attribute there is; without
    attributes all objects are of one class.

    Args:
        root: the folder.
        attribute: the attribute of regions that names their class, where a ``dataset.yaml`` says so.

    Raises:
        DataError: a file is damaged, or it is unclear which attribute names the classes.
    """
    folders = [(NO_SPLIT, root), (NO_SPLIT, root / "annotations"), (NO_SPLIT, root / "images")]
    for below in sorted(path for path in root.iterdir() if path.is_dir()):
        if below.name.lower() in SPLIT_NAMES:
            folders.append((SPLIT_NAMES[below.name.lower()], below))
    splits: dict[str, list[Annotated]] = {}
    guesses: dict[str, None] = {}
    for split, folder in folders:
        for path in json_files(folder):
            pictures = None if beside_its_picture(path) else _pictures(path)
            if pictures:
                splits.setdefault(split, []).extend(_read(root, path, split, pictures, attribute, guesses))
    for split, annotated in splits.items():
        seen: set[Path] = set()
        for one in annotated:
            if one.image in seen:
                raise DataError(f"{one.origin}: {one.image.name} is annotated twice in split {split}; remove one")
            seen.add(one.image)
    return replace(named_outlines.found("via", root, splits), guesses=tuple(guesses)) if splits else None


def _pictures(path: Path) -> list[dict[str, Any]] | None:
    """Give the entries of a file, one per picture; None where it is other JSON."""
    content = read_json(path, "filename", "regions")
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        content = content["_via_img_metadata"]
    entries = list(content.values()) if isinstance(content, dict) else []
    fits = all(isinstance(one, dict) and isinstance(one.get("filename"), str) and "regions" in one for one in entries)
    return entries if fits else None


def _read(
    root: Path,
    path: Path,
    split: str,
    pictures: Sequence[Mapping[str, Any]],
    attribute: str | None,
    guesses: dict[str, None],
) -> list[Annotated]:
    key, others = _class_key(path, pictures, attribute)
    if others:
        guesses[
            f"the class of a region is its attribute '{key}', and not {' or '.join(others)}; if it is another, write "
            "`attribute:` and its name into a dataset.yaml"
        ] = None
    places = PicturePlaces(root, path, split)
    annotated = []
    for entry in pictures:
        file_name = entry["filename"]
        image = places.find(file_name)
        if image is None:
            fault = f"{path}: {places.missing(file_name, 'add it, or remove it from the project')}"
            annotated.append(Annotated(root / PurePosixPath(file_name).name, path, (), faults=(fault,)))
            continue
        named = [(f"region {number} of {file_name}", region) for number, region in enumerate(_regions(entry, path), 1)]
        objects, faults = sort_out(lambda one: _object(one[1], key, one[0], path), named)
        annotated.append(Annotated(image, path, tuple(objects), faults=faults))
    return annotated


def _regions(entry: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    regions = entry["regions"]  # a list, and of version 1 a dictionary
    listed = list(regions.values()) if isinstance(regions, dict) else regions
    if not isinstance(listed, list):
        raise DataError(f"{path}: {entry['filename']}: regions: expected a list, found {quoted(regions)}")
    where = f"{path}: a region of {entry['filename']}"
    for region in listed:
        as_dict(as_dict(region, where).get("region_attributes", {}), f"{where}: region_attributes")
    return listed


def _class_key(
    path: Path, pictures: Sequence[Mapping[str, Any]], attribute: str | None
) -> tuple[str | None, tuple[str, ...]]:
    """Find the attribute of regions that names their class, and others that might have been meant.

    Without attributes it is None. What is asked for, is called ``class`` or stands alone is no guess.
    """
    keys: dict[str, None] = {}
    for entry in pictures:
        for region in _regions(entry, path):
            keys |= dict.fromkeys(region.get("region_attributes", {}))
    if attribute is not None:
        if keys and attribute not in keys:
            raise DataError(f"{path}: `attribute`: {unknown_name('attribute of regions', attribute, keys)}")
        return (attribute if keys else None), ()
    by_lower = {key.lower(): key for key in keys}
    known = [by_lower[name] for name in _CLASS_KEYS if name in by_lower]
    if "class" in by_lower or len(keys) == 1:
        return by_lower.get("class", next(iter(keys))), ()
    if len(known) > 1 or (keys and not known):
        raise DataError(
            f"{path}: regions have the attributes {', '.join(keys)}, and it is unclear which names the class; call it "
            "'class', or write `attribute:` and its name into a dataset.yaml"
        )
    return (known[0], tuple(key for key in keys if key != known[0])) if known else (None, ())


def _object(region: Mapping[str, Any], key: str | None, name: str, path: Path) -> Named:
    where = f"{path}: {name}"
    class_name: Any = UNNAMED_CLASS
    if key is not None:
        class_name = region.get("region_attributes", {}).get(key)
        if isinstance(class_name, dict):  # check boxes
            chosen = [option for option, state in class_name.items() if state]
            class_name = chosen[0] if len(chosen) == 1 else None
        if not isinstance(class_name, str) or not class_name.strip():
            raise DataError(f"{where}: its attribute '{key}' does not name one class; choose one")
    return Named(class_name.strip(), name, (_polygon(as_dict(region.get("shape_attributes"), where), where),))


def _polygon(shape: Mapping[str, Any], where: str) -> Points:
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):  # a polyline is closed from its last point to its first
        points = as_points(shape.get("all_points_x"), shape.get("all_points_y"), where)
        if len(points) < 3:
            raise DataError(f"{where}: a {kind} of {counted(len(points), 'point')} has no area; give it 3 or more")
        return points
    keys = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry")}
    if not isinstance(kind, str) or kind not in keys:
        raise DataError(f"{where}: a shape of type {quoted(kind)} has no area; draw a polygon, rect, circle or ellipse")
    values = as_numbers([shape.get(key) for key in keys[kind]], f"{where}: {', '.join(keys[kind])}")
    if min(values[2:]) < 0:
        raise DataError(f"{where}: its size {quoted(values[2:])} is below 0")
    if kind == "rect":
        x, y, width, height = values
        return rectangle((x, y, x + width, y + height))
    radii = (values[2], values[-1])
    turn = as_numbers([shape.get("theta") or 0.0], f"{where}: theta")[0] if kind == "ellipse" else 0.0
    return ellipse((values[0], values[1]), radii, math.remainder(turn, 2 * math.pi))
