"""Receiving the files of a form part by part, each into a file whose name is our own."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pixelwise.serve.problems import Problem

PICTURE_FIELD = "file"
"""The field of a form that holds a picture; errors about the picture name it."""

_LONGEST_NAME = 200
_LONGEST_HEAD = 4096


@dataclass(frozen=True)
class Upload:
    """A file that was received.

    Args:
        path: where its bytes lie, under a name of our own.
        name: what the sender calls it; for answers only, never a path.
    """

    path: Path
    name: str


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form with files."""
    return content_type.lower().startswith("multipart/form-data")


async def receive_form(parts: AsyncIterable[bytes], content_type: str, folder: Path, *, most: int) -> list[Upload]:
    """Receive the files of the fields that are called :data:`PICTURE_FIELD`; other fields are passed over.

    Args:
        parts: the body of the request.
        content_type: its type, which holds the boundary.
        folder: where the files go, as ``0``, ``1`` and so on.
        most: how many files there may be.

    Raises:
        Problem: the form is cut short or damaged, or holds no file or too many.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    form = _Form(folder, most)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        async for part in parts:
            parser.write(part)
        parser.finalize()
    except FormParserError:
        form.whole = False
    finally:
        form.close()
    if not form.whole:
        raise Problem(
            400,
            f"{PICTURE_FIELD}: the form is damaged or cut short; send multipart/form-data with its end",
            argument=PICTURE_FIELD,
        )
    if not form.uploads:
        raise Problem(422, f"{PICTURE_FIELD}: the form has no such field with a file; add it", argument=PICTURE_FIELD)
    return form.uploads


class _Form:
    """Collects what the parser tells.

    Args:
        folder: where files go.
        most: how many there may be.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._file: BinaryIO | None = None
        self._key, self._value, self._head = b"", b"", 0
        self._disposition = b""
        self.uploads: list[Upload] = []
        self.whole = False

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_key,
            "on_header_value": self._on_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_part_end": self.close,
            "on_end": self._end,
        }

    def close(self) -> None:
        """Close the file of the present part."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._disposition, self._head = b"", 0

    def _on_key(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]
        self._grow(end - start)

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._grow(end - start)

    def _grow(self, count: int) -> None:
        self._head += count
        if self._head > _LONGEST_HEAD:
            raise FormParserError("the head of a part is too long")

    def _end_header(self) -> None:
        if self._key.lower() == b"content-disposition":
            self._disposition = self._value
        self._key, self._value = b"", b""

    def _open(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if options.get(b"name") != PICTURE_FIELD.encode():
            return
        if len(self.uploads) == self._most:
            what = "one file" if self._most == 1 else f"{self._most:,} files"
            raise Problem(
                422, f"{PICTURE_FIELD}: the form has more than {what}; send less at a time", argument=PICTURE_FIELD
            )
        name = shown_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        path = self._folder / str(len(self.uploads))
        self._file = path.open("wb")
        self.uploads.append(Upload(path, name))

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.whole = True


def shown_name(name: str) -> str:
    """Keep of a sender's name what may be shown: its last part, printable and short."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    shown = "".join(character for character in last if character.isprintable())[:_LONGEST_NAME]
    return shown or "picture"
