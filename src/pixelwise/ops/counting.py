"""Confusion counts of labels in main memory, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pixelwise.ops.confusion import confusion_counts
from pixelwise.types import LabelSpace


def count_labels(
    target: NDArray[np.integer[Any]], prediction: NDArray[np.integer[Any]], label_space: LabelSpace
) -> NDArray[np.int64]:
    """Count the pixels of each pair of target class and predicted class.

    Args:
        target: class indices and ignore values, of any shape.
        prediction: class indices, of the same shape.
        label_space: the K classes.

    Returns:
        int64 (K, K), ``counts[target, prediction]``; pixels whose target is ignored are not counted.

    Raises:
        SettingError: the shapes differ.
        DataError: a counted pixel holds a value that is no class.
    """
    given = (_as_tensor(target), _as_tensor(prediction))
    counts: NDArray[np.int64] = confusion_counts(
        *given, len(label_space), ignore_index=label_space.ignore_index
    ).numpy()
    return counts


def _as_tensor(labels: NDArray[np.integer[Any]]) -> torch.Tensor:
    # Labels wider than uint8 become int64: torch computes little in uint16, and a narrower type would take 2**32 for 0.
    return torch.from_numpy(np.array(labels, np.uint8 if labels.dtype == np.uint8 else np.int64))
