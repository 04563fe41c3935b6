"""Every layout there is, and the one that a folder has."""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.layouts.masks import ade20k, camvid, chase_db1, cityscapes, cwfid, drive, folder, roboflow, voc
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
from pixelwise.errors import DataError

LAYOUTS = (
    *(drive, chase_db1, cwfid, ade20k, camvid, cityscapes, roboflow, voc),
    *(supervisely, cvat, datumaro, cvppp, coco, id_masks, deepfashion2, via, labelme, yolo, object_files),
    folder,
)
"""The first that fits is taken: the most particular first, and objects before folders of masks."""


def find_layout(root: Path) -> Found:
    """Find pictures and masks as the first layout that fits.

    Raises:
        DataError: none fits.
    """
    for layout in LAYOUTS:
        found: Found | None = layout.find(root)
        if found is not None and any(found.splits.values()):
            return found
    looked = "; ".join(layout.LOOKED_FOR for layout in LAYOUTS)
    present = sorted(p.name + "/" * p.is_dir() for p in root.iterdir() if not p.name.startswith("."))
    listed = ", ".join(present[:12]) + (", ..." if len(present) > 12 else "")
    raise DataError(
        f"{root}: no layout fits. It holds {listed or 'nothing'}; looked for {looked}. Arrange the pictures in one of "
        "these ways, or describe the folder in a dataset.yaml"
    )
