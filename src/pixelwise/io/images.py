"""Reading pictures as networks see them: 8 bits, a fixed number of channels, upright."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.formats import IMAGE_SUFFIXES, decode, palette_of, read_header, upright
from pixelwise.io.header import MAX_PIXELS_VARIABLE, Header
from pixelwise.io.photometric import flipped
from pixelwise.words import counted

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS_VARIABLE", "ImageInfo", "image_info", "read_image", "read_stored"]


@dataclass(frozen=True)
class ImageInfo:
    """What a picture file declares.

    Args:
        size: height and width, after the EXIF rotation.
        channels: numbers per pixel, transparency not counted; a palette of colours counts as 3.
        bits: bits of each number.
    """

    size: tuple[int, int]
    channels: int
    bits: int


def image_info(path: str | os.PathLike[str]) -> ImageInfo:
    """Read size, channels and bits of a picture from its header alone.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, or declares more pixels than the limit.
    """
    header = read_header(Path(path))
    channels = 3 if header.palette else header.channels - header.alpha
    return ImageInfo(header.upright_size, channels, 8 if header.palette else header.bits)


def read_image(
    path: str | os.PathLike[str], *, channels: int = 3, value_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Read a picture as uint8 with the asked number of channels, turned as its EXIF orientation says.

    Grey becomes colour by repetition, and colour becomes grey as luminance (0.299 R + 0.587 G + 0.114 B). Palettes are
    looked up. Numbers are inverted where 0 is white. Transparency is dropped unless the channels asked for include it.
    A picture with any other number of channels is read only if exactly that number is asked for. Numbers deeper than 8
    bits are scaled linearly from ``value_range`` to 0 .. 255 and clipped; numbers that are not finite become 0.

    Args:
        path: the file: JPEG, PNG, TIFF, BMP, GIF (first frame), WebP or PNM.
        channels: how many channels to give: 1 luminance, 3 RGB, any other number as stored.
        value_range: the stored values that become 0 and 255, for pictures deeper than 8 bits. The default is the whole
            range of an integer type, and 0 to 1 for floats.

    Returns:
        uint8 (C, H, W). The channels of a pixel lie side by side in memory, as decoders leave them and warps need them:
        the result is a view of a contiguous (H, W, C) array.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, larger than ``PIXELWISE_MAX_PIXELS`` (2**28 when
            unset), or its channels cannot become those asked for.
    """
    path = Path(path)
    stored, header = read_stored(path)
    pixels = to_uint8(stored, header.bits, value_range)
    return with_channels(pixels, channels, alpha=header.alpha, name=str(path)).transpose(2, 0, 1)  # (C, H, W)


def read_stored(path: Path) -> tuple[NDArray[Any], Header]:
    """Read the numbers a picture holds, at their own depth and upright, palettes looked up.

    Returns:
        (H, W, C) numbers, 0 being black, and the header; C counts transparency, and is 3 for a palette.

    Raises:
        DataError: as :func:`read_image`.
    """
    stored, header = decode(path)
    if header.palette:
        table = palette_of(path)
        assert table is not None
        indices = stored if stored.ndim == 2 else stored[..., 0]
        padded = np.zeros((max(len(table), int(indices.max()) + 1), 3), np.uint8)
        padded[: len(table)] = table
        stored = padded[indices]
    stored = stored if stored.ndim == 3 else stored[..., None]  # (H, W, C)
    if header.white_is_zero is not None:
        stored = stored.copy()
        white = stored[..., header.white_is_zero]
        white[...] = flipped(white, header.bits, name=str(path))
    return (upright(stored, header.orientation) if header.orientation != 1 else stored), header


def to_uint8(stored: NDArray[Any], bits: int, value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Scale stored (H, W, C) numbers of ``bits`` bits to 0 .. 255 as :func:`read_image` says."""
    if stored.dtype == np.uint8:
        return stored if bits == 8 or stored.shape[2] == 3 else stored * np.uint8(255 // (2**bits - 1))
    if stored.dtype == np.bool_:
        return stored.astype(np.uint8) * np.uint8(255)
    if value_range is None:
        if np.issubdtype(stored.dtype, np.integer):
            limits = np.iinfo(stored.dtype)
            value_range = (limits.min, limits.max)
        else:
            value_range = (0.0, 1.0)
    low, high = value_range
    finite = np.nan_to_num(stored, nan=0, posinf=0, neginf=0) if stored.dtype.kind == "f" else stored
    with np.errstate(over="ignore"):  # doubles beyond the range of floats are clipped all the same
        scaled = (finite.astype(np.float32) - low) * (255.0 / (high - low))
    scaled8: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return scaled8


def with_channels(pixels: NDArray[np.uint8], channels: int, *, alpha: bool, name: str) -> NDArray[np.uint8]:
    """Bring (H, W, C) to the channels asked for, or say why that cannot be.

    Args:
        pixels: (H, W, C).
        channels: how many are asked for.
        alpha: whether the last channel is transparency.
        name: what to call the picture in an error.

    Raises:
        DataError: the channels cannot become those asked for.
    """
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if alpha:
        pixels = np.ascontiguousarray(pixels[..., :-1])
        found -= 1
    if found == channels:
        return pixels
    if found == 1 and channels == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    if found == 3 and channels == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[..., None]
    raise DataError(
        f"{name}: the picture has {counted(found, 'channel')}, but {channels} were asked for; only grey and RGB become "
        "each other: convert the pictures, or build the network for their channels"
    )
