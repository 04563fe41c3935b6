from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pixelwise.data.crops.augmentation import Augmentation, augment, draw_bend
from pixelwise.errors import SettingError
from pixelwise.types import Sample

STILL: dict[str, Any] = {"scale": (1.0, 1.0), "hflip": False, "color": 0.0}


def sample(height: int, width: int, channels: int = 3) -> Sample:
    """A picture whose mask says which pixel it is: the mask repeats channel 0, which repeats nowhere near."""
    rng = np.random.default_rng(height * width)
    image = rng.integers(0, 256, (height, width, channels), np.uint8)
    return Sample(image.transpose(2, 0, 1), image[..., 0].copy(), "test")


def smooth(height: int, width: int) -> Sample:
    """A ramp over the columns, and a mask that is its rounded value: image and mask must stay equal under warps."""
    ramp = np.tile(np.linspace(0, 240, width), (height, 1)).astype(np.uint8)
    return Sample(np.stack([ramp] * 3), ramp.copy(), "ramp")


def crop(picture: Sample, seed: int = 0, center: Any = None, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return augment(picture, Augmentation(**{**STILL, **options}), rng, ignore_index=255, center=center)[:2]


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_a_still_crop_of_the_whole_picture_is_the_picture(channels: int) -> None:
    picture = sample(31, 42, channels)
    image, mask = crop(picture, crop=(31, 42))
    np.testing.assert_array_equal(image, picture.image)
    np.testing.assert_array_equal(mask, picture.mask)


@pytest.mark.parametrize(
    ("flips", "flipped"),
    [({"hflip": True}, (slice(None), slice(None, None, -1))), ({"vflip": True}, (slice(None, None, -1), slice(None)))],
)
def test_flips_are_exact_and_happen_half_the_time(flips: dict[str, bool], flipped: Any) -> None:
    picture = sample(31, 42)
    assert picture.mask is not None
    seen = set()
    for seed in range(20):
        image, mask = crop(picture, seed, crop=(31, 42), **flips)
        turned = not np.array_equal(image, picture.image)
        seen.add(turned)
        np.testing.assert_array_equal(image, picture.image[(slice(None), *flipped)] if turned else picture.image)
        np.testing.assert_array_equal(mask, picture.mask[flipped] if turned else picture.mask)
    assert seen == {True, False}


def test_the_mask_of_a_still_crop_is_a_window() -> None:
    picture = sample(40, 50)
    assert picture.mask is not None
    windows = {picture.mask[y : y + 8, x : x + 9].tobytes() for y in range(33) for x in range(42)}
    found = {crop(picture, seed, crop=(8, 9))[1].tobytes() for seed in range(30)}
    assert found <= windows
    assert len(found) > 20


@pytest.mark.parametrize("scale", [0.11, 0.23, 0.47, 0.66, 1.0, 3.0])
def test_image_and_mask_stay_together_at_every_scale(scale: float) -> None:
    columns = np.tile(np.arange(0, 254, 2, dtype=np.uint8), (127, 1))  # 2 a column, so that averages are whole
    picture = Sample(np.stack([columns] * 3), columns, "columns")
    shifts = []
    for seed in range(20):
        image, mask = crop(picture, seed, crop=(5, 6), scale=(scale, scale), center=(60, 60))
        assert (mask != 255).all()
        shifts.append(image[0].astype(float) - mask)
    assert np.abs(shifts).max() <= 3  # half a pixel, and rounding


def test_fine_texture_does_not_alias_when_it_shrinks() -> None:
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 255
    picture = Sample(np.stack([stripes] * 3), stripes.copy(), "stripes")
    for seed in range(5):
        image, _ = crop(picture, seed, crop=(32, 32), scale=(0.5, 0.5))
        assert np.abs(image.astype(int) - 127).max() <= 8


def test_beyond_the_border_the_mask_is_ignored_and_the_picture_mirrored() -> None:
    picture = Sample(np.full((3, 10, 10), 77, np.uint8), np.ones((10, 10), np.uint8), "small")
    for seed in range(10):
        image, mask = crop(picture, seed, crop=(30, 40))
        assert (image == 77).all()
        assert np.isin(mask, [1, 255]).all()
        assert abs(int((mask == 1).sum()) - 100) <= 20  # the whole picture lies within


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3)])
@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_tiny_pictures(shape: tuple[int, int], scale: float) -> None:
    image, mask = crop(sample(*shape), crop=(16, 24), scale=(scale, scale), rotation=30, color=0.3)
    assert image.shape == (3, 16, 24)
    assert mask.shape == (16, 24)


def test_a_sought_pixel_lies_in_the_middle_of_the_crop() -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[120:124, 300:304] = 1
    picture = Sample(np.zeros((3, 300, 400), np.uint8), mask, "one spot")
    places = []
    for seed in range(60):
        _, found = crop(
            picture, seed, center=(121, 301), crop=(64, 64), scale=(0.7, 1.5), rotation=15, hflip=True, vflip=True
        )
        assert (found == 1).any()
        places.append(np.argwhere(found == 1).mean(0))
    spread = np.std(places, axis=0)
    assert (spread > 5).all()  # not always at the same place


def test_a_sought_pixel_at_the_corner_wastes_no_crop_on_the_border() -> None:
    picture = sample(100, 100)
    _, mask = crop(picture, center=(0, 99), crop=(50, 50))
    assert (mask != 255).mean() > 0.9


def test_masks_of_16_bits_keep_their_values() -> None:
    stored = np.full((20, 20), 700, np.uint16)
    picture = Sample(np.zeros((1, 20, 20), np.uint8), stored, "deep")
    _, mask, _ = augment(picture, Augmentation((40, 40)), np.random.default_rng(0), ignore_index=65535)
    assert mask.dtype == np.uint16
    assert set(np.unique(mask)) == {700, 65535}


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_colour_changes_leave_the_mask_and_are_mild(channels: int) -> None:
    picture = sample(40, 40, channels)
    means = []
    for seed in range(40):
        image, mask = crop(picture, seed, crop=(40, 40), color=0.3)
        np.testing.assert_array_equal(mask, picture.mask)
        assert image.shape == picture.image.shape
        means.append(image.mean() / picture.image.mean())
    assert np.std(means) > 0.05
    assert 0.5 < min(means) < max(means) < 1.6


def test_an_elastic_crop_bends_image_and_mask_alike() -> None:
    picture = smooth(120, 121)  # the mask is the ramp itself, 2 a column
    straight = crop(picture, crop=(120, 121))[0]
    for seed in range(5):
        image, mask = crop(picture, seed, crop=(120, 121), elastic=6.0)
        inside = mask != 255
        assert inside.mean() > 0.7
        assert np.abs(image[0][inside].astype(int) - mask[inside]).max() <= 2  # half a column, and rounding
        assert np.abs(image.astype(int) - straight).max() > 4


def test_weights_follow_the_mask_of_a_crop() -> None:
    picture = sample(60, 80)
    assert picture.mask is not None
    weights = picture.mask.astype(np.float32) / 3
    varied = Augmentation((32, 48), scale=(0.7, 1.5), rotation=30, vflip=True, elastic=4.0)
    for seed in range(5):
        seen = augment(picture, varied, np.random.default_rng(seed), ignore_index=255, weights=weights)
        assert seen.weights is not None
        held = seen.mask != 255  # 255 is a value of this mask too
        np.testing.assert_array_equal(seen.weights[held], seen.mask[held] / np.float32(3))
        assert held.mean() > 0.5


def test_displacements_are_smooth_and_as_wide_as_told() -> None:
    bends = np.stack([draw_bend((90, 120), 10.0, np.random.default_rng(seed)) for seed in range(300)])
    assert bends.shape == (300, 90, 120, 2)
    knots = bends[:, 15::30, 20::40]  # the middles of 3 x 3 fields, where the knots lie
    assert knots.std() == pytest.approx(10, rel=0.05)
    assert abs(np.corrcoef(knots[:, 0, 0, 0], knots[:, 0, 1, 0])[0, 1]) < 0.2
    assert np.abs(np.diff(bends, axis=1)).max() < 5, "neighbours stay neighbours"
    assert not draw_bend((9, 9), 0.0, np.random.default_rng(0)).any()


def test_without_bending_the_stream_of_crops_is_what_it_was() -> None:
    picture = sample(50, 60)
    numbers = np.random.default_rng(3)
    augment(picture, Augmentation((32, 32), color=0.0), numbers, ignore_index=255)
    untouched = np.random.default_rng(3)
    untouched.random(7)  # zoom, stretch, turn, two flips, row, column
    assert numbers.random() == untouched.random()


def test_the_same_numbers_give_the_same_crop() -> None:
    picture = sample(50, 60)
    options: dict[str, Any] = {"crop": (32, 32), "scale": (0.5, 2.0), "rotation": 20, "color": 0.3, "elastic": 3.0}
    for one, other in zip(crop(picture, 7, **options), crop(picture, 7, **options), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_cost_does_not_grow_with_the_picture() -> None:
    def cost(side: int) -> float:
        picture = Sample(np.zeros((side, side, 3), np.uint8).transpose(2, 0, 1), np.zeros((side, side), np.uint8), "")
        times = []
        for seed in range(15):
            start = time.perf_counter()
            crop(picture, seed, crop=(64, 64), scale=(0.5, 2.0), color=0.3)
            times.append(time.perf_counter() - start)
        return min(times)

    cost(100)
    assert cost(6000) < 8 * cost(100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": (0, 5)},
        {"scale": (2.0, 1.0)},
        {"scale": (0.0, 1.0)},
        {"aspect": 0.5},
        {"rotation": -1},
        {"color": 1.0},
        {"elastic": -1.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Augmentation(**{"crop": (5, 5), **wrong})
