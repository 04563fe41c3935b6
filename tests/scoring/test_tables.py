from __future__ import annotations

import csv
import math
from pathlib import Path

from pixelwise.scoring.tables import Column, Row, ScoreTable


def test_names_of_strangers_are_no_formulas_in_a_spreadsheet(tmp_path: Path) -> None:
    columns = (Column("id", "text"), Column("=1+1"), Column("objects", "count"))
    table = ScoreTable(columns, (Row(("@a.png", -0.5, -3)), Row(("b\udcff.png", math.nan, 0))))
    table.write_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["id", "'=1+1", "objects"],
            ["'@a.png", "-0.500000", "-3"],
            ["b\\udcff.png", "", "0"],
        ]
