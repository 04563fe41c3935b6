from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import paint_classes, read_target, semantic_space, touching
from pixelwise.errors import DataError
from pixelwise.instances import BoxMask, Instances
from pixelwise.types import LabelSpace

CELLS = LabelSpace(("cell", "debris"))
SPACE = semantic_space(CELLS)


def discs(size=(60, 80), count=30, seed=0):
    """Discs that touch but do not overlap."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(size, np.int32)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for identity in range(1, count + 1):
        row, column, radius = rng.integers(0, size[0]), rng.integers(0, size[1]), rng.integers(3, 9)
        ids[((rows - row) ** 2 + (columns - column) ** 2 < radius**2) & (ids == 0)] = identity
    return ids


def slow_touching(ids, classes):
    found = np.zeros(ids.shape, bool)
    padded = np.pad(ids, 1)
    for row, column in np.ndindex(ids.shape):
        own = ids[row, column]
        others = padded[row : row + 3, column : column + 3].ravel()
        found[row, column] = own > 0 and any(
            other > 0 and other != own and classes[other] == classes[own] for other in others
        )
    for identity in np.unique(ids[ids > 0]):
        if found[ids == identity].all():
            found[ids == identity] = False
    return found


def test_background_comes_first():
    assert SPACE.names == ("background", "cell", "debris")
    assert SPACE.background == 0
    assert SPACE.colors[1:] == CELLS.colors
    with pytest.raises(DataError, match="called 'background'"):
        semantic_space(LabelSpace(("background", "cell")))


@pytest.mark.parametrize("classes", [1, 2])
def test_touching_pixels_are_those_a_slow_loop_finds(classes):
    ids = discs()
    of_class = np.concatenate([[9], np.arange(30) % classes])
    found = touching(ids, of_class)
    assert found.any()
    np.testing.assert_array_equal(found, slow_touching(ids, of_class))


def test_connected_parts_of_what_is_painted_are_the_objects():
    ids = discs()
    instances = Instances.of_ids(ids)
    painted = paint_classes(instances, SPACE)
    assert painted.dtype == np.uint8
    _, parts = cv2.connectedComponents((painted == 1).astype(np.uint8), connectivity=8)
    for part in range(1, parts.max() + 1):
        assert len(np.unique(ids[parts == part])) == 1
    assert set(np.unique(ids[painted == 1])) == set(np.unique(ids[ids > 0]))  # none is lost


def test_objects_of_different_classes_may_touch():
    ids = np.array([[1, 1, 2, 2]])
    np.testing.assert_array_equal(paint_classes(Instances.of_ids(ids, [0, 0]), SPACE), [[1, 0, 0, 1]])
    np.testing.assert_array_equal(paint_classes(Instances.of_ids(ids, [0, 1]), SPACE), [[1, 1, 2, 2]])


def test_an_object_that_would_vanish_is_spared():
    np.testing.assert_array_equal(paint_classes(Instances.of_ids(np.array([[1, 2, 2]])), SPACE), [[1, 0, 1]])


def test_the_smaller_object_is_in_front_and_groups_are_ignored():
    large = BoxMask(np.ones((4, 6), bool), 0, 0, (4, 6))
    small = BoxMask(np.ones((2, 2), bool), 1, 1, (4, 6))
    painted = paint_classes(Instances.of_masks((4, 6), [small, large], [1, 0]), SPACE)
    assert (painted == 2).sum() == 4
    assert (painted == 1).sum() == 20
    grouped = Instances.of_masks((4, 6), [small, large], [1, 0], crowd=np.array([False, True]))
    painted = paint_classes(grouped, SPACE)
    assert (painted == 2).sum() == 4
    assert (painted == SPACE.ignore_index).sum() == 20


def test_a_picture_without_objects_is_background():
    assert not paint_classes(Instances.none((3, 5)), SPACE).any()


def test_a_pair_is_read_by_what_annotates_it(tmp_path):
    class Reader:
        def read(self):
            return Instances.of_ids(np.array([[0, 3]]))

    np.testing.assert_array_equal(read_target(Pair("a", Path("a.png"), None, Reader()), SPACE), [[0, 1]])
    with pytest.raises(DataError, match=r"a\.png: the picture has no mask"):
        read_target(Pair("a", Path("a.png"), None), SPACE)


def test_boxes_alone_cannot_be_painted():
    boxes = Instances((4, 4), np.array([0]), np.array([[0, 0, 2, 2]]))
    with pytest.raises(DataError, match="boxes only"):
        paint_classes(boxes, SPACE)
    with pytest.raises(DataError, match="background"):
        paint_classes(Instances.none((4, 4)), CELLS)
