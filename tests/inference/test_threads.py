"""A predictor in several threads at once gives what it gives in one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from pixelwise import Predictor, build_model
from pixelwise.models import SegmentationModel


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    torch.manual_seed(0)
    model = build_model("deeplabv3plus", classes=4, encoder="resnet10t", decoder_channels=16)
    assert isinstance(model, SegmentationModel)
    return model.eval()


def test_pictures_do_not_see_each_other(model: SegmentationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is labelled in tiles that share a mean of its own, while the other one is in the middle of its tiles."""
    random = np.random.default_rng(0)
    dark, bright = (random.integers(low, low + 60, (90, 200, 3)).astype(np.uint8) for low in (0, 190))
    predictor = Predictor(model, device="cpu", precision="float32", mode="fast", tile=64)
    assert not predictor.plan((90, 200)).whole
    alone = [predictor(picture).labels for picture in (dark, bright)]
    mixed = Predictor(model, device="cpu", precision="float32", mode="fast", tile=64)
    both = Barrier(2)
    coarse = type(mixed.runtime).coarse

    def in_step(self: object, *given: object) -> object:
        both.wait(timeout=60)
        return coarse(self, *given)

    monkeypatch.setattr(type(mixed.runtime), "coarse", in_step)
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda picture: mixed(picture).labels, (dark, bright)))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_pictures_of_other_sizes(model: SegmentationModel) -> None:
    """What is left out of a mean beyond the edge belongs to the picture as well."""
    random = np.random.default_rng(0)
    pictures = [
        random.integers(0, 256, (height, width, 3)).astype(np.uint8)
        for height, width in ((33, 90), (64, 65), (50, 40), (97, 41)) * 5
    ]
    predictor = Predictor(model, device="cpu", precision="float32")
    alone = [predictor(picture, probabilities=True) for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda picture: predictor(picture, probabilities=True), pictures))
    for found, expected in zip(together, alone, strict=True):
        assert found.probabilities is not None
        assert expected.probabilities is not None
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
