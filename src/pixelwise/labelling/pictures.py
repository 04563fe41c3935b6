"""The pictures of a folder that is labelled: which there are, and which have masks already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.locate import locate
from pixelwise.data.pairs import list_pictures, normal
from pixelwise.data.source import open_data
from pixelwise.errors import DataError, NoLayoutError
from pixelwise.instances import Size
from pixelwise.io.images import image_info
from pixelwise.io.masks import read_mask
from pixelwise.types import LabelSpace
from pixelwise.words import counted, listed

VOID = 255
"""The label of pixels that are not labelled, in memory and in masks."""


@dataclass(frozen=True)
class Picture:
    """A picture to label.

    Args:
        id: names it in addresses; says nothing about where it lies.
        name: its path relative to the folder, with forward slashes.
        path: the file.
        stem: its name in the data set that is written, without suffix; no two pictures share one.
        size: height and width, upright.
        mask: its mask in the folder, where it has one; it is read and never written.
    """

    id: str
    name: str
    path: Path
    stem: str
    size: Size
    mask: Path | None = None

    def start(self, space: LabelSpace | None) -> NDArray[np.uint8]:
        """Give the labels before anything is painted: those of its mask, else void everywhere.

        Args:
            space: how the masks of the folder encode its classes.

        Raises:
            DataError: the mask cannot be read, or has another size than the picture.
        """
        if self.mask is None or space is None:
            return np.full(self.size, VOID, np.uint8)
        labels = space.encode(read_mask(self.mask), source=str(self.mask))
        if labels.shape != self.size:
            raise DataError(
                f"{self.mask}: the mask is {labels.shape[0]}x{labels.shape[1]} but the picture "
                f"{self.size[0]}x{self.size[1]} (height x width); export both at the same size"
            )
        start: NDArray[np.uint8] = np.where(labels == space.ignore_index, VOID, labels).astype(np.uint8)
        return start


@dataclass(frozen=True)
class Gallery:
    """The pictures of a folder.

    Args:
        pictures: those without a mask first.
        space: how masks of the folder encode its classes; None where there are no masks.
        remarks: what was left out, in words for the user.
    """

    pictures: tuple[Picture, ...]
    space: LabelSpace | None
    remarks: tuple[str, ...]


def find_pictures(data: Path, *, without: Path, known: Mapping[str, str] | None = None) -> Gallery:
    """Find the pictures of a folder, and the masks that some of them have.

    Args:
        data: the folder; a data set of masks in a known layout, or any folder of pictures.
        without: a folder whose pictures are not meant, if it lies in ``data``.
        known: the names in the data set that pictures have had so far, by their ids; they keep them.

    Raises:
        DataError: there is no such folder or no picture in it, or its masks cannot be understood.
    """
    if not data.is_dir():
        raise DataError(f"{data}: there is no such folder; give a folder of pictures")
    remarks: list[str] = []
    paths, masks, space = _annotated(data, remarks) or ([], {}, None)
    paths = [path for path in paths or list_pictures(data) if without.resolve() not in path.resolve().parents]
    sizes: dict[Path, Size] = {}
    broken: list[str] = []
    for path in paths:
        try:
            sizes[path] = image_info(path).size
        except DataError as error:
            broken.append(str(error))
    if broken:
        remarks.append(f"left out, because they cannot be read: {counted(len(broken), 'picture')}; {broken[0]}")
    if not sizes:
        raise DataError(f"{data}: there are no pictures to label in it" + "".join(f"; {one}" for one in remarks))
    stems = _stems(data, sizes, known or {})
    pictures = [
        Picture(
            _id(path.relative_to(data).as_posix()),
            path.relative_to(data).as_posix(),
            path,
            stems[path],
            size,
            masks.get(path),
        )
        for path, size in sizes.items()
    ]
    return Gallery(tuple(sorted(pictures, key=lambda one: (one.mask is not None, one.name))), space, tuple(remarks))


def _annotated(data: Path, remarks: list[str]) -> tuple[list[Path], dict[Path, Path], LabelSpace | None] | None:
    """Find pictures by the layout of a data set: pictures, masks, classes; None where no layout fits."""
    try:
        located = locate(data)
    except NoLayoutError:
        return None
    pairs = {pair.id: pair for pairs in located.found.splits.values() for pair in pairs}.values()
    objects = sum(pair.objects is not None for pair in pairs)
    if objects:
        remarks.append(
            f"annotated objects are not shown ({counted(objects, 'picture')}, {located.found.layout}): the classes of "
            "pixels are labelled, from nothing"
        )
    masks = {pair.image: pair.mask for pair in pairs if pair.mask is not None}
    space = open_data(located, skip_bad=True).label_space if masks else None
    return [pair.image for pair in pairs], masks, space


def _id(name: str) -> str:
    return hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()


def _stems(data: Path, paths: Iterable[Path], known: Mapping[str, str]) -> dict[Path, str]:
    """Name pictures in one flat folder: by their path below the folder that holds all, or as before."""
    paths = list(paths)
    above = Path(os.path.commonpath([path.parent for path in paths]))
    stems: dict[Path, str] = {}
    taken = {normal(stem).lower() for stem in known.values()}
    for path in paths:
        before = known.get(_id(path.relative_to(data).as_posix()))
        if before is not None:
            stems[path] = before
            continue
        relative = path.relative_to(above)
        stem = "-".join((*relative.parent.parts, relative.stem))
        number, free = 1, stem
        while normal(free).lower() in taken:
            number += 1
            free = f"{stem}-{number}"
        taken.add(normal(free).lower())
        stems[path] = free
    return stems


def read_stems(file: Path) -> dict[str, str]:
    """Read the names in the data set that pictures have, by their ids; none where there is no such file.

    Raises:
        DataError: the file is damaged.
    """
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): _checked(stem) for name, stem in names.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{file}: it does not say which masks are those of which pictures ({error}); bring it back from a copy"
        ) from error


def _checked(stem: Any) -> str:
    """Refuse names that would lead out of the folder."""
    if not isinstance(stem, str) or "/" in stem or "\\" in stem or stem in ("", ".", ".."):
        raise ValueError(f"{stem!r} is no name of a file")
    return stem


def describe(pictures: Sequence[Picture]) -> str:
    """Say in words which pictures there are."""
    bare = sum(picture.mask is None for picture in pictures)
    return f"{counted(len(pictures), 'picture')}, {bare} without a mask: {listed(picture.name for picture in pictures)}"
