"""Confusion counts: how many pixels of each class were given each label."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelwise.errors import DataError, SettingError

CHUNK = 1 << 20
"""Pixels that are counted at a time, which bounds the memory of their 8-byte pair numbers."""


def confusion_counts(target: Tensor, prediction: Tensor, classes: int, *, ignore_index: int = 255) -> Tensor:
    """Count the pixels of each pair of target class and predicted class.

    Args:
        target: classes 0 .. K-1 or ``ignore_index``, of any shape and any integer type.
        prediction: classes 0 .. K-1, of the shape of the target; not looked at where the target is ignored.
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
        raise SettingError(f"ignore_index {ignore_index} is one of the {classes} classes; choose another value")
    counts: Tensor = _confusion_counts(target, prediction, classes, ignore_index)
    return counts


@torch.library.custom_op("pixelwise::confusion_counts", mutates_args=())
def _confusion_counts(target: Tensor, prediction: Tensor, classes: int, ignore_index: int) -> Tensor:
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=target.device)
    pairs = zip(torch.split(target.reshape(-1), CHUNK), torch.split(prediction.reshape(-1), CHUNK), strict=True)
    for target_chunk, prediction_chunk in pairs:
        counted = target_chunk != ignore_index
        true, predicted = target_chunk[counted].long(), prediction_chunk[counted].long()
        check_labels("target", true, classes, ignore_index)
        check_labels("prediction", predicted, classes, None)
        counts += torch.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.view(classes, classes)


@_confusion_counts.register_fake
def _(target: Tensor, prediction: Tensor, classes: int, ignore_index: int) -> Tensor:
    return target.new_empty((classes, classes), dtype=torch.int64)


def check_labels(name: str, labels: Tensor, classes: int, ignore_index: int | None) -> None:
    """Raise DataError where labels hold anything but classes 0 .. ``classes - 1`` and ``ignore_index``."""
    if labels.numel() == 0:
        return
    counted = labels if ignore_index is None else labels.where(labels != ignore_index, 0)
    low, high = (int(bound) for bound in counted.aminmax())
    if low < 0 or high >= classes:
        ignored = "" if ignore_index is None else f" nor the ignored {ignore_index}"
        raise DataError(
            f"the {name} holds {low if low < 0 else high}, which is no class 0 .. {classes - 1}{ignored}; "
            "map it to a class" + ("" if ignore_index is None else ", or ignore it")
        )
