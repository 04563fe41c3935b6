"""Labelling by several processes and by shards gives the files of labelling by one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulk import PICTURES, contents, predict, table
from verbs import files

from pixelwise.io.masks import read_mask


def test_the_table_tells_of_every_picture(by_loop: Path, photos: Path) -> None:
    rows = {row["picture"]: row for row in table(by_loop).to_pylist()}
    assert len(rows) == PICTURES
    assert list(rows) == sorted(rows, key=lambda name: Path(name).parts)
    broken = rows["broken.png"]
    assert "broken.png" in broken["error"]
    assert broken["height"] is broken["objects"] is broken["labels"] is broken["share_dark"] is None
    objects = (by_loop / "objects.csv").read_text().splitlines()
    for name in ("grey.png", "day 0/000.png", "day 2/002.tif", "map.tif"):
        row = rows[name]
        labels = read_mask(by_loop / row["labels"])
        assert labels.shape == (row["height"], row["width"])
        for index, known in enumerate(("dark", "middle", "bright")):
            assert row[f"share_{known}"] == pytest.approx((labels == index).mean())
        assert row["objects"] == sum(line.startswith(f"{name},") for line in objects) > 0
        assert row["path"] == str(photos / name)
        assert (row["no_data"], row["page"], row["error"]) == (0, None, None)


def test_processes_give_the_files_of_one(
    model: Path, photos: Path, by_loop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert predict(model, photos, out, "--engine", "local", "--workers", 2) == 2
    assert contents(out) == contents(by_loop)
    assert table(out) == table(by_loop)
    message = capsys.readouterr().err
    assert "2 of 200 pictures could not be labelled" in message
    assert "broken.png" in message


def test_shards_give_the_files_of_one(model: Path, photos: Path, by_loop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shards = [predict(model, photos, out, "--shard", f"{number}/3") for number in (3, 1, 2)]
    assert set(shards) <= {0, 2}
    assert 2 in shards
    assert {f"pictures-{number}-of-3.parquet" for number in (1, 2, 3)} <= set(files(out))
    assert predict(model, photos, out, "--merge") == 2
    assert contents(out) == contents(by_loop)
    assert table(out) == table(by_loop)
