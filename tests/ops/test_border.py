from __future__ import annotations

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.ops import border_weight_map
from pixelwise.ops.border import _two_nearest


def slow_map(objects, w0, sigma):
    weights = np.zeros(objects.shape)
    places = {identity: np.argwhere(objects == identity) for identity in np.unique(objects) if identity}
    for pixel in np.argwhere(objects == 0):
        distances = sorted(np.hypot(*(place - pixel).T).min() for place in places.values())
        if len(distances) > 1:
            weights[tuple(pixel)] = w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return weights


def objects_of(seed=0):
    generator = np.random.default_rng(seed)
    objects = np.zeros((40, 50), np.int32)
    for identity in range(1, 7):
        row, column = generator.integers(0, 32), generator.integers(0, 42)
        objects[row : row + 8, column : column + 6] = identity * 1000
    return objects


@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 2.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_gaps_match_a_slow_loop(w0, sigma, seed):
    objects = objects_of(seed)
    weights = border_weight_map(objects, w0=w0, sigma=sigma, class_balance=False)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights - 1, slow_map(objects, w0, sigma), rtol=1e-4, atol=2e-4 * w0)


def test_distances_are_those_of_whole_squares_to_the_last_bit():
    objects = np.zeros((61, 77), np.int32)
    objects[20:40, 30:50] = 1
    nearest, _ = _two_nearest(objects, reach=100.0)
    rows, columns = np.mgrid[:61, :77]
    down, right = np.clip([20 - rows, rows - 39], 0, None).max(0), np.clip([30 - columns, columns - 49], 0, None).max(0)
    np.testing.assert_array_equal(nearest, np.sqrt((down**2 + right**2).astype(np.float32)))


def test_class_balance_weighs_both_classes_the_same():
    objects = objects_of()
    weights = border_weight_map(objects, w0=0.0)
    background = objects == 0
    np.testing.assert_allclose(weights[background].sum(), weights[~background].sum(), rtol=1e-4)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-5)


def test_the_narrower_gap_weighs_more():
    objects = np.zeros((20, 40), np.uint8)
    objects[:, :10], objects[:, 12:20], objects[:, 30:] = 1, 2, 3
    weights = border_weight_map(objects)
    assert weights[10, 11] > weights[10, 25]


@pytest.mark.parametrize("value", [0, 1])
def test_fewer_than_two_objects_have_no_gap(value):
    assert (border_weight_map(np.full((6, 7), value)) == 1).all()
    assert border_weight_map(np.zeros((0, 5), int)).shape == (0, 5)


def test_bad_arguments():
    with pytest.raises(SettingError, match="integer ids"):
        border_weight_map(np.zeros((4, 4)))
    with pytest.raises(SettingError, match="sigma"):
        border_weight_map(np.zeros((4, 4), int), sigma=0.0)
