"""Lists that a job keeps while it runs, with one line of JSON per entry, in which damage is detected.

Each line begins with a checksum of all content up to the end of that line. A line that was altered, repeated, moved,
left out or taken from elsewhere therefore does not fit the lines before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

_DIGEST_BYTES = 8


class Damaged(ValueError):
    """A line differs from what was written there."""


class Seal:
    """Computes the checksum of each line of a journal; writing and reading need one object each."""

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
            Damaged: the line is not the one that was written after the lines before it; the seal then ignores it.
        """
        checksum, _, content = line.rstrip(b"\n").partition(b" ")
        seen = self._all.copy()
        seen.update(content + b"\n")
        if seen.hexdigest().encode() != checksum:
            raise Damaged("its checksum does not fit")
        self._all = seen
        return json.loads(content)


def entries(lines: Iterable[bytes], seal: Seal) -> Iterator[Any]:
    """Give the entries of the lines of a journal; a last line that was cut short is ignored.

    Args:
        lines: with their ends.
        seal: has seen no other line; once all are read, it seals those that follow.

    Raises:
        Damaged: a whole line is not what was written there.
    """
    for line in lines:
        if line.endswith(b"\n"):
            yield seal.open(line)
