"""Predictions keep their shapes, and overlays show what they say they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.inference.drawing.overlay import OUTLINE_DARKNESS, paint
from pixelwise.inference.prediction import Prediction
from pixelwise.io.masks import mask_palette, read_mask
from pixelwise.types import LabelSpace

CLASSES = LabelSpace(("left", "right"), colors=((200, 0, 0), (0, 100, 0)))


def halves(height: int = 10, width: int = 12) -> np.ndarray:
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = 1
    return labels


def test_overlay_blends_class_colours_and_darkens_the_border() -> None:
    image = np.full((10, 12, 3), 100, np.uint8)
    painted = Prediction(halves(), CLASSES, image=image).overlay(alpha=0.5)
    assert painted[5, 1].tolist() == [150, 50, 50]
    assert painted[5, 10].tolist() == [50, 100, 50]
    assert painted[5, 5].tolist() == [50 + 100 * OUTLINE_DARKNESS, 50, 50]


def test_ignored_pixels_and_background_stay_bare() -> None:
    labels = halves()
    labels[0] = 255
    image = np.random.default_rng(0).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    painted = paint(image, labels, LabelSpace(("background", "thing"), background=0))
    bare = labels != 1
    np.testing.assert_array_equal(painted[bare], image[bare])
    assert (painted[~bare] != image[~bare]).any(axis=1).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_alpha_runs_from_picture_to_colours(alpha: float) -> None:
    image = np.full((10, 12, 3), 100, np.uint8)
    painted = paint(image, halves(), CLASSES, alpha=alpha)
    assert painted[5, 1].tolist() == ([200, 0, 0] if alpha else [100, 100, 100])


def test_more_than_255_classes_are_painted_and_saved(tmp_path: Path) -> None:
    many = LabelSpace.of(300)
    labels = np.arange(300, dtype=np.uint16).reshape(15, 20)
    prediction = Prediction(labels, many, image=np.zeros((15, 20, 3), np.uint8))
    assert prediction.overlay().shape == (15, 20, 3)
    prediction.save(tmp_path / "labels.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png"), labels)


def test_saved_labels_carry_the_palette(tmp_path: Path) -> None:
    Prediction(halves(), CLASSES).save(tmp_path / "labels.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png"), halves())
    assert mask_palette(tmp_path / "labels.png")[:2] == CLASSES.colors


def test_shapes_that_do_not_fit_are_refused() -> None:
    labels = halves()
    with pytest.raises(SettingError, match="labels are"):
        Prediction(labels[None], CLASSES)
    with pytest.raises(SettingError, match="probabilities are"):
        Prediction(labels, CLASSES, probabilities=np.zeros((3, 10, 12), np.float32))
    with pytest.raises(SettingError, match="the picture is"):
        Prediction(labels, CLASSES, image=np.zeros((9, 12, 3), np.uint8))
    with pytest.raises(SettingError, match="does not hold its picture"):
        Prediction(labels, CLASSES).overlay()
    with pytest.raises(SettingError, match="do not lie on"):
        paint(np.zeros((9, 12, 3), np.uint8), labels, CLASSES)
    with pytest.raises(SettingError, match="alpha is"):
        paint(np.zeros((10, 12, 3), np.uint8), labels, CLASSES, alpha=2)
