"""The metric against a slow loop, over batches, logits and processes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.types import LabelSpace


def slow_counts(target: torch.Tensor, prediction: torch.Tensor, classes: int, ignore_index: int) -> list[list[int]]:
    counts = [[0] * classes for _ in range(classes)]
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if t != ignore_index:
            counts[t][p] += 1
    return counts


@pytest.fixture
def masks() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(0, 4, (3, 9, 11), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = 255
    prediction = torch.randint(0, 4, target.shape, generator=generator)
    return target, prediction


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_labels_are_counted_as_a_loop_counts_them(masks: tuple[torch.Tensor, torch.Tensor], dtype: torch.dtype) -> None:
    target, prediction = (mask.to(dtype) for mask in masks)
    metric = ConfusionMatrix(4)
    metric.update(prediction[:2], target[:2])
    metric.update(prediction[2], target[2])
    scores = metric.scores()
    assert scores.counts.tolist() == slow_counts(target, prediction, 4, 255)
    assert scores.images == 3
    assert scores.ignored_pixels == int((target == 255).sum())


def test_logits_count_as_their_upsampled_argmax(masks: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, _ = masks
    logits = torch.randn(3, 4, 3, 4, generator=torch.Generator().manual_seed(0))
    metric = ConfusionMatrix(4)
    metric.update(logits, target)
    full = F.interpolate(logits, target.shape[1:], mode="bilinear", align_corners=False)
    assert metric.scores().counts.tolist() == slow_counts(target, full.argmax(1), 4, 255)


def test_the_ignore_value_is_the_label_spaces(masks: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, prediction = masks
    target[target == 255] = 11
    metric = ConfusionMatrix(LabelSpace(("a", "b", "c", "d"), ignore_index=11))
    metric.update(prediction, target)
    assert metric.scores().counts.tolist() == slow_counts(target, prediction, 4, 11)
    assert metric.scores().names == ("a", "b", "c", "d")


def test_an_ignore_value_that_is_a_class_is_refused() -> None:
    with pytest.raises(SettingError, match="also a class"):
        ConfusionMatrix(4, ignore_index=3)


def test_counts_made_elsewhere_are_added_and_logged() -> None:
    metric = ConfusionMatrix(2)
    metric.update_counts(torch.tensor([[3, 1], [0, 4]]), images=1, ignored_pixels=2)
    metric.update_counts(torch.tensor([[1, 0], [0, 0]]), images=1)
    assert metric.scores().counts.tolist() == [[4, 1], [0, 4]]
    assert metric.scores().ignored_pixels == 2
    metric.reset()
    assert metric.scores().counts.sum() == 0
    with pytest.raises(SettingError, match="expected counts"):
        metric.update_counts(torch.zeros(3, 3), images=1)


def test_compute_gives_the_miou_and_never_an_old_one(masks: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, prediction = masks
    metric = ConfusionMatrix(4)
    metric.update(prediction, target)
    assert metric.compute() == pytest.approx(metric.scores().miou)
    metric.update_counts(torch.eye(4, dtype=torch.int64) * 1000, images=1)
    assert metric.compute() == pytest.approx(metric.scores().miou)


def test_other_processes_are_summed_once_and_counting_goes_on(masks: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, prediction = masks
    metric = ConfusionMatrix(4, dist_sync_fn=lambda state, group: [state, state], distributed_available_fn=lambda: True)
    metric.update(prediction, target)
    alone = np.array(slow_counts(target, prediction, 4, 255))
    assert metric.scores().counts.tolist() == (2 * alone).tolist()
    assert metric.scores().images == 6
    assert metric.counts.tolist() == alone.tolist()


def test_a_pickled_metric_goes_on_counting(masks: tuple[torch.Tensor, torch.Tensor]) -> None:
    target, prediction = masks
    metric = ConfusionMatrix(4)
    metric.update(prediction, target)
    again = pickle.loads(pickle.dumps(metric))
    again.update(prediction, target)
    assert again.scores().counts.tolist() == (2 * metric.scores().counts).tolist()
