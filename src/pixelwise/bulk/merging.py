"""Joining what the shards of a job have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pixelwise.bulk.job import Summary, write_lists
from pixelwise.bulk.request import Request
from pixelwise.bulk.shards import SETTINGS_FILE, Shard, agree_on, shard_tables
from pixelwise.errors import DataError
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.object_lists import ObjectLists, listed_name
from pixelwise.inference.labelling.picture_table import TABLE_FILE, table_columns
from pixelwise.inference.predictor import Predictor
from pixelwise.io.parquet import as_text, read_rows, write_parquet
from pixelwise.words import listed

MERGED_FILE = ".pixelwise-merged"
"""Says that everything is joined, so that only what the shards kept has to go."""


def merge_shards(request: Request, jobs: Sequence[Job], out: Path, predictor: Predictor) -> Summary:
    """Write the table and the lists of all pictures from those of the shards, which then go.

    Args:
        request: how the shards labelled.
        jobs: all pictures, in the order of the rows.
        out: the output folder of the shards.
        predictor: the model.

    Raises:
        SettingError: the shards have labelled with other settings.
        DataError: a shard is missing, or its table is not one of these pictures.
        PixelwiseError: a file cannot be written.
    """
    merged = out / MERGED_FILE
    errors: dict[int, DataError] = {}
    if not merged.exists():
        shards = _all_shards(out)
        agree_on(Shard(1, len(shards)).settings(request.settings(predictor)), out)
        columns = list(table_columns(predictor.label_space))
        at = columns.index("error")

        def rows() -> Iterator[list[Any]]:
            for number, row in enumerate(_in_order(shards, jobs, columns)):
                if row[at] is not None:
                    errors[number] = DataError(row[at])
                yield row

        write_parquet(out / TABLE_FILE, rows(), table_columns(predictor.label_space))
        write_lists(request, jobs, out, predictor)
        merged.touch()
    for shard, table in shard_tables(out).items():
        (out / shard.record).unlink(missing_ok=True)
        table.unlink()
    ObjectLists(out, ()).remove()
    (out / SETTINGS_FILE).unlink(missing_ok=True)
    merged.unlink()
    return Summary(len(jobs), 0, errors, ())


def _all_shards(out: Path) -> dict[int, Path]:
    """Give the tables of all shards of a folder by their numbers.

    Raises:
        DataError: some are missing, or they are of jobs with different numbers of shards.
    """
    tables = shard_tables(out)
    if not tables:
        raise DataError(f"{out}: there are no tables of shards to merge, such as {Shard(1, 4).table}; run the shards")
    totals = sorted({shard.of for shard in tables})
    if len(totals) > 1:
        raise DataError(
            f"{out}: there are tables of {' and of '.join(map(str, totals))} shards; remove those that are not wanted"
        )
    wanted = [Shard(number, totals[0]) for number in range(1, totals[0] + 1)]
    missing = [f"{shard.number}/{shard.of}" for shard in wanted if shard not in tables]
    if missing:
        raise DataError(f"{out}: of {totals[0]} shards, these have not ended: {listed(missing)}; run them first")
    return {shard.number: tables[shard] for shard in wanted}


def _in_order(shards: dict[int, Path], jobs: Sequence[Job], columns: list[str]) -> Iterator[list[Any]]:
    """Give a row for each picture from the tables of the shards, each of which has its rows in the same order."""
    tables = {number: read_rows(path, columns) for number, path in shards.items()}
    for job in jobs:
        number = Shard.part_of(job.name.with_name(job.picture.name), len(shards))
        row = next(tables[number], None)
        if row is None or row[0] != as_text(listed_name(job)):
            found = "it ends" if row is None else f"it has {row[0]}"
            raise DataError(
                f"{shards[number]}: {found} where a row of {listed_name(job)} is expected, so its shard was given "
                f"other pictures; run shard {number}/{len(shards)} again"
            )
        yield row
    for number, table in tables.items():
        row = next(table, None)
        if row is not None:
            raise DataError(
                f"{shards[number]}: it has a row of {row[0]}, which is not among the pictures given; give the same "
                f"pictures, or run shard {number}/{len(shards)} again"
            )
