from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pixelwise.data.crops.pixel_crops import TrainingCrops
from pixelwise.data.source import open_data
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.training.fit import fit
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.workers import WatchedItems

TAKE = TrainingCrops.__getitem__


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_dies_names_the_file_it_was_reading(
    shapes: Path, tmp_path: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source, main = open_data(shapes), os.getpid()
    broken = source.split("train")[0]

    def die(self: TrainingCrops, index: int) -> Any:
        if os.getpid() != main and self.pair_of(index) == broken:
            os.kill(os.getpid(), number)
        return TAKE(self, index)

    monkeypatch.setattr(TrainingCrops, "__getitem__", die)
    with pytest.raises(PixelwiseError) as ended:
        fit(source, RunFolder(tmp_path / "run"), fixed={**small, "workers": 2, "steps": 20})
    assert str(ended.value).startswith(f"{broken.image}: a process that prepared crops of it died")
    assert "if memory ran out, choose fewer workers" in str(ended.value)


def test_an_error_in_a_worker_is_told_without_its_traceback(
    shapes: Path, tmp_path: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = os.getpid()

    def fail(self: TrainingCrops, index: int) -> Any:
        if os.getpid() != main:
            raise DataError("05.png: cannot be decoded (the file is cut); restore it")
        return TAKE(self, index)

    monkeypatch.setattr(TrainingCrops, "__getitem__", fail)
    with pytest.raises(DataError) as ended:
        fit(open_data(shapes), RunFolder(tmp_path / "run"), fixed={**small, "workers": 1})
    assert str(ended.value) == "05.png: cannot be decoded (the file is cut); restore it"


def test_items_are_noted_in_workers_alone() -> None:
    watched = WatchedItems([3, 4, 5], workers=2)
    assert [watched[index] for index in range(len(watched))] == [3, 4, 5]
    assert watched.made_by(os.getpid()) is None
