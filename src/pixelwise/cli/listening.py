"""What the verbs that listen for requests share: who is let in, and the packages that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelwise.errors import SettingError, UnsupportedError

if TYPE_CHECKING:
    from pixelwise.serve.access import Access

DEFAULT_PORT = 8000


def without_server(error: ImportError) -> UnsupportedError:
    """Say how to install what serving needs."""
    return UnsupportedError(
        f"serving needs packages that are not installed ({error.name}); install them with "
        "pip install 'pixelwise[serve]'"
    )


def access_for(
    host: str, *, token: str | None, insecure: bool, hostname: Sequence[str] = (), cors: Sequence[str] = ()
) -> Access:
    """Decide who may ask a server.

    Raises:
        SettingError: other machines reach it, and neither a token nor ``insecure`` is given; or both are.
    """
    from pixelwise.serve.access import Access, is_loopback

    access = Access(token, tuple(cors), (host, *hostname))
    if token is not None and insecure:
        raise SettingError("a token is given, too; leave one of them out", argument="insecure")
    if not is_loopback(host) and token is None and not insecure:
        raise SettingError(
            f"other machines reach {host}, so a token is needed; give one, or say --insecure", argument="token"
        )
    return access


def address_of(host: str, port: int) -> str:
    """Write the address of a server."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
