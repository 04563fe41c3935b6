"""The Pascal VOC layout: ``JPEGImages``, ``SegmentationClass`` and lists in ``ImageSets/Segmentation``."""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.pairs import Found, Pair, make_pair, match_stems, read_list, read_names
from pixelwise.errors import DataError

CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The class names in index order (VOC2012 development kit); 255 is void."""

LOOKED_FOR = "JPEGImages/ + SegmentationClass/ (Pascal VOC, also within VOCdevkit/VOC20xx)"


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root`` or in the newest year of a development kit; None where it is another.

    Without lists every mask counts. ``classes.txt`` replaces the names of the 21 classes.
    """
    base = _base(root)
    if base is None:
        return None
    lists = base / "ImageSets" / "Segmentation"
    names = ("train", "val", "test") if (lists / "train.txt").is_file() else ("trainval", "val", "test")
    splits = {name: _listed(root, base, lists / f"{name}.txt") for name in names if (lists / f"{name}.txt").is_file()}
    if "trainval" in splits:
        splits["all" if len(splits) == 1 else "train"] = splits.pop("trainval")
    if not splits:
        pairs = match_stems(root, base / "JPEGImages", base / "SegmentationClass")
        splits = {"all": tuple(pair for pair in pairs if pair.mask is not None)}
    listed = next((path for path in (base / "classes.txt", root / "classes.txt") if path.is_file()), None)
    classes = (read_names(listed) if listed is not None else None) or CLASSES
    notes = () if base == root else (f"read from {base.relative_to(root).as_posix()}",)
    named_by = "Pascal VOC, where no classes.txt says otherwise," if listed is None else str(listed)
    return Found("voc", splits, classes, frozenset({255}), notes, named_by)


def _base(root: Path) -> Path | None:
    years = sorted([*root.glob("VOC20*"), *root.glob("VOCdevkit/VOC20*")], key=lambda path: path.name, reverse=True)
    for base in (root, *years):
        if (base / "JPEGImages").is_dir() and (base / "SegmentationClass").is_dir():
            return base
    return None


def _listed(root: Path, base: Path, path: Path) -> tuple[Pair, ...]:
    pairs = []
    for words in read_list(path):
        image = base / "JPEGImages" / f"{words[0]}.jpg"
        if not image.is_file():
            raise DataError(f"{path}: the list names '{words[0]}', but {image} is missing; correct the list")
        mask = base / "SegmentationClass" / f"{words[0]}.png"
        pairs.append(make_pair(root, image, mask if mask.is_file() else None))
    return tuple(pairs)
