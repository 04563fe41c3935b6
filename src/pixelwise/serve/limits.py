"""What a server takes before it says no."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pixelwise.errors import SettingError
from pixelwise.words import counted


@dataclass(frozen=True)
class Limits:
    """The most that a server takes.

    Args:
        max_bytes: bytes of a request with pictures, counted while they arrive.
        max_pixels: pixels of a picture, by its header; larger ones are for jobs.
        timeout: seconds from the first byte of a request to its answer.
        queue: pixels of all pictures that wait or are computed. A picture that is alone may have more.
        max_files: pictures of a batch.
        max_unpacked: bytes that a zip file unpacks to.
        job_bytes: bytes of a picture that is sent as a job.
        max_jobs: jobs that wait or run.

    Raises:
        SettingError: one of them is not positive.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 2**26
    timeout: float = 120.0
    queue: int = 2**28
    max_files: int = 1000
    max_unpacked: int = 2**30
    job_bytes: int = 2**32
    max_jobs: int = 16

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not value > 0:
                raise SettingError(f"it is {value:g}; it must be positive", argument=limit.name)
        if self.queue < self.max_pixels:
            raise SettingError(
                f"it holds {counted(self.queue, 'pixel')}, but a single picture may have {self.max_pixels:,}; raise "
                "it, or lower max_pixels",
                argument="queue",
            )
