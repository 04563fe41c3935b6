"""Confusion counts: the number of pixels per pair of target class and predicted class."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelwise.errors import DataError, SettingError
from pixelwise.ops.counting import PIXELS_AT_A_TIME, no_class
from pixelwise.ops.native import native_for, threads
from pixelwise.words import counted


def confusion_counts(target: Tensor, prediction: Tensor, classes: int, *, ignore_index: int = 255) -> Tensor:
    """Count the pixels of each pair of target class and predicted class.

    Args:
        target: classes 0 .. K-1 or ``ignore_index``, of any shape and any integer type.
        prediction: classes 0 .. K-1, of the shape of the target; not read where the target is ignored.
        classes: the number of classes K.
        ignore_index: target value of pixels that do not count.

    Returns:
        Counts (K, K), int64, ``counts[target, prediction]``, on the device of the target.

    Raises:
        SettingError: shapes or devices differ, a type is not an integer, or ``ignore_index`` is a class.
        DataError: a counted pixel holds a value that is no class.
    """
    for name, labels in (("target", target), ("prediction", prediction)):
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise SettingError(f"{name} must be integers, got {labels.dtype}")
    if target.shape != prediction.shape or target.device != prediction.device:
        raise SettingError(
            f"target {tuple(target.shape)} on {target.device} and prediction {tuple(prediction.shape)} "
            f"on {prediction.device} must have one shape and one device"
        )
    if classes < 1 or 0 <= ignore_index < classes:
        raise SettingError(
            f"ignore_index {ignore_index} is one of the {counted(classes, 'class')}; choose another value"
        )
    counts: Tensor = _confusion_counts(target, prediction, classes, ignore_index)
    return counts


@torch.library.custom_op("pixelwise::confusion_counts", mutates_args=())
def _confusion_counts(target: Tensor, prediction: Tensor, classes: int, ignore_index: int) -> Tensor:
    native = native_for(target)
    if native is None:
        return count_pairs(target, prediction, classes, ignore_index)
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    good_target, good_prediction = native.confusion_counts(
        byte_or_long(target), byte_or_long(prediction), counts, ignore_index, threads()
    )
    if not good_target:
        raise bad_label("target", target, classes, ignore_index)
    if not good_prediction:
        raise bad_label("prediction", prediction[~is_ignored(target, ignore_index)], classes, None)
    return counts


@_confusion_counts.register_fake
def _(target: Tensor, prediction: Tensor, classes: int, ignore_index: int) -> Tensor:
    return target.new_empty((classes, classes), dtype=torch.int64)


def count_pairs(target: Tensor, prediction: Tensor, classes: int, ignore_index: int) -> Tensor:
    """Compute :func:`confusion_counts` in plain torch, as the reference for the kernels."""
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=target.device)
    pairs = zip(
        torch.split(target.reshape(-1), PIXELS_AT_A_TIME),
        torch.split(prediction.reshape(-1), PIXELS_AT_A_TIME),
        strict=True,
    )
    for target_chunk, prediction_chunk in pairs:
        counted = ~is_ignored(target_chunk, ignore_index)
        true, predicted = target_chunk[counted].long(), prediction_chunk[counted].long()
        check_labels("target", true, classes, ignore_index)
        check_labels("prediction", predicted, classes, None)
        counts += torch.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.view(classes, classes)


def byte_or_long(labels: Tensor) -> Tensor:
    """Convert labels to what the native kernels read: contiguous, uint8 or int64."""
    return (labels if labels.dtype == torch.uint8 else labels.long()).contiguous()


def is_ignored(labels: Tensor, ignore_index: int) -> Tensor:
    """Find the pixels that hold ``ignore_index``: none where the type cannot hold it.

    A comparison would take the number modulo the range of the type, -100 for 156 in bytes.
    """
    held = torch.iinfo(labels.dtype)
    if not held.min <= ignore_index <= held.max:
        return torch.zeros_like(labels, dtype=torch.bool)
    return labels == ignore_index


def check_labels(name: str, labels: Tensor, classes: int, ignore_index: int | None) -> None:
    """Raise DataError where labels hold anything but classes and ``ignore_index``.

    On devices other than the CPU, the check would have to wait for the device; an assertion on the device takes its
    place.
    """
    if labels.numel() == 0:
        return
    if labels.device.type != "cpu":
        # The number of classes is limited to what the type can hold, because a comparison would take it modulo the
        # range.
        known = (labels >= 0) & (labels <= min(classes - 1, torch.iinfo(labels.dtype).max))
        valid = known if ignore_index is None else known | is_ignored(labels, ignore_index)
        torch._assert_async(valid.all(), f"the {name} holds a value that is no class 0 .. {classes - 1}")
        return
    low, high = _bounds(labels, ignore_index)
    if low < 0 or high >= classes:
        raise bad_label(name, labels, classes, ignore_index)


def bad_label(name: str, labels: Tensor, classes: int, ignore_index: int | None) -> DataError:
    """Make the error for labels that hold a value that is no class."""
    return no_class(name, *_bounds(labels, ignore_index), classes, ignore_index)


def _bounds(labels: Tensor, ignore_index: int | None) -> tuple[int, int]:
    counted = labels if ignore_index is None else labels.long().masked_fill(is_ignored(labels, ignore_index), 0)
    low, high = counted.aminmax()
    return int(low), int(high)
