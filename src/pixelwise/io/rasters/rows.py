"""Pixels that are stored uncompressed, one row after the other: .npy files and plain TIFF.

Rows are read from the file as they are needed. A memory map would count as memory of the process, and a file that is
cut short would end the process with a signal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.rasters.source import Raster
from pixelwise.io.rasters.stamps import Unchanged

NPY_MAGIC = b"\x93NUMPY"


@dataclass
class RowPixels:
    """Uncompressed pixels in a file.

    Args:
        path: the file.
        offset: the byte of the file at which the pixels begin.
        shape: (H, W, C).
        dtype: the type of the numbers, byte order included.
        planar: whether all pixels of a channel come before the next channel.
    """

    path: Path
    offset: int
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    planar: bool = False
    _file: FileIO = field(init=False)

    def __post_init__(self) -> None:
        self._unchanged = Unchanged(self.path)
        self._file = FileIO(self.path, "rb")
        needed = self.offset + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        found = self._unchanged.stamp.bytes
        if found < needed:
            self._file.close()
            raise DataError(
                f"{self.path}: the file is cut short: {self.shape[0]}x{self.shape[1]} pixels need {needed:,} bytes, it "
                f"has {found:,}; copy or download it again"
            )

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, h, w), in the byte order of this machine."""
        self._unchanged.check()
        full_height, full_width, channels = self.shape
        if self.planar:
            out = np.empty((channels, height, width), self.dtype)
            for channel in range(channels):
                self._fill(out[channel], channel * full_height + top, left, full_width, 1)
            return out.astype(self.dtype.newbyteorder("="), copy=False)
        out = np.empty((height, width * channels), self.dtype)
        self._fill(out, top, left, full_width, channels)
        pixels = out.reshape(height, width, channels).transpose(2, 0, 1)  # (C, h, w)
        return pixels.astype(self.dtype.newbyteorder("="), copy=False)

    def _fill(self, rows: NDArray[Any], top: int, left: int, full_width: int, channels: int) -> None:
        if rows.shape[1] == full_width * channels:
            rows = rows.reshape(1, -1)  # whole rows lie side by side
        for number, row in enumerate(rows):
            self._file.seek(self.offset + ((top + number) * full_width + left) * channels * self.dtype.itemsize)
            view = memoryview(row.view(np.uint8))
            while view:
                count = self._file.readinto(view)
                if not count:
                    raise OSError("it ends too early")
                view = view[count:]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_npy(path: Path) -> Raster:
    """Open an array (H, W) or (H, W, C) that numpy saved.

    Raises:
        DataError: the file is damaged, or holds another kind of array.
    """
    with naming_the_file(path):
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            offset = file.tell()
        if len(shape) not in (2, 3) or (fortran and len(shape) > 1) or dtype.kind not in "uif":
            raise DataError(
                f"{path}: a raster is an array (H, W) or (H, W, C) of numbers in C order, this file holds {dtype} "
                f"{shape}{' in Fortran order' if fortran else ''}; save np.ascontiguousarray of such an array"
            )
        height, width, channels = (*shape, 1)[:3]
        pixels = RowPixels(path, offset, (height, width, channels), dtype)
        return Raster(str(path), (height, width), channels, dtype.newbyteorder("="), pixels)
