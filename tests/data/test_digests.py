from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.digests import digest_files
from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.file_cache import FileCache


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(root / f"images/{number}.png")
        Image.fromarray((np.arange(64).reshape(8, 8) > 20 + number).astype(np.uint8)).save(root / f"masks/{number}.png")
    return root


def test_a_digest_changes_with_the_bytes_of_its_file_alone(data: Path) -> None:
    before = digest_files(open_data(data))
    assert sorted(before["images/1.png"]) == ["images/1.png", "masks/1.png"]
    assert digest_files(open_data(data)) == before
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(data / "masks/1.png")
    after = digest_files(open_data(data))
    changed = {path for id, files in after.items() for path in files if files[path] != before[id][path]}
    assert changed == {"masks/1.png"}


def test_files_that_did_not_change_are_not_read_again(data: Path, tmp_path: Path) -> None:
    source, cache = open_data(data), FileCache(tmp_path / "kept.sqlite")
    before = digest_files(source, cache=cache)
    path = data / "images/0.png"
    stat = path.stat()
    path.write_bytes(bytes(stat.st_size))
    assert digest_files(source, cache=cache) != before, "the time of the last change differs"
    path.write_bytes(b"\1" * stat.st_size)

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digest_files(source, cache=cache) == before


def test_a_file_that_is_gone_is_named(data: Path) -> None:
    source = open_data(data)
    (data / "masks/2.png").unlink()
    with pytest.raises(DataError, match=r"masks/2\.png: the file cannot be read"):
        digest_files(source)


def test_classes_of_objects_that_a_description_exchanges_are_part_of_the_digest(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save(tmp_path / f"images/{number}.png")
        (tmp_path / f"labels/{number}.txt").write_text(f"{number} 0.1 0.1 0.8 0.1 0.8 0.8\n")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    before = digest_files(open_data(tmp_path))
    assert sorted(before["images/0.png"]) == ["images/0.png", "labels/0.txt"]
    (tmp_path / "dataset.yaml").write_text("merge: {animal: [dog], pet: [cat]}\n")
    after = digest_files(open_data(tmp_path))
    changed = {path for id, files in after.items() for path in files if files[path] != before[id][path]}
    assert changed == {"labels/0.txt", "labels/1.txt"}
