from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixelwise.errors import DataError
from pixelwise.models.model_file import MODEL_FILE
from pixelwise.training.run_folder import RunFolder, saved_split


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    (run.path / MODEL_FILE).touch()
    return run


def test_saved_splits_are_those_of_the_same_data(run: RunFolder, tmp_path: Path) -> None:
    assert saved_split(run.path, tmp_path) is None
    described = {"data": str(tmp_path.resolve()), "splits": {"val": ["a.png", "b.png"], "test": []}}
    run.splits_file.write_text(json.dumps(described))
    assert saved_split(run.path, tmp_path) == ["a.png", "b.png"]
    assert saved_split(run.model_file, tmp_path, split="test") == []
    assert saved_split(run.path, tmp_path, split="train") is None
    assert saved_split(run.path, run.path) is None


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ([], "splits: expected keys and values"),
        (None, "splits: expected keys and values"),
        ({"val": "a.png"}, "val: expected a list, found 'a.png'"),
        ({"val": {"a.png": 1}}, "val: expected a list"),
        ({"val": ["a.png", 10**400]}, "val: expected the ids of pictures, found 1000"),
        ({"val": [["a.png"]]}, "val: expected the ids of pictures"),
        ({"val": ["a.png", "a.png"]}, "val: a picture is there twice"),
    ],
)
def test_splits_that_make_no_sense_are_refused(run: RunFolder, tmp_path: Path, splits: Any, reason: str) -> None:
    run.splits_file.write_text(json.dumps({"data": str(tmp_path.resolve()), "splits": splits}))
    with pytest.raises(DataError, match=rf"splits\.json: {reason}"):
        saved_split(run.path, tmp_path)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "9" * 5000, '{"data"', "[]", "null", "\ufffe"])
def test_damaged_files_are_refused(run: RunFolder, tmp_path: Path, text: str) -> None:
    run.splits_file.write_text(text, encoding="utf-16" if text == "\ufffe" else "utf-8")
    with pytest.raises(DataError, match=r"splits\.json: "):
        saved_split(run.path, tmp_path)
