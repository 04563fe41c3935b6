from __future__ import annotations

import pytest
import torch

from pixelwise.errors import DataError, SettingError
from pixelwise.ops import confusion_counts

pytestmark = pytest.mark.usefixtures("form")


def make(classes, shape, *, ignore_index=255, block=1):
    generator = torch.Generator().manual_seed(classes)
    coarse = [max(1, length // block) for length in shape]
    maps = []
    for _ in range(2):
        labels = torch.randint(0, classes, coarse, generator=generator)
        for axis in range(len(shape)):
            labels = labels.repeat_interleave(block, axis)
        maps.append(labels[tuple(slice(length) for length in shape)].contiguous())
    target, prediction = maps
    target[torch.rand(target.shape, generator=generator) < 0.05] = ignore_index
    return target, prediction


def slow_counts(target, prediction, classes, ignore_index):
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for true, predicted in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if true != ignore_index:
            counts[true, predicted] += 1
    return counts


@pytest.mark.parametrize("dtypes", [(torch.uint8, torch.uint8), (torch.int64, torch.uint8), (torch.uint8, torch.int32)])
@pytest.mark.parametrize(("classes", "shape", "block"), [(1, (7,), 1), (12, (2, 40, 50), 9), (254, (61, 67), 1)])
def test_matches_a_slow_loop(classes, shape, block, dtypes):
    target, prediction = make(classes, shape, block=block)
    counts = confusion_counts(target.to(dtypes[0]), prediction.to(dtypes[1]), classes)
    assert torch.equal(counts, slow_counts(target, prediction, classes, 255))


def test_long_constant_stretches():
    target = torch.zeros(200_001, dtype=torch.uint8)
    prediction = torch.zeros(200_001, dtype=torch.uint8)
    target[150_000:] = 1
    prediction[150_001:] = 1
    target[10:20] = 255
    assert confusion_counts(target, prediction, 2).tolist() == [[149_990, 0], [1, 50_000]]


def test_many_classes_and_a_negative_ignore_index():
    target, prediction = make(700, (50, 60), ignore_index=-100)
    counts = confusion_counts(target, prediction, 700, ignore_index=-100)
    assert torch.equal(counts, slow_counts(target, prediction, 700, -100))


def test_views_and_nothing():
    target, prediction = make(3, (20, 30))
    counts = confusion_counts(target.t(), prediction.t(), 3)
    assert torch.equal(counts, slow_counts(target, prediction, 3, 255))
    assert confusion_counts(target[:0], prediction[:0], 3).sum() == 0
    assert confusion_counts(torch.full_like(target, 255), prediction, 3).sum() == 0


def test_predictions_of_ignored_pixels_are_not_looked_at():
    target, prediction = make(3, (20, 30))
    prediction[target == 255] = 255
    assert confusion_counts(target, prediction, 3).sum() == (target != 255).sum()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_values_that_are_no_class_are_named(dtype):
    target, prediction = (labels.to(dtype) for labels in make(3, (20, 30)))
    wrong = target.clone()
    wrong[4, 5] = 7
    with pytest.raises(DataError, match=r"the target holds 7, no class 0 .. 2 nor the ignored 255"):
        confusion_counts(wrong, prediction, 3)
    wrong = prediction.clone()
    wrong[target != 255] = 200
    with pytest.raises(DataError, match=r"the prediction holds 200, no class 0 .. 2; map"):
        confusion_counts(target, wrong, 3)


def test_bad_arguments():
    target, prediction = make(3, (20, 30))
    with pytest.raises(SettingError, match="one shape"):
        confusion_counts(target, prediction[:3], 3)
    with pytest.raises(SettingError, match="must be integers"):
        confusion_counts(target, prediction.float(), 3)
    with pytest.raises(ValueError, match="one of the 3 classes"):
        confusion_counts(target, prediction, 3, ignore_index=0)
