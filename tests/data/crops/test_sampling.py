from __future__ import annotations

import math

import numpy as np
import pytest

from pixelwise.data.crops.sampling import CropView, view_image, view_mask

IGNORE = 255


def ramps(height: int, width: int) -> np.ndarray:
    """A picture (H, W, 3) that rises by 5 along x, by 5 along y, and by 2 along both."""
    y, x = np.mgrid[:height, :width]
    return np.stack([5 * x, 5 * y, 2 * (x + y)], axis=2).astype(np.uint8)


def slow_view(
    picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int], bend: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear image, mirrored at the border, and the nearest pixel of channel 0 as mask, pixel by pixel."""
    height, width, channels = picture.shape
    image, mask = np.zeros((*size, channels)), np.full(size, IGNORE)

    def mirrored(place: int, length: int) -> int:
        period = max(2 * (length - 1), 1)
        place = abs(place) % period
        return period - place if place >= length else place

    for y in range(size[0]):
        for x in range(size[1]):
            aside, down = (0, 0) if bend is None else bend[y, x]
            column, row = matrix @ [x + aside, y + down, 1]
            left, top = math.floor(column), math.floor(row)
            for below, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
                share = abs(1 - below - (row - top)) * abs(1 - right - (column - left))
                image[y, x] += share * picture[mirrored(top + below, height), mirrored(left + right, width)]
            nearest = round(row), round(column)
            if 0 <= nearest[0] < height and 0 <= nearest[1] < width:
                mask[y, x] = picture[*nearest, 0]
    return image, mask


@pytest.mark.parametrize(
    "view",
    [
        CropView(3, 4, 12, 15, turn=0.7),
        CropView(3, 4, 12, 15, turn=-0.7, hflip=True),
        CropView(3, 4, 12, 15, turn=0.2, vflip=True),
        CropView(1, -2, 30, 20, turn=0.1, hflip=True, vflip=True),
        CropView(-9, -7, 17, 19, turn=0.4),
        CropView(3, 4, 12, 15),
        CropView(3, 4, 12, 15, hflip=True),
        CropView(3, 4, 12, 15, vflip=True),
        CropView(0, 0, 25, 31, hflip=True, vflip=True),
        CropView(-5, 3, 14, 20),
        CropView(16, 20, 14, 20, hflip=True),
        CropView(-8, -9, 40, 50),
    ],
)
def test_against_a_slow_loop(view: CropView) -> None:
    picture, size = ramps(25, 31), (37, 39)
    image = view_image(picture, view, size)
    mask = view_mask(np.ascontiguousarray(picture[..., 0]), view, size, IGNORE)
    expected_image, expected_mask = slow_view(picture, view.matrix(size), size)
    # Turned views interpolate in steps of 1/32 pixel; upright ones repeat the last pixel at the edge of the crop.
    tolerance = 0.7 if view.turn else 2.6
    assert np.abs(image - expected_image).max() <= tolerance
    assert np.abs(image - expected_image)[1:-1, 1:-1].mean() <= 0.3
    assert np.mean(mask != expected_mask) < 0.03  # halfway between two pixels either may be the nearest


@pytest.mark.parametrize("turn", [0.0, 1e-9])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_the_whole_picture_at_its_size_is_the_picture(turn: float, channels: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (31, 42, channels), np.uint8)
    mask = rng.integers(0, 60000, (31, 42), np.uint16)
    view = CropView(0, 0, 31, 42, turn)
    np.testing.assert_array_equal(view_image(picture, view, (31, 42)), picture)
    np.testing.assert_array_equal(view_mask(mask, view, (31, 42), 65535), mask)


@pytest.mark.parametrize("shrink", [1.6, 2.0, 3.3, 7.0])
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("turn", [0.0, 1e-9, 0.5])
def test_fine_texture_does_not_alias(shrink: float, channels: int, turn: float) -> None:
    checks = (np.add.outer(np.arange(300), np.arange(300)) % 2 * 255).astype(np.uint8)
    picture = np.stack([checks] * channels, axis=2)
    image = view_image(picture, CropView(10.3, 20.6, 32 * shrink, 24 * shrink, turn), (32, 24))
    assert image.shape == (32, 24, channels)
    assert np.abs(image.astype(int) - 127).max() <= (40 if shrink < 2 else 15)


def test_a_view_beyond_a_tiny_picture() -> None:
    for turn in (0.0, 0.3):
        image = view_image(np.full((1, 1, 3), 9, np.uint8), CropView(-2, -3, 5, 7, turn), (10, 14))
        mask = view_mask(np.ones((1, 1), np.uint8), CropView(-2, -3, 5, 7, turn), (10, 14), IGNORE)
        assert (image == 9).all()
        assert 1 <= (mask == 1).sum() <= 6


def wave(size: tuple[int, int], height: float) -> np.ndarray:
    """A displacement (h, w, 2) that swings by ``height`` pixels along both axes."""
    y, x = np.mgrid[: size[0], : size[1]]
    return (height * np.stack([np.sin(y / 5 + x / 9), np.cos(x / 6)], axis=2)).astype(np.float32)


@pytest.mark.parametrize(
    "view",
    [
        CropView(3, 4, 12, 15),
        CropView(3, 4, 12, 15, hflip=True),
        CropView(3, 4, 12, 15, turn=0.7, vflip=True),
        CropView(-8, -9, 40, 50),
    ],
)
def test_a_bent_view_against_a_slow_loop(view: CropView) -> None:
    picture, size = ramps(25, 31), (37, 39)
    bend = wave(size, 3.0)
    image = view_image(picture, view, size, bend)
    mask = view_mask(np.ascontiguousarray(picture[..., 0]), view, size, IGNORE, bend)
    expected_image, expected_mask = slow_view(picture, view.matrix(size), size, bend)
    assert np.abs(image - expected_image).max() <= 0.7
    assert np.mean(mask != expected_mask) < 0.03
    straight = view_image(picture, view, size)
    assert np.abs(image.astype(float) - straight).mean() > 1, "the bend shows"


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_no_displacement_bends_nothing(channels: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (31, 42, channels), np.uint8)
    mask = rng.integers(0, 60000, (31, 42), np.uint16)
    view, still = CropView(0, 0, 31, 42), np.zeros((31, 42, 2), np.float32)
    np.testing.assert_array_equal(view_image(picture, view, (31, 42), still), picture)
    np.testing.assert_array_equal(view_mask(mask, view, (31, 42), 65535, still), mask)


def test_weights_of_pixels_move_with_the_mask() -> None:
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 200, (50, 60), np.uint8)
    weights = mask.astype(np.float32) / 7
    for bend in (None, wave((40, 44), 4.0)):
        for turn in (0.0, 0.4):
            view = CropView(-5, 8, 30, 50, turn, hflip=True)
            seen = view_mask(mask, view, (40, 44), IGNORE, bend)
            seen_weights = view_mask(weights, view, (40, 44), 0, bend)
            assert seen_weights.dtype == np.float32
            np.testing.assert_array_equal(seen_weights, np.where(seen == IGNORE, 0, seen / np.float32(7)))
            assert 0 < (seen == IGNORE).mean() < 0.5


@pytest.mark.parametrize("shrink", [2.0, 3.3])
def test_a_bent_view_does_not_alias(shrink: float) -> None:
    checks = (np.add.outer(np.arange(300), np.arange(300)) % 2 * 255).astype(np.uint8)
    image = view_image(checks[..., None], CropView(40, 50, 32 * shrink, 24 * shrink), (32, 24), wave((32, 24), 2.0))
    assert np.abs(image.astype(int) - 127).max() <= 15  # a block of 3 x 3 has one check more of one colour


def test_a_bent_view_far_beyond_a_tiny_picture() -> None:
    bend = wave((10, 14), 30.0)
    assert (view_image(np.full((1, 1, 3), 9, np.uint8), CropView(-2, -3, 5, 7), (10, 14), bend) == 9).all()
    assert view_mask(np.ones((1, 1), np.uint8), CropView(-2, -3, 5, 7), (10, 14), IGNORE, bend).shape == (10, 14)
