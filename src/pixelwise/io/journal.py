"""Lists that a job leaves on its way, a line of JSON an entry, in which damage shows.

Each line begins with a checksum of all content up to its end. A line that was altered, repeated, moved, left out or
taken from elsewhere therefore no longer fits the lines before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

_DIGEST_BYTES = 8


class Damaged(ValueError):
    """A line is not what was written there."""


class Seal:
    """Gives each line of a journal its checksum; one for writing, and one for reading it again."""

    def __init__(self) -> None:
        self._all = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def copy(self) -> Seal:
        """Give a seal that has seen the same lines."""
        twin = Seal()
        twin._all = self._all.copy()
        return twin

    def line(self, value: Any) -> bytes:
        """Seal the next entry, plain JSON types: a line with its end."""
        content = json.dumps(value).encode()
        self._all.update(content + b"\n")
        return self._all.hexdigest().encode() + b" " + content + b"\n"

    def open(self, line: bytes) -> Any:
        """Give the entry of the next line.

        Raises:
            Damaged: the line is not the one that was written after those before it; it then counts as not seen.
        """
        checksum, _, content = line.rstrip(b"\n").partition(b" ")
        seen = self._all.copy()
        seen.update(content + b"\n")
        if seen.hexdigest().encode() != checksum:
            raise Damaged("its checksum does not fit")
        self._all = seen
        return json.loads(content)


def entries(lines: Iterable[bytes], seal: Seal) -> Iterator[Any]:
    """Give the entries of the lines of a journal; a last one that was cut short never happened.

    Args:
        lines: with their ends.
        seal: has seen no other line; once all are read, it seals those that follow.

    Raises:
        Damaged: a whole line is not what was written there.
    """
    for line in lines:
        if line.endswith(b"\n"):
            yield seal.open(line)
