"""Taking pictures out of zip files, whose entries may be many, large and called anything."""

from __future__ import annotations

import shutil
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pixelwise.errors import DataError, SettingError
from pixelwise.serve.forms import PICTURE_FIELD, Upload, shown_name
from pixelwise.words import counted

ZIP_MAGIC = b"PK\x03\x04"

_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_LONGEST_COMMENT = 65535
_LARGEST_ENTRY_RECORD = 1024
"""Bytes of the directory for an entry; a name of 900 bytes is none that people give."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How entries are packed that are taken: others give any number of bytes at once."""


@dataclass(frozen=True)
class Entry:
    """A picture in a zip file.

    Args:
        archive: the file.
        info: the entry.
        most_bytes: its most bytes.
    """

    archive: Path
    info: zipfile.ZipInfo
    most_bytes: int

    @property
    def name(self) -> str:
        """What the sender calls it; for answers only, never a path."""
        return shown_name(self.info.filename)

    def unpack(self, path: Path) -> Upload:
        """Write its bytes to a file.

        Raises:
            DataError: it is damaged, locked with a password, or packed in a way that is not taken.
        """
        if self.info.flag_bits & 1:
            raise DataError(f"{PICTURE_FIELD}: the entry is locked with a password; pack it without")
        if self.info.compress_type not in _METHODS:
            raise DataError(f"{PICTURE_FIELD}: the entry is packed by another method than deflate; pack it again")
        if self.info.file_size > self.most_bytes:
            raise SettingError(
                f"the entry unpacks to {self.info.file_size:,} bytes, more than the limit of {self.most_bytes:,} for a "
                "picture",
                argument="max_bytes",
            )
        try:
            with zipfile.ZipFile(self.archive) as archive, archive.open(self.info) as packed, path.open("wb") as file:
                shutil.copyfileobj(packed, file)  # no more than the entry declares
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
            raise DataError(f"{PICTURE_FIELD}: the entry is damaged ({error}); pack it again") from None
        return Upload(path, self.name)


def list_entries(path: Path, *, max_files: int, max_unpacked: int, max_bytes: int) -> list[Entry]:
    """List the pictures of a zip file, in their order, without folders and the hidden files of desktops.

    Args:
        path: the zip file.
        max_files: the most entries.
        max_unpacked: the most bytes of all of them, unpacked.
        max_bytes: the most bytes of each.

    Raises:
        DataError: it is damaged.
        SettingError: it holds too many entries, or unpacks to too many bytes.
    """
    _check_directory(path, max_files)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise DataError(f"{PICTURE_FIELD}: the zip file is damaged ({error}); pack it again") from None
    if len(infos) > max_files:
        raise _too_many(len(infos), max_files)
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max_unpacked:
        raise SettingError(
            f"the zip file unpacks to {unpacked:,} bytes, more than the limit of {max_unpacked:,}; send less at a time",
            argument="max_unpacked",
        )
    entries = [Entry(path, info, max_bytes) for info in infos if not info.is_dir() and not _is_hidden(info.filename)]
    if not entries:
        raise DataError(f"{PICTURE_FIELD}: the zip file holds no files; pack pictures into it")
    return entries


def _check_directory(path: Path, max_files: int) -> None:
    """Refuse a directory of too many entries before it is read, because each takes a multiple of its bytes."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - _END.size - _LONGEST_COMMENT))
        tail = file.read()
    # The same two places in the same order as the library looks at.
    place = len(tail) - _END.size
    if place < 0 or tail[place : place + 4] != _END_MAGIC or tail[-2:] != b"\0\0":
        place = tail.rfind(_END_MAGIC)
    if place < 0 or len(tail) - place < _END.size:
        raise DataError(f"{PICTURE_FIELD}: the zip file is damaged or cut short; pack it again")
    _, _, _, _, count, size, _, _ = _END.unpack_from(tail, place)
    if count > max_files or size > max_files * _LARGEST_ENTRY_RECORD:
        raise _too_many(count, max_files)


def _too_many(count: int, most: int) -> SettingError:
    return SettingError(
        f"the zip file holds {counted(count, 'entry')}, and {most:,} is the limit; send less at a time",
        argument="max_files",
    )


def _is_hidden(name: str) -> bool:
    parts = (part for part in name.replace("\\", "/").split("/") if part not in (".", ".."))
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
