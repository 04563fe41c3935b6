"""Labelling many pictures, and comparing what is left of it, for the tests of all engines."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from verbs import files, run

PICTURES = 200


def contents(out: Path) -> dict[str, bytes]:
    """The bytes of all files but the table, which holds times."""
    return {name: (out / name).read_bytes() for name in files(out) if not name.endswith(".parquet")}


def table(out: Path) -> pa.Table:
    found = pq.read_table(out / "pictures.parquet")
    assert all(second is None or second > 0 for second in found["seconds"].to_pylist())
    return found.drop_columns("seconds")


def predict(model: Path, given: Path, out: Path, *more: object, save: str = "labels,coco,table,pictures") -> int:
    return run("predict", model, given, "--out", out, "--save", save, *more)
