"""What is listed of a folder: files once, no pipes, and no silence about folders that may not be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import DataError
from pixelwise.io.images import image_info
from pixelwise.io.listing import list_files


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Forbid reading a folder, which permissions do not do for the user root."""
    scandir = os.scandir

    def close(folder: Path) -> None:
        def refusing(path: Any = ".") -> Any:
            if Path(path).resolve() == folder.resolve():
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return close


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a.png", "below/b.png", ".hidden/c.png", "lost+found/d.png", "store/e"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    os.mkfifo(root / "pipe.png")
    (root / "gone.png").symlink_to(tmp_path / "nothing")
    (root / "below" / "loop").symlink_to(root)
    return root


def names(root: Path, **options: Any) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_files(root, **options)]


def test_regular_files_and_links_that_lead_nowhere(tree: Path) -> None:
    assert names(tree) == ["a.png", "below/b.png", "gone.png", "store/e"]
    assert names(tree, whole=lambda path: path.name == "store") == ["a.png", "below/b.png", "gone.png", "store"]


def test_folders_that_may_not_be_read_are_named(tree: Path, close: Callable[[Path], None]) -> None:
    close(tree / "below")
    with pytest.raises(DataError, match=r"tree/below: it cannot be read \(Permission denied\)"):
        list_files(tree)
    closed: list[Path] = []
    assert names(tree, closed=closed) == ["a.png", "gone.png", "store/e"]
    assert closed == [tree / "below"]


def test_a_pipe_is_never_opened(tree: Path) -> None:
    with pytest.raises(DataError, match=r"pipe.png: this is a pipe or a device, not a file"):
        image_info(tree / "pipe.png")
    os.mkfifo(tree / "pipe.json")
    with pytest.raises(DataError, match="no layout fits"):
        open_data(tree)
    os.mkfifo(tree / "pipe.yaml")
    with pytest.raises(DataError, match=r"pipe.yaml: this is a pipe or a device"):
        open_data(tree / "pipe.yaml")
