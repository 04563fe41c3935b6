"""DRIVE: ``training/images/21_training.tif`` beside ``training/1st_manual/21_manual1.gif``, the same for ``test/``.

The vessels of the retina as the first observer drew them (https://drive.grand-challenge.org, and Staal et al. 2004,
"Ridge-based vessel segmentation in color images of the retina"). ``mask/21_training_mask.gif`` is the camera's field of
view, and ``2nd_manual`` a second observer; neither is the truth that is learnt.
"""

from __future__ import annotations

import re
from pathlib import Path

from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, list_pictures, make_pair, match_stems, subfolder
from pixelwise.errors import DataError

LOOKED_FOR = "training/images/ + training/1st_manual/, also test/ (DRIVE)"
PARTS = (
    ("training/images/", "test/images/", "images/"),
    ("training/1st_manual/", "test/1st_manual/", "1st_manual/"),
)

TRUTH_FOLDER = "1st_manual"
DRIVE_CLASSES = ("background", "vessel")

_FIELD_OF_VIEW = re.compile(r"\d+_(training|test)_mask\.\w+")


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    A split without ``1st_manual``, as the test pictures of the newer download are, has no masks.

    Raises:
        DataError: there are pictures of DRIVE with the field of view alone.
    """
    folders = [
        (SPLIT_NAMES[path.name.lower()], path)
        for path in sorted(root.iterdir())
        if path.is_dir() and path.name.lower() in SPLIT_NAMES
    ]
    folders = [(split, path) for split, path in [("all", root), *folders] if subfolder(path, ("images",)) is not None]
    views = [view for _, path in folders if (view := _field_of_view(path)) is not None]
    if not any(subfolder(path, (TRUTH_FOLDER,)) for _, path in folders):
        if views:
            raise DataError(
                f"{views[0]}: this is the camera's field of view, not the vessels; of DRIVE, these stand in "
                f"{TRUTH_FOLDER}/ beside images/, which is missing here. Add that folder"
            )
        return None
    splits = {split: _pairs(root, path) for split, path in folders}
    notes = ("mask/ is the camera's field of view, and is not used",) if views else ()
    return Found("drive", splits, DRIVE_CLASSES, notes=notes, named_by="DRIVE")


def _pairs(root: Path, folder: Path) -> tuple[Pair, ...]:
    images, masks = subfolder(folder, ("images",)), subfolder(folder, (TRUTH_FOLDER,))
    assert images is not None
    if masks is None:
        return tuple(make_pair(root, image, None) for image in list_pictures(images))
    return match_stems(root, images, masks)


def _field_of_view(folder: Path) -> Path | None:
    """Find a field of view by its name, as ``mask/21_training_mask.gif``."""
    masks = subfolder(folder, ("mask",))
    files = sorted(masks.iterdir()) if masks is not None else []
    return next((path for path in files if _FIELD_OF_VIEW.fullmatch(path.name.lower())), None)
