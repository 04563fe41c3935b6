"""Receiving pictures, as the body of a request or as a field of a form, and telling them by their first bytes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request

from pixelwise.io.pictures.formats import TIFF_MAGIC
from pixelwise.serve.forms import PICTURE_FIELD, Upload, is_form, receive_form
from pixelwise.serve.problems import Problem

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


async def receive_into(request: Request, folder: Path, *, most: int) -> list[Upload]:
    """Receive the files of a form, or the body as one, into a folder; raises as :func:`receive_uploads`."""
    content_type = request.headers.get("content-type", "")
    if is_form(content_type):
        return await receive_form(request.stream(), content_type, folder, most=most)
    upload = Upload(folder / "0", "picture")
    with upload.path.open("wb") as file:
        async for chunk in request.stream():
            file.write(chunk)
    return [upload]


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
