"""Listing the files in a folder and the folders below it, and errors for those that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pixelwise.errors import DataError

_SYSTEM_FOLDERS = (".", "__MACOSX", "lost+found")
"""What the names of folders begin with that systems make for themselves."""


def list_files(
    folder: Path,
    *,
    whole: Callable[[Path], bool] | None = None,
    closed: list[Path] | None = None,
) -> list[Path]:
    """List the files in a folder and the folders below it, sorted; hidden ones are passed over.

    Folders that are symbolic links are followed, each target once, so that a link to a folder above makes no endless
    loop. Only regular files are listed, no pipes and no devices, and links that lead nowhere, so that whoever reads
    them names them.

    Args:
        folder: the folder.
        whole: says of a folder below whether it is listed as if it were a file.
        closed: takes the folders that may not be read.

    Raises:
        DataError: a folder may not be read, and ``closed`` is not given.
    """
    found: list[Path] = []
    seen: set[str] = set()
    root = Path(os.path.realpath(folder))

    def refused(error: OSError) -> None:
        if closed is None:
            raise cannot_read(error)
        closed.append(Path(error.filename))

    for above, below, names in os.walk(folder, followlinks=True, onerror=refused):
        place = os.path.realpath(above)
        if place in seen or Path(place) in root.parents or (above != str(folder) and Path(place) == root):
            below.clear()
            continue
        seen.add(place)
        below[:] = sorted(name for name in below if not name.startswith(_SYSTEM_FOLDERS))
        if whole is not None:
            found += [Path(above, name) for name in below if whole(Path(above, name))]
            below[:] = [name for name in below if not whole(Path(above, name))]
        try:
            found += [path for name in names if not name.startswith(".") and is_listed(path := Path(above, name))]
        except PermissionError as error:  # the names in a folder may be readable where the files are not
            refused(PermissionError(error.errno, error.strerror, above))
    return sorted(found)


def is_listed(path: Path) -> bool:
    """Whether a path is a regular file, or a link that leads nowhere, which whoever reads it names."""
    return path.is_file() or is_broken_link(path)


def is_broken_link(path: Path) -> bool:
    """Whether a path is a symbolic link that leads nowhere."""
    return path.is_symlink() and not path.exists()


def cannot_read(error: OSError) -> DataError:
    """Say which file or folder the system does not let one read, and what to do."""
    reason = error.strerror or str(error)
    return DataError(f"{error.filename}: it cannot be read ({reason}); change its permissions, or leave it out")


@contextmanager
def naming_unreadable() -> Iterator[None]:
    """Turn an error of the system about a file or a folder into a DataError that names it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise cannot_read(error) from error


def check_regular(path: Path) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe or a terminal may never end.

    Raises:
        DataError: it is a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path}: this is a pipe or a device, not a file; give a file")
