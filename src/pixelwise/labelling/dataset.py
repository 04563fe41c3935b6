"""The data set of what was labelled: copies of pictures, masks beside them, and what the masks mean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pixelwise.errors import PixelwiseError
from pixelwise.io.atomic import atomic_path, write_text
from pixelwise.io.masks import write_labels
from pixelwise.labelling.pictures import VOID, Picture
from pixelwise.types import LabelSpace

IMAGES, MASKS, DESCRIPTION = "images", "masks", "dataset.yaml"


class LabelledSet:
    """A folder in a layout that ``train`` reads; pictures without a labelled pixel are not in it.

    Args:
        folder: the folder, which exists.
        space: the classes.
    """

    def __init__(self, folder: Path, space: LabelSpace) -> None:
        self.folder = folder
        self.space = space

    @property
    def described(self) -> bool:
        """Whether the folder says already what its masks mean."""
        return (self.folder / DESCRIPTION).is_file()

    def describe(self) -> None:
        """Write what the masks mean."""
        described: dict[str, Any] = {
            "images": IMAGES,
            "masks": MASKS,
            "classes": list(self.space.names),
            "ignore": VOID,
            "colors": ["#{:02x}{:02x}{:02x}".format(*color) for color in self.space.colors],
        }
        if self.space.background is not None:
            described["background"] = self.space.names[self.space.background]
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        write_text(self.folder / DESCRIPTION, text)

    def mask_of(self, picture: Picture) -> Path:
        """The file of a picture's mask."""
        return self.folder / MASKS / f"{picture.stem}.png"

    def image_of(self, picture: Picture) -> Path:
        """The copy of a picture."""
        return self.folder / IMAGES / f"{picture.stem}{picture.path.suffix}"

    def write(self, picture: Picture, labels: NDArray[np.uint8]) -> None:
        """Write the mask of a picture and a copy of it, or remove both where nothing is labelled.

        Raises:
            PixelwiseError: they cannot be written.
        """
        image, mask = self.image_of(picture), self.mask_of(picture)
        if (labels == VOID).all():
            mask.unlink(missing_ok=True)
            image.unlink(missing_ok=True)
            return
        for folder in (image.parent, mask.parent):
            folder.mkdir(exist_ok=True)
        if not self.described:
            self.describe()
        if not image.is_file():
            with atomic_path(image) as beside:
                try:
                    shutil.copyfile(picture.path, beside)
                except FileNotFoundError:
                    raise PixelwiseError(f"{picture.path}: the picture is gone; bring it back") from None
        write_labels(mask, labels, self.space)
