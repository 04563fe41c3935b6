"""A job while the server runs: how far it is, and when it must stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pixelwise.listener import Progress, Silent
from pixelwise.pace import Pace
from pixelwise.serve.forms import Upload
from pixelwise.serve.job_store import JobRecord
from pixelwise.serve.work import Workers

KEPT_SECONDS = 3600.0
"""How long the result of a job is kept."""

YIELD_SECONDS = 2.0
"""How long a job waits between two tiles for pictures that wait."""


class Stopped(Exception):
    """The job was cancelled, or the server ends."""


@dataclass
class LiveJob:
    """A job in memory.

    Args:
        record: what is kept of it.
        upload: its picture.
        progress: the share that is done, 0 .. 1.
        seconds_left: what the rest takes; None while that is not known.
        cancelled: whether nobody wants it any longer.
    """

    record: JobRecord
    upload: Upload
    progress: float = 0.0
    seconds_left: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        """Describe the job in plain JSON types."""
        record = self.record
        return {
            "id": record.id,
            "model": record.model,
            "name": record.name,
            "outputs": record.outputs,
            "state": record.state,
            "progress": 1.0 if record.state == "done" else self.progress,
            "seconds_left": self.seconds_left if record.state == "running" else None,
            "created": record.created,
            "ended": record.ended,
            "expires": None if record.ended is None else record.ended + KEPT_SECONDS,
            "error": record.error,
            "result": f"/v1/jobs/{record.id}/result" if record.state == "done" else None,
        }


class JobListener(Silent):
    """A listener that keeps the progress of a job, lets pictures go first, and stops the job where it must.

    Args:
        job: is told its progress.
        workers: have the pictures that go first.
        ending: whether the server ends.
    """

    def __init__(self, job: LiveJob, workers: Workers, ending: threading.Event) -> None:
        self._job, self._workers, self._ending = job, workers, ending

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Keep the progress of the tiles; called after each of them."""
        pace = Pace()

        def tell(done: int, total: int, note: str = "") -> None:
            pace.mark(done)
            self._job.progress = done / max(1, total)
            self._job.seconds_left = pace.seconds_left(total)
            self._workers.let_pictures_go_first(YIELD_SECONDS)
            if self._job.cancelled.is_set() or self._ending.is_set():
                raise Stopped

        yield tell
