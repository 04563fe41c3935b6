"""Calibration against torchmetrics and a slow loop, and sizes of parts against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchmetrics.classification import MulticlassCalibrationError

from pixelwise.metrics.calibration import BINS, count_reliability, ece_sums, reliability_curve
from pixelwise.metrics.part_sizes import SIZES, count_part_sizes, describe_part_sizes

IGNORE = 255


def scene(seed: int, classes: int = 4, size: tuple[int, int] = (40, 50)) -> tuple[np.ndarray, np.ndarray]:
    """A mask with ignored pixels, and the softmax (K, H, W) of a model that is too sure."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(classes, *size))
    target = (logits + 2 * rng.normal(size=logits.shape)).argmax(0).astype(np.uint8)
    target[rng.random(size) < 0.1] = IGNORE
    return target, torch.from_numpy(logits).softmax(0).float().numpy()


def test_ece_equals_torchmetrics_over_a_set() -> None:
    theirs = MulticlassCalibrationError(4, n_bins=BINS, norm="l1", ignore_index=IGNORE)
    counts = []
    for seed in range(3):
        target, softmax = scene(seed)
        counts.append(count_reliability(target, softmax.argmax(0), softmax.max(0)))
        theirs.update(torch.from_numpy(softmax)[None], torch.from_numpy(target.astype(np.int64))[None])
    assert ece_sums(counts).values()[0] == pytest.approx(float(theirs.compute()), abs=1e-5)


def test_bins_equal_a_loop_over_pixels() -> None:
    target, softmax = scene(7)
    softmax[:, 0, :5] = 0
    softmax[0, 0, :5] = 1  # certain pixels are in the last bin
    labels, sure = softmax.argmax(0), softmax.max(0)
    pixels, right, total = [0] * BINS, [0] * BINS, [0.0] * BINS
    for t, label, p in zip(target.ravel(), labels.ravel(), sure.ravel(), strict=True):
        if t != IGNORE:
            place = min(int(float(p) * BINS), BINS - 1)
            pixels[place] += 1
            right[place] += t == label
            total[place] += float(p)
    curve = reliability_curve(count_reliability(target, labels, sure))
    assert [one["pixels"] for one in curve] == pixels
    for one, k, p, n in zip(curve, right, total, pixels, strict=True):
        if not n:
            assert one["accuracy"] is None
            continue
        assert one["accuracy"] == pytest.approx(k / n)
        assert one["confidence"] == pytest.approx(p / n, abs=1e-7)
        assert one["low"] - 1e-7 <= one["confidence"] <= one["high"] + 1e-7


def test_parts_are_counted_by_their_own_size() -> None:
    rng = np.random.default_rng(0)
    target = ndimage.gaussian_filter(rng.normal(size=(3, 300, 400)), (0, 9, 9)).argmax(0).astype(np.uint8)
    target[:40] = IGNORE
    labels = np.where(rng.random(target.shape) < 0.5, target, rng.integers(0, 3, target.shape)).astype(np.uint8)
    expected = np.zeros((3, 4), np.int64)
    for k in range(3):
        parts, number = ndimage.label(target == k, np.ones((3, 3)))
        for part in range(1, number + 1):
            own = parts == part
            area, right = own.sum(), (own & (labels == k)).sum()
            expected[0 if area < 32**2 else 1 if area < 96**2 else 2] += [1, 2 * right > area, area, right]
    counts = count_part_sizes(target, labels)
    np.testing.assert_array_equal(counts, expected)
    assert (counts[:, 0] > 0).all()
    described = describe_part_sizes(counts)
    assert list(described) == list(SIZES)
    assert described["small"]["accuracy"] == pytest.approx(expected[0, 3] / expected[0, 2])
    nothing = describe_part_sizes(count_part_sizes(np.full((5, 5), IGNORE), np.zeros((5, 5), np.int64)))
    assert nothing["large"] == {"parts": 0, "found": None, "pixels": 0, "accuracy": None}
