"""Manifests: tables that list the pictures of a job, one a row."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from pixelwise.errors import DataError
from pixelwise.io.parquet import read_column
from pixelwise.words import counted

MANIFEST_SUFFIXES = (".csv", ".parquet")
"""Suffixes of files that are no pictures but list them."""

PATH_COLUMN = "path"
"""The column that names the pictures."""


def read_manifest(manifest: Path, *, keep: Callable[[PurePath], bool] | None = None) -> list[tuple[Path, PurePath]]:
    """Read the pictures of a manifest, in its order.

    Paths are relative to the folder of the manifest. Names of results are these paths; where a picture lies elsewhere,
    the paths below the folder that all pictures share.

    Args:
        manifest: the table.
        keep: says by its name whether a picture is wanted; the files of others are not looked at.

    Returns:
        Each picture, wanted or not, with the name of its results, suffix included.

    Raises:
        DataError: the manifest cannot be read or lists nothing, a row names no picture, a wanted picture is missing, or
            two rows name the same one.
        UnsupportedError: it is Parquet, and pyarrow is not installed.
    """
    texts = list(_rows(manifest))
    if not texts:
        raise DataError(f"{manifest}: it lists no pictures; write one a row, below the column `{PATH_COLUMN}`")
    if "" in texts:
        row = texts.index("") + 1
        raise DataError(f"{manifest}: row {row} names no picture; fill its `{PATH_COLUMN}`, or leave the row out")
    pictures = [manifest.parent / text for text in texts]
    places = [Path(os.path.abspath(path)) for path in pictures]
    root = Path(os.path.abspath(manifest.parent))
    if not all(place.is_relative_to(root) for place in places):
        root = Path(os.path.commonpath([place.parent for place in places]))
    names = [place.relative_to(root) for place in places]
    _check_pictures(manifest, pictures, [keep is None or keep(name) for name in names])
    return list(zip(pictures, names, strict=True))


def _check_pictures(manifest: Path, pictures: Sequence[Path], wanted: Sequence[bool]) -> None:
    """Make sure that the wanted pictures are there, and that none is named twice."""
    kept = [(row, path) for row, (path, wants) in enumerate(zip(pictures, wanted, strict=True), 1) if wants]
    missing = [(row, path) for row, path in kept if not path.exists()]
    if missing:
        row, path = missing[0]
        raise DataError(
            f"{manifest}: {counted(len(missing), 'picture', 'is', of=len(kept))} not there, as {path} (row {row}); "
            f"correct the column `{PATH_COLUMN}`, whose paths are relative to the folder of the manifest"
        )
    seen: dict[str, int] = {}
    for row, path in kept:
        earlier = seen.setdefault(os.path.realpath(path), row)
        if earlier != row:
            raise DataError(f"{manifest}: rows {earlier} and {row} name the same picture, {path}; leave one out")


def _rows(manifest: Path) -> Iterator[str]:
    """Give the path in each row; empty where there is none."""
    if manifest.suffix.lower() == ".parquet":
        yield from ("" if value is None else str(value) for value in read_column(manifest, PATH_COLUMN))
        return
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            if PATH_COLUMN not in (table.fieldnames or ()):
                found = ", ".join(table.fieldnames or ()) or "none"
                raise DataError(f"{manifest}: it has no column `{PATH_COLUMN}`; its columns are {found}")
            yield from ((row[PATH_COLUMN] or "").strip() for row in table)
    except OSError as error:
        raise DataError(f"{manifest}: cannot be read ({error.strerror or error})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{manifest}: is no CSV table in UTF-8 ({error})") from None
