"""Pictures with their masks, as a layout finds them on disk."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixelwise.data.findings import Finding
from pixelwise.errors import DataError
from pixelwise.io.listing import list_files
from pixelwise.io.pictures.suffixes import IMAGE_SUFFIXES
from pixelwise.words import counted

if TYPE_CHECKING:
    from pixelwise.instances import Instances
    from pixelwise.types import Color

NO_SPLIT = "all"
"""The name of the only split of a data set that has no splits on disk."""

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Name of the folder or the list of a split -> name of the split."""

BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__", "bg", "null", "none"})
"""Class names, in lower case, that stand for the background."""

MASK_ENDING = re.compile(
    r"[-_](masks?|seg|segmentation|labels?|labelids|labeltrainids|gt|annotations?|ann|manual\d?|gtfine_labelids|"
    r"gtcoarse_labelids|gtfine_labeltrainids)$",
    re.IGNORECASE,
)
"""Endings that are added to the name of a picture to name its mask."""

PICTURE_ENDING = re.compile(r"[-_](training|test|image|img|rgb|photo|leftimg8bit|original|orig)$", re.IGNORECASE)
"""Endings in names of pictures that distinguish them from their masks."""


class ObjectReader(Protocol):
    """Reads the annotated objects of one picture."""

    def read(self) -> Instances:
        """Read them, at the size of the picture.

        Raises:
            DataError: the annotation is missing or damaged; the message names its file.
        """
        ...


@dataclass(frozen=True)
class Pair:
    """A picture file with its annotation, a mask of classes or objects.

    Args:
        id: path of the picture relative to the root of the data, with forward slashes; it names the pair everywhere.
        image: the picture.
        mask: the mask, or None where there is none.
        objects: reads the objects of the picture, in data that annotates objects.
    """

    id: str
    image: Path
    mask: Path | None
    objects: ObjectReader | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Found:
    """What a layout found in a folder, before the masks are read.

    Args:
        layout: name of the layout.
        splits: split name -> pairs; a single split named ``all`` where there are no splits on disk.
        names: class names in index order, where a file or the layout gives them.
        void: stored mask values that mean "not annotated".
        notes: what was recognised, in words for the user.
        named_by: the file that gives the names, or words for a layout that defines them; for errors.
        colors: RGB colour in the masks -> class name, where a file of the layout gives them.
        stored: number in the masks -> class name, in layouts whose numbers are no class indices; others are void.
        guesses: where several readings were possible, which was taken, and how to choose another; for the user.
        findings: what else was noticed.
    """

    layout: str
    splits: Mapping[str, tuple[Pair, ...]]
    names: tuple[str, ...] | None = None
    void: frozenset[int] = frozenset({255})
    notes: tuple[str, ...] = field(default=())
    named_by: str = ""
    colors: Mapping[Color, str] | None = None
    stored: Mapping[int, str] | None = None
    guesses: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def list_pictures(folder: Path) -> list[Path]:
    """List the picture files in a folder and the folders below it, sorted, without hidden ones."""
    return [path for path in list_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def folders_below(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted, without hidden ones and those that may not be read, unless they are splits.

    A folder that may not be read hinders nobody who does not need it; a split that is lost in silence would.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in below if os.access(path, os.R_OK | os.X_OK) or path.name.lower() in SPLIT_NAMES]


def subfolder(folder: Path, names: Iterable[str]) -> Path | None:
    """Find the first of ``names`` that is a folder in ``folder``, whatever its case."""
    present = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return next((present[name.lower()] for name in names if name.lower() in present), None)


def make_pair(root: Path, image: Path, mask: Path | None) -> Pair:
    """Make a pair whose id is the picture's path relative to ``root``."""
    return Pair(image.relative_to(root).as_posix(), image, mask)


def match_stems(root: Path, images: Path, masks: Path) -> tuple[Pair, ...]:
    """Pair the pictures below one folder with the masks below another by their relative paths without suffix.

    Names are compared in Unicode's form NFC. A mask of the very name of a picture comes first, then one whose name is
    that of the picture file with its suffix (``a.jpg.png``), then one whose name has an ending such as ``_mask`` or
    ``_label`` besides, and last one where both names have their endings, as ``21_training.tif`` and ``21_manual1.gif``
    do, unless several pictures have the same name but for their endings.

    Raises:
        DataError: two pictures, or two masks of one picture, have the same name.
    """
    pictures = list_pictures(images)
    named = _by_name({path: _name(path, images) for path in pictures})
    with_suffix = {normal(path.relative_to(images).as_posix()): path for path in pictures}
    without_ending: dict[str, Path | None] = {}  # None where several pictures share what is left of their names
    for path in pictures:
        rest = PICTURE_ENDING.sub("", _name(path, images))
        without_ending[rest] = None if rest in without_ending else path
    taken: dict[Path, tuple[int, Path]] = {}
    for mask in list_pictures(masks):
        name = _name(mask, masks)
        bare = MASK_ENDING.sub("", name)
        candidates = (named.get(name), with_suffix.get(name), named.get(bare), without_ending.get(bare))
        for rank, image in enumerate(candidates):
            if image is None or (image in taken and taken[image][0] < rank):
                continue
            if image in taken and taken[image][0] == rank:
                raise DataError(
                    f"{mask}: {taken[image][1].name} beside it has the same name, so it is unclear which of the two is "
                    f"the mask of {image.name}; remove or rename one"
                )
            taken[image] = rank, mask
            break
    return tuple(make_pair(root, image, taken[image][1] if image in taken else None) for image in pictures)


def _name(path: Path, folder: Path) -> str:
    return normal(path.relative_to(folder).with_suffix("").as_posix())


def normal(name: str) -> str:
    """Normalise a name: some systems store letters and their accents as two characters."""
    return unicodedata.normalize("NFC", name)


def find_file(folder: Path, name: str) -> Path | None:
    """Find a file by its path in a folder, whatever Unicode form the names are in; None where there is none."""
    path = folder / name
    if path.is_file():
        return path
    if name.isascii() or not path.parent.is_dir():
        return None
    return next((other for other in path.parent.iterdir() if normal(other.name) == normal(path.name)), None)


def is_absolute(name: str) -> bool:
    """Whether a path with forward slashes begins at the root of a system, Windows included."""
    return re.match(r"/|[A-Za-z]:/", name) is not None


def tails(name: str) -> list[str]:
    """Give what is left of a path without its first folders, the longest first: paths of other machines end alike."""
    parts = [part for part in name.split("/") if part]
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def _by_name(names: Mapping[Path, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path, name in names.items():
        if name in found:
            raise DataError(
                f"{path}: {found[name].name} beside it has the same name, so it is unclear which of the two is meant; "
                "remove or rename one"
            )
        found[name] = path
    return found


def read_names(path: Path) -> tuple[str, ...] | None:
    """Read class names from a text file of ``name`` or ``index name`` lines; None where there is no such file.

    A line ``__ignore__``, which LabelMe's lists begin with, stands for what is not annotated and takes no index.

    Raises:
        DataError: an index is missing or repeats, or a name repeats.
    """
    if not path.is_file():
        return None
    lines = [line.strip() for line in _text(path).splitlines() if line.strip() not in ("", "__ignore__")]
    if not lines:
        raise DataError(f"{path}: the file is empty; expected a class name a line")
    numbered = [re.fullmatch(r"(\d+)[\s,:]+(\S.*)", line) for line in lines]
    if all(numbered):
        by_index = {int(match[1]): match[2] for match in numbered if match}
        if sorted(by_index) != list(range(len(lines))):
            raise DataError(
                f"{path}: {counted(len(lines), 'line', 'numbers')} the classes {sorted(by_index)}; expected each of "
                f"0 .. {len(lines) - 1} once"
            )
        lines = [by_index[index] for index in range(len(lines))]
    repeated = sorted({name for name in lines if lines.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: class names must differ, but these repeat: {', '.join(repeated)}")
    return tuple(lines)


def read_label_map(path: Path) -> dict[Color, str] | None:
    """Read a ``labelmap.txt`` of CVAT, lines of ``name:red,green,blue:parts:actions``; None where there is none.

    Raises:
        DataError: a line makes no sense, or a name or a colour repeats.
    """
    if not path.is_file():
        return None
    found: dict[Color, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"([^:]+):(\d{1,3}),(\d{1,3}),(\d{1,3})(?::|$)", line.strip())
        color = (int(match[2]), int(match[3]), int(match[4])) if match else (0, 0, 0)
        if match is None or max(color) > 255:
            raise DataError(f"{path}: line {number}: expected name:red,green,blue, found '{line.strip()[:60]}'")
        if color in found or match[1] in found.values():
            raise DataError(f"{path}: line {number}: the name or the colour is there twice; they must differ")
        found[color] = match[1]
    return found or None


def read_list(path: Path) -> list[list[str]]:
    """Read a split list and give the words of each line that is not empty."""
    return [line.split() for line in _text(path).splitlines() if line.strip()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text file ({error.reason}); save it as UTF-8") from error
