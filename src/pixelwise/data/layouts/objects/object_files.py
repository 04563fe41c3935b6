"""One mask file per object: a folder per picture as in the Data Science Bowl 2018, or ``masks/NAME/`` for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixelwise.data.layouts.masks import folder
from pixelwise.data.layouts.objects.id_masks import ID_FOLDERS, UNNAMED_CLASS
from pixelwise.data.pairs import SPLIT_NAMES, Found, Pair, folders_below, list_pictures, read_names, subfolder
from pixelwise.errors import DataError
from pixelwise.instances import BoxMask, Instances, Size

LOOKED_FOR = "NAME/images/NAME.png + NAME/masks/*.png (a file per object), or images/NAME.png + masks/NAME/*.png"
PARTS = (("images/", "*/images/"), ("masks/NAME/", "masks/*/", "*/masks/"))


@dataclass(frozen=True)
class ObjectFiles:
    """Reads the objects of a picture from files that show one each.

    Args:
        paths: the files; what is not 0 is the object. One that is 0 everywhere shows none.
        image: the picture.
    """

    paths: tuple[Path, ...]
    image: Path

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        return self.paths

    def size(self) -> Size | None:
        """Height and width of the first file."""
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders

        return image_info(self.paths[0]).size if self.paths else None

    def read(self) -> Instances:
        """Read the files, keeping no more of each than the box of its object.

        Raises:
            DataError: a file is damaged, or its size is not the picture's.
        """
        from pixelwise.io.images import image_info  # here, so that finding a layout imports no decoders
        from pixelwise.io.masks import read_mask_and_gaps

        size = image_info(self.image).size
        masks = []
        for path in self.paths:
            stored, gaps = read_mask_and_gaps(path)
            if gaps:
                raise DataError(
                    f"{path}: it holds -1 or NaN; the file of an object holds 0 around it and one other number"
                )
            # stored is (H, W), or (H, W, 3) where a tool saved grey as colour
            if stored.shape[:2] != size:
                raise DataError(
                    f"{path}: the mask is {stored.shape[0]}x{stored.shape[1]}, but {self.image.name} is "
                    f"{size[0]}x{size[1]} (height x width); export it at the size of the picture"
                )
            mask = BoxMask.of(np.asarray(stored.any(2)) if stored.ndim == 3 else stored)
            if mask.area:
                masks.append(mask)
        return Instances.of_masks(size, masks, np.zeros(len(masks), np.int64))


def find(root: Path) -> Found | None:
    """Recognise the layout in ``root`` or in folders of it that are called as splits; None where it is another.

    All objects are of one class, which a ``classes.txt`` of one line may name.

    Raises:
        DataError: ``classes.txt`` names several classes.
    """
    pairs = _pairs(root, root)
    splits = {"all": pairs} if pairs else {}
    if not splits:
        for below in folders_below(root):
            name = _split_of(below.name)
            found = _pairs(root, below) if name is not None else ()
            if name is not None and found:
                splits[name] = (*splits.get(name, ()), *found)
    if not any(pair.objects is not None for pairs in splits.values() for pair in pairs):
        return None
    path = root / "classes.txt"
    names = read_names(path) or (UNNAMED_CLASS,)
    if len(names) > 1:
        raise DataError(f"{path}: it names {len(names)} classes, but the files do not tell which an object is of")
    return Found("object files", splits, names)


def _pairs(root: Path, base: Path) -> tuple[Pair, ...]:
    images = subfolder(base, folder.IMAGE_FOLDERS)
    if images is not None:
        masks = subfolder(base, (*ID_FOLDERS, *folder.MASK_FOLDERS))
        return _beside(root, images, masks) if masks is not None else ()
    pairs = []
    for below in folders_below(base):
        if below.name.lower() in SPLIT_NAMES:
            continue  # a folder of many pictures, each of which has a mask
        inside = subfolder(below, folder.IMAGE_FOLDERS)
        pictures = list_pictures(inside) if inside is not None else []
        if len(pictures) == 1 and pictures[0].stem == below.name:  # else a data set of one picture, a folder too high
            pairs.append(_pair(root, pictures[0], subfolder(below, folder.MASK_FOLDERS)))
    return tuple(pairs)


def _beside(root: Path, images: Path, masks: Path) -> tuple[Pair, ...]:
    """Pair each picture with the folder of its name; none where there are no such folders."""
    below = {path.name: path for path in folders_below(masks)}
    pictures = [path for path in list_pictures(images) if path.parent == images]
    if not any(path.stem in below for path in pictures):
        return ()
    return tuple(_pair(root, path, below.get(path.stem)) for path in pictures)


def _pair(root: Path, image: Path, masks: Path | None) -> Pair:
    reader = ObjectFiles(tuple(list_pictures(masks)), image) if masks is not None else None
    return Pair(image.relative_to(root).as_posix(), image, None, reader)


def _split_of(name: str) -> str | None:
    """Find the split that a folder such as ``stage1_train`` is called after."""
    words = re.findall("[a-z]+", name.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
