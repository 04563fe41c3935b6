"""A data set of a few small pictures, and settings that train on it within a second or two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.instances import BoxMask, Instances
from pixelwise.types import LabelSpace


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


@dataclass(frozen=True)
class Known:
    """A reader of objects that are known."""

    objects: Instances

    def read(self) -> Instances:
        return self.objects


@pytest.fixture
def toys(tmp_path: Path) -> DataSource:
    """Pictures of one to three circles and squares of 64x64, one picture empty, as objects of two classes."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "toys"
    folder.mkdir()
    rows, columns = np.mgrid[:64, :64]
    pairs = []
    for number in range(16):
        image = rng.integers(0, 60, (64, 64, 3))
        masks, labels = [], []
        for place in range(0 if number == 5 else rng.integers(1, 4)):
            y, x = (16, 16, 48)[place] + rng.integers(-4, 5), (16, 48, 32)[place] + rng.integers(-4, 5)
            label, radius = int(rng.integers(2)), int(rng.integers(7, 12))
            near = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            mask = near if label == 0 else (abs(rows - y) < radius) & (abs(columns - x) < radius)
            image[mask] += ((150, 20, 20), (20, 150, 150))[label]
            masks.append(BoxMask.of(mask))
            labels.append(label)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:02}.png")
        objects = Instances.of_masks((64, 64), masks, labels)
        pairs.append(Pair(f"{number:02}.png", folder / f"{number:02}.png", None, Known(objects)))
    splits = {"train": tuple(pairs[:12]), "val": tuple(pairs[12:])}
    return DataSource(folder, "toys", LabelSpace(("circle", "square")), splits)


@pytest.fixture
def small_objects() -> dict[str, Any]:
    return {
        "model": "mask_rcnn",
        "encoder": "mobilenetv3_small_050",
        "model_options": {"channels": 32, "head": 64, "mask_head": 32, "proposals": 100},
        "weights": "none",
        "crop": (64, 64),
        "batch": 4,
        "regions": 32,
        "precision": "32-true",
        "steps": 8,
    }
