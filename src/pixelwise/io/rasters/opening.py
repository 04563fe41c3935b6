"""Rasters in: pictures of any size and format, read by windows."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError
from pixelwise.io.formats import PICTURE_MAGIC, TIFF_MAGIC
from pixelwise.io.header import explained
from pixelwise.io.images import bridged, to_uint8
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.rows import NPY_MAGIC, open_npy
from pixelwise.io.rasters.source import ArrayPixels, Raster, RasterSource
from pixelwise.io.rasters.tiff import open_tiff, open_whole
from pixelwise.io.rasters.zarr import open_zarr

__all__ = ["Georeference", "Raster", "RasterSource", "open_source", "read_uint8"]

Openable = str | os.PathLike[str] | NDArray[Any] | RasterSource
"""A file, an array (H, W) or (H, W, C), or a source of one's own."""


def open_source(source: Openable, *, indices: bool = False) -> RasterSource:
    """Open a raster for reading by windows; files are judged by their first bytes.

    TIFF and BigTIFF, Zarr and .npy are read by windows, other formats that GDAL knows too where rasterio is installed.
    PNG, JPEG, BMP, GIF, WebP and PNM are decoded whole, within the limit of :func:`pixelwise.io.images.read_image`.

    Args:
        source: a file; an array (H, W) or (H, W, C); or a source, which is given back as it is.
        indices: whether a palette is left alone, as masks want it, rather than looked up.

    Raises:
        DataError: the file is missing, no raster, damaged or cut short, or the array is no picture.
    """
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if not isinstance(source, str | os.PathLike):
        return source
    path = Path(source)
    if path.is_dir():
        return open_zarr(path)
    with explained(path), open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(TIFF_MAGIC):
        return open_tiff(path, indices=indices)
    if start.startswith(NPY_MAGIC):
        return open_npy(path)
    if start and not start.startswith(PICTURE_MAGIC) and importlib.util.find_spec("rasterio") is not None:
        from pixelwise.io.rasters.gdal import NotKnown, open_with_gdal

        with suppress(NotKnown):
            return open_with_gdal(path, indices=indices)
    return open_whole(path, indices=indices)


def _of_array(array: NDArray[Any]) -> Raster:
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise DataError(
            f"a raster given as an array is (H, W) or (H, W, C) of numbers, got {array.dtype} {array.shape}"
        )
    array = array if array.ndim == 3 else array[:, :, None]  # (H, W, C)
    bits = 1 if array.dtype == np.bool_ else 0
    array = array.view(np.uint8) if bits else array
    return Raster("the array", (array.shape[0], array.shape[1]), array.shape[2], array.dtype, ArrayPixels(array), bits)


def read_uint8(
    source: RasterSource,
    rows: slice,
    columns: slice,
    *,
    channels: int,
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Read a window as networks see pictures: the same numbers as that part of :func:`pixelwise.io.images.read_image`.

    Args:
        source: the raster.
        rows: from and to.
        columns: from and to.
        channels: how many channels to give; grey and colour become each other, transparency is dropped.
        value_range: for rasters deeper than 8 bits, the stored values that become 0 and 255.

    Returns:
        uint8 (C, h, w), a view of a contiguous (h, w, C) array.

    Raises:
        DataError: as ``source.read``, and where the channels cannot become those asked for.
        SettingError: ``value_range`` does not rise.
    """
    if value_range is not None and not value_range[0] < value_range[1]:
        raise SettingError(f"value_range must rise, got {value_range}")
    stored = np.ascontiguousarray(source.read(rows, columns).transpose(1, 2, 0))  # (h, w, C)
    pixels = to_uint8(stored, source.bits, value_range)
    return bridged(pixels, channels, alpha=source.alpha, name=source.name).transpose(2, 0, 1)  # (C, h, w)
