"""Running the application on a socket until it is told to end."""

from __future__ import annotations

import asyncio
import os
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from pixelwise.errors import SettingError
from pixelwise.serve.gate import Gate
from pixelwise.serve.protocol import patient_for

BACKLOG = 2048
"""Connections that wait to be accepted."""

LOOKS = 0.05
"""Seconds between two looks whether the last request is answered."""


class DrainingServer(uvicorn.Server):
    """Finishes what was taken before it ends, and answers new requests with 503 meanwhile.

    Args:
        config: of uvicorn.
        gate: counts the requests that run.
    """

    def __init__(self, config: uvicorn.Config, gate: Gate) -> None:
        super().__init__(config)
        self._gate = gate

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end at the first signal; end at once at the second."""
        if self._gate.draining:
            os._exit(1)  # threads that compute would be waited for otherwise
        self._gate.draining = True

    async def main_loop(self) -> None:
        """Serve until a signal came and the last request that was taken is answered."""
        ending = asyncio.create_task(self._end_when_done())
        await super().main_loop()
        ending.cancel()

    async def _end_when_done(self) -> None:
        while not (self._gate.draining and self._gate.active == 0):
            await asyncio.sleep(LOOKS)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of a server.

    Raises:
        SettingError: another program listens there, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingError(
            f"{host}:{port} cannot be listened at ({reason}); give another port or host", argument="port"
        ) from None


def run(app: FastAPI, opened: socket.socket, *, timeout: float) -> None:
    """Serve on a socket until SIGTERM or SIGINT.

    Args:
        app: as :func:`pixelwise.serve.create_app` makes it.
        opened: as :func:`listen` opens it.
        timeout: seconds after which a connection on which nothing moves is closed.
    """
    config = uvicorn.Config(
        app,
        log_level="error",  # requests that are no HTTP are not worth a line
        access_log=False,
        server_header=False,
        http=patient_for(timeout),
        ws="none",
        timeout_graceful_shutdown=None,
        proxy_headers=False,
    )
    DrainingServer(config, app.state.gate).run(sockets=[opened])
