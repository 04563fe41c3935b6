"""Manifests: tables that list the pictures of a job, one a row."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from pixelwise.errors import DataError
from pixelwise.io.parquet import read_column
from pixelwise.words import counted

MANIFEST_SUFFIXES = (".csv", ".parquet")
"""Suffixes of files that are no pictures but list them."""

PATH_COLUMN = "path"
"""The column that names the pictures."""


def read_manifest(manifest: Path) -> list[tuple[Path, PurePath]]:
    """Read the pictures of a manifest, in its order.

    Paths are relative to the folder of the manifest. Names of results are these paths; where a picture lies elsewhere,
    the paths below the folder that all pictures share.

    Returns:
        Each picture with the name of its results, suffix included.

    Raises:
        DataError: the manifest cannot be read or lists nothing, a row names no picture, a picture is missing, or two
            rows name the same one.
        UnsupportedError: it is Parquet, and pyarrow is not installed.
    """
    numbered = list(_rows(manifest))
    if not numbered:
        raise DataError(f"{manifest}: it lists no pictures; write one a row, below the column `{PATH_COLUMN}`")
    empty = [row for row, text in numbered if not text]
    if empty:
        raise DataError(f"{manifest}: row {empty[0]} names no picture; fill its `{PATH_COLUMN}`, or leave the row out")
    pictures = [(row, manifest.parent / text) for row, text in numbered]
    missing = [(row, path) for row, path in pictures if not path.exists()]
    if missing:
        row, path = missing[0]
        raise DataError(
            f"{manifest}: {counted(len(missing), 'picture', 'is', of=len(pictures))} not there, as {path} (row {row}); "
            f"correct the column `{PATH_COLUMN}`, whose paths are relative to the folder of the manifest"
        )
    seen: dict[str, int] = {}
    for row, path in pictures:
        earlier = seen.setdefault(os.path.realpath(path), row)
        if earlier != row:
            raise DataError(f"{manifest}: rows {earlier} and {row} name the same picture, {path}; leave one out")
    places = [Path(os.path.abspath(path)) for _, path in pictures]
    root = Path(os.path.abspath(manifest.parent))
    if not all(place.is_relative_to(root) for place in places):
        root = Path(os.path.commonpath([place.parent for place in places]))
    return [(path, place.relative_to(root)) for (_, path), place in zip(pictures, places, strict=True)]


def _rows(manifest: Path) -> Iterator[tuple[int, str]]:
    """Give the paths with the numbers of their rows, of which the first below the names of columns is 1."""
    if manifest.suffix.lower() == ".parquet":
        for row, value in enumerate(read_column(manifest, PATH_COLUMN), 1):
            yield row, "" if value is None else str(value)
        return
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            if PATH_COLUMN not in (table.fieldnames or ()):
                found = ", ".join(table.fieldnames or ()) or "none"
                raise DataError(f"{manifest}: it has no column `{PATH_COLUMN}`; its columns are {found}")
            for row, values in enumerate(table, 1):
                yield row, (values[PATH_COLUMN] or "").strip()
    except OSError as error:
        raise DataError(f"{manifest}: cannot be read ({error.strerror or error})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{manifest}: is no CSV table in UTF-8 ({error})") from None
