"""Tables as Parquet, which need the package pyarrow; it is imported when a table is read or written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixelwise.errors import DataError, UnsupportedError
from pixelwise.io.atomic import atomic_path

ROWS_PER_GROUP = 2**16
"""The rows that are in memory at a time, and in one group of the file."""


def require_parquet(what: str) -> None:
    """Make sure that tables can be read and written.

    Args:
        what: what the table is, for the message.

    Raises:
        UnsupportedError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise UnsupportedError(
            f"{what} needs the package pyarrow, which is not installed; install it with: pip install 'pixelwise[bulk]'"
        )


def write_parquet(path: Path, rows: Iterable[Sequence[Any]], columns: Mapping[str, str]) -> int:
    """Write rows, whole or not at all, with :data:`ROWS_PER_GROUP` of them in memory at a time.

    Args:
        path: the file.
        rows: a value for each column; None where there is none. Names that are no UTF-8 are written with escapes.
        columns: name -> type, as pyarrow names types: ``"string"``, ``"int64"``, ``"double"``.

    Returns:
        How many rows were written.

    Raises:
        PixelwiseError: the file cannot be written.
        UnsupportedError: pyarrow is not installed.
    """
    require_parquet(path.name)
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    texts = [kind == "string" for kind in columns.values()]
    count = 0
    with atomic_path(path) as beside, ParquetWriter(str(beside), schema) as writer:
        group: list[Sequence[Any]] = []

        def flush() -> None:
            values = [
                pa.array(map(as_text, column) if text else column, kind.type)
                for column, text, kind in zip(zip(*group, strict=True), texts, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(values, schema=schema))
            group.clear()

        for row in rows:
            group.append(row)
            count += 1
            if len(group) == ROWS_PER_GROUP:
                flush()
        if group:
            flush()
    return count


def as_text(value: str | None) -> str | None:
    """Write a name as the tables have it: with escapes for bytes that are no UTF-8."""
    return None if value is None else os.fsencode(value).decode("utf-8", "backslashreplace")


def read_column(path: Path, column: str) -> list[Any]:
    """Read one column of a table.

    Raises:
        DataError: the file is no Parquet, or has no such column.
        UnsupportedError: pyarrow is not installed.
    """
    require_parquet(path.name)
    from pyarrow.parquet import ParquetFile

    with _naming_the_table(path), ParquetFile(path) as file:
        names = file.schema_arrow.names
        if column not in names:
            raise DataError(f"{path}: it has no column `{column}`; its columns are {', '.join(names)}")
        values: list[Any] = file.read([column]).column(0).to_pylist()
        return values


def read_rows(path: Path, columns: Iterable[str]) -> Iterator[list[Any]]:
    """Read the rows of a table one by one, with a thousand of them in memory.

    Raises:
        DataError: the file is no Parquet, or has other columns than these.
        UnsupportedError: pyarrow is not installed.
    """
    require_parquet(path.name)
    from pyarrow.parquet import ParquetFile

    expected = list(columns)
    with _naming_the_table(path), ParquetFile(path) as file:
        names = file.schema_arrow.names
        if names != expected:
            raise DataError(f"{path}: its columns are {', '.join(names)}; expected {', '.join(expected)}")
        for batch in file.iter_batches(1024):
            yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))


@contextmanager
def _naming_the_table(path: Path) -> Iterator[None]:
    """Turn errors of reading a table into errors that name it."""
    from pyarrow import ArrowException

    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ArrowException as error:
        raise DataError(f"{path}: is no Parquet file, or is damaged ({error})") from None
