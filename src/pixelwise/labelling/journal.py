"""The journal of a picture: every action is on the disk before anybody is told that it was taken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pixelwise.errors import DataError, PixelwiseError
from pixelwise.io.atomic import atomic_path, cannot_write
from pixelwise.io.journal import Damaged, Seal

VERSION = 1


class Journal:
    """A file of sealed lines, the first of which says what it is about.

    Opening it reads it; a last line that was cut short, as when the power went, was never acknowledged and is removed
    before the next line is written.

    Args:
        path: the file, which need not exist.
        about: what the first line says: the picture that the actions are for.

    Raises:
        DataError: the file cannot be read, is damaged, or is about something else.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        self._about = {"journal": VERSION, **about}
        self._seal = Seal()
        self._length = 0
        self.entries: list[Any] = self._read()

    def _read(self) -> list[Any]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self._path}: it cannot be read ({error.strerror}); change its permissions") from error
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        entries = []
        for number, line in enumerate(lines, 1):
            try:
                entries.append(self._seal.open(line))
            except (Damaged, ValueError):
                raise DataError(
                    f"{self._path}: line {number} is not what was written there; bring the file back from a copy, or "
                    "move it elsewhere to begin this picture anew"
                ) from None
        self._length = sum(map(len, lines))
        if not entries:
            return []
        if entries[0] != self._about:
            raise DataError(
                f"{self._path}: it is about {entries[0]}, but the picture is {self._about}; bring the picture back "
                "that was labelled, or move the file elsewhere to begin anew"
            )
        return entries[1:]

    def append(self, entries: Sequence[Any]) -> None:
        """Write entries, plain JSON types, and wait until they are on the disk.

        Raises:
            PixelwiseError: they cannot be written; the file then holds none of them.
        """
        try:
            self._begin()
            self._extend(entries)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self.entries += entries

    def _begin(self) -> None:
        """Write the first line where there is none; the name of the file is then on the disk, too."""
        if self._length:
            return
        self._seal = Seal()
        line = self._seal.line(self._about)
        with atomic_path(self._path) as beside:
            beside.write_bytes(line)
        self._length = len(line)

    def _extend(self, entries: Sequence[Any]) -> None:
        seal = self._seal.copy()
        content = b"".join(seal.line(entry) for entry in entries)
        with open(self._path, "r+b") as file:
            file.seek(self._length)
            if b"\n" in file.read():
                raise PixelwiseError(
                    f"{self._path}: something else wrote into it; end this server and start it again to read it anew"
                )
            file.truncate(self._length)
            file.seek(self._length)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(self._length)
                raise
        self._seal, self._length = seal, self._length + len(content)
