"""What stands between the network and the service: access, limits while bytes arrive, and headers for the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixelwise.serve.access import TOKEN_COOKIE, Access
from pixelwise.serve.gate import Gate
from pixelwise.serve.metrics import Metrics
from pixelwise.serve.page import POLICY
from pixelwise.serve.problems import Problem

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

ALWAYS_ANSWERED = ("/healthz", "/readyz", "/metrics")
"""Addresses that answer while the server ends."""

LINGER_SECONDS, LINGER_BYTES = 2.0, 2**24
"""How long, and how much of, a body is read that is refused: senders look at the answer after they have sent it."""


class Guard:
    """An ASGI application around another one.

    Args:
        app: what is guarded.
        access: who may ask for what.
        gate: what the server has at hand.
        metrics: told about every answer.
        limit_of: gives the argument that limits the body of a request to a path, and its bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        gate: Gate,
        metrics: Metrics,
        limit_of: Callable[[str], tuple[str, int]],
    ) -> None:
        self._app = app
        self._access, self._gate, self._metrics, self._limit_of = access, gate, metrics, limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._gate, *self._limit_of(scope["path"]))
        headers = Headers(scope=scope)
        if headers.get("expect", "").lower() == "100-continue":
            body.more = False  # nothing arrives before it is asked for
        begun, status = time.monotonic(), 500
        self._gate.active += 1

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
                if status >= 400:
                    await body.linger()
            await send(message)

        try:
            try:
                self._access.check(scope["method"], scope["path"], headers)
                if scope["path"] not in ALWAYS_ANSWERED:
                    self._gate.check_open()
                body.check_declared(headers)
            except Problem as problem:
                await problem.response()(scope, receive, answer)
                return
            if scope["path"] == "/" and (given := _token_in(scope)) and self._access.matches(given):
                await _keep(given)(scope, receive, answer)
                return
            await self._app(scope, body.receive, answer)
        finally:
            self._gate.active -= 1
            body.give_back()
            self._metrics.answered(scope, status, time.monotonic() - begun)


class _Body:
    """The body of a request, counted while it arrives.

    Args:
        receive: gives its parts.
        gate: counts the bytes of all bodies.
        argument: the argument that limits it.
        limit: its most bytes.
    """

    def __init__(self, receive: Receive, gate: Gate, argument: str, limit: int) -> None:
        self._receive, self._gate, self._argument, self._limit = receive, gate, argument, limit
        self._held = argument == "max_bytes"  # bodies of jobs lie in the folder of jobs, and are few
        self.received = 0
        self.more = True

    async def receive(self) -> Message:
        """Give the next part.

        Raises:
            Problem: the body is too long.
        """
        message = await self._receive()
        self.more = bool(message.get("more_body", False))
        count = len(message.get("body", b""))
        self.received += count
        if self._held:
            self._gate.hold(count)
        if self.received > self._limit:
            raise self._too_long()
        return message

    def give_back(self) -> None:
        """Count the bytes no longer: the request was answered."""
        if self._held:
            self._gate.held -= self.received

    def check_declared(self, headers: Headers) -> None:
        """Refuse a body by the length that it declares, before a byte of it is read.

        Raises:
            Problem: it is too long.
        """
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limit:
            raise self._too_long()

    async def linger(self) -> None:
        """Read on a while, and keep nothing: an answer to a sender that still sends may be lost."""
        read = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self.more and read < LINGER_BYTES:
                    message = await self._receive()
                    self.more = bool(message.get("more_body", False))
                    read += len(message.get("body", b""))

    def _too_long(self) -> Problem:
        return Problem(
            413,
            f"{self._argument}: the body is longer than the limit of {self._limit:,} bytes; send less at a time",
            argument=self._argument,
            headers={"Connection": "close"},
        )


def _token_in(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def _keep(token: str) -> RedirectResponse:
    """Let a browser keep the token, out of the reach of scripts and of other pages, and out of the address."""
    response = RedirectResponse("/", 303)
    response.set_cookie(TOKEN_COOKIE, token, httponly=True, samesite="strict", path="/")
    return response
