"""Reading and writing masks as the numbers or colours that their files hold; the label space says what these mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.io.atomic import atomic_path
from pixelwise.io.pictures.formats import decode, palette_of, upright
from pixelwise.io.pictures.photometric import as_displayed
from pixelwise.types import Color, LabelSpace
from pixelwise.words import counted

NOT_ANNOTATED = 65535
"""The value that :func:`read_mask` gives for -1 and NaN, which mean "not annotated" in masks of signed or real
numbers."""


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read what a mask file holds, turned as its EXIF orientation says.

    Palette files give their indices, never their colours. Files of 1 bit give 0 and 1, and grey files of 2 or 4 bits
    give their stored numbers. Transparency is dropped. Where 0 is white (TIFF's WhiteIsZero), masks of 1 bit and masks
    that hold only 0 and 255 are read as viewers show them; other masks hold indices, which are kept. In masks of signed
    or real numbers, -1 and NaN become :data:`NOT_ANNOTATED`.

    Returns:
        (H, W) uint8 or uint16 numbers, or (H, W, 3) uint8 RGB colours.

    Raises:
        DataError: the file cannot be read, or holds neither numbers from 0 to 65535 nor 8-bit RGB colours.
    """
    return read_mask_and_gaps(path)[0]


def read_mask_and_gaps(path: str | os.PathLike[str]) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], bool]:
    """Read a mask as :func:`read_mask` does, and say whether its file holds -1 or NaN."""
    mask = read_mask_file(path)
    return mask.values, mask.gaps


@dataclass(frozen=True, eq=False)
class MaskFile:
    """What a mask file holds.

    Args:
        values: (H, W) uint8 or uint16 numbers, or (H, W, 3) uint8 RGB colours.
        gaps: whether it holds -1 or NaN.
        alpha_varies: whether it has a transparency, which is dropped, and that is not the same everywhere.
        white_is_zero: whether 0 is white in it and its numbers are indices, which are kept as stored.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    gaps: bool
    alpha_varies: bool
    white_is_zero: bool = False


def read_mask_file(path: str | os.PathLike[str]) -> MaskFile:
    """Read a mask as :func:`read_mask` does, and say what else its file holds."""
    path = Path(path)
    stored, header = decode(path)
    if header.orientation != 1:
        stored = upright(stored, header.orientation)
    alpha_varies = False
    if stored.ndim == 3 and (header.alpha or header.palette):
        alpha = stored[..., -1]
        stored = stored[..., 0] if stored.shape[2] == 2 else np.ascontiguousarray(stored[..., :3])
        alpha_varies = bool(header.alpha and (alpha != alpha[0, 0]).any())
    kept = False
    if header.white_is_zero is not None and stored.ndim == 2:
        shown = as_displayed(stored, header.bits, name=str(path))
        kept, stored = shown is stored, shown
    if stored.ndim == 3 and (stored.shape[2] != 3 or stored.dtype != np.uint8):
        raise DataError(
            f"{path}: a mask holds one number per pixel or 8-bit RGB colours, but this file has "
            f"{counted(stored.shape[2], 'channel')} of {stored.dtype}; export it as an index PNG"
        )
    if stored.dtype in (np.uint8, np.uint16):
        return MaskFile(stored, False, alpha_varies, kept)
    return MaskFile(*_as_unsigned(stored, path), alpha_varies, kept)


def _as_unsigned(stored: NDArray[Any], path: Path) -> tuple[NDArray[np.uint16], bool]:
    """Convert numbers to uint16 where that changes no value except -1 and NaN, and say whether these occur."""
    gaps = np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, np.bool_)
    if stored.dtype.kind in "fi":
        gaps |= stored == -1
    with np.errstate(invalid="ignore"):  # NaN and infinity become numbers that differ from what is stored
        whole = stored.astype(np.int64)
    rest, highest = whole[~gaps], NOT_ANNOTATED - bool(gaps.any())
    if (rest != stored[~gaps]).any() or (rest.size and (rest.min() < 0 or rest.max() > highest)):
        raise DataError(
            f"{path}: a mask holds whole numbers from 0 to {highest}, but this file has {stored.dtype} values from "
            f"{stored.min()} to {stored.max()}; export it as an index PNG"
        )
    whole[gaps] = NOT_ANNOTATED
    return whole.astype(np.uint16), bool(gaps.any())


def mask_palette(path: str | os.PathLike[str]) -> tuple[Color, ...] | None:
    """Read the palette of a mask file, one RGB colour per index, or None where it has none; raises as read_mask."""
    table = palette_of(Path(path))
    if table is None:
        return None
    return tuple((int(red), int(green), int(blue)) for red, green, blue in table)


def write_labels(path: str | os.PathLike[str], labels: NDArray[Any], label_space: LabelSpace) -> None:
    """Write class indices as an index PNG with the palette of the label space, whole or not at all.

    Where an index or the ignore value passes 255 there is no palette: the file is 16-bit grey.

    Args:
        path: the file to write.
        labels: (H, W) class indices and ignore values.
        label_space: gives the colours; ignored pixels are black.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    with atomic_path(path) as beside:
        save_labels(beside, labels, label_space)


def save_labels(file: Path | BinaryIO, labels: NDArray[Any], label_space: LabelSpace) -> None:
    """Write class indices as :func:`write_labels` does, to a file that is open or need not be whole."""
    image = Image.fromarray(np.ascontiguousarray(labels, label_space.dtype))
    if label_space.dtype is np.uint8:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(label_space)] = label_space.colors
        image.putpalette(palette.tobytes(), "RGB")
    image.save(file, "PNG")
