"""Confusion counts of labels in main memory, as arrays and without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError
from pixelwise.ops.native import native_module, threads
from pixelwise.types import LabelSpace

PIXELS_AT_A_TIME = 1 << 20
"""Pixels that are counted at a time, which bounds the memory of their 8-byte pair numbers."""

Labels = NDArray[np.integer[Any]]


def count_labels(target: Labels, prediction: Labels, label_space: LabelSpace) -> NDArray[np.int64]:
    """Count the pixels of each pair of target class and predicted class.

    Args:
        target: class indices and ignore values, of any shape.
        prediction: class indices, of the same shape; not read where the target is ignored.
        label_space: the K classes.

    Returns:
        int64 (K, K), ``counts[target, prediction]``; pixels whose target is ignored are not counted.

    Raises:
        SettingError: the shapes differ.
        DataError: a counted pixel holds a value that is no class.
    """
    if target.shape != prediction.shape:
        raise SettingError(f"target {target.shape} and prediction {prediction.shape} must have one shape")
    classes, ignore_index = len(label_space), label_space.ignore_index
    native = native_module()
    if native is None:
        return count_pairs(target, prediction, classes, ignore_index)
    counts = np.zeros((classes, classes), np.int64)
    target, prediction = as_counted(target), as_counted(prediction)
    good_target, good_prediction = native.confusion_counts(target, prediction, counts, ignore_index, threads())
    if not good_target:
        raise bad_label("target", target, classes, ignore_index)
    if not good_prediction:
        raise bad_label("prediction", prediction[target != ignore_index], classes, None)
    return counts


def count_pairs(target: Labels, prediction: Labels, classes: int, ignore_index: int) -> NDArray[np.int64]:
    """Count the pairs of :func:`count_labels` by numpy alone."""
    target, prediction = as_counted(target).reshape(-1), as_counted(prediction).reshape(-1)
    counts = np.zeros(classes * classes, np.int64)
    for first in range(0, target.size, PIXELS_AT_A_TIME):
        true, predicted = (labels[first : first + PIXELS_AT_A_TIME].astype(np.int64) for labels in (target, prediction))
        counted = true != ignore_index
        true, predicted = true[counted], predicted[counted]
        for name, labels, ignored in (("target", true, ignore_index), ("prediction", predicted, None)):
            if labels.size and not (labels.min() >= 0 and labels.max() < classes):
                raise bad_label(name, labels, classes, ignored)
        counts += np.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def as_counted(labels: Labels) -> Labels:
    """Convert labels to what the native kernels read: contiguous, uint8 or int64."""
    return np.ascontiguousarray(labels, np.uint8 if labels.dtype == np.uint8 else np.int64)


def bad_label(name: str, labels: Labels, classes: int, ignore_index: int | None) -> DataError:
    """Make the error for labels that hold a value that is no class."""
    wide = labels.astype(np.int64)
    counted = wide if ignore_index is None else wide[wide != ignore_index]
    return no_class(name, int(counted.min()), int(counted.max()), classes, ignore_index)


def no_class(name: str, low: int, high: int, classes: int, ignore_index: int | None) -> DataError:
    """Make the error for labels from ``low`` to ``high``, one of which is no class."""
    ignored = "" if ignore_index is None else f" nor the ignored {ignore_index}"
    mend = "map it to a class" if ignore_index is None else "map it to a class, or ignore it"
    return DataError(f"the {name} holds {low if low < 0 else high}, no class 0 .. {classes - 1}{ignored}; {mend}")
