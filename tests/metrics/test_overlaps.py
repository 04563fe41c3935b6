"""Overlaps in boxes against overlaps of whole pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.instances import BoxMask, Instances
from pixelwise.metrics.overlaps import boundary, boundary_width, overlaps


def eroded_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """As the paper's code has it: padded by a pixel, eroded step by step, taken away from itself."""
    padded = np.pad(mask, 1).astype(np.uint8)
    for _ in range(width):
        padded = cv2.erode(padded, np.ones((3, 3), np.uint8))
    return mask & ~padded[1:-1, 1:-1].astype(bool)


def slow_iou(predicted: np.ndarray, annotated: np.ndarray, crowd: bool) -> float:
    under = predicted.sum() if crowd else (predicted | annotated).sum()
    return float((predicted & annotated).sum() / under) if under else 0.0


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_whole_pictures(scenes, seed: int) -> None:
    for truth, prediction in zip(*scenes(seed), strict=True):
        found = overlaps(truth, prediction)
        assert found.mask is not None
        assert found.boundary is not None
        values = {
            tuple(pair): figures
            for pair, *figures in zip(found.pairs.tolist(), found.box, found.mask, found.boundary, strict=True)
        }
        width = boundary_width(truth.size)
        for m, predicted in enumerate(prediction.masks):
            for t, annotated in enumerate(truth.masks):
                box, mask, outline = values.get((m, t), (0, 0, 0))
                if prediction.labels[m] != truth.labels[t]:
                    assert (m, t) not in values
                    continue
                crowd = bool(truth.is_crowd[t])
                expected = slow_iou(predicted.full(), annotated.full(), crowd)
                lines = slow_iou(
                    eroded_boundary(predicted.full(), width), eroded_boundary(annotated.full(), width), False
                )
                frames = np.zeros((2, *truth.size), bool)
                for frame, (left, top, right, bottom) in zip(frames, (predicted.box, annotated.box), strict=True):
                    frame[top:bottom, left:right] = True
                assert mask == pytest.approx(expected)
                assert outline == pytest.approx(expected if crowd else min(expected, lines))
                assert box == pytest.approx(slow_iou(*frames, crowd))


@pytest.mark.parametrize("width", [1, 2, 5, 40])
def test_boundary_equals_erosion(width: int) -> None:
    rng = np.random.default_rng(width)
    mask = cv2.resize(rng.random((7, 9)).astype(np.float32), (70, 60), interpolation=cv2.INTER_CUBIC) > 0.45
    np.testing.assert_array_equal(boundary(BoxMask.of(mask), width).full(), eroded_boundary(mask, width))
    loose = BoxMask(mask, 0, 0, (60, 70))
    np.testing.assert_array_equal(boundary(loose, width).full(), eroded_boundary(mask, width))


def test_width_of_outlines_is_that_of_the_paper() -> None:
    assert boundary_width((512, 512)) == 14
    assert boundary_width((3, 4)) == 1


def test_masks_stored_in_larger_boxes_than_their_own_meet_all_the_same() -> None:
    pixels = np.zeros((10, 10), bool)
    pixels[2:5, 2:5] = True
    loose = Instances((10, 10), [0], [[2, 2, 5, 5]], (BoxMask(pixels, 0, 0, (10, 10)),))
    tight = Instances.of_masks((10, 10), [BoxMask.of(pixels)], [0])
    found = overlaps(loose, tight)
    assert found.mask.tolist() == [1.0]
    assert found.boundary.tolist() == [1.0]


def test_empty_masks_and_boxes_without_area_give_zero_not_nan() -> None:
    empty = BoxMask(np.zeros((0, 0), bool), 0, 0, (8, 8))
    dots = Instances((8, 8), [0, 0], [[3, 3, 3, 3], [1, 1, 2, 2]], (empty, empty))
    found = overlaps(dots, dots)
    assert not np.isnan(found.box).any()
    assert found.mask is not None
    assert not found.mask.any()


def test_objects_of_different_pictures_are_refused() -> None:
    with pytest.raises(SettingError, match="compared with a prediction of"):
        overlaps(Instances.none((8, 8)), Instances.none((8, 9)))
