"""Checks on where results go, made before the work and not after it."""

from __future__ import annotations

import os
from pathlib import Path

from pixelwise.errors import SettingError


def check_file(path: Path, argument: str) -> None:
    """Make sure that a file can be written at ``path``, which ``argument`` asked for.

    Raises:
        SettingError: its folder is missing or not writable, or it is itself a folder.
    """
    if path.is_dir():
        raise SettingError(f"{path}: is a folder; give the name of a file", argument=argument)
    if not path.absolute().parent.is_dir():
        raise SettingError(f"{path}: its folder does not exist; create it, or write elsewhere", argument=argument)
    if not os.access(path.absolute().parent, os.W_OK):
        raise SettingError(f"{path}: writing there is not permitted; write elsewhere", argument=argument)


def make_folder(path: Path, argument: str) -> None:
    """Make sure that ``path`` is a folder that can be written to; make it where it is missing.

    Raises:
        SettingError: it is a file, or cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is in the way" if isinstance(error, FileExistsError) else error.strerror
        raise SettingError(f"{path}: the folder cannot be made ({reason}); choose another", argument=argument) from None
    if not os.access(path, os.W_OK):
        raise SettingError(f"{path}: writing there is not permitted; choose another folder", argument=argument)
