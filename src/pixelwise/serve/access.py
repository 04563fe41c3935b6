"""Who may ask a server for what: the name it is called by, the page that a request comes from, and the token."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

from pixelwise.errors import SettingError, quoted
from pixelwise.serve.problems import Problem

TOKEN_COOKIE = "pixelwise-token"
"""The cookie that keeps the token for the page, which ``/?token=T`` sets."""

_OPEN = ("/", "/healthz", "/readyz", "/openapi.json")
_OPEN_FOLDER = "/static/"
_READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Access:
    """The rules of access.

    Args:
        token: the word that requests must bring, as ``Authorization: Bearer`` or in a cookie; None: none is needed.
        cors: the origins, such as ``https://example.org``, whose pages may use the server.
        hostname: names, besides addresses and ``localhost``, that the server is called by.

    Raises:
        SettingError: an origin is none.
    """

    token: str | None = None
    cors: tuple[str, ...] = ()
    hostname: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for origin in self.cors:
            scheme, separator, rest = origin.partition("://")
            if scheme not in ("http", "https") or not separator or not rest or "/" in rest or "*" in rest:
                raise SettingError(
                    f"'{origin}' is no origin; give scheme, name and port, such as https://example.org", argument="cors"
                )
        if self.token is not None and (not self.token or not self.token.isascii() or not self.token.isprintable()):
            raise SettingError("it is no word of printable ASCII characters; give another one", argument="token")

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Let a request pass.

        Raises:
            Problem: it may not.
        """
        self._check_host(headers.get("host"))
        known = self.knows(headers)
        if self.token is not None and not known and not is_open(path) and method != "OPTIONS":
            raise Problem(
                401,
                "token: the request brings no token, or a wrong one; send it as 'Authorization: Bearer TOKEN'",
                argument="token",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if method not in _READING and not (known and "authorization" in headers):
            self._check_origin(headers)

    def knows(self, headers: Headers) -> bool:
        """Whether a request brings the token."""
        if self.token is None:
            return False
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = cookie_of(headers.get("cookie", ""))
        return self.matches(given.strip())

    def matches(self, given: str) -> bool:
        """Whether a word is the token; how long this takes does not tell how much of it is right."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def _check_host(self, host: str | None) -> None:
        """Refuse other names: a page elsewhere may let its own name lead here, and would then count as ours."""
        name = host_name(host or "")
        if name in ("localhost", *(known.lower() for known in self.hostname)) or _is_address(name):
            return
        raise Problem(
            421,
            f"hostname: the request is for {quoted(host)}, which is not known as a name of this server; use its "
            "address, or start it with this hostname",
            argument="hostname",
        )

    def _check_origin(self, headers: Headers) -> None:
        """Refuse requests that write and come from a page elsewhere."""
        origin, host = headers.get("origin"), headers.get("host", "")
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site") if origin is None else True
        if origin is not None and (origin in self.cors or origin.partition("://")[2].lower() == host.lower()):
            return
        if elsewhere:
            raise Problem(
                403,
                f"cors: the request comes from a page at {quoted(origin or 'another origin')}, which may not use this "
                "server; start it with this origin, or send the token as 'Authorization: Bearer TOKEN'",
                argument="cors",
            )


def is_open(path: str) -> bool:
    """Whether an address needs no token: the page without its data, and whether the server is alive."""
    return path in _OPEN or path.startswith(_OPEN_FOLDER)


def host_name(host: str) -> str:
    """Take the name out of ``name:port`` or ``[address]:port``, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def cookie_of(header: str) -> str:
    """Read the token from a ``Cookie`` header; empty where there is none."""
    try:
        cookie = SimpleCookie(header).get(TOKEN_COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value
