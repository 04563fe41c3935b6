"""Supervisely: ``meta.json``, and in each data set ``img/a.jpg`` beside ``ann/a.jpg.json``.

The format of https://developer.supervisely.com/getting-started/supervisely-annotation-format. Corners of polygons and
rectangles are pixels, which belong to the object, as its own tools draw them; bitmaps are PNG files packed by zlib and
written in base64.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.annotations import named_outlines
from pixelwise.data.annotations.faults import sort_out
from pixelwise.data.annotations.json_files import as_dict, as_list, as_numbers, as_size, read_json
from pixelwise.data.annotations.named_outlines import Annotated, Named
from pixelwise.data.annotations.packed_png import decode_png
from pixelwise.data.pairs import SPLIT_NAMES, Found, folders_below, list_pictures
from pixelwise.errors import DataError, quoted
from pixelwise.instances import BoxMask, Size
from pixelwise.io.ahead import in_threads

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle

LOOKED_FOR = "meta.json + DATASET/img/a.jpg + DATASET/ann/a.jpg.json (Supervisely)"
PARTS = (("meta.json",), ("DATASET/img/", "*/img/"), ("DATASET/ann/", "*/ann/"))

_FARTHEST_CORNER = 2**20  # pixels: a corner or a bitmap as far off is on no picture
_LARGEST_BITMAP_BYTES = 2**26  # bytes of a bitmap once unpacked


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Data sets of the project that are called as splits are splits. Classes are those of ``meta.json`` in its order.

    Raises:
        DataError: ``meta.json`` is damaged.
    """
    content = read_json(root / "meta.json", "classes", "title") if (root / "meta.json").is_file() else None
    if not isinstance(content, dict):
        return None
    folders = [path for path in folders_below(root) if (path / "img").is_dir() and (path / "ann").is_dir()]
    if not folders:
        return None
    names = _classes(content, root / "meta.json")
    splits: dict[str, list[Annotated]] = {}
    unannotated = 0
    for folder in folders:
        pictures = list_pictures(folder / "img")
        files = {image: _annotation(folder, image) for image in pictures}
        unannotated += sum(path is None for path in files.values())
        annotated = list(in_threads(partial(_read, names), [(a, b) for a, b in files.items() if b is not None]))
        splits.setdefault(SPLIT_NAMES.get(folder.name.lower(), "all"), []).extend(annotated)
    if not any(splits.values()):
        return None
    notes = [f"pictures without a JSON, left out: {unannotated}"] if unannotated else []
    return named_outlines.found("supervisely", root, splits, notes, names=names, named_by=root / "meta.json")


def _annotation(folder: Path, image: Path) -> Path | None:
    """Find the annotation of a picture: it has the name of the picture, in old projects without the suffix."""
    place = folder / "ann" / image.relative_to(folder / "img")
    named = (place.with_name(f"{image.name}.json"), place.with_name(f"{image.stem}.json"))
    return next((path for path in named if path.is_file()), None)


def _classes(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    names = []
    for raw in as_list(content["classes"], f"{path}: classes"):
        title = as_dict(raw, f"{path}: classes").get("title")
        if not isinstance(title, str) or not title or title in names:
            raise DataError(f"{path}: classes: expected a title each, all different, found {quoted(title)}")
        names.append(title)
    return tuple(names)


def _read(names: tuple[str, ...], files: tuple[Path, Path]) -> Annotated:
    """Read the annotation of a picture; what is wrong with it is told when the picture is used."""
    image, path = files
    try:
        content = as_dict(read_json(path), str(path))
        stated = as_dict(content.get("size"), f"{path}: size")
        size = as_size(stated.get("height"), stated.get("width"), f"{path}: size")
        raws = as_list(content.get("objects"), f"{path}: objects")
    except DataError as error:
        return Annotated(image, path, (), faults=(str(error),))

    def parse(numbered: tuple[int, Any]) -> Named:
        name = f"object {numbered[0]}"
        one = as_dict(numbered[1], f"{path}: {name}")
        title = one.get("classTitle")
        if title not in names:
            raise DataError(f"{path}: {name}: classTitle is {quoted(title)}, which meta.json does not have")
        return Named(title, name, rle=_mask(one, size, f"{path}: {name} ('{title}')"))

    objects, faults = sort_out(parse, enumerate(raws, 1))
    return Annotated(image, path, tuple(objects), size, faults)


def _mask(one: Mapping[str, Any], size: Size, where: str) -> Rle:
    from pixelwise.ops.rle import encode_rle

    kind = one.get("geometryType")
    if kind == "bitmap":
        return encode_rle(_bitmap(as_dict(one.get("bitmap"), where), size, where))
    if kind not in ("polygon", "rectangle"):
        raise DataError(f"{where}: a shape of type {quoted(kind)} has no area; draw a polygon, a bitmap or a rectangle")
    points = as_dict(one.get("points"), f"{where}: points")
    outside = _corners(points.get("exterior"), f"{where}: exterior")
    if len(outside) < (3 if kind == "polygon" else 2):
        raise DataError(f"{where}: a {kind} of {len(outside)} points has no area; draw it again")
    if kind == "rectangle":
        (left, top), (right, bottom) = outside.min(0).tolist(), outside.max(0).tolist()
        outside = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)
    import cv2  # here, so that finding a layout does not wait for it

    origin = outside.min(0)
    width, height = (outside.max(0) - origin + 1).tolist()
    if height * width > 16 * size[0] * size[1]:
        raise DataError(f"{where}: it is {height}x{width} pixels on a picture of {size[0]}x{size[1]}; correct it")
    pixels = np.zeros((height, width), np.uint8)
    cv2.fillPoly(pixels, [outside - origin], 1)
    for hole in as_list(points.get("interior") or [], f"{where}: interior"):
        inside = _corners(hole, f"{where}: interior")
        if len(inside) >= 3:
            cv2.fillPoly(pixels, [inside - origin], 0)
    left, top = origin.tolist()
    return encode_rle(BoxMask(pixels > 0, 0, 0, (height, width)).moved(top, left, size))


def _corners(raw: Any, where: str) -> NDArray[np.int32]:
    points = [as_numbers(point, where, count=2) for point in as_list(raw, where)]
    if any(abs(value) > _FARTHEST_CORNER for point in points for value in point):
        raise DataError(f"{where}: a point lies far outside of the picture; correct it")
    return np.array(points, np.float64).round().astype(np.int32).reshape(-1, 2)


def _bitmap(raw: Mapping[str, Any], size: Size, where: str) -> BoxMask:
    """Decode a bitmap; where it has transparency, the object is what is not transparent."""
    left, top = as_numbers(raw.get("origin"), f"{where}: origin", count=2)
    try:
        unpacking = zlib.decompressobj()
        packed = unpacking.decompress(base64.b64decode(str(raw.get("data")), validate=True), _LARGEST_BITMAP_BYTES)
        stored = decode_png(packed, size)
    except (binascii.Error, zlib.error, ValueError):
        stored = None
    if stored is None or max(abs(left), abs(top)) > _FARTHEST_CORNER:
        raise DataError(f"{where}: the bitmap is no PNG in zlib and base64 that fits the picture; export it again")
    if stored.ndim == 3:
        stored = stored[..., 3] if stored.shape[2] == 4 else stored.max(2)
    return BoxMask(stored > 0, 0, 0, (stored.shape[0], stored.shape[1])).moved(int(top), int(left), size)
