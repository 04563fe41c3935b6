"""Figures and tables of an evaluation, as the terminal, the report and CSV files print them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Literal

from pixelwise.io.csv_table import harmless, open_table
from pixelwise.metrics.bootstrap import Interval
from pixelwise.types import Color

ColumnKind = Literal["text", "count", "ratio", "share"]
Cell = str | int | float


@dataclass(frozen=True)
class Figure:
    """One number that an evaluation states.

    Args:
        name: its usual name, such as ``"mIoU"``.
        value: a ratio 0 .. 1, NaN where it is not defined, or a count.
        interval: low and high of its interval over pictures, where it has one.
    """

    name: str
    value: float | int
    interval: Interval | None = None

    @property
    def defined(self) -> bool:
        """Whether the number is defined."""
        return not math.isnan(self.value)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its heading, also in CSV files.
        kind: what its cells are: text, counts, ratios 0 .. 1, or shares of a whole 0 .. 1. Undefined ratios are NaN.
        brief: whether it is shown where there is little room: in the terminal, or of a table of pictures in the report.
    """

    name: str
    kind: ColumnKind = "ratio"
    brief: bool = True


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        cells: one per column.
        color: its colour in pictures, such as that of a class.
        absent: whether there was nothing to score.
    """

    cells: tuple[Cell, ...]
    color: Color | None = None
    absent: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """Rows and columns; the first column names the row, the second one holds its most important figure.

    Args:
        columns: the names of the columns, the same for all rows.
        rows: as many cells each as there are columns.
        note: what the columns mean, in a sentence.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    note: str = ""
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {column.name: place for place, column in enumerate(self.columns)}
        assert len(places) == len(self.columns), "names of columns differ"
        assert all(len(row.cells) == len(self.columns) for row in self.rows), "rows have a cell for each column"
        object.__setattr__(self, "_places", places)

    def column(self, name: str) -> list[Cell]:
        """Give the cells of a column, row by row."""
        return [row.cells[self._places[name]] for row in self.rows]

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one line per row under the names of the columns; undefined values are empty cells.

        The file appears whole or not at all. Texts are made :func:`~pixelwise.io.csv_table.harmless`.

        Raises:
            PixelwiseError: the file cannot be written.
        """
        with open_table(path) as write_row:
            write_row([harmless(column.name) for column in self.columns])
            for row in self.rows:
                write_row([_as_text(cell) for cell in row.cells])


def describe_interval(interval: Interval | None) -> str:
    """Format the two ends of an interval of a ratio; empty without one."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _as_text(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.6f}"
    return harmless(cell) if isinstance(cell, str) else str(cell)
