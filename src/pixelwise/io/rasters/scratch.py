"""Labels before they are written to the final file: raw on disk beside it, with a journal of the finished windows.

The scratch holds every pixel, row after row, so that windows may come in any order and memory holds none of them. A
stopped job resumes from the journal. It has one line per finished window, written after the pixels of the window are on
the disk. Each line has a checksum, because damage could otherwise make an unfinished window count as finished.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import PixelwiseError
from pixelwise.io.atomic import cannot_write
from pixelwise.io.journal import Damaged, Seal, entries

FinishedWindow = tuple[int, int, int, int]
"""Row, column, height and width of a window that is written already."""

_WINDOWS_PER_FLUSH, _SECONDS_PER_FLUSH = 16, 5.0


class Scratch:
    """Raw labels of a whole raster on disk.

    Two hidden files lie beside the target until the end, ``.NAME.part`` of one or two bytes per pixel and
    ``.NAME.journal``. The space is reserved at the start where the system can do so, so that a full disk is noticed
    before the work begins.

    Args:
        target: the file that the labels are for; its folder must exist.
        size: height and width.
        dtype: uint8 or uint16.
        job: what the labels depend on, as JSON types; windows of an earlier run are taken over only if it is the same.
        resume: whether to take over the windows of an earlier run.

    Raises:
        PixelwiseError: the disk is full or the folder cannot be written to, or the earlier run was another job.
    """

    def __init__(
        self, target: Path, *, size: tuple[int, int], dtype: np.dtype[Any], job: Mapping[str, Any], resume: bool
    ) -> None:
        self.target = target
        self.size = size
        self.dtype = dtype
        self.finished: set[FinishedWindow] = set()
        self._pixels_path = target.with_name(f".{target.name}.part")
        self._journal_path = target.with_name(f".{target.name}.journal")
        self._waiting: list[FinishedWindow] = []
        self._seal = Seal()
        self._flushed = time.monotonic()
        header = {"size": list(size), "dtype": str(dtype), **json.loads(json.dumps(job))}
        if not (resume and self._take_over(header)):
            self.remove()  # a new file rather than a cleared one: another run may still be writing to the old one
            try:
                self._reserve()
                self._seal = Seal()
                self._journal_path.write_bytes(self._seal.line(header))
            except OSError as error:
                self.remove()
                raise cannot_write(target, error) from error
        self._pixels = FileIO(self._pixels_path, "r+b")
        self._journal = FileIO(self._journal_path, "ab")

    def write(self, row: int, column: int, labels: NDArray[Any]) -> None:
        """Keep a window of labels (h, w) inside the raster; it counts as finished from the next flush on.

        Raises:
            PixelwiseError: the disk is full.
        """
        height, width = labels.shape
        labels = np.ascontiguousarray(labels, self.dtype)
        try:
            if width == self.size[1]:
                self._write_at(row * width, labels)
            else:
                for number in range(height):
                    self._write_at((row + number) * self.size[1] + column, labels[number])
        except OSError as error:
            raise cannot_write(self.target, error) from error
        self._waiting.append((row, column, height, width))
        if len(self._waiting) >= _WINDOWS_PER_FLUSH or time.monotonic() - self._flushed > _SECONDS_PER_FLUSH:
            self.flush()

    def flush(self) -> None:
        """Force everything written so far onto the disk, first the pixels, then the journal.

        Raises:
            PixelwiseError: the disk is full.
        """
        if self._waiting:
            seal, length = self._seal.copy(), os.fstat(self._journal.fileno()).st_size
            try:
                os.fsync(self._pixels.fileno())
                lines = b"".join(map(self._seal.line, self._waiting))
                while lines:
                    lines = lines[self._journal.write(lines) :]
                os.fsync(self._journal.fileno())
            except OSError as error:
                self._seal = seal  # the next flush, if there is one, writes these lines again
                with suppress(OSError):
                    self._journal.truncate(length)
                raise cannot_write(self.target, error) from error
            self.finished.update(self._waiting)
            self._waiting.clear()
        self._flushed = time.monotonic()

    def missing(self) -> int:
        """Count the pixels that no window has written, provided that windows do not overlap."""
        windows = self.finished.union(self._waiting)
        return self.size[0] * self.size[1] - sum(height * width for _, _, height, width in windows)

    def levels(self, smallest: int) -> int:
        """Count the levels of a pyramid whose last level fits a square of side ``smallest``."""
        levels = 1
        while max(self.level_size(levels - 1)) > smallest:
            levels += 1
        return levels

    def level_size(self, level: int) -> tuple[int, int]:
        """Height and width of a level, each half of the one before, rounded up."""
        return -(-self.size[0] >> level), -(-self.size[1] >> level)

    def read(self, row: int, column: int, height: int, width: int, *, level: int = 0) -> NDArray[Any]:
        """Read a window of a level of the pyramid; each pixel is the upper left one of 2x2 pixels of the level before.

        Args:
            row: first row, on the level.
            column: first column of the raster.
            height: rows, inside the level.
            width: number of columns.
            level: 0 for all pixels.

        Returns:
            (height, width) of :attr:`dtype`.
        """
        step = 1 << level
        out = np.empty((height, width), self.dtype)
        if level == 0 and width == self.size[1]:
            self._read_at(row * width, out.reshape(-1))
            return out
        line = np.empty(min(width * step, self.size[1] - column * step), self.dtype)
        for number in range(height):
            self._read_at((row + number) * step * self.size[1] + column * step, line)
            out[number] = line[::step]
        return out

    def close(self) -> None:
        """Close the files and leave them, for a later run to go on with."""
        try:
            self.flush()
        finally:
            self._pixels.close()
            self._journal.close()

    def remove(self) -> None:
        """Close and remove the files."""
        if hasattr(self, "_pixels"):
            self._pixels.close()
            self._journal.close()
        self._journal_path.unlink(missing_ok=True)  # first, because the pixels mean nothing without the journal
        self._pixels_path.unlink(missing_ok=True)

    def _write_at(self, pixel: int, labels: NDArray[Any]) -> None:
        self._pixels.seek(pixel * self.dtype.itemsize)
        view = labels.reshape(-1).view(np.uint8).data
        while view:
            view = view[self._pixels.write(view) :]

    def _read_at(self, pixel: int, out: NDArray[Any]) -> None:
        self._pixels.seek(pixel * self.dtype.itemsize)
        view = out.view(np.uint8).data
        while view:
            count = self._pixels.readinto(view)
            if not count:
                raise PixelwiseError(f"{self._pixels_path}: the file was cut short while it was in use; start again")
            view = view[count:]

    def _bytes(self) -> int:
        return self.size[0] * self.size[1] * self.dtype.itemsize

    def _reserve(self) -> None:
        with open(self._pixels_path, "wb") as file:
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._bytes())
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
            file.truncate(self._bytes())

    def _take_over(self, header: Mapping[str, Any]) -> bool:
        """Read the journal of an earlier run; False where there is none."""
        try:
            content = self._journal_path.read_bytes()
            held = self._pixels_path.stat().st_size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise cannot_write(self.target, error) from error
        whole = content[: content.rfind(b"\n") + 1]  # a line that was cut short is ignored
        try:
            found, *windows = list(entries(BytesIO(whole), self._seal)) or [None]
        except Damaged as error:
            raise PixelwiseError(
                f"{self._journal_path}: the journal of the stopped job is damaged, or of another version of pixelwise; "
                "start anew without resuming"
            ) from error
        if found is None or (held != self._bytes() and found == header):
            return False
        if found != header:
            differing = [key for key in {**found, **header} if found.get(key) != header.get(key)]
            differences = "; ".join(f"{key} was {found.get(key)}, is {header.get(key)}" for key in differing)
            raise PixelwiseError(
                f"{self.target}: the job that was stopped before was another one ({differences}); run it as it was, or "
                "start anew without resuming"
            )
        os.truncate(self._journal_path, len(whole))
        self.finished = {(row, column, height, width) for row, column, height, width in windows}
        return True
