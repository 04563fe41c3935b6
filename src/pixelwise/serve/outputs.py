"""The outputs that a server gives for a picture, and how a request chooses among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.labelling.label import Outcome
from pixelwise.inference.labelling.outputs import PICTURE_ENDINGS, BytesSink, write
from pixelwise.io.shapes.coco import write_coco
from pixelwise.io.shapes.records import ObjectRecord, PictureRecord
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


def render(outcome: Outcome, output: str, *, name: str) -> Answer:
    """Give an output of a labelled picture, with the bytes that ``predict`` would write to a file.

    Args:
        outcome: the labels.
        output: a key of :data:`MEDIA_TYPES`.
        name: what files of objects call the picture.
    """
    if output == "summary":
        body = json.dumps(summarise(outcome), ensure_ascii=False, allow_nan=False).encode()
    elif output in PICTURE_ENDINGS:
        with BytesSink() as sink:
            write(outcome.labelled, sink, (output,))
            body = sink.path(PICTURE_ENDINGS[output]).read_bytes()
    else:
        body = _LISTS[output](outcome, PictureRecord(name, *outcome.size))
    return Answer(body, MEDIA_TYPES[output])


def _coco(outcome: Outcome, picture: PictureRecord) -> bytes:
    labelled = outcome.labelled
    records = list(labelled.records())
    with BytesSink() as sink:
        path = sink.path(".json")
        write_coco(path, lambda: [(picture, iter(records))], object_space(labelled.label_space))
        return path.read_bytes()


def _table(outcome: Outcome, picture: PictureRecord) -> bytes:
    labelled = outcome.labelled

    def accepted() -> Iterator[ObjectRecord]:
        return (one for one in labelled.records() if one.score is None or one.score >= labelled.rule.score)

    with BytesSink() as sink:
        path = sink.path(".csv")
        write_object_table(path, [(picture, accepted())], object_space(labelled.label_space))
        return path.read_bytes()


_LISTS: dict[str, Callable[[Outcome, PictureRecord], bytes]] = {"coco": _coco, "table": _table}
