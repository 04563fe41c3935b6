"""Digests of the files of a data set, by which a later look finds out what has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from pixelwise.data.object_classes import Relabelled
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.data.unused import ReadsFiles
from pixelwise.errors import DataError
from pixelwise.io.ahead import in_threads
from pixelwise.io.file_cache import FileCache, stamp
from pixelwise.listener import Listener, Silent

Digests = Mapping[str, Mapping[str, str]]
"""Id of a pair -> file relative to the root of the data -> digest of its bytes and of how it is read."""

_DIGITS = 16  # of 64 in hexadecimal; two different files are as good as never equal in 64 bits


def digest_files(
    source: DataSource, *, cache: FileCache | None = None, listener: Listener | None = None
) -> dict[str, dict[str, str]]:
    """Digest the pictures and annotation files of all pairs; each file is read once.

    A file of the same place, size and time of change as at an earlier call is not read again.

    Args:
        source: the data.
        cache: where digests are kept; by default, in the user's cache folder.
        listener: is told how many files are done.

    Returns:
        :data:`Digests`. Annotations that are in no file, as objects that a program made, have none.

    Raises:
        DataError: a file cannot be read.
    """
    pairs = {pair.id: pair for pair in source.pairs}
    files = {id: (pair.image, *_annotation(pair)[0]) for id, pair in pairs.items()}
    every = list(dict.fromkeys(path for paths in files.values() for path in paths))
    listener = Silent() if listener is None else listener
    with FileCache() if cache is None else cache as opened, listener.progress("digesting files", len(every)) as tell:
        keys = {path: _key(path) for path in every}
        kept = opened.find(keys.values())
        known = {path: kept[key].decode() for path, key in keys.items() if key in kept}
        tell(len(known), len(every))
        missing = [path for path in every if path not in known]
        fresh = {}
        for path, digest in zip(missing, in_threads(_digest, missing), strict=True):
            fresh[path] = digest
            tell(len(known) + len(fresh), len(every))
        opened.keep({keys[path]: digest.encode() for path, digest in fresh.items()})
    known |= fresh
    return {
        id: {_relative(path, source.root): _read_as(known[path], pair, path) for path in files[id]}
        for id, pair in pairs.items()
    }


def _annotation(pair: Pair) -> tuple[tuple[Path, ...], tuple[tuple[int, ...], ...]]:
    """The annotation files of a pair, and the tables by which classes of its objects are exchanged."""
    if pair.mask is not None:
        return (pair.mask,), ()
    reader, tables = pair.objects, []
    while isinstance(reader, Relabelled):
        tables.append(reader.table)
        reader = reader.reader
    return reader.files() if isinstance(reader, ReadsFiles) else (), tuple(tables)


def _read_as(digest: str, pair: Pair, path: Path) -> str:
    """Make the digest of an annotation of objects depend on their classes, too, which a description may exchange."""
    tables = _annotation(pair)[1]
    if path == pair.image or not tables:
        return digest
    return hashlib.sha256(f"{digest} {tables}".encode()).hexdigest()[:_DIGITS]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:_DIGITS]
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror})") from error


def _key(path: Path) -> str:
    try:
        return json.dumps(["digest", _DIGITS, *stamp(path)])
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror})") from error


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
