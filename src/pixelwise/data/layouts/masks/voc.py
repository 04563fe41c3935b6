"""The Pascal VOC layout: ``JPEGImages``, ``SegmentationClass`` and lists in ``ImageSets/Segmentation``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pixelwise.data.pairs import (
    Found,
    Pair,
    find_file,
    list_pictures,
    make_pair,
    match_stems,
    normal,
    read_label_map,
    read_list,
    read_names,
)
from pixelwise.errors import DataError

VOC_CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The class names in index order (VOC2012 development kit); 255 is void."""

LABEL_MAP_FILE = "labelmap.txt"
CLASS_FILES = (LABEL_MAP_FILE, "class_names.txt", "classes.txt")
"""Files that name the classes, the first one winning: of CVAT, of LabelMe, and of anybody."""

LOOKED_FOR = "JPEGImages/ + SegmentationClass/ (Pascal VOC, also within VOCdevkit/VOC20xx)"
PARTS = (("JPEGImages/", "*/JPEGImages/"), ("SegmentationClass/", "*/SegmentationClass/"))


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root`` or in the newest year of a development kit; None where it is another.

    LabelMe, CVAT and Datumaro export it too. Without lists every mask counts. Classes are named by ``labelmap.txt``
    (with their colours), ``class_names.txt`` or ``classes.txt``; the 21 names are those of VOC's own years alone.
    """
    base = _base(root)
    if base is None:
        return None
    lists = base / "ImageSets" / "Segmentation"
    names = ("train", "val", "test") if (lists / "train.txt").is_file() else ("trainval", "val", "test")
    splits = {name: _listed(root, base, lists / f"{name}.txt") for name in names if (lists / f"{name}.txt").is_file()}
    if "trainval" in splits:
        splits["all" if len(splits) == 1 else "train"] = splits.pop("trainval")
    if not splits and (lists / "default.txt").is_file():  # CVAT's name for a list of all
        splits = {"all": _listed(root, base, lists / "default.txt")}
    if not splits:
        pairs = match_stems(root, base / "JPEGImages", base / "SegmentationClass")
        splits = {"all": tuple(pair for pair in pairs if pair.mask is not None)}
    notes = () if base == root else (f"read from {base.relative_to(root).as_posix()}",)
    given = next((path for folder in (base, root) for name in CLASS_FILES if (path := folder / name).is_file()), None)
    if given is not None and given.name == LABEL_MAP_FILE:
        colors = read_label_map(given)
        named = tuple(colors.values()) if colors else None
        return Found("voc", splits, named, frozenset({255}), notes, str(given), colors)
    classes = read_names(given) if given is not None else VOC_CLASSES if _is_voc(base) else None
    named_by = "Pascal VOC, where no classes.txt says otherwise," if given is None else str(given)
    return Found("voc", splits, classes, frozenset({255}), notes, named_by)


def _is_voc(base: Path) -> bool:
    """Whether a folder is a year of VOC itself: it is called so, or it has the boxes that VOC has for every picture."""
    return base.resolve().name.upper().startswith("VOC20") or any(base.glob("Annotations/*.xml"))


def _base(root: Path) -> Path | None:
    years = sorted([*root.glob("VOC20*"), *root.glob("VOCdevkit/VOC20*")], key=lambda path: path.name, reverse=True)
    for base in (root, *years):
        if (base / "JPEGImages").is_dir() and (base / "SegmentationClass").is_dir():
            return base
    return None


def _listed(root: Path, base: Path, path: Path) -> tuple[Pair, ...]:
    pictures = {normal(image.stem): image for image in list_pictures(base / "JPEGImages")}
    pairs = []
    for words in read_list(path):
        line = normal(" ".join(words))
        # a name may have blanks; else the words after the first say something of the picture
        known = (pictures.get(form) for name in (line, words[0]) for form in (PurePosixPath(name).stem, name))
        image = next((image for image in known if image is not None), None)
        if image is None:
            missing = base / "JPEGImages" / f"{line}.jpg"
            raise DataError(f"{path}: the list names '{line}', but {missing} is missing; correct the list")
        mask = find_file(base / "SegmentationClass", f"{image.stem}.png")
        pairs.append(make_pair(root, image, mask))
    return tuple(pairs)
