"""CHASE_DB1: ``Image_01L.jpg`` beside ``Image_01L_1stHO.png`` and ``Image_01L_2ndHO.png``, all in one folder.

The vessels of the retina as two human observers drew them; the first is the truth, as is usual (Fraz et al. 2012, "An
ensemble classification-based approach applied to retinal blood vessel segmentation").
"""

from __future__ import annotations

import re
from pathlib import Path

from pixelwise.data.pairs import Found, list_pictures, make_pair

LOOKED_FOR = "Image_01L.jpg + Image_01L_1stHO.png (CHASE_DB1)"
PARTS = (("Image_01L.jpg",), ("Image_01L_1stHO.png",))

CHASE_DB1_CLASSES = ("background", "vessel")

_CHASE_PICTURE_NAME = re.compile(r"image_\d+[lr]", re.IGNORECASE)


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another."""
    if next(root.glob("[Ii]mage_*_1stHO.*"), None) is None:
        return None
    files = [path for path in list_pictures(root) if path.parent == root]
    masks = {path.stem.lower().removesuffix("_1stho"): path for path in files if path.stem.lower().endswith("_1stho")}
    pictures = [path for path in files if _CHASE_PICTURE_NAME.fullmatch(path.stem)]
    pairs = tuple(make_pair(root, picture, masks.get(picture.stem.lower())) for picture in pictures)
    notes = ("masks are those of the first observer (1stHO); the second (2ndHO) is not used",)
    return Found("chase_db1", {"all": pairs}, CHASE_DB1_CLASSES, notes=notes, named_by="CHASE_DB1")
