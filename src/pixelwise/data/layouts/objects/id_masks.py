"""Pictures beside maps of object ids: ``images/`` and ``instance_masks/``, 0 being background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelwise.data.layouts.masks import folder
from pixelwise.data.pairs import Found, Pair, read_names, subfolder
from pixelwise.errors import DataError
from pixelwise.instances import Instances, Size

ID_FOLDERS = ("instance_masks", "instance_mask", "instances", "instance_ids", "object_masks", "object_ids")
LOOKED_FOR = "images/ + instance_masks/ (ids of objects, 0 is background), with train/ val/ test/ below, above or none"
PARTS = (("images/", "*/images/"), ("instance_masks/", "*/instance_masks/", "instances/", "object_ids/"))
UNNAMED_CLASS = "object"
"""The class of objects that nothing gives a name."""


@dataclass(frozen=True)
class IdMask:
    """Reads the objects of a picture from a file that holds the id of an object at each pixel.

    Args:
        path: the file, 8 or 16 bits of grey, or a palette; ids may have gaps.
    """

    path: Path

    def files(self) -> tuple[Path, ...]:
        """The file that it reads."""
        return (self.path,)

    def size(self) -> Size:
        """Height and width of the file."""
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders

        return image_info(self.path).size

    def read(self) -> Instances:
        """Take the map apart.

        Raises:
            DataError: the file is damaged, or holds colours, -1 or NaN.
        """
        from pixelwise.io.masks import read_mask_and_gaps  # here, so that finding a layout imports no decoders

        ids, gaps = read_mask_and_gaps(self.path)
        if gaps:
            raise DataError(f"{self.path}: it holds -1 or NaN; ids of objects are whole numbers, and 0 is background")
        if ids.ndim != 2:
            raise DataError(f"{self.path}: it holds RGB colours; ids of objects are one number per pixel (16-bit grey)")
        return Instances.of_ids(ids)


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root``; None where it is another. Raises as :func:`found`."""
    images, masks = subfolder(root, folder.IMAGE_FOLDERS), subfolder(root, ID_FOLDERS)
    splits = folder.paired_splits(root, images, masks) if images and masks else folder.splits_above(root, ID_FOLDERS)
    if not any(pair.mask is not None for pairs in splits.values() for pair in pairs):
        return None  # the folder holds something else, such as JSON
    return found(root, with_ids(splits))


def found(root: Path, splits: Mapping[str, tuple[Pair, ...]], notes: tuple[str, ...] = ()) -> Found:
    """Give what was found: all objects are of one class, which a ``classes.txt`` of one line may name.

    Raises:
        DataError: ``classes.txt`` names several classes.
    """
    path = root / "classes.txt"
    names = read_names(path) or (UNNAMED_CLASS,)
    if len(names) > 1:
        raise DataError(
            f"{path}: it names {len(names)} classes, but maps of ids do not tell the class of an object; name one "
            "class, or give objects with classes as COCO JSON"
        )
    return Found("id masks", splits, names, notes=notes)


def with_ids(splits: Mapping[str, tuple[Pair, ...]]) -> dict[str, tuple[Pair, ...]]:
    """Read the masks of pairs as maps of ids."""
    return {
        name: tuple(Pair(pair.id, pair.image, None, IdMask(pair.mask) if pair.mask else None) for pair in pairs)
        for name, pairs in splits.items()
    }
