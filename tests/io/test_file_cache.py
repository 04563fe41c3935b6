"""What was found out about files is kept until they change, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

from pixelwise.io.file_cache import FileCache, stamp


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    keys = [str(number) for number in range(1200)]
    with FileCache(tmp_path / "a.sqlite") as cache:
        cache.keep({key: key.encode() for key in keys[:1100]})
    with FileCache(tmp_path / "a.sqlite") as cache:
        assert cache.find(keys) == {key: key.encode() for key in keys[:1100]}


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = stamp(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, first[2] + 1))
    assert stamp(path) != first
    assert stamp(path)[:2] == first[:2]


def test_a_damaged_file_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no data base at all" * 100)
    with FileCache(path) as cache:
        cache.keep({"a": b"1"})
        assert cache.find(["a"]) == {}
    with FileCache(path) as cache:
        cache.keep({"a": b"1"})
        assert cache.find(["a"]) == {"a": b"1"}


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with FileCache(tmp_path / "file" / "a.sqlite") as cache:
        cache.keep({"a": b"1"})
        assert cache.find(["a"]) == {}
