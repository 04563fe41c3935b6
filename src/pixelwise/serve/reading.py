"""Reading pictures that strangers sent: what they declare first, then no more than that."""

from __future__ import annotations

from pathlib import Path

from pixelwise.errors import DataError, TooManyPixelsError
from pixelwise.inference.pictures import decode_picture
from pixelwise.inference.predictor import Predictor
from pixelwise.io.images import DecodedPicture, image_info
from pixelwise.io.pictures.formats import TIFF_MAGIC
from pixelwise.io.pictures.tiff_pieces import check_pieces
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.opening import open_source
from pixelwise.serve.forms import PICTURE_FIELD
from pixelwise.serve.problems import Problem
from pixelwise.words import counted

MOST_BYTES_PER_PIXEL = 16
"""Bytes that a decoded pixel may have: four channels of floats."""


def count_pixels(path: Path, most: int) -> int:
    """Count the pixels that a picture declares, without decoding any.

    Raises:
        DataError: the picture cannot be read, or declares channels that no network takes.
        Problem: it declares more than ``most`` pixels.
    """
    try:
        info = image_info(path)
    except TooManyPixelsError as error:
        raise _too_many(error.size, most) from None
    height, width = info.size
    if height * width > most:
        raise _too_many(info.size, most)
    if info.channels * info.bits * height * width > 8 * MOST_BYTES_PER_PIXEL * most:
        raise DataError(
            f"{PICTURE_FIELD}: the picture declares {counted(info.channels, 'channel')} of {info.bits} bits at "
            f"{height}x{width} pixels (height x width), more than is taken; keep those that the network takes"
        )
    return height * width


def _too_many(size: tuple[int, int], most: int) -> Problem:
    found = f"{size[0]}x{size[1]} pixels (height x width)"
    return Problem(
        413,
        f"max_pixels: the picture declares {found}, more than the limit of {most:,}; reduce it, cut it into pieces, or "
        "send it as a job",
        argument="max_pixels",
    )


def decode(path: Path, predictor: Predictor) -> DecodedPicture:
    """Decode a picture whose header was checked; raises as :func:`.decode_picture`, and where it hides a bomb."""
    if is_tiff(path):
        check_pieces(path)
    return decode_picture(path, predictor.preprocessing)


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF files do."""
    with path.open("rb") as file:
        return file.read(4).startswith(TIFF_MAGIC)


def place_on_earth(path: Path) -> Georeference | None:
    """Read where a TIFF lies on the Earth; None for other pictures, and where it does not say."""
    if not is_tiff(path):
        return None
    with open_source(path) as source:
        return source.georeference
