"""Boundaries of labels against slow loops, distance transforms of scipy, and erosions as in the paper's code."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from scipy import ndimage

from pixelwise.metrics.label_boundaries import (
    TOLERANCE_SHARE,
    BoundaryCounts,
    boundary_f1_sums,
    boundary_iou_sums,
    boundary_lines,
    compare_boundaries,
)
from pixelwise.metrics.overlaps import boundary_width

IGNORE = 255


def scene(seed: int, size: tuple[int, int], classes: int, *, ignored: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Regions of smooth noise, and the same regions with their edges moved."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(classes, *size)), (0, 4, 4))
    target = noise.argmax(0).astype(np.uint8)
    labels = (noise + 0.3 * ndimage.gaussian_filter(rng.normal(size=noise.shape), (0, 2, 2))).argmax(0).astype(np.uint8)
    if ignored:
        target[ndimage.gaussian_filter(rng.normal(size=size), 3) > 0.12] = IGNORE
    return target, labels


def slow_lines(labels: np.ndarray, counted: np.ndarray) -> set[tuple[int, int, int]]:
    """The class, row and column of each pixel next to a counted pixel of another class."""
    height, width = labels.shape
    found = set()
    for y, x in itertools.product(range(height), range(width)):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= v < height and 0 <= u < width
            if inside and counted[y, x] and counted[v, u] and labels[y, x] != labels[v, u]:
                found.add((int(labels[y, x]), y, x))
    return found


def slow_f1(target: np.ndarray, labels: np.ndarray, classes: int, tolerance: float) -> list[float]:
    counted = target != IGNORE
    true, predicted = slow_lines(target, counted), slow_lines(labels, counted)
    figures = []
    for k in range(classes):
        sides = [[place[1:] for place in lines if place[0] == k] for lines in (true, predicted)]
        if not sides[0] and not sides[1]:
            figures.append(math.nan)
            continue
        recall, precision = (
            sum(any(math.dist(place, other) <= tolerance for other in others) for place in own) / max(1, len(own))
            for own, others in (sides, sides[::-1])
        )
        figures.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return figures


def slow_bands(target: np.ndarray, labels: np.ndarray, classes: int, width: int) -> np.ndarray:
    height, length = target.shape
    counted = target != IGNORE
    counts = np.zeros((classes, 3), np.int64)
    for y, x in itertools.product(range(height), range(length)):
        if not counted[y, x]:
            continue
        at_edge = min(y, x, height - 1 - y, length - 1 - x) < width
        window = np.s_[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        in_band = [at_edge or (one[window][counted[window]] != one[y, x]).any() for one in (target, labels)]
        counts[target[y, x], 1] += in_band[0]
        counts[labels[y, x], 2] += in_band[1]
        counts[target[y, x], 0] += all(in_band) and target[y, x] == labels[y, x]
    return counts


@pytest.mark.parametrize(("seed", "size", "classes"), [(0, (30, 41), 3), (1, (25, 60), 6), (2, (9, 300), 2)])
def test_every_figure_equals_a_loop_over_pixels(seed: int, size: tuple[int, int], classes: int) -> None:
    target, labels = scene(seed, size, classes)
    counts = compare_boundaries(target, labels, classes)
    tolerance = TOLERANCE_SHARE * math.hypot(*size)
    np.testing.assert_allclose(counts.class_f1, slow_f1(target, labels, classes, tolerance))
    np.testing.assert_array_equal(counts.bands, slow_bands(target, labels, classes, boundary_width(size)))
    wrong = (target != labels) & (target != IGNORE)
    assert counts.errors[:, 0].sum() == (target != IGNORE).sum()
    assert counts.errors[:, 1].sum() == wrong.sum()


@pytest.mark.parametrize("size", [(240, 320), (61, 47)])
def test_boundary_f1_equals_distance_transforms(size: tuple[int, int]) -> None:
    target, labels = scene(3, size, 5)
    counts = compare_boundaries(target, labels, 5)
    tolerance = TOLERANCE_SHARE * math.hypot(*size)
    true, predicted = (
        boundary_lines(np.where(target == IGNORE, 0, one + 1).astype(np.uint8)) for one in (target, labels)
    )
    for k in range(5):
        own, other = predicted == k + 1, true == k + 1
        near_true = ndimage.distance_transform_edt(~other) <= tolerance
        near_predicted = ndimage.distance_transform_edt(~own) <= tolerance
        expected = [(own & near_true).sum(), own.sum(), (other & near_predicted).sum(), other.sum()]
        assert counts.lines[k].tolist() == expected


@pytest.mark.parametrize("size", [(120, 160), (33, 90)])
def test_boundary_iou_equals_erosion_of_each_class(size: tuple[int, int]) -> None:
    target, labels = scene(4, size, 4, ignored=False)
    width = boundary_width(size)
    expected = []
    for k in range(4):
        bands = []
        for one in (target, labels):
            padded = np.pad((one == k).astype(np.uint8), 1)
            eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
            bands.append((one == k) & (eroded == 0))
        expected.append((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())
    mean, *by_class = boundary_iou_sums([compare_boundaries(target, labels, 4)]).values()
    np.testing.assert_allclose(by_class, expected)
    assert mean == pytest.approx(np.mean(expected))


def test_labels_that_agree_are_perfect_and_ignored_pixels_change_nothing() -> None:
    target, labels = scene(5, (50, 70), 4)
    same = compare_boundaries(target, target, 4)
    assert boundary_iou_sums([same]).values()[0] == 1
    assert boundary_f1_sums([same]).values()[0] == 1
    changed = np.where(target == IGNORE, (labels + 1) % 4, labels)
    one, other = compare_boundaries(target, labels, 4), compare_boundaries(target, changed, 4)
    for name in ("bands", "lines", "errors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_sets_add_counts_for_boundary_iou_and_average_pictures_for_f1() -> None:
    pictures = [compare_boundaries(*scene(seed, (40, 50), 3), 3) for seed in range(3)]
    bands = sum(picture.bands for picture in pictures)
    iou = bands[:, 0] / (bands[:, 1] + bands[:, 2] - bands[:, 0])
    np.testing.assert_allclose(boundary_iou_sums(pictures).values(), [iou.mean(), *iou])
    alone = [np.nanmean(picture.class_f1) for picture in pictures]
    assert boundary_f1_sums(pictures).values()[0] == pytest.approx(np.mean(alone))


def test_what_has_no_boundary_has_no_f1() -> None:
    flat, split = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    split[:, 15:] = 1
    assert np.isnan(compare_boundaries(flat, flat, 2).class_f1).all()
    assert compare_boundaries(flat, split, 2).class_f1.tolist() == [0, 0]
    blank = compare_boundaries(np.full((20, 30), IGNORE), flat, 2)
    assert np.isnan(boundary_f1_sums([blank]).values()).all()
    assert np.isnan(boundary_iou_sums([blank]).values()).all()
    empty = BoundaryCounts(np.zeros((2, 3), np.int64), np.zeros((2, 4), np.int64), np.zeros((2, 2), np.int64))
    np.testing.assert_array_equal(blank.lines, empty.lines)


def test_many_classes_need_wider_numbers() -> None:
    target = np.arange(300 * 4).reshape(30, 40).astype(np.uint16) // 4
    counts = compare_boundaries(target, target, 300, ignore_index=65535)
    assert boundary_iou_sums([counts]).values()[0] == 1
    assert counts.lines[:, 1].sum() == target.size
