"""Journals that are cut, damaged, or written by something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pixelwise.errors import DataError, PixelwiseError
from pixelwise.labelling.journal import Journal

ABOUT = {"picture": "a.png", "size": [4, 5]}
ENTRIES = [{"kind": "stroke", "points": [1.5, number]} for number in range(5)]


def written(path: Path) -> bytes:
    journal = Journal(path, ABOUT)
    for entry in ENTRIES:
        journal.append([entry])
    return path.read_bytes()


def test_entries_are_there_again(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl")
    assert Journal(tmp_path / "a.jsonl", ABOUT).entries == ENTRIES


def test_a_journal_that_was_cut_anywhere_gives_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    content = written(path)
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = max(0, content[:cut].count(b"\n") - 1)
        journal = Journal(path, ABOUT)
        assert journal.entries == ENTRIES[:whole]
        journal.append([{"kind": "undo"}])
        assert Journal(path, ABOUT).entries == [*ENTRIES[:whole], {"kind": "undo"}]


def test_a_line_that_was_altered_is_named_and_the_file_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    content = written(path).replace(b"[1.5, 2]", b"[1.5, 3]")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jsonl: line 4"):
        Journal(path, ABOUT)
    assert path.read_bytes() == content


def test_a_journal_of_another_picture_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="it is about"):
        Journal(tmp_path / "a.jsonl", {**ABOUT, "size": [5, 5]})


def test_what_cannot_be_written_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    content = written(path)
    journal = Journal(path, ABOUT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(PixelwiseError, match="the disk is full"):
            journal.append([{"kind": "undo"}])
    assert path.read_bytes() == content
    assert journal.entries == ENTRIES
    journal.append([{"kind": "redo"}])
    assert Journal(path, ABOUT).entries == [*ENTRIES, {"kind": "redo"}]


def test_lines_are_on_the_disk_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    journal = Journal(tmp_path / "a.jsonl", ABOUT)
    journal.append([ENTRIES[0]])
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(len(journal.entries)), sync(handle)))
    journal.append([ENTRIES[1]])
    assert seen == [1]


def test_what_something_else_wrote_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    content = written(path)
    journal = Journal(path, ABOUT)
    path.write_bytes(content + b"another line\n")
    with pytest.raises(PixelwiseError, match="something else wrote"):
        journal.append([{"kind": "undo"}])
    assert path.read_bytes() == content + b"another line\n"
