from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data._utils import worker

from pixelwise.data.crops.pixel_crops import TrainingCrops
from pixelwise.data.pairs import Pair
from pixelwise.data.source import open_data
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.training.fit import fit
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.workers import WatchedItems, explained_workers

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


def test_a_worker_that_dies_while_it_hands_over_an_item_is_told_of(tmp_path: Path, shapes: Path) -> None:
    """The first process then meets a broken connection before torch tells of the death."""
    source = open_data(shapes)
    items = WatchedItems(Reading(source.split("train")), workers=1)
    reader = multiprocessing.get_context("fork").Process(target=read_and_die, args=(items,))
    reader.start()
    reader.join()
    with (
        pytest.raises(PixelwiseError, match=r"02.*: a process that prepared crops of it died .reset by peer"),
        explained_workers(items, RunFolder(tmp_path)),
    ):
        raise ConnectionResetError("reset by peer")


def test_a_broken_connection_without_a_death_is_left_as_it_is(tmp_path: Path, shapes: Path) -> None:
    items = WatchedItems(Reading(open_data(shapes).split("train")), workers=1)
    with pytest.raises(ConnectionResetError), explained_workers(items, RunFolder(tmp_path)):
        raise ConnectionResetError("by something else")


class Reading:
    """Items whose third one ends the process that reads it."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> int:
        if index == 2:
            os._exit(1)
        return index

    def pair_of(self, index: int) -> Pair:
        return self.pairs[index]


def read_and_die(items: WatchedItems[int]) -> None:
    worker._worker_info = worker.WorkerInfo(id=0, num_workers=1, seed=0, dataset=items)
    for index in range(len(items)):
        items[index]


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
