from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.pixel_crops import TrainingCrops
from pixelwise.data.source import open_data
from pixelwise.errors import PixelwiseError
from pixelwise.training.fit import fit
from pixelwise.training.pixel_course import SegmentationTask
from pixelwise.training.run_folder import RunFolder
from pixelwise.types import Sample


@pytest.mark.parametrize("spoilt", ["weights", "values"])
def test_a_loss_that_is_no_number_is_explained(
    shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    step = SegmentationTask.training_step

    def spoil(task: SegmentationTask, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        if task.global_step == 3:
            weights = next(task.model.parameters())
            with torch.no_grad():
                weights.fill_(torch.nan if spoilt == "weights" else 3e38)
        return step(task, batch, batch_idx)

    monkeypatch.setattr(SegmentationTask, "training_step", spoil)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(PixelwiseError, match=r"the loss of step 4 is nan: ") as ended:
        fit(open_data(shapes), run, fixed=small, epochs=1.0)
    text = str(ended.value)
    assert ("were not finite before it" if spoilt == "weights" else "is the first whose values") in text
    assert "its crops are of images/" in text
    assert "a lower learning_rate (this run has 0.002) and gradient_clip 1" in text
    assert not run.checkpoint.exists()


def test_crops_name_the_picture_that_they_are_cut_from(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_data(shapes)
    cache = PictureCache(source.split("train"), source.label_space, budget_bytes=10**6)
    crops = TrainingCrops(cache, Augmentation(crop=(32, 32)), length=20, seed=1)
    read: list[str] = []
    take = PictureCache.__getitem__

    def record(self: PictureCache, index: int) -> Sample:
        read.append(self.pairs[index].id)
        return take(self, index)

    monkeypatch.setattr(PictureCache, "__getitem__", record)
    named = []
    for number in range(20):
        del read[:]
        crops[number]
        named.append((crops.pair_of(number).id, read[-1]))
    assert all(name == used for name, used in named)
    assert len({name for name, _ in named}) > 3
