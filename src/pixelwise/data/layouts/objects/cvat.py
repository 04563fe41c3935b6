"""CVAT for images 1.1: ``annotations.xml`` beside ``images/``, with polygons, ellipses and masks.

The format of https://docs.cvat.ai/docs/other/xml_format. A mask is run lengths row by row within its box, of 0 and 1 in
turns, 0 first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from pixelwise.data.annotations import named_outlines
from pixelwise.data.annotations.faults import sort_out
from pixelwise.data.annotations.named_outlines import Annotated, Named
from pixelwise.data.annotations.outlines import ellipse
from pixelwise.data.annotations.picture_places import PicturePlaces
from pixelwise.data.pairs import SPLIT_NAMES, Found
from pixelwise.errors import DataError, quoted
from pixelwise.instances import BoxMask, Size

if TYPE_CHECKING:
    from pixelwise.ops.rle import Rle

LOOKED_FOR = "annotations.xml + images/ (CVAT for images)"
PARTS = (("annotations.xml",), ("images/", "*.jpg", "*.png"))

CVAT_FILE = "annotations.xml"

_MISSING_MEND = "export the task with its images"


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    The ``subset`` of a picture, where it is called as a split, is its split. Shapes of one label and one ``group_id``
    other than 0 are not joined, because CVAT uses groups for other things as well. A file of boxes alone is read as
    boxes; among outlines a box is refused, because it does not say which of its pixels are the object's.

    Raises:
        DataError: the file is damaged.
    """
    path = root / CVAT_FILE
    if not path.is_file():
        return None
    tree = _parsed(path)
    if tree is None:
        return None
    boxes_alone = not any(
        shape.tag in ("polygon", "mask", "ellipse") for image in tree.iter("image") for shape in image
    )
    places: dict[str, PicturePlaces] = {}
    splits: dict[str, list[Annotated]] = {}
    for image in tree.iter("image"):
        subset = image.get("subset", "")
        split = SPLIT_NAMES.get(subset.lower(), "all")
        looking = places.setdefault(subset, PicturePlaces(root, root / f"{subset or 'images'}.xml", split))
        splits.setdefault(split, []).append(_read(image, looking, root, path, boxes_alone))
    if not splits:
        return None
    if len(splits) > 1 and "all" in splits:
        raise DataError(f"{path}: some pictures have a subset that is a split, and others have none; give all one")
    names = tuple(dict.fromkeys(name for label in tree.iter("label") if (name := label.findtext("name"))))
    return named_outlines.found("cvat", root, splits, names=names or None, named_by=path)


def _read(image: ElementTree.Element, places: PicturePlaces, root: Path, path: Path, boxes_alone: bool) -> Annotated:
    """Read the shapes of a picture; what is wrong with them, or with the picture, is told when it is used."""
    given = image.get("name", "")
    picture = places.find(given)
    if picture is None:
        return Annotated(
            root / PurePosixPath(given).name, path, (), faults=(f"{path}: {places.missing(given, _MISSING_MEND)}",)
        )
    where = f"{path}: {given}"
    try:
        size = (_whole(image, "height", where), _whole(image, "width", where))
    except DataError as error:
        return Annotated(picture, path, (), faults=(str(error),))
    objects, faults = sort_out(
        lambda numbered: _object(numbered[1], size, f"shape {numbered[0]}", where, boxes_alone), _shapes(image)
    )
    return Annotated(picture, path, tuple(objects), size, faults)


def _parsed(path: Path) -> ElementTree.Element | None:
    """Read the XML; None where it is other XML, or CVAT's for videos."""
    content = path.read_bytes()
    if b"<track" in content and b"<image" not in content:
        raise DataError(f"{path}: this is CVAT for video, whose tracks are not read; export it as CVAT for images")
    if b"<annotations" not in content or b"<image" not in content:
        return None
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DataError(f"{path}: it declares entities, which CVAT's files never do; export it again")
    try:
        tree = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: the XML is damaged ({error}); export it again") from error
    return tree if tree.tag == "annotations" else None


def _shapes(image: ElementTree.Element) -> Iterable[tuple[int, ElementTree.Element]]:
    """Number the shapes of a picture; tags are of the picture itself."""
    return enumerate((shape for shape in image if shape.tag != "tag"), 1)


def _object(shape: ElementTree.Element, size: Size, name: str, origin: str, boxes_alone: bool) -> Named:
    label = shape.get("label")
    where = f"{origin}: {name} ('{label}')"
    if not label:
        raise DataError(f"{origin}: {name}: it has no label; export it again")
    called = f"{name} of {origin.rsplit(': ', 1)[-1]}"
    if shape.tag == "polygon":
        points = [_numbers(pair, where) for pair in shape.get("points", "").split(";") if pair]
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise DataError(f"{where}: points: expected x,y;x,y;... of 3 corners or more")
        return Named(label, called, (np.array(points, np.float64),))
    if shape.tag == "mask":
        return Named(label, called, rle=_mask(shape, size, where))
    if shape.tag == "ellipse":
        x, y, across, down = (_number(shape, key, where) for key in ("cx", "cy", "rx", "ry"))
        turn = math.radians(_number(shape, "rotation", where) if shape.get("rotation") else 0.0)
        return Named(label, called, (ellipse((x, y), (across, down), turn),))
    if shape.tag == "box" and boxes_alone:
        left, top, right, bottom = (_number(shape, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
        return Named(label, called, box=(left, top, right, bottom))
    if shape.tag == "box":
        raise DataError(
            f"{where}: a box among outlines does not say which of its pixels are the object's; draw its outline, or "
            "remove the boxes from the export"
        )
    raise DataError(
        f"{where}: a shape of type {quoted(shape.tag)} has no area; draw a polygon, an ellipse or a mask, or remove it"
    )


def _mask(shape: ElementTree.Element, size: Size, where: str) -> Rle:
    from pixelwise.ops.rle import encode_rle

    top, left, height, width = (_whole(shape, key, where, least=0) for key in ("top", "left", "height", "width"))
    runs = [int(word) for word in shape.get("rle", "").replace(",", " ").split() if word.isdecimal()]
    if height * width > size[0] * size[1] or sum(runs) != height * width:
        raise DataError(
            f"{where}: its runs make {sum(runs)} pixels, but its box is {height}x{width} on a picture of "
            f"{size[0]}x{size[1]} (height x width); export it again"
        )
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return encode_rle(BoxMask(pixels, 0, 0, (height, width)).moved(top, left, size))


def _numbers(text: str, where: str) -> list[float]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError as error:
        raise DataError(f"{where}: expected numbers, found '{text[:60]}'") from error
    if not all(map(math.isfinite, values)):
        raise DataError(f"{where}: expected finite numbers, found '{text[:60]}'")
    return values


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    values = _numbers(element.get(key, ""), f"{where}: {key}")
    return values[0]


def _whole(element: ElementTree.Element, key: str, where: str, *, least: int = 1) -> int:
    value = _number(element, key, where)
    if value != int(value) or not least <= value < 2**31:
        raise DataError(f"{where}: {key} is {value:g}; expected a whole number of at least {least}")
    return int(value)
