"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.models import Coarse, build_model, save_model
from pixelwise.types import LabelSpace, Preprocessing

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def pictures() -> Path:
    """The folder of real pictures beside the checkout; the test skips where it is absent."""
    if not PICTURES.is_dir():
        pytest.skip(f"the real pictures are not at {PICTURES}")
    return PICTURES


class ByBrightness(nn.Module):
    """Class k where the mean of a 4x4 cell is nearest to brightness k / (K - 1); has the interface of a model."""

    def __init__(self, label_space: LabelSpace, channels: int = 3) -> None:
        super().__init__()
        self.label_space = label_space
        self.preprocessing = Preprocessing(mean=(0.0,) * channels, std=(1.0,) * channels)
        self.name = "by brightness"
        self.centres = nn.Parameter(torch.linspace(0, 1, len(label_space)))

    def coarse(self, images: Tensor) -> Coarse:
        height, width = images.shape[2:]
        padded = F.pad(images.mean(1, keepdim=True), (0, -width % 4, 0, -height % 4))
        logits = -(F.avg_pool2d(padded, 4) - self.centres.view(1, -1, 1, 1)).abs()
        return Coarse(logits, (height, width), 0.25, -0.375)

    def forward(self, images: Tensor) -> Tensor:
        coarse = self.coarse(images)
        height, width = coarse.logits.shape[2] * 4, coarse.logits.shape[3] * 4
        full = F.interpolate(coarse.logits, (height, width), mode="bilinear", align_corners=False)
        return full[:, :, : coarse.size[0], : coarse.size[1]]


@pytest.fixture
def by_brightness() -> ByBrightness:
    """A model of three classes whose labels can be told by hand."""
    return ByBrightness(LabelSpace(("dark", "middle", "bright")))


@pytest.fixture(scope="session")
def untrained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the model file of a real, small and untrained network of three classes."""
    run = tmp_path_factory.mktemp("untrained") / "run"
    run.mkdir()
    torch.manual_seed(0)
    classes = LabelSpace(("dark", "middle", "bright"), colors=((20, 20, 90), (90, 160, 60), (250, 220, 80)))
    save_model(build_model("fcn", classes=classes, encoder="resnet10t"), run / "model.safetensors")
    return run
