"""A data set of a few small pictures, and settings that train on it within a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Twelve pictures of a bright disc or bar on a dark ground, with masks and class names."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "shapes"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    rows, columns = np.mgrid[:64, :80]
    for number in range(12):
        mask = np.zeros((64, 80), np.uint8)
        y, x = rng.integers(15, 50), rng.integers(15, 65)
        if number % 2:
            mask[(rows - y) ** 2 + (columns - x) ** 2 < 120] = 1
        else:
            mask[abs(rows - y) < 5] = 2
        image = rng.integers(0, 60, (64, 80, 3)) + np.array([0, 150, 90])[mask][..., None]
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"{number:02}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:02}.png")
    (folder / "classes.txt").write_text("ground\ndisc\nbar\n")
    return folder


@pytest.fixture
def small() -> dict[str, Any]:
    return {
        "model": "fcn",
        "encoder": "mobilenetv3_small_050",
        "weights": "none",
        "crop": (64, 64),
        "batch": 2,
        "precision": "32-true",
        "steps": 8,
    }


@pytest.fixture
def small_paper() -> dict[str, Any]:
    """A network without encoder and norms, trained with everything its paper adds."""
    return {
        "model": "unet2015",
        "model_options": {"width": 1 / 16},
        "crop": (36, 52),
        "batch": 2,
        "precision": "32-true",
        "elastic": 2.0,
        "border_weight": 10.0,
        "steps": 8,
    }
