"""Keeping what was found out about files in the user's cache folder, until they change."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import platformdirs

KEPT_SECONDS = 90 * 86400.0
"""What was not asked for in so long is removed."""
_KEYS_PER_QUERY = 500  # SQLite takes no more than 999 parameters per statement


class FileCache:
    """Bytes by key; a context. Keys hold the :func:`stamp` of the files that the bytes tell of.

    It is a help and nothing else: where the folder cannot be written or the file is damaged, nothing is kept.

    Args:
        path: the file; by default one in the user's cache folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path(platformdirs.user_cache_dir("pixelwise")) / "files.sqlite" if path is None else path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> FileCache:
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):  # damaged: the next one begins anew
                with suppress(OSError):
                    self.path.unlink(missing_ok=True)
        except OSError:
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.commit()
                self._connection.close()
            self._connection = None

    def find(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Give what is kept, by key."""
        found: dict[str, bytes] = {}
        keys = list(keys)
        if self._connection is None:
            return found
        try:
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                some = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                found |= dict(self._connection.execute(f"SELECT key, content FROM kept WHERE key IN ({marks})", some))
                self._connection.execute(f"UPDATE kept SET used = ? WHERE key IN ({marks})", [time.time(), *some])
        except sqlite3.Error:
            return {}
        return found

    def keep(self, contents: Mapping[str, bytes]) -> None:
        """Keep bytes by key."""
        if self._connection is None:
            return
        rows = [(key, content, time.time()) for key, content in contents.items()]
        with suppress(sqlite3.Error):
            self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", rows)
            self._connection.commit()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=5)
        connection.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, content BLOB, used REAL)")
        connection.execute("DELETE FROM kept WHERE used < ?", [time.time() - KEPT_SECONDS])
        return connection


def stamp(path: Path) -> tuple[str, int, int]:
    """What tells a file from another, and from itself before a change: its place, size and time of change.

    Raises:
        OSError: it is gone.
    """
    found = path.stat()
    return os.path.abspath(path), found.st_size, found.st_mtime_ns
