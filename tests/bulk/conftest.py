"""Many small pictures, and what one process makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from bulk import PICTURES, predict
from PIL import Image

from pixelwise.models import build_model, save_model
from pixelwise.types import LabelSpace


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 small pictures of several sizes, kinds and folders; two are broken, and one is a raster of several tiles."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("many") / "photos"
    for number in range(PICTURES - 4):
        folder = root / f"day {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        size = (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        suffix = ("png", "jpg", "tif")[number % 3]
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number:03d}.{suffix}")
    (root / "broken.png").write_text("no picture")
    (root / "day 1" / "cut.png").write_bytes((root / "day 0" / "000.png").read_bytes()[:200])
    Image.fromarray(rng.integers(0, 256, (50, 70), dtype=np.uint8)).save(root / "grey.png")
    placed = [(33550, "d", 3, (0.5, 0.5, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 10.0, 50.0, 0.0), True)]
    tifffile.imwrite(root / "map.tif", rng.integers(0, 256, (90, 80, 3), dtype=np.uint8), extratags=placed)
    return root


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of three classes that needs nothing but torch, so that processes are soon there."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    classes = LabelSpace(("dark", "middle", "bright"))
    save_model(build_model("unet", classes=classes, encoder="resnet18", decoder_channels=(8, 8, 8, 8, 8)), file)
    return file


@pytest.fixture(scope="session")
def by_loop(model: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes."""
    out = tmp_path_factory.mktemp("loop") / "out"
    assert predict(model, photos, out) == 2
    return out
