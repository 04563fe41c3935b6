"""Manifests of pictures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.inference.labelling.jobs import collect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in two folders."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for name in ("in/a.png", "in/sub/b.png", "other/c.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    return tmp_path / "in"


def write(folder: Path, text: str, name: str = "list.csv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


def found(manifest: Path, out: Path) -> list[tuple[str, str]]:
    return [(job.name.as_posix(), job.picture.name) for job in collect([str(manifest)], out).jobs]


def test_paths_are_relative_to_the_manifest_and_keep_its_order(folder: Path, tmp_path: Path) -> None:
    manifest = write(folder, "\ufefftaken,path\r\nmonday,sub/b.png\r\ntuesday,a.png\r\n")
    assert found(manifest, tmp_path / "out") == [("sub/b", "b.png"), ("a", "a.png")]


def test_parquet_is_read_alike(folder: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"taken": [1, 2], "path": ["sub/b.png", "a.png"]}), folder / "list.parquet")
    assert found(folder / "list.parquet", tmp_path / "out") == [("sub/b", "b.png"), ("a", "a.png")]


@pytest.mark.parametrize("elsewhere", ["../other/c.png", "{absolute}"])
def test_pictures_elsewhere_are_named_below_the_folder_they_share(elsewhere: str, folder: Path, tmp_path: Path) -> None:
    manifest = write(folder, f"path\nsub/b.png\n{elsewhere.format(absolute=tmp_path / 'other' / 'c.png')}\n")
    assert found(manifest, tmp_path / "out") == [("in/sub/b", "b.png"), ("other/c", "c.png")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,size\na.png,3\n", "list.csv: it has no column `path`; its columns are file, size"),
        ("", "it has no column `path`; its columns are none"),
        ("path\n", "lists no pictures"),
        ("path,size\na.png,3\n,4\n", "row 2 names no picture"),
        ("path\na.png\nsub/b.png\n./a.png\n", "rows 1 and 3 name the same picture"),
        ("path\na.png\nb.png\nc.png\n", r"2 of 3 pictures are not there, as .*b.png \(row 2\)"),
        ('path\n"a.png\n', "is no CSV table"),
    ],
)
def test_faults_of_a_manifest_are_named(text: str, complaint: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=complaint):
        found(write(folder, text), tmp_path / "out")


def test_a_file_that_is_no_table_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list.parquet: is no Parquet file"):
        found(write(folder, "path\na.png\n", "list.parquet"), tmp_path / "out")
    (folder / "list.csv").write_bytes(b"path\n\xff\xfe.png\n")
    with pytest.raises(DataError, match=r"list.csv: is no CSV table in UTF-8"):
        found(folder / "list.csv", tmp_path / "out")
    with pytest.raises(DataError, match="no such file"):
        found(folder / "absent.csv", tmp_path / "out")
