"""Fixtures that several tests share."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; told before torch is imported, also by subprocesses
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.inference.runtimes.exported import engines
from pixelwise.models import SegmentationModel, build_model, save_model
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

_CACHE = tempfile.TemporaryDirectory(prefix="pixelwise-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name  # not the cache of whoever runs the tests

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def pictures() -> Path:
    """The folder of real pictures beside the checkout; the test skips where it is absent."""
    if not PICTURES.is_dir():
        pytest.skip(f"the real pictures are not at {PICTURES}")
    return PICTURES


class ByBrightness(nn.Module):
    """Class k where the mean of a 4x4 cell is nearest to brightness k / (K - 1)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.linspace(0, 1, classes))

    def forward(self, images: Tensor) -> Tensor:
        cells = F.avg_pool2d(images.mean(1, keepdim=True), 4)
        return -(cells - self.centres.view(1, -1, 1, 1)).abs()


def make_by_brightness(label_space: LabelSpace, channels: int = 3) -> SegmentationModel:
    preprocessing = Preprocessing(mean=(0.0,) * channels, std=(1.0,) * channels)
    network = ByBrightness(len(label_space))
    return SegmentationModel(network, label_space=label_space, preprocessing=preprocessing, stride=4)


@pytest.fixture
def by_brightness() -> SegmentationModel:
    """A model of three classes whose labels can be told by hand."""
    return make_by_brightness(LabelSpace(("dark", "middle", "bright")))


@pytest.fixture(scope="session")
def untrained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the model file of a real, small and untrained network of three classes."""
    run = tmp_path_factory.mktemp("untrained") / "run"
    run.mkdir()
    torch.manual_seed(0)
    classes = LabelSpace(("dark", "middle", "bright"), colors=((20, 20, 90), (90, 160, 60), (250, 220, 80)))
    save_model(build_model("fcn", classes=classes, encoder="resnet10t"), run / "model.safetensors")
    return run


@pytest.fixture(autouse=True)
def one_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run exported files with ONNX Runtime only, so that results do not depend on which library is faster today."""
    if request.node.get_closest_marker("engines") is None:
        monkeypatch.delitem(engines.PACKAGES, "openvino")
