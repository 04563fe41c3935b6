from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pixelwise.errors import PixelwiseError
from pixelwise.io.atomic import atomic_folder, atomic_path, write_json, write_text


def test_the_file_appears_at_the_end_only(tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    with atomic_path(target) as beside:
        beside.write_text("whole")
        assert beside.parent == tmp_path
        assert beside.suffix == ".bin"
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("failure", [RuntimeError("boom"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there_before(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "scores.json"
    target.write_text("before")
    with pytest.raises(type(failure)), atomic_path(target) as beside:  # noqa: PT012
        beside.write_text("half")
        raise failure
    assert target.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    target = tmp_path / "labels.png"
    with pytest.raises(PixelwiseError, match=r"labels\.png.*disk is full") as caught, atomic_path(target) as beside:  # noqa: PT012
        beside.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match=r"absent.*does not exist"), atomic_path(tmp_path / "absent" / "a.txt"):
        pass


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PixelwiseError, match=r"a file, not a folder"), atomic_path(tmp_path / "file" / "a.txt"):
        pass


def test_a_target_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="it is a folder"), atomic_path(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PixelwiseError, match="not permitted"), atomic_path(tmp_path / "a.txt"):
        pass


def test_errors_about_other_files_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()


def test_files_are_as_readable_as_others(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_write_json_reads_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"miou": 0.5, "namen": ["straße", None]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"miou": 0.5, "namen": ["straße", None]}


def test_a_folder_appears_at_the_end_only(tmp_path: Path) -> None:
    target = tmp_path / "labels.zarr"
    for text in ("first", "second"):
        with atomic_folder(target) as beside:
            (beside / "inner").mkdir()
            (beside / "inner" / text).write_text(text)
            assert not (target / "inner" / text).exists()
        assert [path.name for path in (target / "inner").iterdir()] == [text]
        assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def test_a_folder_that_fails_leaves_what_was_there_before(tmp_path: Path) -> None:
    target = tmp_path / "labels.zarr"
    target.mkdir()
    (target / "before").write_text("")
    with pytest.raises(PixelwiseError, match=r"labels\.zarr.*disk is full"), atomic_folder(target) as beside:  # noqa: PT012
        (beside / "half").write_text("")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [path.name for path in target.iterdir()] == ["before"]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is brought to the disk and what is renamed, by the number of the file, in order."""
    happened: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def syncing(handle: int) -> None:
        happened.append(("sync", os.fstat(handle).st_ino))
        fsync(handle)

    def renaming(source: Path, target: Path) -> None:
        happened.append(("rename", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", renaming)
    return happened


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path: Path, events: list[tuple[str, int]]) -> None:
    write_text(tmp_path / "a.txt", "whole")
    file, folder = (path.stat().st_ino for path in (tmp_path / "a.txt", tmp_path))
    assert events == [("sync", file), ("rename", file), ("sync", folder)]


def test_a_folder_is_on_the_disk_before_its_name_is(tmp_path: Path, events: list[tuple[str, int]]) -> None:
    target = tmp_path / "labels.zarr"
    with atomic_folder(target) as beside:
        (beside / "inner").mkdir()
        (beside / "inner" / "chunk").write_text("whole")
    parts = [target / "inner" / "chunk", target / "inner", target]
    renamed = events.index(("rename", target.stat().st_ino))
    assert {number for _, number in events[:renamed]} == {part.stat().st_ino for part in parts}
    assert events[renamed + 1 :] == [("sync", tmp_path.stat().st_ino)]


@pytest.mark.parametrize(("number", "works"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_disk_that_fails_is_an_error_but_a_folder_may_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, works: bool
) -> None:
    def refusing(handle: int) -> None:
        if os.fstat(handle).st_ino == tmp_path.stat().st_ino:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refusing)
    if works:
        write_text(tmp_path / "a.txt", "whole")
    else:
        with pytest.raises(PixelwiseError, match=r"a\.txt"):
            write_text(tmp_path / "a.txt", "whole")


@pytest.mark.parametrize("name", ["ü" * 120 + ".txt", "名" * 80 + ".txt"])
def test_long_names_leave_room_for_the_name_beside(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_with_a_name_of_its_own_a_killed_job_leaves_one_file(tmp_path: Path) -> None:
    (tmp_path / ".a.whole").write_text("of a killed job")
    with atomic_path(tmp_path / "a", beside_name=".a.whole") as beside:
        assert beside.read_text() == ""
        beside.write_text("whole")
    (tmp_path / ".b.whole").mkdir()
    (tmp_path / ".b.whole" / "old").write_text("of a killed job")
    with atomic_folder(tmp_path / "b", beside_name=".b.whole") as folder:
        assert list(folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
