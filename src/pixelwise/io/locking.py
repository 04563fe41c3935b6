"""Locking files against other processes."""

from __future__ import annotations

from contextlib import suppress


def lock(handle: int) -> None:
    """Lock an open file against other processes for as long as it is open; does nothing on Windows.

    Raises:
        OSError: another process has locked it.
    """
    with suppress(ImportError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
