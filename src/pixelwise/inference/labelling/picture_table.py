"""The table of the pictures of a job: a row for each, in the order of the pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelwise.inference.labelling.facts import PictureFacts
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.object_lists import listed_name
from pixelwise.io.parquet import write_parquet
from pixelwise.types import LabelSpace

TABLE_FILE = "pictures.parquet"
"""Name of the table in the output folder."""

_COLUMNS = {
    "picture": "string",
    "path": "string",
    "page": "int64",
    "height": "int64",
    "width": "int64",
    "no_data": "int64",
    "objects": "int64",
    "seconds": "double",
    "labels": "string",
    "error": "string",
}


@dataclass(frozen=True)
class PictureRow:
    """A picture of the table.

    Args:
        job: the picture.
        facts: what is known of it; None where it could not be labelled.
        error: why it could not be labelled.
    """

    job: Job
    facts: PictureFacts | None = None
    error: str | None = None


def write_picture_table(path: Path, rows: Iterable[PictureRow], label_space: LabelSpace) -> int:
    """Write the table, whole or not at all.

    Its columns: ``picture``, the path below the given folder; ``path``, the file as it was given; ``page``, from 1,
    where the pages of files are labelled one by one; ``height`` and ``width`` in pixels; ``no_data``, the pixels that
    hold none; ``objects`` that count by the rule of the model; ``seconds`` for reading, computing and writing;
    ``labels``, the file of the labels below the output folder; ``error``, why the picture could not be labelled; and
    ``share_NAME`` for each class, 0 .. 1 of the pixels that hold data.

    Returns:
        How many rows were written.

    Raises:
        PixelwiseError: the file cannot be written.
        UnsupportedError: pyarrow is not installed.
    """
    return write_parquet(path, (_values(row, len(label_space)) for row in rows), table_columns(label_space))


def table_columns(label_space: LabelSpace) -> dict[str, str]:
    """Name the columns of the table, each with its type."""
    return _COLUMNS | {f"share_{name}": "double" for name in label_space.names}


def _values(row: PictureRow, classes: int) -> list[Any]:
    job, facts = row.job, row.facts
    named = [listed_name(job), str(job.picture), None if job.page is None else job.page + 1]
    if facts is None:
        return [*named, *[None] * 6, row.error, *[None] * classes]
    known = sum(facts.pixels.values())
    no_data = facts.height * facts.width - known
    shares = (facts.pixels.get(index, 0) / known if known else 0.0 for index in range(classes))
    return [
        *named,
        *(facts.height, facts.width, no_data, facts.objects, facts.seconds, facts.labels),
        row.error,
        *shares,
    ]
