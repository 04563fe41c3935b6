"""Storing the facts of a pair from one check to the next."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace

import numpy as np

from pixelwise.data.doctor.facts import THUMBNAIL_SIDE, Facts, ObjectFacts
from pixelwise.data.doctor.outline_faults import OutlineFaults
from pixelwise.data.object_classes import Relabelled
from pixelwise.data.pairs import Pair
from pixelwise.data.unused import ReadsFiles
from pixelwise.io.file_cache import stamp
from pixelwise.types import LabelSpace

FORM = 3
"""The version of stored facts. It changes whenever the same files give other facts; other versions are not read."""


def key_of(pair: Pair, label_space: LabelSpace | None) -> str | None:
    """Give the key of the facts of a pair, which depends on the state of its files and on how its annotation is read.

    It is None if the files of the annotation are not known, or if one is missing.
    """
    files = [pair.image]
    reader = pair.objects
    table: tuple[int, ...] = ()
    while isinstance(reader, Relabelled):
        table = (*table, *reader.table)
        reader = reader.reader
    if pair.mask is not None:
        files.append(pair.mask)
    elif isinstance(reader, ReadsFiles):
        files += reader.files()
    elif reader is not None:
        return None
    try:
        stamps = [stamp(path) for path in files]
    except OSError:
        return None
    read_as = None
    if label_space is not None:
        read_as = [len(label_space), label_space.ignore_index, sorted(map(repr, label_space.mapping.items()))]
    return json.dumps(["facts", FORM, pair.id, stamps, table, read_as])


def to_bytes(facts: Facts) -> bytes:
    """Convert facts to bytes; :func:`from_bytes` reads them back."""
    plain = asdict(replace(facts, thumbnail=None))
    if facts.thumbnail is not None:
        plain["thumbnail"] = base64.b64encode(facts.thumbnail.astype(np.float16).tobytes()).decode("ascii")
    return json.dumps(plain).encode()


def from_bytes(content: bytes) -> Facts:
    """Read what :func:`to_bytes` wrote."""
    plain = json.loads(content)
    objects = plain["objects"]
    if objects is not None:
        faults = OutlineFaults(**objects["faults"])
        known = {"labels": tuple(objects["labels"]), "areas": tuple(objects["areas"]), "faults": faults}
        plain["objects"] = ObjectFacts(**{**objects, **known})
    if plain["thumbnail"] is not None:
        small = np.frombuffer(base64.b64decode(plain["thumbnail"]), np.float16)
        plain["thumbnail"] = small.astype(np.float32).reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    for name in ("pixels", "hidden"):
        if plain[name] is not None:
            plain[name] = tuple(plain[name])
    return Facts(**{**plain, "size": tuple(plain["size"])})
