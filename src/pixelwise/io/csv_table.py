"""Tables as CSV that programs read and people open in a spreadsheet."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pixelwise.io.atomic import atomic_text

# A spreadsheet computes a cell that begins like this instead of showing it. Where semicolons separate cells, as in much
# of Europe, and at line ends, a spreadsheet begins a new cell inside a text that is quoted by the rules for commas.
# Some spreadsheets accept the full-width forms of these characters, too.
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
    opened. A spreadsheet reads a text as a formula if it begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end.
    """
    return _FORMULA.sub(r"\1'", text)
