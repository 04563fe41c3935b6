"""DeepFashion2: ``image/`` and ``annos/`` with a JSON per picture, whose ``item1``, ``item2``, ... are garments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelwise.data.annotations.json_files import as_dict, as_list, as_numbers, json_files, read_json
from pixelwise.data.annotations.outlines import AnnotationFile, Outline
from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, list_pictures, subfolder
from pixelwise.errors import DataError, quoted
from pixelwise.instances import Size
from pixelwise.words import counted

DEEPFASHION2_CLASSES = (
    *("short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling"),
    *("shorts", "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress"),
)
"""The names of ``category_id`` 1 .. 13."""

LOOKED_FOR = "image/ + annos/*.json (DeepFashion2; also within train/, validation/)"
PARTS = (("image/", "*/image/"), ("annos/", "*/annos/"))


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another."""
    pairs = _pairs(root, root)
    splits = {"all": pairs} if pairs else {}
    for below in sorted(path for path in root.iterdir() if path.is_dir()):
        name = SPLIT_NAMES.get(below.name.lower())
        if name is not None and (found := _pairs(root, below)):
            splits[name] = found
    if len(splits) > 1:
        splits.pop("all", None)
    return Found("deepfashion2", splits, DEEPFASHION2_CLASSES) if splits else None


def parse(path: Path, names: tuple[str, ...]) -> tuple[tuple[Outline, ...], Size | None]:
    """Read the garments of one file.

    Raises:
        DataError: the file is damaged, or an item makes no sense; the message names both.
    """
    content = as_dict(read_json(path), str(path))
    outlines = []
    for name, raw in content.items():
        if not name.startswith("item"):
            continue
        where = f"{path}: {name}"
        item = as_dict(raw, where)
        category = item.get("category_id")
        if type(category) is not int or not 1 <= category <= len(names):
            raise DataError(f"{where}: category_id is {quoted(category)}; expected 1 .. {len(names)}")
        polygons = []
        for part in as_list(item.get("segmentation", []), f"{where}: segmentation"):
            numbers = as_numbers(part, f"{where}: segmentation")
            if len(numbers) % 2:
                raise DataError(
                    f"{where}: segmentation: a polygon of {counted(len(numbers), 'number')}; expected x and y of each"
                )
            polygons.append(np.array(numbers, np.float64).reshape(-1, 2))
        box = None
        if item.get("bounding_box"):
            left, top, right, bottom = as_numbers(item["bounding_box"], f"{where}: bounding_box", count=4)
            box = left, top, right, bottom
        if box is None and not polygons:
            raise DataError(f"{where}: it has neither a segmentation nor a bounding_box")
        outlines.append(Outline(category - 1, name, tuple(polygons), box=box))
    return tuple(outlines), None


def _pairs(root: Path, base: Path) -> tuple[Pair, ...]:
    images, annotations = subfolder(base, ("image", "images")), subfolder(base, ("annos",))
    if images is None or annotations is None:
        return ()
    files = {path.stem: path for path in json_files(annotations)}
    pairs = []
    for image in list_pictures(images):
        path = files.get(image.stem)
        reader = AnnotationFile(path, image, DEEPFASHION2_CLASSES, parse) if path is not None else None
        pairs.append(Pair(image.relative_to(root).as_posix(), image, None, reader))
    return tuple(pairs)
