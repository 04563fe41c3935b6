"""Overlays of objects: a tone each, an outline, and numbers where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.inference import Prediction
from pixelwise.inference.drawing.object_overlay import overlay_objects
from pixelwise.instances import BoxMask, Instances, ObjectRule
from pixelwise.types import LabelSpace

THINGS = LabelSpace(("cell",), colors=((200, 60, 60),))
SIZE = (60, 90)


def squares(side: int, count: int = 2) -> Instances:
    masks = [BoxMask(np.ones((side, side), np.bool_), 10, 5 + 30 * number, SIZE) for number in range(count)]
    return Instances.of_masks(SIZE, masks, [0] * count, scores=np.linspace(0.9, 0.3, count))


def test_objects_are_painted_in_tones_of_their_own_with_an_outline() -> None:
    image = np.full((*SIZE, 3), 100, np.uint8)
    painted = overlay_objects(image, squares(6), THINGS, alpha=0.5)
    outside = np.ones(SIZE, np.bool_)
    for mask in squares(6).masks or ():
        outside[mask.window] = False
    assert (painted[outside] == 100).all()
    assert painted[13, 8].tolist() == [150, 80, 80]
    assert painted[13, 8].tolist() != painted[13, 38].tolist()
    assert painted[10, 5].tolist() == [180, 68, 68]  # the outline is stronger


def test_numbers_are_written_where_there_is_room() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    for side, readable in ((25, True), (5, False)):
        found = squares(side)
        plain = overlay_objects(image, found, THINGS, numbers=False)
        painted = overlay_objects(image, found, THINGS)
        assert (painted != plain).any() == readable
        if readable:
            assert painted.max() == 255
            for mask in found.masks or ():
                assert (painted[mask.window] != plain[mask.window]).any()


def test_boxes_are_drawn_as_frames_and_empty_pictures_stay() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    boxes = Instances(SIZE, np.array([0]), np.array([[10, 20, 30, 40]], np.float32))
    painted = overlay_objects(image, boxes, THINGS, numbers=False)
    assert painted[20, 10].any()
    assert painted[39, 29].any()
    assert not painted[30, 20].any()
    assert not painted[40, 30].any()
    np.testing.assert_array_equal(overlay_objects(image, Instances.none(SIZE), THINGS), image)


def test_objects_of_low_scores_are_not_shown() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    space = LabelSpace(("background", "cell"), background=0)
    prediction = Prediction(None, space, image=image, instances=squares(20), rule=ObjectRule(score=0.5))
    assert len(prediction.objects()) == 2
    assert len(prediction.accepted) == 1
    np.testing.assert_array_equal(prediction.overlay().any(2), prediction.labels == 1)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingError, match="alpha"):
        overlay_objects(np.zeros((*SIZE, 3), np.uint8), squares(5), THINGS, alpha=2)
    with pytest.raises(SettingError, match="do not lie on"):
        overlay_objects(np.zeros((9, 9, 3), np.uint8), squares(5), THINGS)
