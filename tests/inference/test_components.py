"""Connected parts of classes are objects, also where a line of background keeps touching ones apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import pixelwise.inference.components as components
from pixelwise.data.targets import paint_classes
from pixelwise.errors import SettingError
from pixelwise.inference import Prediction
from pixelwise.inference.components import labels_of, objects_of
from pixelwise.instances import BoxMask, Instances
from pixelwise.types import LabelSpace

THINGS = LabelSpace(("background", "cell", "dot"), background=0)


def iou(one: BoxMask, other: BoxMask) -> float:
    shared = one.overlap(other)
    return shared / (one.area + other.area - shared)


def discs(size: int, *places: tuple[int, int, int]) -> np.ndarray:
    """Paint discs (row, column, radius) as ids; a pixel is its nearest disc's."""
    y, x = np.mgrid[:size, :size]
    depth = np.stack([radius - np.hypot(y - row, x - column) for row, column, radius in places])
    return np.where(depth.max(0) > 0, depth.argmax(0) + 1, 0)


def test_parts_of_a_class_are_its_objects() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (30, 40), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    found = objects_of(labels, THINGS, fill_gaps=False)
    expected = sum(ndimage.label(labels == index)[1] for index in (1, 2))
    assert len(found) == expected
    np.testing.assert_array_equal(labels_of(found, THINGS), np.where(labels == 255, 0, labels))
    places = [(mask.top, mask.left) for mask in found.masks or ()]
    assert places == sorted(places)


@pytest.mark.parametrize("band", [2**20, 100])
def test_touching_discs_that_were_painted_apart_come_back_whole(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "_FILLED_BAND_PIXELS", band)
    ids = discs(100, (30, 30, 22), (30, 64, 20), (62, 45, 20), (85, 85, 12))
    truth = Instances.of_ids(ids)
    labels = paint_classes(truth, THINGS)
    apart = objects_of(labels, THINGS, fill_gaps=False)
    found = objects_of(labels, THINGS)
    assert len(found) == len(apart) == 4
    best = [max(iou(mask, other) for other in found.masks or ()) for mask in truth.masks or ()]
    assert min(best) > 0.99
    assert min(max(iou(mask, other) for other in apart.masks or ()) for mask in truth.masks or ()) < 0.98


def test_gaps_are_filled_between_objects_of_one_class_only() -> None:
    labels = np.zeros((9, 30), np.uint8)
    labels[2:7, 2:8] = labels[2:7, 10:16] = 1  # a gap of two
    labels[2:7, 17:22] = 2  # a gap of one to another class
    labels[2:7, 25:28] = 2  # a gap of three
    found = objects_of(labels, THINGS)
    widths = {mask.left: mask.pixels.shape[1] for mask in found.masks or ()}
    assert widths == {2: 7, 9: 7, 17: 5, 25: 3}


def test_scores_are_mean_probabilities() -> None:
    labels = np.zeros((6, 6), np.uint8)
    labels[1:3, 1:3], labels[4:, 4:] = 1, 2
    probabilities = np.zeros((3, 6, 6), np.float32)
    probabilities[1, 1:3, 1:3] = [[0.6, 0.8], [1.0, 0.8]]
    probabilities[2] = 0.5
    found = objects_of(labels, THINGS, probabilities)
    np.testing.assert_allclose(found.scores, [0.8, 0.5])
    assert found.labels.tolist() == [0, 1]
    assert objects_of(labels, THINGS).scores is None


def test_no_objects_single_pixels_and_the_border() -> None:
    assert len(objects_of(np.zeros((5, 7), np.uint8), THINGS)) == 0
    assert len(objects_of(np.full((5, 7), 255, np.uint8), THINGS)) == 0
    labels = np.zeros((5, 7), np.uint8)
    labels[0, 0] = labels[4, 6] = labels[0, 6] = 1
    found = objects_of(labels, THINGS)
    assert found.boxes.tolist() == [[0, 0, 1, 1], [6, 0, 7, 1], [6, 4, 7, 5]]
    labels[4, 5] = 1
    assert len(objects_of(labels, THINGS, min_area=2)) == 1
    whole = objects_of(np.ones((5, 7), np.uint8), THINGS)
    assert whole.areas.tolist() == [35]


def test_classes_without_a_background_are_all_objects() -> None:
    labels = np.repeat(np.arange(2, dtype=np.uint8), 4).reshape(2, 4)
    assert objects_of(labels, LabelSpace(("sky", "ground"))).labels.tolist() == [0, 1]


def test_the_better_score_is_painted_on_top() -> None:
    masks = [BoxMask(np.ones((4, 4), np.bool_), 0, at, (4, 8)) for at in (0, 2)]
    objects = Instances.of_masks((4, 8), masks, [0, 1], scores=np.array([0.9, 0.3]))
    assert labels_of(objects, THINGS)[0].tolist() == [1, 1, 1, 1, 2, 2, 0, 0]
    boxes = Instances((4, 8), objects.labels, objects.boxes, scores=objects.scores)
    np.testing.assert_array_equal(labels_of(boxes, THINGS), labels_of(objects, THINGS))
    with pytest.raises(SettingError, match="with a background"):
        labels_of(objects, LabelSpace(("cell", "dot")))


def test_a_prediction_of_objects_is_painted_when_asked_for() -> None:
    found = Instances.of_ids(discs(30, (10, 10, 6), (20, 20, 5)), [0, 1])
    prediction = Prediction(None, THINGS, instances=found)
    assert "labels" not in vars(prediction)
    assert prediction.size == (30, 30)
    assert prediction.objects() is found
    assert prediction.object_space.names == ("cell", "dot")
    assert np.unique(prediction.labels).tolist() == [0, 1, 2]
    semantic = Prediction(prediction.labels, THINGS)
    assert semantic.instances is None
    assert len(semantic.objects()) == 2


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingError, match="labels are"):
        objects_of(np.zeros((1, 4, 4), np.uint8), THINGS)
    with pytest.raises(SettingError, match="probabilities"):
        objects_of(np.zeros((4, 4), np.uint8), THINGS, np.zeros((3, 4, 5), np.float32))
    with pytest.raises(SettingError, match="labels or objects"):
        Prediction(None, THINGS)
