"""Files appear whole or not at all: written beside their final place, brought to the disk, then renamed."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from pixelwise.errors import PixelwiseError

_MENDS_BY_ERROR = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file is larger than this system allows; write elsewhere or raise the limit",
    errno.EACCES: "writing there is not permitted; choose another place or change the permissions",
    errno.EPERM: "writing there is not permitted; choose another place or change the permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "its folder does not exist; create the folder or choose another place",
    errno.ENOTDIR: "a part of its path is a file, not a folder; choose another place",
    errno.EISDIR: "it is a folder; give the name of a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


TEMPORARY_NAME = re.compile(r"\.(?P<stem>.+)\.[a-z0-9_]{8}(?P<suffix>\.\w+)", re.DOTALL)
"""What names of temporary files look like; ``stem`` is at most :data:`STEM_CHARACTERS` of the file's."""

STEM_CHARACTERS = 50

_ERRORS_WITHOUT_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM)
"""Error numbers of systems that cannot bring a folder to the disk, or that let nobody open it for that."""


def cannot_write(target: str | os.PathLike[str], error: OSError) -> PixelwiseError:
    """Say which file cannot be written, why the system refuses, and what to do."""
    mend = _MENDS_BY_ERROR.get(error.errno or 0, "choose another place")
    return PixelwiseError(f"cannot write {os.fspath(target)} ({error.strerror or error}): {mend}")


def taken(target: str | os.PathLike[str]) -> PixelwiseError:
    """Say that a folder to be written is there already and holds something."""
    return PixelwiseError(f"{os.fspath(target)}: there is something already; name a folder that is new or empty")


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, beside_name: str | None = None) -> Iterator[Path]:
    """Give a path to write to that becomes ``path`` when the block ends well and vanishes when it does not.

    The temporary file lies in the same folder and keeps the suffix, because some writers choose the format by it. Its
    bytes are on the disk before it is renamed, and its name is on the disk when the block has ended: a power cut leaves
    the old file or the new one, never an empty one.

    Args:
        path: the file to write; its folder must exist, and a file already there is replaced at the end.
        beside_name: the name of the temporary file, for a job that may be killed and started again: it then finds its
            own file rather than leaving a second one. A new name each time by default.

    Yields:
        The path to write to.

    Raises:
        PixelwiseError: the file cannot be written, for instance because the disk is full or the folder is missing.
    """
    target = Path(path)
    if target.is_dir():
        raise PixelwiseError(f"cannot write {target}: {_MENDS_BY_ERROR[errno.EISDIR]}")
    beside: Path | None = None
    try:
        if beside_name is None:
            handle, name = tempfile.mkstemp(
                prefix=f".{target.stem[:STEM_CHARACTERS]}.", suffix=target.suffix, dir=target.parent
            )
            os.close(handle)
            beside = Path(name)
        else:
            target.with_name(beside_name).write_bytes(b"")
            beside = target.with_name(beside_name)
        yield beside
        to_disk(beside)
        beside.chmod(0o666 & ~_umask())  # mkstemp, and some writers, make files that only their owner may read
        beside.replace(target)
        _name_to_disk(target)
    except OSError as error:
        if beside is not None and error.filename not in (None, str(beside)):
            raise  # the block failed on another file
        raise cannot_write(target, error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(
    path: str | os.PathLike[str], *, beside_name: str | None = None, replace: bool = True
) -> Iterator[Path]:
    """Give a new folder to fill that becomes ``path`` when the block ends well and vanishes when it does not.

    A folder that is already at ``path`` is moved aside for the instant of the change, then removed. All files are on
    the disk before the folder is renamed.

    Args:
        path: the folder to write; the folder above it must exist.
        beside_name: as for :func:`atomic_path`.
        replace: whether a folder that is already there gives way. If not, it is an error that one with files is there
            at the end, such as one that another process has written meanwhile.

    Yields:
        The empty folder to fill.

    Raises:
        PixelwiseError: it cannot be written, a file lies there, or a folder that may not be replaced.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise PixelwiseError(f"cannot write the folder {target}: a file of that name is there; remove it")
    beside: Path | None = None
    try:
        if beside_name is None:
            beside = Path(tempfile.mkdtemp(prefix=f".{target.name[:50]}.", dir=target.parent))
        else:
            shutil.rmtree(target.with_name(beside_name), ignore_errors=True)
            target.with_name(beside_name).mkdir()
            beside = target.with_name(beside_name)
        yield beside
        for folder, _, files in os.walk(beside):
            for file in files:
                to_disk(Path(folder, file))
            _folder_to_disk(Path(folder))
        beside.chmod(0o777 & ~_umask())
        if not replace:
            with suppress(OSError):
                target.rmdir()  # an empty one; not all systems rename over it
            try:
                beside.rename(target)
            except OSError as error:
                if not target.exists():
                    raise
                raise taken(target) from error
            _name_to_disk(target)
        elif target.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{target.name[:50]}.", dir=target.parent) as aside:
                target.replace(Path(aside) / target.name)
                beside.replace(target)
                _name_to_disk(target)  # before the old one goes
        else:
            beside.replace(target)
            _name_to_disk(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Wait until the bytes of a file are on the disk.

    Raises:
        OSError: they cannot be written there, because it is full or broken.
    """
    with open(path, "r+b") as file:  # some systems sync only what may be written
        os.fsync(file.fileno())


def _name_to_disk(path: Path) -> None:
    """Wait until the name of a file or folder is on the disk, which is a matter of the folder that holds it."""
    _folder_to_disk(path.absolute().parent)


def _folder_to_disk(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _ERRORS_WITHOUT_FOLDER_SYNC:
            raise OSError(error.errno, error.strerror) from error  # nameless, as it is the target's fault


def _umask() -> int:
    # Reading the mask means setting it; both calls hold the interpreter lock for an instant only.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextmanager
def atomic_text(path: str | os.PathLike[str], *, newline: str | None = None) -> Iterator[TextIO]:
    r"""Open a text file for writing, UTF-8, whole or not at all.

    Names of files may hold bytes that are no UTF-8, which Python stands for by halves of surrogate pairs. They are
    written as ``\udcff``: JSON's and Python's escape, from which JSON readers make the same name again.

    Args:
        path: as for :func:`atomic_path`.
        newline: as for :func:`open`.

    Yields:
        The open file.

    Raises:
        PixelwiseError: as :func:`atomic_path`.
    """
    with (
        atomic_path(path) as beside,
        open(beside, "w", encoding="utf-8", errors="backslashreplace", newline=newline) as file,
    ):
        yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path``; escapes and raises like :func:`atomic_text`."""
    with atomic_text(path) as file:
        file.write(text)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write plain JSON types to ``path``, whole or not at all; escapes and raises like :func:`atomic_text`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
