"""Noticing that the files of a raster have changed: a job that is resumed must find the picture it began with.

A raster may be one file or thousands of them (the chunks of a Zarr store, the parts of a mosaic), of which any may be
written anew.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pixelwise.errors import DataError

_REST_PER_LOOK = 20
"""The least time between two checks of many files, in durations of a check, so that checking takes little of the whole
time."""


class SourceChanged(DataError):
    """The files of a raster have changed since the work began: what was computed from them is not usable."""


@dataclass(frozen=True)
class Stamp:
    """The state of files at one moment, found without reading them.

    Args:
        files: how many there are.
        bytes: their total size.
        newest: when the last one was written, in nanoseconds since 1970; 0 where there is none.
        digest: a digest of the name, size and time of each file, so that an older file in place of another is noticed
            as well.
    """

    files: int
    bytes: int
    newest: int
    digest: str

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Stamp:
        """Take the stamp of files, and of all files in folders; files that do not exist are left out."""
        files, size, newest, total = 0, 0, 0, 0
        for name, state in _each(paths):
            digest = hashlib.blake2b(name, digest_size=8)
            digest.update(b"\0%d %d" % (state.st_size, state.st_mtime_ns))
            total += int.from_bytes(digest.digest(), "big")  # a sum, because folders list their files in any order
            files, size, newest = files + 1, size + state.st_size, max(newest, state.st_mtime_ns)
        return cls(files, size, newest, f"{total % 2**64:016x}")

    def __str__(self) -> str:
        if self.files == 1:
            return f"{self.bytes} bytes, {self.newest}"
        return f"{self.files} files, {self.bytes} bytes, {self.newest}, {self.digest}"

    def describe(self) -> str:
        """Describe the files by their number, size and time."""
        if not self.files:
            return "nothing"
        files = "" if self.files == 1 else f"{self.files:,} files, "
        return f"{files}{self.bytes:,} bytes, written {datetime.fromtimestamp(self.newest / 1e9):%Y-%m-%d %H:%M:%S.%f}"


def _each(paths: Iterable[Path]) -> Iterator[tuple[bytes, os.stat_result]]:
    """Give all files below paths, each with its name; links are followed, but no folder is visited twice."""
    seen: set[tuple[int, int]] = set()

    def below(name: bytes, path: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
        try:
            state = os.stat(path)
            if not stat.S_ISDIR(state.st_mode):
                yield name, state
            elif (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                with os.scandir(path) as entries:
                    for entry in entries:
                        yield from below(name + b"/" + entry.name, entry.path)
        except FileNotFoundError:
            return

    for number, path in enumerate(paths):
        yield from below(b"%d" % number, os.fsencode(path))


class Unchanged:
    """Notices that files were changed after they were opened.

    Args:
        path: what they are called in errors.
        files: the files, and folders of files; by default the path alone.
    """

    def __init__(self, path: Path, files: Iterable[Path] = ()) -> None:
        self.path = path
        self._files = tuple(files) or (path,)
        self.stamp = self._look()

    def _look(self) -> Stamp:
        started = time.monotonic()
        stamp = Stamp.of(self._files)
        ended = time.monotonic()
        self._next = ended + _REST_PER_LOOK * (ended - started)
        return stamp

    def check(self) -> None:
        """Do nothing if the files have not changed, or if it is too early to check many of them again.

        Raises:
            SourceChanged: a file has changed.
        """
        if self.stamp.files == 1 or time.monotonic() >= self._next:
            compare(self.path, self.stamp, self._look())


def compare(path: Path, before: Stamp, now: Stamp) -> None:
    """Make sure that the files have not changed.

    Raises:
        SourceChanged: a file has changed.
    """
    if now != before:
        raise SourceChanged(
            f"{path}: the file changed after it was opened ({before.describe()} then; {now.describe()} now); wait "
            "until it is written whole, then start again"
        )
