"""Files of several pictures, page by page: pages of TIFF and planes in depth or time, frames of GIF, WebP and PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelwise.errors import DataError
from pixelwise.io.images import StoredPicture, as_stored_picture
from pixelwise.io.pictures.formats import plugin_of
from pixelwise.io.pictures.header import Header, naming_the_file, within_limit
from pixelwise.io.tiff import count_tiff_pages, decode_tiff_page


def count_pages(path: Path) -> int:
    """Count the pictures that a file holds, channels not counted.

    Smaller copies and masks of a picture do not count where they are marked as such.

    Raises:
        DataError: the file is missing, empty, no picture or damaged.
    """
    with naming_the_file(path):
        plugin = plugin_of(path)
        if plugin is None:
            return count_tiff_pages(path)
        with plugin(path) as image:
            return int(getattr(image, "n_frames", 1))


def read_page(path: Path, number: int) -> StoredPicture:
    """Read one of the pictures that a file holds, at its own depth and upright.

    Args:
        path: the file.
        number: which of its pages, from 0 on; planes of a stack count in the order of its axes, of which
            the last changes from each to the next.

    Raises:
        DataError: the file has no such page or is damaged, or the page has more pixels than the limit.
    """
    with naming_the_file(path):
        plugin = plugin_of(path)
        if plugin is None:
            return as_stored_picture(*decode_tiff_page(path, number), name=str(path))
        with plugin(path) as image:
            size = (image.height, image.width)
            header = within_limit(path, Header(size, channels=4, bits=8, alpha=True, palette=False, orientation=1))
            count = int(getattr(image, "n_frames", 1))
            if not 0 <= number < count:
                raise DataError(f"{path}: there is no page {number + 1}; the file has {count}")
            image.seek(number)
            return StoredPicture(np.asarray(image.convert("RGBA")), header, None)
