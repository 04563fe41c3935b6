"""The speed of work, and the time that the rest of it takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

NEWEST_MARKS = 50
"""The number of newest marks that the pace is computed from, so that it follows changes of speed soon."""


class Pace:
    """The speed of work, computed from its recent progress.

    Args:
        clock: gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._marks = deque([(self._started, 0)], maxlen=NEWEST_MARKS)
        self._untouched = True

    def mark(self, done: int) -> bool:
        """Record how much is done now.

        If the first mark is 0, the work begins there, and preparations before it do not count. If it is larger, that
        part was done by an earlier, interrupted run and took no time.

        Returns:
            Whether the work begins with this mark.
        """
        now = self._clock()
        begins = self._untouched and done != 1
        if begins:
            self._started = now
        if begins or done < self._marks[-1][1]:
            self._marks.clear()
        self._untouched = False
        self._marks.append((now, done))
        return begins

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._started

    def seconds_left(self, total: int) -> float | None:
        """Give the seconds that the rest takes; None while that cannot be known."""
        (first, done_first), (last, done) = self._marks[0], self._marks[-1]
        return None if done == done_first else (last - first) / (done - done_first) * (total - done)

    def left(self, total: int) -> str:
        """Say how long the rest takes, such as ``1:20 left``; empty while that cannot be known."""
        seconds = self.seconds_left(total)
        return "" if seconds is None else f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """Format a duration: ``1:05``, or ``2 h 07 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{rest:02d}"
