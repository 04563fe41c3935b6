"""Converting pictures from the forms that callers have to the form that a network was trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelwise.errors import DataError
from pixelwise.io.images import DecodedPicture, prepare, read_picture, to_uint8, with_channels
from pixelwise.io.pictures.depth import Learnt
from pixelwise.io.pictures.pages import read_page
from pixelwise.io.pictures.validity import all_of
from pixelwise.preprocessing import Preprocessing

PictureInput = str | os.PathLike[str] | NDArray[Any] | Image.Image | DecodedPicture
"""A file; an array (H, W) or (H, W, C), RGB order; a PIL image; or what :func:`decode_picture` gave."""

_ARRAY = "the picture"


def decode_picture(picture: PictureInput, preprocessing: Preprocessing, *, page: int | None = None) -> DecodedPicture:
    """Convert a picture to uint8 (C, H, W) with the channels that ``preprocessing`` expects.

    Grey becomes colour by repetition, colour becomes grey as luminance. Transparency is dropped unless the network
    takes it as a channel; where it is 0, the pixel holds no data. Files and PIL images are turned as their EXIF
    orientation says.

    Args:
        picture: what is given.
        preprocessing: what the network takes.
        page: which picture of a file that holds several, from 0 on; None for files that hold one.

    Raises:
        DataError: the file cannot be read, the array is no picture, or its channels cannot become those needed.
        NumbersError: the picture holds numbers of another type or range than those the network learned from.
    """
    if isinstance(picture, DecodedPicture):
        return picture
    learnt = Learnt.of(preprocessing)
    if isinstance(picture, str | os.PathLike) and page is not None:
        stored = read_page(Path(picture), page)
        return prepare(stored, channels=preprocessing.channels, learnt=learnt, name=f"{picture}, page {page + 1}")
    if isinstance(picture, str | os.PathLike):
        return read_picture(Path(picture), channels=preprocessing.channels, learnt=learnt)
    if isinstance(picture, Image.Image):
        picture = _from_pil(picture)
    if picture.dtype.kind not in "buif" or picture.ndim not in (2, 3) or picture.size == 0:
        raise DataError(
            f"a picture given as an array is (H, W) or (H, W, C) of numbers, got {picture.dtype} {picture.shape}"
        )
    pixels = picture if picture.ndim == 3 else picture[:, :, None]  # (H, W, C)
    channels, found = preprocessing.channels, pixels.shape[2]
    alpha = found in (2, 4) and channels in (1, 3)
    valid = all_of(pixels[..., -1] != 0 if alpha else None)
    value_range = learnt.range_for(pixels.dtype, name=_ARRAY)
    colors = pixels[..., :-1] if alpha else pixels
    deep = pixels.dtype.itemsize > 1
    narrow = deep and learnt.check(colors if valid is None else colors[valid], name=_ARRAY)
    pixels = to_uint8(pixels, 8 * pixels.dtype.itemsize, value_range)
    image = with_channels(pixels, channels, alpha=alpha, name=_ARRAY).transpose(2, 0, 1)  # (C, H, W)
    return DecodedPicture(image, valid, narrow)


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show an image (C, H, W) as uint8 (H, W, 3): the first three channels, or the first where there are fewer."""
    channels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(channels.transpose(1, 2, 0))  # (H, W, 3)


def _from_pil(picture: Image.Image) -> NDArray[Any]:
    upright = ImageOps.exif_transpose(picture)
    plain = upright.mode in ("L", "RGB") and "transparency" not in upright.info
    if plain or upright.mode.startswith(("I", "F")):
        return np.asarray(upright)
    if upright.mode in ("LA", "La") or (upright.mode in ("1", "L") and "transparency" in upright.info):
        return np.asarray(upright.convert("LA"))
    if upright.mode in ("RGBA", "RGBa", "PA") or "transparency" in upright.info:
        return np.asarray(upright.convert("RGBA"))
    return np.asarray(upright.convert("L" if upright.mode == "1" else "RGB"))
