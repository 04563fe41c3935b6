"""Opening rasters: pictures of any size and format, read by windows."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError
from pixelwise.io.images import to_uint8, with_channels
from pixelwise.io.pictures.formats import PICTURE_MAGIC, TIFF_MAGIC
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.rasters import zarr
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.rows import NPY_MAGIC, open_npy
from pixelwise.io.rasters.source import ArrayPixels, Raster, RasterSource
from pixelwise.io.rasters.stamps import Stamp, compare
from pixelwise.io.rasters.tiff import open_tiff, open_whole

__all__ = ["Georeference", "Raster", "RasterSource", "Watch", "is_for_gdal", "open_source", "read_uint8"]

_ARRAY_NAME = "the array"

Openable = str | os.PathLike[str] | NDArray[Any] | RasterSource
"""A file, an array (H, W) or (H, W, C), or a source that the caller defines."""


def open_source(source: Openable, *, indices: bool = False) -> RasterSource:
    """Open a raster for reading by windows; the format is recognised by the first bytes of the file.

    TIFF, BigTIFF, Zarr and .npy are read by windows, and so are the other formats that GDAL knows if rasterio is
    installed. PNG, JPEG, BMP, GIF, WebP and PNM are decoded whole, within the limit of
    :func:`pixelwise.io.images.read_image`.

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
        return zarr.open_zarr(path)
    start = _first_bytes(path)
    if start.startswith(TIFF_MAGIC):
        return open_tiff(path, indices=indices)
    if start.startswith(NPY_MAGIC):
        return open_npy(path)
    if is_for_gdal(start):
        from pixelwise.io.rasters.gdal import NotKnown, open_with_gdal

        with suppress(NotKnown):
            return open_with_gdal(path, indices=indices)
    return open_whole(path, indices=indices)


def _first_bytes(path: Path) -> bytes:
    with naming_the_file(path), open(path, "rb") as file:
        return file.read(8)


def is_for_gdal(start: bytes) -> bool:
    """Whether a file with these first bytes is left to GDAL, because rasterio is installed and may know the format."""
    known = (*PICTURE_MAGIC, NPY_MAGIC)
    return bool(start) and not start.startswith(known) and importlib.util.find_spec("rasterio") is not None


class Watch:
    """Remembers the state of the files of a raster, to tell whether they have changed.

    All files that the raster consists of count, such as those of a Zarr array or the parts of a mosaic.

    Args:
        source: what is to be opened; arrays, and sources that are no file, are never seen to change.

    Raises:
        DataError: the raster cannot be opened.
    """

    def __init__(self, source: Openable) -> None:
        if isinstance(source, np.ndarray):
            self._path, self.name = None, _ARRAY_NAME
        else:
            self.name = str(Path(source)) if isinstance(source, str | os.PathLike) else source.name
            self._path = Path(self.name) if self.name and Path(self.name).exists() else None
        self._before = self._look()

    def __str__(self) -> str:
        return self.name if self._before is None else f"{self.name} ({self._before})"

    def check(self) -> None:
        """Do nothing if no file has changed.

        Raises:
            SourceChanged: a file has changed.
            DataError: the raster can no longer be opened.
        """
        if self._path is not None and self._before is not None:
            compare(self._path, self._before, self._look() or Stamp.of(()))

    def _look(self) -> Stamp | None:
        return None if self._path is None else Stamp.of(_files_of(self._path))


def _files_of(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        return zarr.files_of(path)
    if path.is_file() and is_for_gdal(_first_bytes(path)):
        from pixelwise.io.rasters import gdal

        return gdal.files_of(path)
    return (path,)


def _of_array(array: NDArray[Any]) -> Raster:
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise DataError(
            f"a raster given as an array is (H, W) or (H, W, C) of numbers, got {array.dtype} {array.shape}"
        )
    array = array if array.ndim == 3 else array[:, :, None]  # (H, W, C)
    bits = 1 if array.dtype == np.bool_ else 0
    array = array.view(np.uint8) if bits else array
    return Raster(_ARRAY_NAME, (array.shape[0], array.shape[1]), array.shape[2], array.dtype, ArrayPixels(array), bits)


def read_uint8(
    source: RasterSource,
    rows: slice,
    columns: slice,
    *,
    channels: int,
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Read a window as networks see pictures, with the same numbers as :func:`pixelwise.io.images.read_image`.

    Args:
        source: the raster.
        rows: from and to.
        columns: from and to.
        channels: how many channels to give; grey is converted to colour and colour to grey, and transparency is
            dropped.
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
    return with_channels(pixels, channels, alpha=source.alpha, name=source.name).transpose(2, 0, 1)  # (C, h, w)
