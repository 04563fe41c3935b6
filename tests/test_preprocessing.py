"""How pictures are prepared: what resizing does to sizes, and what files hold of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.preprocessing import Preprocessing, Resize


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((160, 256), (800, 1280)),
        ((600, 400), (1200, 800)),
        ((1100, 1400), (800, 1018)),
        ((500, 3000), (222, 1333)),
        ((3000, 500), (1333, 222)),
        ((800, 800), (800, 800)),
        ((1, 1), (800, 800)),
        ((1, 9000), (1, 1333)),
    ],
)
def test_pictures_are_resized_as_torchvision_does(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert Resize(800, 1333).size_of(size) == expected
    if min(expected) > 1:
        factor = min(800 / min(size), 1333 / max(size))
        picture = torch.zeros(1, 1, *size, device="meta")
        reference = F.interpolate(picture, scale_factor=factor, mode="bilinear", recompute_scale_factor=True)
        assert tuple(reference.shape[2:]) == expected


@pytest.mark.parametrize(
    "sides",
    [(800, 400), (0, 10), (-1, 10), (800.0, 1333), ("800", "1333"), (True, 10), (10, 10**6), (10, float("nan"))],
)
def test_sides_that_make_no_sense_are_refused(sides: tuple[Any, Any]) -> None:
    with pytest.raises(SettingError, match=r"resize is \[.*whole numbers from 1 to 8192"):
        Resize(*sides)


def test_preprocessing_is_described_and_read_back() -> None:
    for resize in (None, Resize(800, 1333)):
        preprocessing = Preprocessing((0.5,), (0.25,), (0.0, 4095.0), resize)
        assert Preprocessing.from_dict(preprocessing.to_dict()) == preprocessing
    before = {"mean": [0.5], "std": [0.25], "value_range": None}  # as files had it that knew of no resizing
    assert Preprocessing.from_dict(before) == Preprocessing((0.5,), (0.25,))
