"""Writing rasters: labels come by windows, in any order, and the file appears when it is complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.label_formats import write_png, write_tiff, write_zarr
from pixelwise.io.rasters.scratch import FinishedWindow, Scratch
from pixelwise.io.rasters.stamps import SourceChanged
from pixelwise.types import LabelSpace
from pixelwise.words import counted

MOST_PNG_PIXELS = 2**26
"""The pixels of the largest PNG that is written; a PNG is held in memory as a whole."""

SINK_SUFFIXES = (".tif", ".tiff", ".zarr", ".png")
"""The suffixes of files that labels can be written to."""


class LabelSink(Protocol):
    """Takes the labels of a raster by windows; one thread at a time may write."""

    def write(self, row: int, column: int, labels: NDArray[Any]) -> None:
        """Take a window (h, w) whose first pixel lies at (row, column); windows must not overlap."""

    def finish(self) -> None:
        """Make the file; all windows must have been written."""

    def abort(self) -> None:
        """Remove everything that was written."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LabelFileSink:
    """A :class:`LabelSink` that makes a file; see :func:`open_sink`."""

    def __init__(
        self,
        path: Path,
        scratch: Scratch,
        label_space: LabelSpace,
        *,
        tile: int,
        georeference: Georeference | None,
        resume: bool,
    ) -> None:
        self.path = path
        self.size = scratch.size
        self._scratch = scratch
        self._label_space = label_space
        self._tile = tile
        self._georeference = georeference
        self._resume = resume

    @property
    def done(self) -> frozenset[FinishedWindow]:
        """The finished windows on disk, (row, column, height, width); a resumed job need not write them again."""
        return frozenset(self._scratch.finished)

    def write(self, row: int, column: int, labels: NDArray[Any]) -> None:
        """Take a window of labels.

        Args:
            row: the row of its first pixel.
            column: the column of its first pixel.
            labels: (h, w) class indices and ignore values; windows must not overlap, but one may be written again.

        Raises:
            SettingError: the window is no (h, w) of whole numbers that fit the file, or leaves the raster.
            PixelwiseError: the disk is full.
        """
        if labels.ndim != 2 or labels.dtype.kind not in "ui" or 0 in labels.shape:
            raise SettingError(f"{self.path}: labels are (h, w) whole numbers, got {labels.dtype} {labels.shape}")
        height, width = labels.shape
        if min(row, column) < 0 or row + height > self.size[0] or column + width > self.size[1]:
            raise SettingError(
                f"{self.path}: a window of {height}x{width} at row {row}, column {column} leaves the raster of "
                f"{self.size[0]}x{self.size[1]} pixels (height x width)"
            )
        limit = np.iinfo(self._scratch.dtype).max
        if not np.can_cast(labels.dtype, self._scratch.dtype) and not 0 <= labels.min() <= labels.max() <= limit:
            raise SettingError(f"{self.path}: labels from {labels.min()} to {labels.max()} do not fit 0 to {limit}")
        self._scratch.write(row, column, labels)

    def finish(self) -> None:
        """Make the file from the windows and remove what was beside it.

        Raises:
            PixelwiseError: the disk is full, or windows are missing.
        """
        missing = self._scratch.missing()
        if missing:
            how = "never written" if missing > 0 else "written twice"
            raise PixelwiseError(
                f"{self.path}: {counted(abs(missing), 'pixel', 'was')} {how}; windows must cover the raster once"
            )
        self._scratch.flush()  # making the file may take minutes; if it is killed now, nothing is lost
        suffix = self.path.suffix.lower()
        if suffix == ".png":
            write_png(self.path, self._scratch, self._label_space)
        else:
            write = write_zarr if suffix == ".zarr" else write_tiff
            write(self.path, self._scratch, self._label_space, tile=self._tile, georeference=self._georeference)
        self._scratch.remove()

    def abort(self) -> None:
        """Remove what was written; a file from an earlier run stays."""
        self._scratch.remove()

    def suspend(self) -> None:
        """Close the sink, and keep what was written for a later run to resume."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._end(error)
            return
        try:
            self.finish()
        except BaseException as failure:
            self._end(failure)
            raise

    def _end(self, error: BaseException) -> None:
        """Keep the windows where they may be needed: the job can be resumed, or a person or the system stopped it."""
        wanted = self._resume and not isinstance(error, SourceChanged)
        if wanted or not isinstance(error, Exception):
            with suppress(PixelwiseError):  # a full disk loses the windows since the last flush; the first error counts
                self.suspend()
        else:
            self.abort()


def open_sink(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int],
    label_space: LabelSpace,
    tile: int = 512,
    georeference: Georeference | None = None,
    job: str = "",
    resume: bool = False,
) -> LabelFileSink:
    """Open a file for labels that come by windows.

    The suffix chooses the format: ``.tif`` or ``.tiff`` (palette BigTIFF with overviews, GeoTIFF where a georeference
    is given), ``.zarr`` (a pyramid) or ``.png`` (up to 2**26 pixels). Windows may have any size and come in any order.
    They are kept raw on disk in two hidden files beside ``path``. At the end the file is made from these, tile by tile,
    under another name, and renamed. The same labels give the same bytes. Memory does not depend on the size, except for
    one row, and for PNG. The disk needs room for one byte per pixel (two where the label space passes 255) and the
    compressed file.

    The sink is a context manager: a block that ends without an error finishes the file. A block that fails leaves
    nothing behind. There are three exceptions that keep the finished windows: an interrupted block (Ctrl-C), a killed
    process and, with ``resume``, any failure except a changed source. A later sink with the same arguments and
    ``resume`` takes these windows over; see :attr:`LabelFileSink.done`.

    Args:
        path: the file to write; its folder must exist.
        size: height and width.
        label_space: names and colours of the classes.
        tile: side of the tiles of TIFF and Zarr in pixels, a multiple of 16.
        georeference: where the raster lies on the Earth, as the source says.
        job: what the labels depend on (source, model, tiling), in words; a resumed job must be the same.
        resume: whether to take over the windows of a stopped job, and to keep them if this one stops.

    Raises:
        SettingError: the suffix is not known, the tile is no multiple of 16, or the PNG would be too large.
        PixelwiseError: the place cannot be written to, the disk is full, or the stopped job was another one.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SINK_SUFFIXES:
        raise SettingError(f"{path}: labels are written to names that end in {', '.join(SINK_SUFFIXES)}")
    if tile < 16 or tile % 16:
        raise SettingError(f"tile is {tile}; the side of a tile is a multiple of 16")
    if min(size) < 1:
        raise SettingError(f"{path}: a raster of {size[0]}x{size[1]} pixels is empty")
    if suffix == ".png" and size[0] * size[1] > MOST_PNG_PIXELS:
        raise SettingError(
            f"{path}: {size[0]}x{size[1]} pixels are more than the {MOST_PNG_PIXELS:,} that are written as PNG; "
            "name a .tif"
        )
    if path.is_dir() and suffix != ".zarr":
        raise PixelwiseError(f"cannot write {path}: it is a folder; give the name of a file")
    described = {"job": job, "label_space": label_space.to_dict()}
    scratch = Scratch(path, size=size, dtype=np.dtype(label_space.dtype), job=described, resume=resume)
    return LabelFileSink(path, scratch, label_space, tile=tile, georeference=georeference, resume=resume)
