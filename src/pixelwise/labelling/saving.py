"""Writing masks a moment after the last stroke, beside the requests; journals hold the strokes meanwhile."""

from __future__ import annotations

import threading
import time

from pixelwise.errors import PixelwiseError
from pixelwise.labelling.project import Project

QUIET, LONGEST = 1.0, 10.0
"""Seconds without a stroke after which a mask is written, and the longest that it waits while strokes come."""

RETRY = 5.0
"""Seconds after which a mask that could not be written is tried again."""


class Saver:
    """A thread that writes the masks of pictures that changed.

    Args:
        project: what is labelled.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._changed: dict[str, tuple[float, float]] = {}
        """Picture -> when it was first and last changed since it was saved."""
        self._ended = False
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="pixelwise-masks", daemon=True)

    def start(self) -> None:
        """Begin, with what a server that was killed has left unsaved."""
        for picture in self._project.unsaved():
            self.changed(picture)
        self._thread.start()

    def changed(self, picture: str) -> None:
        """Note that a picture is to be saved."""
        now = time.monotonic()
        with self._wake:
            first, _ = self._changed.get(picture, (now, now))
            self._changed[picture] = first, now
            self._wake.notify_all()

    @property
    def waiting(self) -> frozenset[str]:
        """The pictures that are not saved yet."""
        with self._wake:
            return frozenset(self._changed)

    def close(self) -> None:
        """Save what is left, and end."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def settle(self) -> None:
        """Save all that has changed so far, now.

        Raises:
            PixelwiseError: a mask cannot be written.
        """
        for picture in sorted(self.waiting):
            self._save(picture)
        if self.trouble:
            raise PixelwiseError(self.trouble)

    def _run(self) -> None:
        while True:
            with self._wake:
                due = self._due()
                if due is None:
                    if self._ended:
                        return
                    self._wake.wait(0.2 if self._changed else None)
                    continue
            self._save(due)
            self._project.tidy(self.waiting)

    def _due(self) -> str | None:
        now = time.monotonic()
        for picture, (first, last) in self._changed.items():
            if self._ended or now - last >= QUIET or now - first >= LONGEST:
                return picture
        return None

    def _save(self, picture: str) -> None:
        with self._wake:
            noted = self._changed.get(picture)
        try:
            with self._writing:  # so that an older state never replaces a newer one
                self._project.save(picture)
        except (PixelwiseError, OSError) as error:
            self.trouble = str(error)
            with self._wake:
                if self._ended:
                    self._changed.pop(picture, None)
                else:
                    later = time.monotonic() + RETRY - QUIET
                    self._changed[picture] = later, later
            return
        self.trouble = ""
        with self._wake:
            if self._changed.get(picture) == noted:
                self._changed.pop(picture, None)
            elif noted is not None and picture in self._changed:
                _, last = self._changed[picture]
                self._changed[picture] = last, last
