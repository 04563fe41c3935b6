from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from pixelwise.errors import PixelwiseError
from pixelwise.io.csv_table import harmless, open_table

FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(1)", "\tx", "\rx", "\n=x", " =1+1", "\xa0=x", "＝1+1"]  # noqa: RUF001


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text: str) -> None:
    assert harmless(text) == "'" + text or harmless(text) == "'" + text.replace("\n", "\n'")


@pytest.mark.parametrize(
    "text", ["a=b.png", "sub-1/x+y.png", "", "grass, wet", "a;b", 'say "=1"', "Übergang", "3", "'"]
)
def test_other_names_stay(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, "a;=1", "a\t@b", "a\n-x", "a\r\n+x", "a; =x;=y"])
def test_no_cell_begins_a_formula_whatever_parts_cells(tmp_path: Path, text: str) -> None:
    with open_table(tmp_path / "t.csv") as write_row:
        write_row([1, harmless(text), -0.5])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["1", harmless(text), "-0.5"]]
    # Where semicolons or tabs part cells, the quotes that commas ask for do not stand at the start of one.
    cells = re.split(r"[;\t\r\n]", (tmp_path / "t.csv").read_text(encoding="utf-8"))
    assert not {cell.lstrip()[:1] for cell in [harmless(text), *cells]} & set("=+-@＝")  # noqa: RUF001


def test_bytes_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    with open_table(tmp_path / "t.csv") as write_row:
        write_row(["a\udcff.png", "ü"])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "a\\udcff.png,ü\n"


def test_a_table_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="does not exist"), open_table(tmp_path / "absent" / "t.csv"):
        pass
    with pytest.raises(RuntimeError), open_table(tmp_path / "t.csv") as write_row:  # noqa: PT012
        write_row([1])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
