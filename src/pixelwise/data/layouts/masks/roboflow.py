"""Roboflow's "Semantic Segmentation Masks": in each split ``a.jpg`` beside ``a_mask.png``, and ``_classes.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, list_pictures, make_pair
from pixelwise.errors import DataError

LOOKED_FOR = "train/ valid/ test/ with _classes.csv and a.jpg + a_mask.png (Roboflow)"
PARTS = (("train/_classes.csv", "_classes.csv", "*/_classes.csv"), ("train/a_mask.png", "*_mask.png", "*/*_mask.png"))

CLASSES_FILE = "_classes.csv"


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another.

    Raises:
        DataError: a list of classes makes no sense, or those of two splits differ.
    """
    folders = [(SPLIT_NAMES[path.name.lower()], path) for path in sorted(root.iterdir()) if _is_split(path)]
    if not folders and (root / CLASSES_FILE).is_file():
        folders = [("all", root)]
    if not folders:
        return None
    lists = {folder: _names(folder / CLASSES_FILE) for _, folder in folders}
    names = next(iter(lists.values()))
    for folder, others in lists.items():
        if others != names:
            raise DataError(f"{folder / CLASSES_FILE}: its classes differ from those of {folders[0][1] / CLASSES_FILE}")
    splits = {split: _pairs(root, folder) for split, folder in folders}
    return Found("roboflow masks", splits, names, named_by=str(folders[0][1] / CLASSES_FILE))


def _is_split(path: Path) -> bool:
    return path.name.lower() in SPLIT_NAMES and (path / CLASSES_FILE).is_file()


def _pairs(root: Path, folder: Path) -> tuple[Pair, ...]:
    pictures = [path for path in list_pictures(folder) if not path.stem.endswith("_mask")]
    masks = {image: image.with_name(f"{image.stem}_mask.png") for image in pictures}
    return tuple(make_pair(root, image, mask if mask.is_file() else None) for image, mask in masks.items())


def _names(path: Path) -> tuple[str, ...]:
    """Read lines of ``value, name`` under a heading; values are 0, 1, 2 and so on."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as opened:
            rows = [[cell.strip() for cell in row] for row in csv.reader(opened) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as CSV in UTF-8 ({error}); export it again") from error
    by_value = {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdecimal()}
    if sorted(by_value) != list(range(len(by_value))) or not by_value:
        raise DataError(f"{path}: expected lines of `value, name` that number the classes from 0 on without a gap")
    if len(set(by_value.values())) < len(by_value):
        raise DataError(f"{path}: a name is there twice; names of classes must differ")
    return tuple(by_value[value] for value in range(len(by_value)))
