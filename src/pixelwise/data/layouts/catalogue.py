"""Every layout there is, and the one that a folder has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pixelwise.data.layouts.masks import ade20k, camvid, chase_db1, cityscapes, cwfid, drive, folder, roboflow, voc
from pixelwise.data.layouts.nearest import explain, is_lfs_pointer, lfs_advice
from pixelwise.data.layouts.objects import (
    coco,
    cvat,
    cvppp,
    datumaro,
    deepfashion2,
    id_masks,
    labelme,
    object_files,
    supervisely,
    via,
    yolo,
)
from pixelwise.data.pairs import Found
from pixelwise.data.unused import annotation_files
from pixelwise.errors import DataError, NoLayoutError

LAYOUTS: Sequence[ModuleType] = (
    *(drive, chase_db1, cwfid, ade20k, camvid, cityscapes, roboflow, voc),
    *(supervisely, cvat, datumaro, cvppp, coco, id_masks, deepfashion2, via, labelme, yolo, object_files),
    folder,
)
"""The first that fits is taken: the most particular first, and objects before folders of masks."""


def find_layout(root: Path, *, attribute: str | None = None, classes: tuple[str, ...] | None = None) -> Found:
    """Find pictures and masks as the first layout that fits.

    Args:
        root: the folder.
        attribute: the attribute of VIA's regions that names their class, where a ``dataset.yaml`` says so.
        classes: the classes in index order, where a ``dataset.yaml`` lists them; formats of numbers take them.

    Raises:
        DataError: none fits, the first file of a picture was not downloaded, or ``attribute`` fits no layout but VIA.
    """
    told: dict[Any, dict[str, Any]] = {via: {"attribute": attribute}, yolo: {"classes": classes}}
    for layout in LAYOUTS:
        found: Found | None = layout.find(root, **told.get(layout, {}))
        if found is not None and any(found.splits.values()):
            if attribute is not None and layout is not via:
                raise DataError(f"{root}: `attribute` is for data of VIA, but the layout is {found.layout}; remove it")
            _check_downloaded(found)
            return found if layout is folder else _with_masks_told(root, found)
    raise NoLayoutError(explain(root, LAYOUTS, _fitting))


def _with_masks_told(root: Path, found: Found) -> Found:
    """Add a guess where objects were found and masks of the same pictures lie there as well."""
    pairs = {pair.id: pair for pairs in found.splits.values() for pair in pairs}
    if all(pair.objects is None for pair in pairs.values()):
        return found
    masks: Found | None = None
    with suppress(DataError):
        masks = folder.find(root)
    for pair in (pair for pairs in masks.splits.values() for pair in pairs) if masks is not None else ():
        if pair.mask is None or pair.id not in pairs or pair.mask in annotation_files(pairs[pair.id]):
            continue
        example = pair.mask.relative_to(root).as_posix()
        guess = (
            f"objects are read ({found.layout}), but there are masks too, as {example} of {pair.id}; to read them, "
            "name the folders as `images:` and `masks:` in a dataset.yaml"
        )
        return replace(found, guesses=(*found.guesses, guess))
    return found


def _fitting(root: Path) -> str | None:
    """Name the layout that a folder has, None where none fits or its files make no sense."""
    for layout in LAYOUTS:
        with suppress(DataError, PermissionError):
            if (root / "dataset.yaml").is_file():
                return "it has a dataset.yaml"
            found: Found | None = layout.find(root)
            if found is not None and any(found.splits.values()):
                return found.layout
    return None


def _check_downloaded(found: Found) -> None:
    first = next(pair for pairs in found.splits.values() for pair in pairs)
    for path in (first.image, first.mask):
        if path is not None and is_lfs_pointer(path):
            raise DataError(lfs_advice(path))
