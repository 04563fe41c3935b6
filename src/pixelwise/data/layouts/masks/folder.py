"""A folder of pictures beside a folder of masks of the same names, with or without splits."""

from __future__ import annotations

from pathlib import Path

from pixelwise.data.pairs import (
    SPLIT_NAMES,
    Found,
    Pair,
    make_pair,
    match_stems,
    read_list,
    read_names,
    subfolder,
)
from pixelwise.errors import DataError

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir")
MASK_FOLDERS = ("masks", "mask", "annotations", "labels", "label", "gt", "ann_dir")
"""Names of the folder of masks, the first one that holds masks of the pictures winning."""
LOOKED_FOR = (
    "images/ + masks/ (or annotations, labels, gt, img_dir + ann_dir), with train/ val/ test/ below, above or none"
)
PARTS = (
    ("images/", "*/images/", "img_dir/", "imgs/"),
    ("masks/", "*/masks/", "annotations/", "labels/", "gt/", "ann_dir/"),
)


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another."""
    images, masks = subfolder(root, IMAGE_FOLDERS), subfolder(root, MASK_FOLDERS)
    splits = paired_splits(root, images, masks) if images and masks else splits_above(root)
    if not splits:
        return None
    return Found("folder", splits, read_names(root / "classes.txt"))


def pair_folders(root: Path, images: Path, masks: Path) -> dict[str, tuple[Pair, ...]]:
    """Pair two folders by name, split by the folders ``train``, ``val`` and ``test`` below them where there are any."""
    below = {folder.name: folder for folder in sorted(images.iterdir()) if folder.name.lower() in SPLIT_NAMES}
    if not below:
        return {"all": match_stems(root, images, masks)}
    splits: dict[str, tuple[Pair, ...]] = {}
    for name, folder in below.items():
        annotated = masks / name
        splits[SPLIT_NAMES[name.lower()]] = match_stems(root, folder, annotated if annotated.is_dir() else masks)
    return splits


def paired_splits(root: Path, images: Path, masks: Path) -> dict[str, tuple[Pair, ...]]:
    """Pair two folders, split by folders below them or by the lists ``train.txt``, ``val.txt``, ``test.txt``."""
    splits = pair_folders(root, images, masks)
    lists = {SPLIT_NAMES[name]: root / f"{name}.txt" for name in SPLIT_NAMES if (root / f"{name}.txt").is_file()}
    if set(splits) != {"all"} or not lists:
        return splits
    return {name: choose(root, read_list(path), splits["all"], path) for name, path in lists.items()}


def choose(root: Path, lines: list[list[str]], pairs: tuple[Pair, ...], origin: Path) -> tuple[Pair, ...]:
    """Choose the pairs that a list names, by stem, by file name, by path, or as ``image mask`` paths.

    Args:
        root: what paths are relative to.
        lines: the words of each line.
        pairs: what to choose from.
        origin: the file that holds the list, for errors.

    Raises:
        DataError: the list names a picture that is not there, or one twice.
    """
    by_name: dict[str, Pair] = {}
    for pair in pairs:
        for name in (pair.id, pair.image.name, pair.image.stem):
            by_name.setdefault(name, pair)
    chosen: dict[str, Pair] = {}
    for words in lines:
        line = " ".join(words)
        if len(words) == 2 and (root / words[1]).is_file() and (root / words[0]).is_file():
            pair = make_pair(root, root / words[0], root / words[1])
        elif line in by_name:
            pair = by_name[line]
        else:
            raise DataError(f"{origin}: the list names '{line}', but {root} has no such picture; correct the list")
        if pair.id in chosen:
            raise DataError(f"{origin}: the list names '{pair.id}' twice; remove one of the lines")
        chosen[pair.id] = pair
    return tuple(chosen.values())


def splits_above(root: Path, mask_folders: tuple[str, ...] = MASK_FOLDERS) -> dict[str, tuple[Pair, ...]]:
    """Pair the two folders within each of the folders ``train``, ``val`` and ``test``."""
    splits: dict[str, tuple[Pair, ...]] = {}
    for folder in sorted(root.iterdir()):
        name = SPLIT_NAMES.get(folder.name.lower())
        if name is None or not folder.is_dir():
            continue
        images, masks = subfolder(folder, IMAGE_FOLDERS), subfolder(folder, mask_folders)
        if images is not None and masks is not None:
            splits[name] = match_stems(root, images, masks)
    return splits
