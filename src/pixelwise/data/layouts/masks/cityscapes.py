"""Cityscapes: ``leftImg8bit/SPLIT/CITY/x_leftImg8bit.png`` beside ``gtFine/SPLIT/CITY/x_gtFine_labelIds.png``."""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, list_pictures, make_pair

LOOKED_FOR = "leftImg8bit/ + gtFine/ (Cityscapes)"
PARTS = (("leftImg8bit/",), ("gtFine/", "gtCoarse/"))

# The 19 classes that are scored, in the order of their training ids: name -> label id.
CITYSCAPES_CLASSES = {
    **{"road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19},
    **{"traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26},
    **{"truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33},
}
CITYSCAPES_LABEL_IDS = range(34)
"""All label ids; those that are none of :data:`CITYSCAPES_CLASSES` are not scored."""

_ANNOTATION_FOLDERS = ("gtFine", "gtCoarse")


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Masks of label ids (``_labelIds``) are read as the 19 classes of the benchmark, all other ids being void; masks of
    training ids (``_labelTrainIds``) are read where there are no others.
    """
    pictures = root / "leftImg8bit"
    truth = next((name for name in _ANNOTATION_FOLDERS if (root / name).is_dir()), None)
    if not pictures.is_dir() or truth is None:
        return None
    for kind in ("labelIds", "labelTrainIds"):
        splits = _splits(root, pictures, root / truth, f"_{truth}_{kind}.png")
        if any(pair.mask is not None for pairs in splits.values() for pair in pairs):
            break
    else:
        return None
    stored: dict[int, str] | None = None
    if kind == "labelIds":
        stored = {number: name for name, number in CITYSCAPES_CLASSES.items()}
    void = frozenset(set(CITYSCAPES_LABEL_IDS) - set(CITYSCAPES_CLASSES.values())) if stored else frozenset({255})
    notes = (f"masks are {truth}'s {kind}, read as the 19 classes of the benchmark",)
    return Found("cityscapes", splits, tuple(CITYSCAPES_CLASSES), void, notes, "Cityscapes", stored=stored)


def _splits(root: Path, pictures: Path, truth: Path, ending: str) -> dict[str, tuple[Pair, ...]]:
    splits: dict[str, tuple[Pair, ...]] = {}
    for folder in sorted(path for path in pictures.iterdir() if path.name.lower() in SPLIT_NAMES):
        pairs = []
        for image in list_pictures(folder):
            name = image.stem.removesuffix("_leftImg8bit") + ending
            mask = truth / image.relative_to(pictures).with_name(name)
            pairs.append(make_pair(root, image, mask if mask.is_file() else None))
        splits[SPLIT_NAMES[folder.name.lower()]] = tuple(pairs)
    return splits
