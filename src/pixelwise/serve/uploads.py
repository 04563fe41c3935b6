"""Receiving pictures, as the body of a request or as a field of a form, and telling them by their first bytes."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request

from pixelwise.io.pictures.formats import TIFF_MAGIC
from pixelwise.serve.forms import PICTURE_FIELD, Upload, is_form, receive_form
from pixelwise.serve.problems import Problem

LEAST_PACE = 2**15
"""Bytes a second at which large bodies arrive at least."""

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", *TIFF_MAGIC)
"""First bytes of JPEG, PNG and TIFF; WebP is recognised by two places."""


@asynccontextmanager
async def receive_picture(request: Request) -> AsyncIterator[Upload]:
    """Receive the picture of a request; its file vanishes with the block.

    Raises:
        Problem: there is no picture, or it is of no type that is taken.
    """
    async with receive_uploads(request, most=1) as (upload,):
        check_type(upload.path)
        yield upload


@asynccontextmanager
async def receive_uploads(request: Request, *, most: int) -> AsyncIterator[list[Upload]]:
    """Receive the files of a form, or the body as one; they vanish with the block.

    Raises:
        Problem: a form is damaged, or holds no file or more than ``most``.
    """
    with tempfile.TemporaryDirectory(prefix="pixelwise-serve-") as folder:
        yield await receive_into(request, Path(folder), most=most)


async def receive_into(
    request: Request, folder: Path, *, most: int, parts: AsyncIterable[bytes] | None = None
) -> list[Upload]:
    """Receive the files of a form, or the body as one, into a folder.

    Args:
        request: the request.
        folder: where the files go, as ``0``, ``1`` and so on.
        most: how many files there may be.
        parts: the body, where it does not come from the request as it is.

    Raises:
        Problem: a form is damaged, or holds no file or more than ``most``; or the disk is full.
    """
    content_type = request.headers.get("content-type", "")
    parts = request.stream() if parts is None else parts
    try:
        if is_form(content_type):
            return await receive_form(parts, content_type, folder, most=most)
        upload = Upload(folder / "0", "picture")
        with upload.path.open("wb") as file:
            async for part in parts:
                file.write(part)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        raise Problem(
            507,
            f"{PICTURE_FIELD}: the server has no room to keep it ({error.strerror}); try again later",
            argument=PICTURE_FIELD,
            headers={"Connection": "close"},
        ) from None
    return [upload]


async def paced(parts: AsyncIterator[bytes], *, patience: float) -> AsyncIterator[bytes]:
    """Give the parts of a body that may be as large as it likes, but must not be slow.

    Args:
        parts: the body.
        patience: seconds; each part comes within so many, and all of them at :data:`LEAST_PACE` after the first so
            many.

    Raises:
        Problem: they do not.
    """
    loop = asyncio.get_running_loop()
    begun, received = loop.time(), 0
    while True:
        try:
            async with asyncio.timeout(patience):
                part = await anext(parts, None)
        except TimeoutError:
            part, begun = b"", -math.inf
        if part is None:
            return
        received += len(part)
        if loop.time() - begun > patience + received / LEAST_PACE:
            raise Problem(
                408,
                f"timeout: the picture arrives too slowly, with pauses of more than {patience:g} seconds or less than "
                f"{LEAST_PACE:,} bytes a second; send it faster",
                argument="timeout",
                headers={"Connection": "close"},
            )
        yield part


def check_type(path: Path) -> None:
    """Refuse files that are no picture by their first bytes.

    Raises:
        Problem: they are not.
    """
    with path.open("rb") as file:
        start = file.read(12)
    if not start:
        detail = f"{PICTURE_FIELD}: the picture is empty; send its bytes as the body or in a form"
        raise Problem(422, detail, argument=PICTURE_FIELD)
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    if not webp and not start.startswith(MAGIC):
        raise Problem(
            415,
            f"{PICTURE_FIELD}: not a picture, its first bytes are {start[:8]!r}; expected JPEG, PNG, TIFF or WebP "
            "contents. Convert the file",
            argument=PICTURE_FIELD,
        )
