"""HTTP connections that do not wait for ever: for a request that does not come, or a reader that does not read."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

LEAST_READ = 2**16
"""Bytes of an answer that a reader takes at least between two looks."""


def patient_for(seconds: float) -> type[H11Protocol]:
    """Make the class of connections that are closed where nothing moves for a time, and no request runs.

    A request that runs has a limit of its own, in the application.

    Args:
        seconds: how long nothing may move.
    """

    class PatientProtocol(H11Protocol):
        """Looks at its connection from time to time."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._unread = 0
            self._moved = False
            self._watch = self.loop.call_later(seconds, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            self._watch.cancel()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            self._moved = True
            super().on_response_complete()

        def _look(self) -> None:
            """Close the connection where the head of a request does not end, or an answer is not read."""
            runs = self.cycle is not None and not self.cycle.response_complete
            unread = self.transport.get_write_buffer_size()
            stuck = 0 < self._unread < unread + LEAST_READ
            idle = not runs and unread == 0
            if not self._moved and (stuck or idle):
                self.transport.abort()
                return
            self._unread, self._moved = unread, False
            self._watch = self.loop.call_later(seconds, self._look)

    return PatientProtocol
