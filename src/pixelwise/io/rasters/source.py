"""The interface of rasters of all formats: numbers that are read by windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError
from pixelwise.io.pictures.header import naming_the_file
from pixelwise.io.pictures.photometric import flipped
from pixelwise.io.pictures.validity import all_of, measured, nodata_as_stored
from pixelwise.io.rasters.georeference import Georeference


class RasterSource(Protocol):
    """A picture that is read by windows; one thread at a time may read.

    ``name`` stands in errors; ``size`` is (height, width); ``channels`` counts transparency, and is 3 for a palette of
    colours; ``bits`` of each number may be fewer than ``dtype`` holds; ``alpha`` says whether the last channel is
    transparency; ``nodata`` is the number that stands for "nothing was measured here".
    """

    name: str
    size: tuple[int, int]
    channels: int
    dtype: np.dtype[Any]
    bits: int
    alpha: bool
    georeference: Georeference | None
    nodata: float | None

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window, (C, h, w) of ``dtype``; a window that leaves the picture is a DataError."""

    def valid(self, rows: slice, columns: slice, *, channels: int | None = None) -> NDArray[np.bool_] | None:
        """Say where a window holds data, (h, w); None where all of it does.

        Transparency is data for a network that takes as many ``channels`` as the picture has.
        """

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class PixelReader(Protocol):
    """Reads the stored numbers of one format for :class:`Raster`."""

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window inside the picture, (C, h, w) as stored."""

    def close(self) -> None:
        """Close the file."""


@dataclass
class Raster:
    """A :class:`RasterSource` over the pixels of any format.

    Args:
        name: the file, or what else errors call it.
        size: height and width.
        stored_channels: how many numbers the pixels have as stored.
        dtype: their type.
        pixels: reads them.
        bits: bits of each number; 0 stands for all of ``dtype``.
        alpha: whether the last channel is transparency.
        georeference: where the raster lies on the Earth.
        nodata: the number that stands for no data.
        palette: colours (entries, 3) that the numbers are looked up in.
        white_is_zero: the channels whose stored 0 is white; they are inverted when they are read. No-data numbers are
            stored numbers.
        mask: one channel, 0 where there is no data.
    """

    name: str
    size: tuple[int, int]
    stored_channels: int
    dtype: np.dtype[Any]
    pixels: PixelReader
    bits: int = 0
    alpha: bool = False
    georeference: Georeference | None = None
    nodata: float | None = None
    palette: NDArray[np.uint8] | None = None
    white_is_zero: slice | None = None
    mask: PixelReader | None = None
    channels: int = field(init=False)

    def __post_init__(self) -> None:
        self.channels = self.stored_channels if self.palette is None else 3
        if 0 in self.size:
            raise DataError(f"{self.name}: the picture is empty, {self.size[0]}x{self.size[1]} pixels")
        if self.palette is not None:
            # Indices past the end of a damaged palette are black, as in pictures that are decoded whole.
            table = np.zeros((np.iinfo(self.dtype).max + 1, 3), np.uint8)
            table[: len(self.palette)] = self.palette
            self.palette, self.dtype, self.bits = table, np.dtype(np.uint8), 8
        self.bits = self.bits or 8 * self.dtype.itemsize

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window.

        Args:
            rows: from and to; whole numbers inside the picture, without a step. ``slice(None)`` takes all.
            columns: from and to, in the same way.

        Returns:
            (C, h, w) of :attr:`dtype`, palettes looked up, 0 being black.

        Raises:
            DataError: the window is empty or leaves the picture, or the file is damaged or changed since it was opened.
        """
        stored = self._stored(self.pixels, rows, columns)
        if self.palette is not None:
            stored = self.palette[stored[0]].transpose(2, 0, 1)  # (3, h, w)
        if self.white_is_zero is not None:
            stored = stored.copy()
            stored[self.white_is_zero] = flipped(stored[self.white_is_zero], self.bits, name=self.name)
        return stored

    def valid(self, rows: slice, columns: slice, *, channels: int | None = None) -> NDArray[np.bool_] | None:
        """Say where a window holds data.

        A pixel has no data where a mask band or the transparency is 0, or where every channel holds the no-data number.

        Args:
            rows: from and to.
            columns: from and to.
            channels: how many a network takes; if transparency is one of them, it hides nothing.

        Returns:
            (h, w), or None where all of the window holds data.

        Raises:
            DataError: as :meth:`read`.
        """
        hides = self.alpha and self.channels != channels
        masked = None if self.mask is None else self._stored(self.mask, rows, columns)[0] != 0
        nodata = nodata_as_stored(self.nodata, np.dtype(np.uint16) if self.palette is not None else self.dtype)
        if nodata is None and not hides:
            return all_of(masked)
        stored = self._stored(self.pixels, rows, columns)
        colors = stored[:-1] if self.alpha and len(stored) > 1 else stored
        return all_of(
            masked,
            stored[-1] != 0 if hides else None,
            None if nodata is None else measured(colors, nodata),
        )

    def close(self) -> None:
        """Close the file."""
        self.pixels.close()
        if self.mask is not None:
            self.mask.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _stored(self, pixels: PixelReader, rows: slice, columns: slice) -> NDArray[Any]:
        top, height = _span(rows, self.size[0], "rows", self.name)
        left, width = _span(columns, self.size[1], "columns", self.name)
        with naming_the_file(Path(self.name)):
            return pixels.read(top, left, height, width)


def _span(window: slice, length: int, what: str, name: str) -> tuple[int, int]:
    """Give start and length of a slice, or refuse it."""
    start = 0 if window.start is None else int(window.start)
    stop = length if window.stop is None else int(window.stop)
    if window.step not in (None, 1) or not 0 <= start < stop <= length:
        raise DataError(
            f"{name}: the window of {what} {start} to {stop} is empty or leaves the picture of {length} {what}; "
            "ask for a window inside it"
        )
    return start, stop - start


@dataclass
class ArrayPixels:
    """Pixels that lie in memory, or in a memory map, as (H, W, C)."""

    array: NDArray[Any]

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, h, w), a view where the array is."""
        return self.array[top : top + height, left : left + width].transpose(2, 0, 1)

    def close(self) -> None:
        """Do nothing: there is no file to close."""
