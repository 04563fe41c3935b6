"""A listener in a worker, which passes on what it is told to the process that has the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from pixelwise.listener import Progress

SECONDS_BETWEEN_NOTES = 1.0
"""The state of a picture in work is passed on no more often than that."""


class Tell(Protocol):
    """A function that passes on a text."""

    def __call__(self, text: str, *, warns: bool = False, passing: bool = False) -> None:
        """Pass on a text; ``warns`` if it must not be missed, ``passing`` if it is the state of work."""
        ...


class Relay:
    """A :class:`pixelwise.listener.Listener` that passes everything on.

    Args:
        tell: takes each text.
        clock: gives the time in seconds.
    """

    def __init__(self, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock

    def say(self, text: str) -> None:
        """Pass on a line."""
        self._tell(text)

    def warn(self, text: str) -> None:
        """Pass on a warning."""
        self._tell(text, warns=True)

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Pass on a table as lines."""
        self._tell("\n".join([title, *(f"{name}: {value} ({reason})" for name, value, reason in rows)]))

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Pass on how far the work is, from time to time."""
        told = self._clock()

        def tell(done: int, total: int, note: str = "") -> None:
            nonlocal told
            if self._clock() - told >= SECONDS_BETWEEN_NOTES:
                told = self._clock()
                self._tell(f"{doing} {done}/{total}", passing=True)

        yield tell
