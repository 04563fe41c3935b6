"""The outputs that a server gives for a picture, and how a request chooses among them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.labelling.label import Outcome
from pixelwise.inference.labelling.labelled import Labelled
from pixelwise.inference.labelling.outputs import PICTURE_ENDINGS, BytesSink, save_overlay, write
from pixelwise.io.masks import save_labels
from pixelwise.io.shapes.coco import write_coco
from pixelwise.io.shapes.records import PictureRecord
from pixelwise.io.shapes.table import write_object_table
from pixelwise.serve.summary import summarise
from pixelwise.types import object_space

MEDIA_TYPES = {
    "summary": "application/json",
    "labels": "image/png",
    "overlay": "image/jpeg",
    "probabilities": "application/x-npy",
    "geojson": "application/geo+json",
    "coco": "application/vnd.coco+json",
    "table": "text/csv; charset=utf-8",
}
"""Output -> type of its bytes; the first is what a request gets that names none."""


@dataclass(frozen=True)
class Answer:
    """An output as bytes.

    Args:
        body: the bytes.
        media_type: what they are.
    """

    body: bytes
    media_type: str


def choose_output(wanted: str | None, accept: str) -> str:
    """Choose the output of a request; a named one beats the types that are accepted.

    Args:
        wanted: the name of an output, or None.
        accept: the header ``Accept``, as RFC 9110 describes it; empty for anything.

    Raises:
        SettingError: there is no such output.
        LookupError: no output has a type that is accepted.
    """
    if wanted is not None:
        if wanted not in MEDIA_TYPES:
            raise SettingError(unknown_name("output", wanted, MEDIA_TYPES), argument="output")
        return wanted
    qualities = [_quality(media_type.partition(";")[0], accept) for media_type in MEDIA_TYPES.values()]
    best = max(qualities)
    if best <= 0:
        raise LookupError
    return list(MEDIA_TYPES)[qualities.index(best)]


def _quality(media_type: str, accept: str) -> float:
    """Say how much a type is wanted, 0 .. 1: by its own name, else by its kind (``image/*``), else by ``*/*``."""
    wanted: dict[str, float] = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        wanted[name] = max(quality, wanted.get(name, 0.0))
    if not accept.strip():
        return 1.0
    for name in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0


def kinds_of(outputs: Sequence[str]) -> tuple[str, ...]:
    """What ``predict`` would save for these outputs; objects in a summary have the scores that tables give them."""
    return tuple("table" if output == "summary" else output for output in outputs)


def render(outcome: Outcome, output: str, *, name: str) -> Answer:
    """Give an output of a labelled picture, with the bytes that ``predict`` would write to a file.

    Args:
        outcome: the labels.
        output: a key of :data:`MEDIA_TYPES`.
        name: what files of objects call the picture.
    """
    if output == "summary":
        body = json.dumps(summarise(outcome), ensure_ascii=False, allow_nan=False).encode()
    elif output in _IN_MEMORY:
        stream = io.BytesIO()
        _IN_MEMORY[output](outcome.labelled, stream)
        body = stream.getvalue()
    elif output in PICTURE_ENDINGS:
        with BytesSink() as sink:
            write(outcome.labelled, sink, (output,))
            body = sink.path(PICTURE_ENDINGS[output]).read_bytes()
    else:
        with BytesSink() as sink:
            path = sink.path(".list")
            write_list(outcome, output, PictureRecord(name, *outcome.size), path)
            body = path.read_bytes()
    return Answer(body, MEDIA_TYPES[output])


def _labels(labelled: Labelled, stream: BinaryIO) -> None:
    height, width = labelled.size
    with labelled.labels() as labels:
        save_labels(stream, labels.read(slice(0, height), slice(0, width))[0], labelled.label_space)


def _overlay(labelled: Labelled, stream: BinaryIO) -> None:
    save_overlay(stream, labelled.overlay(numbers=False))


_IN_MEMORY: dict[str, Callable[[Labelled, BinaryIO], None]] = {"labels": _labels, "overlay": _overlay}
"""The outputs that are asked for most, which need not wait for a disk."""


def write_list(outcome: Outcome, output: str, picture: PictureRecord, path: Path) -> None:
    """Write the objects of a picture as ``coco`` or ``table``, one object in memory at a time.

    Raises:
        PixelwiseError: the file cannot be written.
    """
    labelled = outcome.labelled
    space = object_space(labelled.label_space)
    if output == "coco":
        write_coco(path, lambda: [(picture, labelled.records())], space)
        return
    accepted = (one for one in labelled.records() if one.score is None or one.score >= labelled.rule.score)
    write_object_table(path, [(picture, accepted)], space)
