"""CVPPP: ``A1/plant001_rgb.png`` beside ``A1/plant001_label.png``, which holds the id of a leaf at each pixel.

The leaf segmentation challenge (https://www.plant-phenotyping.org/datasets; Minervini et al. 2016, "Finely-grained
annotated datasets for image-based plant phenotyping"). ``plant001_fg.png`` tells plant from ground alone, and is not
what is learnt.
"""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.layouts.objects.id_masks import IdMask
from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, folders_below

LOOKED_FOR = "A1/plant001_rgb.png + A1/plant001_label.png (CVPPP)"
PARTS = (
    ("A1/plant001_rgb.png", "plant*_rgb.png", "*/plant*_rgb.png"),
    ("A1/plant001_label.png", "plant*_label.png", "*/plant*_label.png"),
)

CVPPP_CLASSES = ("leaf",)

_RGB_ENDING, _ID_ENDING = "_rgb", "_label"


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``, in folders of it (A1 to A5) or of its ``training/``; None where it is another.

    Pictures without ids, as all of ``testing/`` are, are not annotated.
    """
    folders = [root, *folders_below(root), *(inner for path in folders_below(root) for inner in folders_below(path))]
    splits: dict[str, list[Pair]] = {}
    for folder in folders:
        for image in sorted(folder.glob(f"plant*{_RGB_ENDING}.png")):
            ids = image.with_name(image.name.replace(f"{_RGB_ENDING}.png", f"{_ID_ENDING}.png"))
            reader = IdMask(ids) if ids.is_file() else None
            words = [part.lower() for part in folder.relative_to(root).parts]
            split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "all")
            pair = Pair(image.relative_to(root).as_posix(), image, None, reader)
            splits.setdefault(split, []).append(pair)
    if not any(pair.objects is not None for pairs in splits.values() for pair in pairs):
        return None
    notes = ("objects from *_label.png; *_fg.png tells plant from ground alone, and is not used",)
    return Found("cvppp", {name: tuple(pairs) for name, pairs in splits.items()}, CVPPP_CLASSES, notes=notes)
