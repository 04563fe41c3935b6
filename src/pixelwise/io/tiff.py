"""TIFF files: any number of channels, numbers of any type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from pixelwise.errors import DataError
from pixelwise.io.header import ORIENTATION, Header, within_limit

_ALPHA_SAMPLES = (1, 2)  # ExtraSamples: associated and unassociated alpha
_PALETTE = 3  # PhotometricInterpretation


def read_tiff_header(path: Path) -> Header:
    """Read what a TIFF file declares; raises whatever tifffile raises on damaged files."""
    with tifffile.TiffFile(path) as tiff:
        return within_limit(path, _header(tiff))


def tiff_palette(path: Path) -> NDArray[np.uint8] | None:
    """Read the palette of a TIFF file, (entries, 3) RGB, or None where it has none."""
    with tifffile.TiffFile(path) as tiff:
        table = tiff.pages.first.colormap  # (3, entries) 16-bit
        return None if table is None else (table.T >> 8).astype(np.uint8)


def _header(tiff: tifffile.TiffFile) -> Header:
    series = tiff.series[0]
    page = tiff.pages.first
    axes, shape = series.axes, series.shape
    if "Y" not in axes or "X" not in axes:
        raise OSError(f"its axes {axes} are no picture")
    height, width = shape[axes.index("Y")], shape[axes.index("X")]
    extra = tuple(getattr(page, "extrasamples", ()) or ())
    orientation = page.tags[ORIENTATION].value if ORIENTATION in page.tags else 1
    return Header(
        size=(height, width),
        channels=int(np.prod(shape, dtype=np.int64)) // max(height * width, 1),
        bits=page.bitspersample,
        alpha=len(extra) == 1 and int(extra[0]) in _ALPHA_SAMPLES,
        palette=page.photometric == _PALETTE,
        orientation=int(orientation) if int(orientation) in range(1, 9) else 1,
    )


def decode_tiff(path: Path) -> tuple[NDArray[Any], Header]:
    """Decode the first series of a TIFF file.

    Returns:
        (H, W) or (H, W, channels) numbers as stored, and the header.

    Raises:
        DataError: it declares more pixels than the limit, or its compression is not known.
    """
    with tifffile.TiffFile(path) as tiff:
        header = within_limit(path, _header(tiff))
        axes = tiff.series[0].axes
        try:
            pixels = np.asarray(tiff.series[0].asarray())
        except (ValueError, ImportError) as error:  # zstd is looked for in Python 3.14's own library first
            if isinstance(error, ValueError) and "imagecodecs" not in str(error):
                raise
            return _decode_compressed(path, header), header
    height, width = (axes.index(axis) for axis in "YX")
    pixels = np.moveaxis(pixels, (height, width), (0, 1))  # (H, W, ...)
    if header.channels == 1:
        return pixels.reshape(header.size), header
    return pixels.reshape(*header.size, header.channels), header  # (H, W, channels)


def _decode_compressed(path: Path, header: Header) -> NDArray[Any]:
    """Decode a TIFF compressed in a way for which tifffile wants the package imagecodecs, where others can."""
    if header.bits <= 8 and header.channels <= 4:  # of these OpenCV changes the numbers
        with TiffImagePlugin.TiffImageFile(path) as image:
            return np.asarray(image)
    if header.channels > 4:
        raise DataError(f"{path}: its compression needs the package imagecodecs; install it, or save with deflate")
    return decode_with_opencv(path)


def decode_with_opencv(path: Path) -> NDArray[Any]:
    """Decode numbers deeper than 8 bits, in RGB order.

    Raises:
        OSError: OpenCV cannot decode the file.
    """
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise OSError("OpenCV cannot decode it")
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, order)
    return np.asarray(pixels)
