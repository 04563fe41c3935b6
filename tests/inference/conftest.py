"""Small networks whose labels differ from place to place and depend on what lies around a pixel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pixelwise.models import SegmentationModel
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

CLASSES = LabelSpace(("dark", "middle", "bright"), colors=((20, 20, 90), (90, 160, 60), (250, 220, 80)))


def make_wide(
    seed: int = 0, *, classes: LabelSpace = CLASSES, preprocessing: Preprocessing | None = None
) -> SegmentationModel:
    """A network of stride and period 4 that reads 43 pixels across, so that its halo is 24."""
    preprocessing = preprocessing or Preprocessing()
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(preprocessing.channels, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, padding=4, dilation=2),
        nn.ReLU(),
        nn.Conv2d(8, len(classes), 1),
    )
    with torch.no_grad():
        scores = network(torch.randn(1, preprocessing.channels, 64, 64))[0]  # (K, h, w)
        spread = scores.std((1, 2)) / 3
        last = network[-1]
        assert isinstance(last, nn.Conv2d)
        last.weight /= spread[:, None, None, None]
        last.bias.copy_((last.bias - scores.mean((1, 2))) / spread)  # every class wins somewhere
    return SegmentationModel(network, label_space=classes, preprocessing=preprocessing, stride=4).eval()


@pytest.fixture(scope="session")
def wide() -> SegmentationModel:
    """A model of three classes whose labels need what lies around."""
    return make_wide()


@pytest.fixture(scope="session")
def wide_of() -> Callable[..., SegmentationModel]:
    """Makes such models for other classes or pictures; see :func:`make_wide`."""
    return make_wide
