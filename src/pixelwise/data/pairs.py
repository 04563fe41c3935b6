"""Pictures with their masks, as a layout finds them on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pixelwise.errors import DataError
from pixelwise.instances import Instances
from pixelwise.io.images import IMAGE_SUFFIXES
from pixelwise.words import counted

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What folders and lists of a split are called -> the name of the split."""

_MASK_ENDING = re.compile(r"[-_](mask|masks|seg|segmentation|label|labels|gt|annotation|ann)$", re.IGNORECASE)


class ObjectReader(Protocol):
    """Knows where the objects of one picture are annotated."""

    def read(self) -> Instances:
        """Read them, at the size of the picture.

        Raises:
            DataError: the annotation is missing or damaged; the message names its file.
        """
        ...


@dataclass(frozen=True)
class Pair:
    """A picture file and what annotates it: a mask of classes, or objects.

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
    """What a layout found in a folder, before the masks are looked into.

    Args:
        layout: name of the layout.
        splits: split name -> pairs; a single split named ``all`` where the disk says nothing of splits.
        names: class names in index order, where a file or the layout gives them.
        void: stored mask values that mean "not annotated".
        notes: what was recognised, in words for the user.
        named_by: what gives the names: a file, or words for a layout that has names of its own; for errors.
    """

    layout: str
    splits: Mapping[str, tuple[Pair, ...]]
    names: tuple[str, ...] | None = None
    void: frozenset[int] = frozenset({255})
    notes: tuple[str, ...] = field(default=())
    named_by: str = ""


def list_pictures(folder: Path) -> list[Path]:
    """List the picture files in a folder and the folders below it, sorted; hidden ones are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def subfolder(folder: Path, names: Iterable[str]) -> Path | None:
    """Find the first of ``names`` that is a folder in ``folder``, whatever its case."""
    present = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return next((present[name.lower()] for name in names if name.lower() in present), None)


def make_pair(root: Path, image: Path, mask: Path | None) -> Pair:
    """Make a pair whose id is the picture's path relative to ``root``."""
    return Pair(image.relative_to(root).as_posix(), image, mask)


def match_stems(root: Path, images: Path, masks: Path) -> tuple[Pair, ...]:
    """Pair the pictures below one folder with the masks below another by their relative paths without suffix.

    The name of a mask may end in ``_mask``, ``_seg``, ``_label`` or the like.

    Raises:
        DataError: two pictures, or two masks, have the same name and differ by suffix only.
    """
    masks_by_key = _by_key(masks, mask=True)
    return tuple(make_pair(root, image, masks_by_key.get(key)) for key, image in _by_key(images).items())


def _by_key(folder: Path, *, mask: bool = False) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_pictures(folder):
        key = path.relative_to(folder).with_suffix("").as_posix()
        if mask:
            key = _MASK_ENDING.sub("", key)
        if key in found:
            raise DataError(
                f"{path}: {found[key].name} beside it has the same name, so it is unclear which of the two is meant; "
                "remove or rename one"
            )
        found[key] = path
    return found


def read_names(path: Path) -> tuple[str, ...] | None:
    """Read class names from a text file of ``name`` or ``index name`` lines; None where there is no such file.

    Raises:
        DataError: an index is missing or repeats, or a name repeats.
    """
    if not path.is_file():
        return None
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
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


def read_list(path: Path) -> list[list[str]]:
    """Read a split list: the words of each line that is not empty."""
    return [line.split() for line in _text(path).splitlines() if line.strip()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text file ({error.reason}); save it as UTF-8") from error
