from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pixelwise.data.crops.augmentation import Augmentation
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.pixel_crops import Pictures, TrainingCrops, collate_crops
from pixelwise.data.pairs import Pair
from pixelwise.errors import SettingError
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("field", "rare", "absent"))
CROP = Augmentation((16, 24), color=0.0)


@pytest.fixture
def cache(write: Any) -> PictureCache:
    """Six pictures, each of one grey level; only the last has a spot of class 1."""
    pairs = []
    for level in range(6):
        mask = np.zeros((60, 80), np.uint8)
        if level == 5:
            mask[40:43, 70:73] = 1
        picture = np.full((60, 80, 3), 10 * level, np.uint8)
        pairs.append(Pair(str(level), write(f"images/{level}.png", picture), write(f"masks/{level}.png", mask)))
    return PictureCache(pairs, SPACE, budget_bytes=10**6)


def level(item: tuple[torch.Tensor, torch.Tensor]) -> int:
    return int(item[0][0, 0, 0]) // 10


def test_items_are_uint8_crops(cache: PictureCache) -> None:
    crops = TrainingCrops(cache, CROP, length=10, seed=0)
    image, mask = crops[3]
    assert (len(crops), image.shape, mask.shape) == (10, (3, 16, 24), (16, 24))
    assert (image.dtype, mask.dtype) == (torch.uint8, torch.uint8)
    with pytest.raises(IndexError):
        crops[10]


def test_an_item_depends_on_seed_and_number_alone(cache: PictureCache) -> None:
    first, second = (TrainingCrops(cache, CROP, length=length, seed=3) for length in (50, 500))
    forwards = [first[k] for k in range(50)]
    backwards = [second[k] for k in reversed(range(50))][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    other_seed = TrainingCrops(cache, CROP, length=50, seed=4)
    assert [level(other_seed[k]) for k in range(50)] != [level(item) for item in forwards]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_see_the_same_stream(cache: PictureCache, workers: int) -> None:
    cache.warm()
    crops = TrainingCrops(cache, CROP, length=12, seed=3)
    expected = [crops[k] for k in range(12)]
    batches = list(DataLoader(crops, batch_size=4, num_workers=workers, collate_fn=collate_crops))
    assert batches[0][0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.stack([image for image, _ in expected]))
    assert torch.equal(torch.cat([masks for _, masks in batches]), torch.stack([mask for _, mask in expected]))


def test_every_epoch_takes_each_picture_once_in_another_order(cache: PictureCache) -> None:
    crops = TrainingCrops(cache, CROP, length=60, seed=0, rare_class_probability=0.0)
    epochs = [[level(crops[6 * epoch + k]) for k in range(6)] for epoch in range(10)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5


def test_rare_classes_are_sought_by_weight(cache: PictureCache) -> None:
    def hits(**options: Any) -> int:
        crops = TrainingCrops(cache, CROP, length=100, seed=0, **options)
        return sum(bool((crops[k][1] == 1).any()) for k in range(100))

    assert hits(rare_class_probability=0.0) < 15
    assert hits(rare_class_probability=1.0) > 85  # 28,791 pixels of field against 9: drawn by the root of that
    assert hits(rare_class_probability=1.0, class_weights=(1.0, 0.0, 1.0)) < 15
    assert hits(rare_class_probability=1.0, class_weights=(0.0, 1.0, 1.0)) == 100


def test_pictures_without_any_class_are_still_served(write: Any) -> None:
    ignored = np.full((20, 20), 255, np.uint8)
    pair = Pair("a", write("a.png", np.zeros((20, 20, 3), np.uint8)), write("m.png", ignored))
    crops = TrainingCrops(PictureCache([pair], SPACE, budget_bytes=0), CROP, length=5, seed=0)
    assert (crops[4][1] == 255).all()


def test_masks_of_16_bits_become_int64(write: Any) -> None:
    pair = Pair("a", write("a.png", np.zeros((20, 20, 3), np.uint8)), write("m.png", np.full((20, 20), 299, np.uint16)))
    cache = PictureCache([pair], LabelSpace.of(300), budget_bytes=0)
    assert TrainingCrops(cache, CROP, length=1, seed=0)[0][1].dtype == torch.int64
    assert set(Pictures(cache)[0][1].flatten().tolist()) == {299}


def test_crops_of_a_batch_have_one_size_that_its_number_decides(cache: PictureCache) -> None:
    crops = TrainingCrops(cache, CROP, length=400, seed=3, batch=4, shorter=7)
    again = TrainingCrops(cache, CROP, length=800, seed=3, batch=4, shorter=7)
    sizes = [crops[k][0].shape[1:] for k in range(400)]
    assert all(len(set(sizes[first : first + 4])) == 1 for first in range(0, 400, 4))
    assert [crops[k][1].shape for k in range(400)] == sizes == [again.size_of(k) for k in range(400)]
    for axis, side in enumerate((16, 24)):
        assert {size[axis] for size in sizes} == set(range(side - 7, side + 1))
        assert 0.35 < np.mean([size[axis] == side for size in sizes]) < 0.65  # half of them whole
    assert TrainingCrops(cache, CROP, length=400, seed=4, batch=4, shorter=7).size_of(0) != crops.size_of(8)
    images, masks = collate_crops([crops[k] for k in range(4)])
    assert images.shape[2:] == masks.shape[1:] == crops.size_of(0)


def test_crops_that_are_not_shortened_are_those_of_before(cache: PictureCache) -> None:
    plain, same = (TrainingCrops(cache, CROP, length=9, seed=3, **more) for more in ({}, {"batch": 4, "shorter": 0}))
    assert all(torch.equal(plain[k][0], same[k][0]) for k in range(9))


def test_crops_can_be_sent_to_spawned_workers(cache: PictureCache) -> None:
    crops = TrainingCrops(cache, CROP, length=5, seed=0)
    assert torch.equal(pickle.loads(pickle.dumps(crops))[2][0], crops[2][0])


def test_whole_pictures(cache: PictureCache) -> None:
    pictures = Pictures(cache)
    image, mask = pictures[5]
    assert (len(pictures), image.shape, mask.shape) == (6, (3, 60, 80), (60, 80))
    assert int(mask.sum()) == 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"shorter": 16},
        {"shorter": -1},
        {"batch": 0},
        {"rare_class_probability": 1.5},
        {"class_weights": (1.0,)},
        {"class_weights": (1.0, -1.0, 1.0)},
    ],
)
def test_settings_out_of_range_are_refused(cache: PictureCache, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        TrainingCrops(cache, CROP, length=1, seed=0, **wrong)


@pytest.mark.data
def test_crops_of_camvid_hold_its_rarest_class(pictures: Path) -> None:
    from pixelwise.data.source import open_data

    source = open_data(pictures / "camvid")
    cache = PictureCache(source.split("train")[::10], source.label_space, budget_bytes=2**28)
    crops = TrainingCrops(cache, Augmentation((288, 384)), length=60, seed=0, rare_class_probability=1.0)
    assert sum(bool((crops[k][1] == 10).any()) for k in range(60)) > 15
