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
from pixelwise.io.pictures.depth import ANY_NUMBERS, Learnt
from pixelwise.io.pictures.formats import decode, palette_of, read_header, upright
from pixelwise.io.pictures.header import MAX_PIXELS_VARIABLE, Header, naming_the_file
from pixelwise.io.pictures.photometric import flipped
from pixelwise.io.pictures.validity import all_of, measured, nodata_as_stored, opaque
from pixelwise.io.tiff import tiff_mask
from pixelwise.words import counted

__all__ = [
    "MAX_PIXELS_VARIABLE",
    "DecodedPicture",
    "ImageInfo",
    "StoredPicture",
    "image_info",
    "read_image",
    "read_picture",
    "read_stored",
]


@dataclass(frozen=True)
class ImageInfo:
    """What a picture file declares.

    Args:
        size: height and width, after the EXIF rotation.
        channels: numbers per pixel, transparency not counted; a palette of colours counts as 3.
        bits: bits of each number.
        marks_gaps: whether the file may say of pixels that they hold no data.
        lossy: whether the file's compression changes numbers, as JPEG does.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    marks_gaps: bool = False
    lossy: bool = False


def image_info(path: str | os.PathLike[str]) -> ImageInfo:
    """Read size, channels and bits of a picture from its header alone.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, or declares more pixels than the limit.
    """
    header = read_header(Path(path))
    channels = 3 if header.palette else header.channels - header.alpha
    bits = 8 if header.palette else header.bits
    return ImageInfo(header.upright_size, channels, bits, header.marks_gaps, header.lossy)


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture as networks see it, and which of its pixels hold data.

    Args:
        image: uint8 (C, H, W).
        valid: (H, W), False where a pixel is transparent, masked out or holds the no-data number; None where all hold
            data.
        narrow: whether its numbers take up little of the range that a network learned from; see
            :meth:`pixelwise.io.pictures.depth.Learnt.check`.
    """

    image: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None = None
    narrow: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]


def read_picture(path: str | os.PathLike[str], *, channels: int = 3, learnt: Learnt = ANY_NUMBERS) -> DecodedPicture:
    """Read a picture as :func:`read_image` does, and say which of its pixels hold data.

    Those do not that are fully transparent (an alpha of 0, or what PNG and GIF declare to be transparent), those where
    the mask band of a TIFF is 0, and those whose channels all hold its no-data number. Transparency that is among the
    channels asked for hides nothing.

    Args:
        path: the file.
        channels: how many channels to give.
        learnt: the numbers that a network learned from, which say how those of the picture are scaled.

    Raises:
        DataError: as :func:`read_image`.
        NumbersError: the picture holds numbers of another type or range than those learnt.
    """
    return prepare(read_stored(Path(path)), channels=channels, learnt=learnt, name=str(path))


def prepare(stored: StoredPicture, *, channels: int, learnt: Learnt, name: str) -> DecodedPicture:
    """Bring a picture that was read to the form of :func:`read_picture`; raises as it does."""
    valid = stored.valid(channels)
    value_range = learnt.range_for(stored.pixels.dtype, name=name)
    deep = stored.pixels.dtype.itemsize > 1
    narrow = deep and learnt.check(stored.colors(channels, valid), name=name)
    pixels = to_uint8(stored.pixels, stored.header.bits, value_range)
    image = with_channels(pixels, channels, alpha=stored.header.alpha, name=name).transpose(2, 0, 1)  # (C, H, W)
    return DecodedPicture(image, valid, narrow)


def read_image(
    path: str | os.PathLike[str], *, channels: int = 3, value_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Read a picture as uint8 with the asked number of channels, turned as its EXIF orientation says.

    Grey becomes colour by repetition, and colour becomes grey as luminance (0.299 R + 0.587 G + 0.114 B). Palettes are
    looked up. Numbers are inverted where 0 is white. Transparency is dropped unless the channels asked for include it.
    A picture with any other number of channels is read only if exactly that number is asked for. Numbers are
    scaled linearly from ``value_range`` to 0 .. 255 and clipped; numbers that are not finite become 0.

    Args:
        path: the file: JPEG, PNG, TIFF, BMP, GIF, WebP or PNM.
        channels: how many channels to give: 1 luminance, 3 RGB, any other number as stored.
        value_range: the stored values that become 0 and 255. The default is the whole range of an integer type, and 0
            to 1 for floats.

    Returns:
        uint8 (C, H, W). The channels of a pixel lie side by side in memory, as decoders leave them and warps need them:
        the result is a view of a contiguous (H, W, C) array.

    Raises:
        DataError: the file is missing, empty, no picture, damaged, larger than ``PIXELWISE_MAX_PIXELS`` (2**28 when
            unset), or its channels cannot become those asked for.
    """
    return read_picture(path, channels=channels, learnt=Learnt(value_range=value_range)).image


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """The numbers a picture holds, at their own depth and upright.

    Args:
        pixels: (H, W, C), 0 being black; C counts transparency, and is 3 for a palette of colours.
        header: what the file declares.
        marked: (H, W), False where the file says in another way than by its alpha channel that a pixel holds no data;
            None where it says so of none.
    """

    pixels: NDArray[Any]
    header: Header
    marked: NDArray[np.bool_] | None

    def valid(self, channels: int | None = None) -> NDArray[np.bool_] | None:
        """Say where the picture holds data, (H, W); None where all of it does.

        Args:
            channels: how many a network takes; if transparency is one of them, it hides nothing.
        """
        hides = self.header.alpha and self.pixels.shape[2] != channels
        return all_of(self.marked, self.pixels[..., -1] != 0 if hides else None)

    def colors(self, channels: int | None, valid: NDArray[np.bool_] | None) -> NDArray[Any]:
        """Give the numbers where ``valid`` (H, W), without a transparency that is none of so many channels."""
        hides = self.header.alpha and self.pixels.shape[2] != channels
        colors = self.pixels[..., :-1] if hides else self.pixels
        return colors if valid is None else colors[valid]


def read_stored(path: Path) -> StoredPicture:
    """Read the numbers a picture holds, at their own depth and upright, palettes looked up.

    Raises:
        DataError: as :func:`read_image`.
    """
    stored, header = decode(path)
    table = palette_of(path) if header.palette else None
    return as_stored_picture(stored, header, table, mask=_mask_of(path, header), name=str(path))


def as_stored_picture(
    stored: NDArray[Any],
    header: Header,
    table: NDArray[np.uint8] | None,
    *,
    mask: NDArray[np.bool_] | None = None,
    name: str,
) -> StoredPicture:
    """Look up palettes, turn pictures upright, and tell where they hold data.

    Args:
        stored: (H, W) or (H, W, C) numbers as stored.
        header: what the file declares of them.
        table: the palette (entries, 3), where the numbers are indices.
        mask: (H, W) as stored, False where a mask band says that there is no data.
        name: what to call the picture in an error.
    """
    marked = _marked(stored, header, mask)
    if table is not None:
        indices = stored if stored.ndim == 2 else stored[..., 0]
        padded = np.zeros((max(len(table), int(indices.max()) + 1), 3), np.uint8)
        padded[: len(table)] = table
        stored = padded[indices]
    stored = stored if stored.ndim == 3 else stored[..., None]  # (H, W, C)
    if header.white_is_zero is not None:
        stored = stored.copy()
        white = stored[..., header.white_is_zero]
        white[...] = flipped(white, header.bits, name=name)
    if header.orientation != 1:
        stored = upright(stored, header.orientation)
        marked = None if marked is None else upright(marked, header.orientation)
    return StoredPicture(stored, header, marked)


def _mask_of(path: Path, header: Header) -> NDArray[np.bool_] | None:
    if not header.masked:
        return None
    with naming_the_file(path):
        return tiff_mask(path)


def _marked(stored: NDArray[Any], header: Header, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Say where a file marks pixels as holding no data otherwise than by an alpha channel: (H, W) as stored."""
    nodata = nodata_as_stored(header.nodata, stored.dtype)
    visible = None if header.transparent is None else opaque(stored, header.transparent)
    if nodata is None:
        return all_of(mask, visible)
    colors = stored if stored.ndim == 3 else stored[..., None]
    colors = colors[..., :-1] if header.alpha and colors.shape[2] > 1 else colors
    return all_of(mask, visible, measured(colors.transpose(2, 0, 1), nodata))


def to_uint8(stored: NDArray[Any], bits: int, value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Scale stored (H, W, C) numbers of ``bits`` bits to 0 .. 255 as :func:`read_image` says."""
    if stored.dtype == np.uint8 and value_range is None:
        return stored if bits == 8 or stored.shape[2] == 3 else stored * np.uint8(255 // (2**bits - 1))
    if stored.dtype == np.bool_ and value_range is None:
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
