"""A folder of pictures beside a folder of masks of the same names, with or without splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from pixelwise.data.pairs import (
    SPLIT_NAMES,
    Found,
    Pair,
    folders_below,
    is_absolute,
    list_pictures,
    make_pair,
    match_stems,
    normal,
    read_list,
    read_names,
    subfolder,
    tails,
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
    """Recognise the layout in ``root``; None where it is another.

    Where several folders hold files that belong to the pictures, the one with most of them is taken, the first of
    :data:`MASK_FOLDERS` among equals, and a warning names the guess. Folders of other names that may be masks, such as
    ``manual1``, are never taken; a note names them.
    """
    chosen = _at_root(root, MASK_FOLDERS)
    parts = [chosen] if chosen is not None else _by_split(root, MASK_FOLDERS)
    if not parts:
        return None
    splits = {name: pairs for part in parts for name, pairs in part.splits.items()}
    return Found("folder", splits, read_names(root / "classes.txt"), guesses=_guesses(root, parts))


@dataclass(frozen=True)
class _Chosen:
    """Pictures, the folder that their masks were taken from, and others that hold masks of them."""

    splits: dict[str, tuple[Pair, ...]]
    images: Path
    masks: Path | None
    others: tuple[Path, ...] = ()


_MAY_BE_MASKS = re.compile("mask|manual|truth|gt|label|annot|seg|target|class", re.IGNORECASE)
_DRAWN_FROM_MASKS = re.compile("colou?r|vis|viz|overlay|preview|instance", re.IGNORECASE)
"""Names of folders that are asked about where another holds the masks, and of those that show masks once more."""


def _choose(images: Path, folders: Sequence[Path], pairing: Callable[[Path], dict[str, tuple[Pair, ...]]]) -> _Chosen:
    """Pair pictures with the folder that holds masks of the most of them."""
    paired: list[tuple[int, Path, dict[str, tuple[Pair, ...]]]] = []
    ambiguous: DataError | None = None
    for masks in folders:
        try:
            splits = pairing(masks)
        except DataError as error:
            ambiguous = ambiguous or error
            continue
        paired.append((sum(pair.mask is not None for pairs in splits.values() for pair in pairs), masks, splits))
    if ambiguous is not None and not any(count for count, _, _ in paired):
        raise ambiguous
    most, masks, splits = max(paired, key=lambda one: one[0])
    others = [other for count, other, _ in paired if count and other != masks]
    for folder in folders_below(images.parent):
        if folder in (images, *folders) or not _MAY_BE_MASKS.search(folder.name):
            continue
        if _DRAWN_FROM_MASKS.search(folder.name) or folder.name.lower() in SPLIT_NAMES:
            continue
        with suppress(DataError):
            pairs = [pair for pairs in pairing(folder).values() for pair in pairs]
            if 0 < most <= 2 * sum(pair.mask is not None for pair in pairs):
                others.append(folder)
    return _Chosen(splits, images, masks, tuple(others))


def _at_root(root: Path, mask_folders: tuple[str, ...]) -> _Chosen | None:
    images, folders = subfolder(root, IMAGE_FOLDERS), _present(root, mask_folders)
    if images is None or not folders:
        return None
    return _choose(images, folders, lambda masks: paired_splits(root, images, masks))


def _by_split(root: Path, mask_folders: tuple[str, ...]) -> list[_Chosen]:
    """Pair the two folders within each of the folders ``train``, ``val`` and ``test``; some may have no masks."""
    parts: list[_Chosen] = []
    for folder in sorted(root.iterdir()):
        name = SPLIT_NAMES.get(folder.name.lower())
        images = subfolder(folder, IMAGE_FOLDERS) if name is not None and folder.is_dir() else None
        if name is None or images is None:
            continue
        folders = _present(folder, mask_folders)
        if folders:
            parts.append(_choose(images, folders, partial(_one_split, root, name, images)))
        else:
            parts.append(
                _Chosen({name: tuple(make_pair(root, image, None) for image in list_pictures(images))}, images, None)
            )
    return parts if any(part.masks is not None for part in parts) else []


def _one_split(root: Path, name: str, images: Path, masks: Path) -> dict[str, tuple[Pair, ...]]:
    return {name: match_stems(root, images, masks)}


def _present(base: Path, names: tuple[str, ...]) -> list[Path]:
    """List the folders of these names, in their order."""
    found = (subfolder(base, (name,)) for name in names)
    return [folder for folder in found if folder is not None]


def _guesses(root: Path, parts: Sequence[_Chosen]) -> tuple[str, ...]:
    """Say where another folder might have been meant."""
    guesses = []
    for part in parts:
        for other in part.others:
            taken, left, images = (_named(root, folder) for folder in (part.masks, other, part.images))
            guesses.append(
                f"masks are taken from {taken}/, but {left}/ holds files of the same pictures too; if these are the "
                f"truth, write `images: {images}` and `masks: {left}` into a dataset.yaml"
            )
    names = {part.masks.name.lower(): part.masks for part in parts if part.masks is not None}
    if len(names) > 1:
        listed = " and ".join(f"{_named(root, folder)}/" for folder in names.values())
        guesses.append(f"masks are taken from {listed}, which are called differently; see that both hold the same")
    return tuple(guesses)


def _named(root: Path, folder: Path | None) -> str:
    return "" if folder is None else folder.relative_to(root).as_posix()


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
    """Choose the pairs that a list names, by the end of their path with or without suffix, or as ``image mask`` paths.

    Of an absolute path, which was that of another machine, the first folders are left out until the rest is known.

    Args:
        root: what paths are relative to.
        lines: the words of each line.
        pairs: what to choose from.
        origin: the file that holds the list, for errors.

    Raises:
        DataError: the list names a picture that is not there, one twice, or one by a name that several have.
    """
    by_name: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        whole = normal(pair.id)
        for name in (whole, *tails(whole)):
            for form in (name, name.removesuffix(PurePosixPath(name).suffix)):
                by_name.setdefault(form, {})[pair.id] = pair
    chosen: dict[str, Pair] = {}
    for words in lines:
        line = normal(" ".join(words)).replace("\\", "/").removeprefix("./")
        if len(words) == 2 and (root / words[1]).is_file() and (root / words[0]).is_file():
            pair = make_pair(root, root / words[0], root / words[1])
        else:
            names = (line, *tails(line)) if is_absolute(line) else (line,)
            pair = _the_one(next((by_name[name] for name in names if name in by_name), {}), line, root, origin)
        if pair.id in chosen:
            raise DataError(f"{origin}: the list names '{pair.id}' twice; remove one of the lines")
        chosen[pair.id] = pair
    return tuple(chosen.values())


def _the_one(called: Mapping[str, Pair], line: str, root: Path, origin: Path) -> Pair:
    exact = next((pair for pair in called.values() if normal(pair.id) == line), None)
    if exact is not None:
        return exact
    if not called:
        raise DataError(f"{origin}: the list names '{line}', but {root} has no such picture; correct the list")
    if len(called) > 1:
        raise DataError(
            f"{origin}: the list names '{line}', which may be {' or '.join(sorted(called)[:2])}; add its folder"
        )
    return next(iter(called.values()))


def splits_above(root: Path, mask_folders: tuple[str, ...] = MASK_FOLDERS) -> dict[str, tuple[Pair, ...]]:
    """Pair the two folders within each of the folders ``train``, ``val`` and ``test``; some may have no masks."""
    return {name: pairs for part in _by_split(root, mask_folders) for name, pairs in part.splits.items()}
