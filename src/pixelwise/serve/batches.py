"""Many pictures in one request, answered line by line as they are done."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pixelwise.errors import PixelwiseError
from pixelwise.serve.archives import ZIP_MAGIC, Entry, list_entries
from pixelwise.serve.asked import PictureOptions
from pixelwise.serve.forms import Upload
from pixelwise.serve.outputs import Answer
from pixelwise.serve.problems import Problem, fault, of_error, out_of_memory
from pixelwise.serve.service import Service
from pixelwise.serve.uploads import check_type

AT_A_TIME = 3
"""Pictures of a batch that are in work: one is decoded and one written while one is computed."""

PAUSE = 0.05
"""Seconds until a picture of a batch asks again for a place in a full queue."""

NDJSON = "application/x-ndjson"

_log = logging.getLogger(__name__)

Item = Upload | Entry
"""A picture of a batch: a file, or an entry of a zip file that is still packed."""


def items_of(uploads: Sequence[Upload], service: Service) -> list[Item]:
    """List the pictures of a batch in their order; zip files stand for their entries.

    Raises:
        PixelwiseError: a zip file is damaged or holds too much.
        Problem: there are too many pictures.
    """
    limits, items = service.limits, list[Item]()
    for upload in uploads:
        with upload.path.open("rb") as file:
            packed = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        if packed:
            items += list_entries(
                upload.path,
                max_files=limits.max_files,
                max_unpacked=limits.max_unpacked,
                max_bytes=limits.max_bytes,
            )
        else:
            items.append(upload)
    if len(items) > limits.max_files:
        raise Problem(
            422,
            f"max_files: the request holds {len(items):,} files, and {limits.max_files:,} is the limit; send less at a "
            "time",
            argument="max_files",
        )
    return items


async def lines(
    service: Service, served: str, items: Sequence[Item], options: PictureOptions, output: str, folder: Path
) -> AsyncIterator[bytes]:
    """Label pictures and give a line of JSON for each, in their order; a bad one does not stop the others.

    Args:
        service: labels them.
        served: name of the model.
        items: the pictures.
        options: how they are labelled.
        output: the wanted output.
        folder: where entries are unpacked.
    """
    work = deque[asyncio.Task[dict[str, Any]]]()
    waiting = enumerate(items)
    try:
        while True:
            while len(work) < AT_A_TIME and (next_one := next(waiting, None)) is not None:
                number, item = next_one
                path = folder / f"unpacked-{number}"
                work.append(asyncio.create_task(_line(service, served, item, options, output, path)))
                work[-1].set_name(str(number))
            if not work:
                return
            line = await work[0]
            number = int(work.popleft().get_name())
            yield json.dumps({"index": number, **line}, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    finally:
        for task in work:
            task.cancel()


async def _line(
    service: Service, served: str, item: Item, options: PictureOptions, output: str, path: Path
) -> dict[str, Any]:
    """Label a picture of a batch; what goes wrong is part of the line."""
    try:
        upload = item if isinstance(item, Upload) else await service.workers.look(lambda: item.unpack(path))
        check_type(upload.path)
        async with asyncio.timeout(service.limits.timeout):
            answer = await _when_there_is_room(service, served, upload, options, output)
        return {"name": item.name, "output": output, "media_type": answer.media_type, **content_of(answer)}
    except Problem as problem:
        return {"name": item.name, "error": problem.content}
    except PixelwiseError as error:
        return {"name": item.name, "error": of_error(error).content}
    except TimeoutError:
        slow = Problem(503, "timeout: the picture was not computed in time; send fewer at a time", argument="timeout")
        return {"name": item.name, "error": slow.content}
    except MemoryError:
        return {"name": item.name, "error": out_of_memory().content}
    except Exception:
        _log.exception("a picture of a batch")
        return {"name": item.name, "error": fault().content}
    finally:
        path.unlink(missing_ok=True)


async def _when_there_is_room(
    service: Service, served: str, upload: Upload, options: PictureOptions, output: str
) -> Answer:
    """Label a picture as soon as the queue has room for it: the batch has been taken already."""
    while True:
        try:
            return await service.label(served, upload, options, output)
        except Problem as problem:
            if problem.argument != "queue":
                raise
        await asyncio.sleep(PAUSE)


def content_of(answer: Answer) -> dict[str, Any]:
    """Put an output into JSON: ``result`` as it is, else ``text``, else ``base64``."""
    kind = answer.media_type.partition(";")[0]
    if kind.endswith("json"):
        return {"result": json.loads(answer.body)}
    if kind.startswith("text/"):
        return {"text": answer.body.decode()}
    return {"base64": base64.b64encode(answer.body).decode()}


class OwningResponse(StreamingResponse):
    """A stream of lines that keeps the files of its request until it has ended.

    Args:
        content: the lines.
        owned: closed at the end.
    """

    def __init__(self, content: AsyncIterator[bytes], owned: AsyncExitStack) -> None:
        super().__init__(content, media_type=NDJSON)
        self._owned = owned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines."""
        async with self._owned:
            await super().__call__(scope, receive, send)
