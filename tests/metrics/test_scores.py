"""Scores against slow loops over pixels, and what they say of classes that do not occur."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.metrics.scores import Scores
from pixelwise.types import LabelSpace

IGNORE = 255


def draw(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, (3, 7, 5))
    prediction = np.where(rng.random(target.shape) < 0.6, target, rng.integers(0, classes, target.shape))
    target[rng.random(target.shape) < 0.2] = IGNORE
    return target, prediction


def slow_counts(target: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((classes, classes), np.int64)
    for t, p in zip(target.ravel(), prediction.ravel(), strict=True):
        if t != IGNORE:
            counts[t, p] += 1
    return counts


@pytest.mark.parametrize(("seed", "classes"), [(0, 2), (1, 5), (2, 40)])
def test_every_figure_equals_a_loop_over_pixels(seed: int, classes: int) -> None:
    target, prediction = draw(seed, classes)
    scores = Scores.from_counts(slow_counts(target, prediction, classes), classes, images=3)
    ious, dices, accuracies, weighted = [], [], [], 0.0
    kept = target != IGNORE
    for k in range(classes):
        t, p = (target == k) & kept, (prediction == k) & kept
        if not (t | p).any():
            assert scores.iou[f"class {k}"] is None
            continue
        ious.append((t & p).sum() / (t | p).sum())
        dices.append(2 * (t & p).sum() / (t.sum() + p.sum()))
        weighted += t.sum() / kept.sum() * ious[-1]
        assert scores.iou[f"class {k}"] == pytest.approx(ious[-1])
        if t.any():
            accuracies.append((t & p).sum() / t.sum())
    assert scores.classes_averaged == len(ious)
    assert scores.miou == pytest.approx(np.mean(ious))
    assert scores.dice == pytest.approx(np.mean(dices))
    assert scores.mean_accuracy == pytest.approx(np.mean(accuracies))
    assert scores.pixel_accuracy == pytest.approx((target == prediction)[kept].mean())
    assert scores.frequency_weighted_iou == pytest.approx(weighted)


def test_a_class_only_predicted_counts_as_zero_and_an_absent_one_not_at_all() -> None:
    counts = np.array([[8, 2, 0], [0, 0, 0], [0, 0, 0]])
    scores = Scores.from_counts(counts, LabelSpace(("a", "b", "c")))
    assert scores.iou == {"a": 0.8, "b": 0.0, "c": None}
    assert scores.classes_averaged == 2
    assert scores.miou == pytest.approx(0.4)
    assert scores.mean_accuracy == pytest.approx(0.8)
    assert scores.frequency_weighted_iou == pytest.approx(0.8)
    assert "2 of 3 classes" in scores.rule


def test_scores_of_nothing_are_undefined_not_zero() -> None:
    scores = Scores.from_counts(np.zeros((2, 2), np.int64), 2, images=1, ignored_pixels=12)
    assert math.isnan(scores.miou)
    assert math.isnan(scores.pixel_accuracy)
    assert math.isnan(scores.frequency_weighted_iou)
    described = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert described["miou"] is None
    assert described["ignored_pixels"] == 12


def test_merging_equals_counting_at_once_and_is_not_the_mean_of_pictures() -> None:
    one = Scores.from_counts(np.array([[9, 1], [0, 0]]), 2, images=1, ignored_pixels=3)
    two = Scores.from_counts(np.array([[0, 0], [5, 5]]), 2, images=1, ignored_pixels=4)
    both = one + two
    assert both.counts.tolist() == [[9, 1], [5, 5]]
    assert (both.images, both.ignored_pixels) == (2, 7)
    assert both.miou == pytest.approx((9 / 15 + 5 / 11) / 2)
    assert both.miou != pytest.approx((one.miou + two.miou) / 2)


def test_scores_of_other_classes_do_not_merge() -> None:
    counts = np.eye(2, dtype=np.int64)
    with pytest.raises(SettingError, match="different classes"):
        Scores.from_counts(counts, LabelSpace(("a", "b"))) + Scores.from_counts(counts, LabelSpace(("a", "c")))


@pytest.mark.parametrize("counts", [np.zeros((2, 3), int), np.zeros(2, int), np.array([[1, -1], [0, 0]])])
def test_counts_of_the_wrong_form_are_refused(counts: np.ndarray) -> None:
    with pytest.raises(SettingError, match="counts"):
        Scores.from_counts(counts, 2)


def test_json_has_the_keys_that_others_read() -> None:
    described = Scores.from_counts(np.diag([3, 4]), LabelSpace(("cat", "dog")), images=2).to_dict()
    assert set(described) == {
        "miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "dice", "iou", "classes_averaged",
        "images", "ignored_pixels", "classes", "rule",
    }  # fmt: skip
    assert described["iou"] == {"cat": 1.0, "dog": 1.0}
    assert described["classes"] == ["cat", "dog"]
