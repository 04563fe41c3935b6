"""LabelMe: a JSON beside each picture, with polygons, rectangles, circles and masks."""

from __future__ import annotations

import base64
import binascii
import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelwise.data.annotations import named_outlines
from pixelwise.data.annotations.faults import refuse, sort_out
from pixelwise.data.annotations.json_files import (
    as_dict,
    as_list,
    as_numbers,
    as_points,
    as_size,
    beside_its_picture,
    json_files,
    read_json,
)
from pixelwise.data.annotations.named_outlines import Annotated, Named
from pixelwise.data.annotations.outlines import Points, ellipse, rectangle
from pixelwise.data.annotations.packed_png import decode_png
from pixelwise.data.pairs import SPLIT_NAMES, Found, find_file, list_pictures, subfolder
from pixelwise.errors import DataError, quoted
from pixelwise.instances import BoxMask, Size
from pixelwise.io.ahead import in_threads
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle

LOOKED_FOR = "a LabelMe JSON beside each picture (or in annotations/), also within train/ val/ test/"
PARTS = (("a.png", "*.png", "*.jpg", "images/"), ("a.json", "*.json"))

_FARTHEST_PIXEL = 2**40  # pixels: a mask as far off is on no picture
_IGNORED_LABEL = "__ignore__"  # LabelMe's own word for shapes that are no annotation


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Shapes of one label and one ``group_id`` are parts of one object. A picture without a JSON is not annotated yet,
    and is left out; a JSON without shapes says that there are no objects.

    Raises:
        DataError: nothing can be read of any file, or a file without a picture is damaged.
    """
    faulty: list[str] = []
    splits: dict[str, list[Annotated]] = {}
    unannotated = 0
    for split, folder in _folders(root):
        files = json_files(folder)
        # Other JSON lies about too, so the folder counts once a file has the keys of the format and can be read.
        annotated = [one for one in in_threads(partial(read_labelme, root), files) if one is not None]
        if any(one.objects or not one.faults for one in annotated):
            splits.setdefault(split, []).extend(annotated)
            taken = {one.image for one in annotated}
            unannotated += sum(path not in taken for path in list_pictures(folder) if path.parent == folder)
        else:
            faulty += [fault for one in annotated for fault in one.faults]
    if not splits:
        refuse(faulty)
        return None
    notes = [f"pictures without a JSON, left out: {unannotated}"] if unannotated else []
    return named_outlines.found("labelme", root, splits, notes)


def read_labelme(root: Path, path: Path) -> Annotated | None:
    """Read one file below the folder of the data; None where it is other JSON.

    What is wrong with the file, its shapes or its picture is told when the picture is used.

    Raises:
        DataError: it is damaged, and lies beside no picture.
    """
    image = beside_its_picture(path)
    try:
        content = read_json(path, "shapes", "imagePath")
    except DataError as error:
        if image is None:
            raise
        return Annotated(image, path, (), faults=(str(error),))
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        return None
    faults: list[str] = []
    if image is None:
        try:
            image = _named(root, path, content)
        except DataError as error:
            image = path.with_suffix(Path(str(content.get("imagePath"))).suffix)
            return Annotated(image, path, (), faults=(str(error),))
    size: Size | None = None
    if content.get("imageHeight") and content.get("imageWidth"):
        try:
            size = as_size(content["imageHeight"], content["imageWidth"], f"{path}: imageHeight and imageWidth")
        except DataError as error:
            faults.append(str(error))
    objects: list[Named] = []
    groups: dict[tuple[str, Any], int] = {}

    def add(numbered: tuple[int, Any]) -> None:
        name = f"shape {numbered[0]}"
        shape = as_dict(numbered[1], f"{path}: {name}")
        label, group = shape.get("label"), shape.get("group_id")
        if not isinstance(label, str) or not label:
            raise DataError(f"{path}: {name}: label is {quoted(label)}; expected the name of a class")
        if label == _IGNORED_LABEL:
            return
        one = _object(shape, label, name, path, image)
        if isinstance(group, int | str) and (label, group) in groups:
            first = objects[groups[label, group]]
            if one.rle is not None or first.rle is not None:
                raise DataError(f"{path}: {name}: a shape of type mask has no parts; give it a group_id of its own")
            objects[groups[label, group]] = Named(label, first.name, (*first.polygons, *one.polygons))
            return
        if isinstance(group, int | str):
            groups[label, group] = len(objects)
        objects.append(one)

    _, shape_faults = sort_out(add, enumerate(content["shapes"], 1))
    return Annotated(image, path, tuple(objects), size, (*faults, *shape_faults))


def _folders(root: Path) -> list[tuple[str, Path]]:
    inside = [subfolder(root, (name,)) for name in ("images", "annotations", "labels", "json")]
    found = [("all", folder) for folder in (root, *inside) if folder is not None]
    for base in [folder for _, folder in found]:
        for below in sorted(path for path in base.iterdir() if path.is_dir()):
            if below.name.lower() in SPLIT_NAMES:
                inner = subfolder(below, ("images",))
                found += [(SPLIT_NAMES[below.name.lower()], path) for path in (below, inner) if path is not None]
    return found


def _named(root: Path, path: Path, content: Mapping[str, Any]) -> Path:
    """Find the picture that a file names, from its own folder on, but not outside of the data."""
    given = str(content.get("imagePath") or "").replace("\\", "/")
    for name in (given, given.rsplit("/", 1)[-1]):
        image = Path(os.path.normpath(path.parent / name))
        if image.is_relative_to(os.path.normpath(root)):
            there = find_file(image.parent, image.name)
            if there is not None:
                return root / there.relative_to(os.path.normpath(root))
    raise DataError(
        f"{path}: its picture {given or '(imagePath is empty)'} is missing; put it beside the JSON, under the same name"
    )


def _object(shape: Mapping[str, Any], label: str, name: str, path: Path, image: Path) -> Named:
    where = f"{path}: {name} ('{label}')"
    kind = shape.get("shape_type") or "polygon"  # what LabelMe takes a shape without a type for
    pairs = [as_numbers(point, f"{where}: points", count=2) for point in as_list(shape.get("points"), where)]
    points = as_points([x for x, _ in pairs], [y for _, y in pairs], where)
    if kind == "mask":
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders

        return Named(label, name, rle=_mask(shape, points, where, image_info(image).size))
    return Named(label, name, (_polygon(kind, points, where),))


def _polygon(kind: Any, points: Points, where: str) -> Points:
    if (kind == "polygon" and len(points) >= 3) or (kind == "rotation" and len(points) == 4):
        return points
    if kind == "rectangle" and len(points) in (2, 4):
        low, high = points.min(0).tolist(), points.max(0).tolist()
        return points if len(points) == 4 else rectangle((low[0], low[1], high[0], high[1]))
    if kind == "circle" and len(points) == 2:
        radius = math.dist(*points.tolist())
        return ellipse((float(points[0, 0]), float(points[0, 1])), (radius, radius))
    raise DataError(
        f"{where}: a shape of type {quoted(kind)} with {counted(len(points), 'point')} has no area; draw a polygon (3 "
        "points or more), a rectangle, a rotated box, a circle or a mask"
    )


def _mask(shape: Mapping[str, Any], points: Points, where: str, size: Size) -> Rle:
    """Decode a mask: a PNG in base64, which lies on the picture where the first of two points says."""
    try:
        packed = base64.b64decode(str(shape.get("mask")), validate=True)
        pixels = decode_png(packed, size)
    except (binascii.Error, ValueError):
        pixels = None
    if pixels is None or not len(points):
        raise DataError(
            f"{where}: the mask is no PNG in base64 with its place, no larger than the picture; save the shape again"
        )
    from pixelwise.ops.rle import encode_rle

    left, top = np.clip(points.min(0).round(), -_FARTHEST_PIXEL, _FARTHEST_PIXEL).astype(np.int64).tolist()
    if pixels.ndim == 3:
        pixels = pixels[..., :3].max(2)
    mask = BoxMask(pixels > 0, 0, 0, (pixels.shape[0], pixels.shape[1]))
    return encode_rle(mask.moved(top, left, size))
