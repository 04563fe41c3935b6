"""Tables as CSV that programs read and people open in a spreadsheet."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pixelwise.io.atomic import atomic_text

# A cell that begins so is computed, not shown. Where semicolons part cells, as in much of Europe, and at the end of a
# line, a spreadsheet sees cells begin within a text that is quoted by the rules of commas. Some take wide forms, too.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@＝＋－＠])|^(?=[\t\r\n])")  # noqa: RUF001

CsvRow = Sequence[str | int | float]


@contextmanager
def open_table(path: str | os.PathLike[str]) -> Iterator[Callable[[CsvRow], object]]:
    """Open a CSV file for rows, as :func:`~pixelwise.io.atomic.atomic_text` does.

    Texts that were not written by pixelwise have to pass through :func:`harmless`.

    Yields:
        A function that writes a row.
    """
    with atomic_text(path, newline="") as file:
        yield csv.writer(file).writerow


def harmless(text: str) -> str:
    """Mark a text that a spreadsheet would compute as a formula by an apostrophe before it.

    Names of files and classes come from strangers; ``=HYPERLINK(...)`` and ``=cmd|...`` would run where the table is
    opened. Spreadsheets take what begins with ``=``, ``+``, ``-``, ``@``, a tab or the end of a line for such.
    """
    return _FORMULA.sub(r"\1'", text)
