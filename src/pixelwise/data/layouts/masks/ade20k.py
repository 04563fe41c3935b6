"""ADE20K as in ADEChallengeData2016: ``images/training`` and ``annotations/training``, with ``objectInfo150.txt``.

The 150 classes of the scene parsing benchmark (http://sceneparsing.csail.mit.edu; Zhou et al. 2017, "Scene parsing
through ADE20K dataset"). Masks hold the index that ``objectInfo150.txt`` gives a class, from 1 on; 0 is void.
"""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.layouts.masks import folder
from pixelwise.data.pairs import Found
from pixelwise.errors import DataError

LOOKED_FOR = "images/training/ + annotations/training/ + objectInfo150.txt (ADE20K)"
PARTS = (("images/training/",), ("annotations/training/",), ("objectInfo150.txt",))

CLASS_FILE = "objectInfo150.txt"


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Raises:
        DataError: ``objectInfo150.txt`` makes no sense, or is missing from a folder called ADEChallengeData2016.
    """
    images, annotations = root / "images", root / "annotations"
    if not images.is_dir() or not annotations.is_dir():
        return None
    if not (root / CLASS_FILE).is_file():
        if root.resolve().name == "ADEChallengeData2016":
            raise DataError(f"{root / CLASS_FILE}: it is missing, and names the classes; it is part of the download")
        return None
    stored = _classes(root / CLASS_FILE)
    splits = folder.pair_folders(root, images, annotations)
    notes = ("value 0 of the masks is void",)
    return Found("ade20k", splits, tuple(stored.values()), frozenset({0}), notes, str(root / CLASS_FILE), stored=stored)


def _classes(path: Path) -> dict[int, str]:
    """Read lines of index, ratio, counts and names with tabs between them; the first of the names is kept."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines if line.strip()]
    wholes = {int(row[0]): row[-1] for row in rows if row[0].isdecimal() and len(row) > 1 and row[-1]}
    if sorted(wholes) != list(range(1, len(wholes) + 1)) or not wholes:
        raise DataError(f"{path}: expected lines of `index, ..., name` with tabs between, from 1 on without gaps")
    shorts = {index: name.split(",")[0].strip() for index, name in wholes.items()}
    repeated = {name for name in shorts.values() if list(shorts.values()).count(name) > 1}
    return {index: wholes[index] if name in repeated else name for index, name in shorts.items()}
