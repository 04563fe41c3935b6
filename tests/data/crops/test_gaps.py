from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.gaps import GapWeights, connected_objects
from pixelwise.data.crops.pixel_crops import TrainingCrops, collate_crops
from pixelwise.data.pairs import Pair
from pixelwise.types import LabelSpace

CELLS = LabelSpace(("membrane", "cell"), background=0)


@pytest.fixture
def cache(write: Any) -> PictureCache:
    """Two cells with a gap of two columns between them, and a third far away."""
    mask = np.zeros((60, 90), np.uint8)
    mask[10:30, 5:20] = mask[10:30, 22:40] = mask[40:55, 70:85] = 1
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    return PictureCache([Pair("cells", write("i.png", image), write("m.png", mask))], CELLS, budget_bytes=10**6)


def test_the_gap_between_two_cells_weighs_and_nothing_else(cache: PictureCache) -> None:
    weights = GapWeights(cache, w0=10.0, budget_bytes=10**6)[0]
    assert weights.shape == (60, 90)
    expected = 10 * np.exp(-((1 + 2) ** 2) / (2 * 5**2))  # 1 and 2 pixels from the two cells
    np.testing.assert_allclose(weights[20, 20:22], expected, rtol=1e-5)
    mask = cache[0].mask
    assert mask is not None
    assert not weights[mask == 1].any(), "cells weigh what their class does"
    assert not weights[45:, :40].any()


def test_maps_are_computed_once_as_far_as_memory_allows(cache: PictureCache) -> None:
    kept, tight = GapWeights(cache, w0=10.0, budget_bytes=10**6), GapWeights(cache, w0=10.0, budget_bytes=100)
    assert kept[0] is kept[0]
    assert tight[0] is not tight[0]
    np.testing.assert_allclose(kept[0], tight[0], atol=1e-6)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(kept))[0], kept[0], atol=1e-6)


def test_objects_are_connected_parts_of_one_class() -> None:
    mask = np.array(
        [
            [1, 1, 0, 2, 2],
            [0, 1, 2, 0, 2],
            [1, 0, 2, 255, 2],
        ],
        np.uint8,
    )
    objects = connected_objects(mask, LabelSpace(("none", "a", "b")))
    expected = [[1, 1, 0, 4, 4], [0, 1, 3, 0, 4], [2, 0, 3, 0, 4]]
    # Numbers are arbitrary: the same parts must be told apart.
    pairs = set(zip(np.ravel(expected).tolist(), objects.ravel().tolist(), strict=True))
    assert len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs}) == 5
    assert (0, 0) in pairs


def test_another_class_can_be_the_background() -> None:
    mask = np.array([[0, 1, 0]], np.uint8)
    objects = connected_objects(mask, LabelSpace(("cell", "membrane"), background=1))
    assert objects[0, 1] == 0
    assert objects[0, 0] != objects[0, 2] != 0


def test_crops_carry_the_weights_where_the_mask_goes(cache: PictureCache) -> None:
    gaps = GapWeights(cache, w0=10.0, budget_bytes=10**6)
    varied = Augmentation((48, 64), scale=(0.8, 1.5), rotation=20, elastic=3.0)
    crops = TrainingCrops(cache, varied, length=8, seed=0, gaps=gaps)
    images, masks, weights = collate_crops([crops[k] for k in range(8)])
    assert images.shape == (8, 3, 48, 64)
    assert masks.shape == weights.shape == (8, 48, 64)
    assert weights.dtype == torch.float32
    assert weights.any()
    assert not weights[masks != 0].any(), "weights are on background alone, moved or not"
    plain = TrainingCrops(cache, varied, length=8, seed=0)
    assert len(plain[3]) == 2
    assert torch.equal(plain[3][0], crops[3][0])
    assert torch.equal(plain[3][1], crops[3][1])
