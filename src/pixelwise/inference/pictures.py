"""Converting pictures from the forms that callers have to the form that a network was trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelwise.errors import DataError
from pixelwise.io.images import read_image
from pixelwise.preprocessing import Preprocessing
from pixelwise.words import counted

PictureInput = str | os.PathLike[str] | NDArray[Any] | Image.Image
"""A file; a uint8 array (H, W) or (H, W, C), RGB order; or a PIL image."""


def as_image(picture: PictureInput, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Convert a picture to uint8 (C, H, W) with the channels that ``preprocessing`` expects.

    Grey becomes colour by repetition, colour becomes grey as luminance, transparency is dropped. Files and PIL images
    are turned as their EXIF orientation says.

    Raises:
        DataError: the file cannot be read, the array is not uint8 (H, W) or (H, W, C), or its channels cannot become
            those that are needed.
    """
    if isinstance(picture, str | os.PathLike):
        return read_image(Path(picture), channels=preprocessing.channels, value_range=preprocessing.value_range)
    if isinstance(picture, Image.Image):
        picture = _from_pil(picture)
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.size == 0:
        raise DataError(
            f"a picture given as an array is uint8 (H, W) or (H, W, C), got {picture.dtype} {picture.shape}; scale "
            "deeper pictures to 0 .. 255 first, or give the path of the file"
        )
    pixels = picture if picture.ndim == 3 else picture[:, :, None]  # (H, W, C)
    return _with_channels(pixels, preprocessing.channels).transpose(2, 0, 1)  # (C, H, W)


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show an image (C, H, W) as uint8 (H, W, 3): the first three channels, or the first where there are fewer."""
    channels = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(channels.transpose(1, 2, 0))  # (H, W, 3)


def _from_pil(picture: Image.Image) -> NDArray[Any]:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("L", "RGB") or upright.mode.startswith(("I", "F")):
        return np.asarray(upright)  # deep pictures are refused as deep arrays are
    return np.asarray(upright.convert("L" if upright.mode in ("1", "LA") else "RGB"))


def _with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Convert (H, W, C) to the number of channels that is needed."""
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if found in (2, 4) and channels in (1, 3):  # the last channel is transparency
        return _with_channels(pixels[:, :, :-1], channels)
    if found == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=2)
    if found == 3 and channels == 1:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    raise DataError(
        f"the picture has {counted(found, 'channel')}, but the model was trained on {channels}; give it pictures like "
        "those it was trained on"
    )
