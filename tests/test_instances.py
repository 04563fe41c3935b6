from __future__ import annotations

import numpy as np
import pytest

from pixelwise import Instances
from pixelwise.errors import DataError, SettingError
from pixelwise.instances import BoxMask, boxes_of_ids


def blob(size=(12, 17), seed=0):
    return np.random.default_rng(seed).random(size) < 0.2


def test_a_mask_is_cut_to_its_box_and_comes_back_whole():
    full = np.zeros((12, 17), bool)
    full[3:7, 5:9] = True
    full[4, 6] = False  # a hole
    full[10, 15] = True  # a separate part
    mask = BoxMask.of(full)
    assert (mask.top, mask.left, mask.pixels.shape) == (3, 5, (8, 11))
    assert mask.box == (5, 3, 16, 11)
    assert mask.area == 16
    np.testing.assert_array_equal(mask.full(), full)


def test_empty_masks_have_no_box():
    mask = BoxMask.of(np.zeros((4, 5), bool))
    assert mask.pixels.size == mask.area == 0
    assert mask.box == (0, 0, 0, 0)
    assert not mask.full().any()


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-6, 4), (11, 0), (0, -30), (-3, -3)])
def test_moving_is_that_of_the_whole_picture(down, right):
    full = blob()
    size = (15, 11)
    expected = np.zeros(size, bool)
    for row, column in zip(*np.nonzero(full), strict=True):
        if 0 <= row + down < size[0] and 0 <= column + right < size[1]:
            expected[row + down, column + right] = True
    np.testing.assert_array_equal(BoxMask.of(full).moved(down, right, size).full(), expected)


def test_overlap_is_that_of_whole_masks():
    rng = np.random.default_rng(1)
    for _ in range(200):
        masks = []
        for _ in range(2):
            height, width = rng.integers(1, 8, 2).tolist()
            pixels = rng.random((height, width)) < 0.6
            masks.append(BoxMask(pixels, int(rng.integers(0, 13 - height)), int(rng.integers(0, 18 - width)), (12, 17)))
        one, other = masks
        assert one.overlap(other) == (one.full() & other.full()).sum() == other.overlap(one)


def test_ids_with_gaps_are_taken_apart_and_painted_again():
    ids = np.zeros((9, 9), np.uint16)
    ids[1:3, 1:4], ids[5, 5], ids[6:, 7:] = 7, 300, 65535
    instances = Instances.of_ids(ids)
    assert len(instances) == 3
    np.testing.assert_array_equal(instances.boxes[0], [1, 1, 4, 3])
    np.testing.assert_array_equal(instances.areas, [6, 1, 6])
    painted = instances.id_map()
    for identity, value in enumerate((7, 300, 65535), 1):
        np.testing.assert_array_equal(painted == identity, ids == value)
    assert [identity for identity, _ in boxes_of_ids(ids)] == [7, 300, 65535]


def test_the_better_score_is_on_top():
    both = [BoxMask(np.ones((3, 3), bool), 0, place, (3, 5)) for place in (0, 2)]
    scores = np.array([0.9, 0.8], np.float32)
    ids = Instances.of_masks((3, 5), both, [0, 0], scores=scores).id_map()
    assert (ids[:, 2] == 1).all()
    ids = Instances.of_masks((3, 5), both, [0, 0], scores=scores[::-1]).id_map()
    assert (ids[:, 2] == 2).all()


def test_choosing_keeps_everything_together():
    ids = np.arange(1, 5).repeat(2)[None]
    instances = Instances.of_ids(ids, [3, 2, 1, 0])
    scored = Instances(instances.size, instances.labels, instances.boxes, instances.masks, np.linspace(0, 1, 4))
    chosen = scored[np.array([False, True, False, True])]
    assert chosen.labels.tolist() == [2, 0]
    assert [mask.left for mask in chosen.masks] == [2, 6]
    assert scored[[3, 0]].labels.tolist() == [0, 3]
    assert scored[[]].labels.tolist() == []
    assert scored[:2].scores.tolist() == pytest.approx([0, 1 / 3])


def test_a_picture_without_objects():
    none = Instances.none((4, 6))
    assert len(none) == 0
    assert none.boxes.shape == (0, 4)
    assert none.areas.shape == (0,)
    assert not none.id_map().any()


def test_parts_must_fit_each_other():
    with pytest.raises(DataError, match="2 labels but 1 boxes"):
        Instances((4, 4), np.zeros(2), np.zeros((1, 4)))
    with pytest.raises(DataError, match="rising"):
        Instances((4, 4), np.zeros(1), np.array([[2, 0, 1, 1]]))
    with pytest.raises(DataError, match="rising"):
        Instances((4, 4), np.zeros(1), np.array([[0, 0, np.nan, 1]]))
    with pytest.raises(DataError, match="another size"):
        Instances((4, 4), np.zeros(1), np.zeros((1, 4)), (BoxMask(np.ones((1, 1), bool), 0, 0, (5, 5)),))
    with pytest.raises(SettingError, match="reaches beyond"):
        BoxMask(np.ones((2, 2), bool), 3, 0, (4, 4))
