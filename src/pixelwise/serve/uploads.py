"""Receiving pictures: as the body of a request or as a field of a form, into files whose names are our own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from pixelwise.io.pictures.formats import TIFF_MAGIC
from pixelwise.serve.problems import Problem

PICTURE_FIELD = "file"
"""The field of a form that holds a picture; errors about the picture name it."""

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", *TIFF_MAGIC)
"""First bytes of JPEG, PNG and TIFF; WebP is recognised by two places."""

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Upload:
    """A picture that was received.

    Args:
        path: where its bytes lie, under a name of our own.
        name: what the sender calls it; for answers only, never a path.
    """

    path: Path
    name: str


@asynccontextmanager
async def receive_picture(request: Request) -> AsyncIterator[Upload]:
    """Receive the picture of a request; its file vanishes with the block.

    Raises:
        Problem: there is no picture, or it is of no type that is taken.
    """
    with tempfile.TemporaryDirectory(prefix="pixelwise-serve-") as folder:
        path = Path(folder) / "picture"
        if _is_form(request):
            name = await _from_form(request, path)
        else:
            name = "picture"
            with path.open("wb") as file:
                async for chunk in request.stream():
                    file.write(chunk)
        check_type(path)
        yield Upload(path, name)


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def _from_form(request: Request, path: Path) -> str:
    """Take the picture out of a form; gives the sender's name for it."""
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            picture = form.get(PICTURE_FIELD)
            if not isinstance(picture, UploadFile):
                raise Problem(
                    422, f"{PICTURE_FIELD}: the form has no such field with a picture; add it", argument=PICTURE_FIELD
                )
            with path.open("wb") as file:
                shutil.copyfileobj(picture.file, file)
            return shown_name(picture.filename or "picture")
    except MultiPartException as error:
        raise Problem(400, f"the form cannot be read ({error.message}); send multipart/form-data") from None


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


def shown_name(name: str) -> str:
    """Keep of a sender's name what may be shown: its last part, printable and short."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    shown = "".join(character for character in last if character.isprintable())[:_LONGEST_NAME]
    return shown or "picture"
