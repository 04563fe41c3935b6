"""Counting labels that lie in main memory, whatever integers they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixelwise.errors import DataError, SettingError
from pixelwise.ops.counting import count_labels
from pixelwise.types import LabelSpace

SPACE = LabelSpace(("road", "tree"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_pixels_are_counted_by_target_and_prediction(dtype: Any) -> None:
    target = np.array([[0, 0, 1], [1, 1, SPACE.ignore_index]], dtype)
    prediction = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    counts = count_labels(target, prediction, SPACE)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[1, 1], [1, 2]]


def test_read_only_masks_and_views_are_counted() -> None:
    target = np.array([[0, 1, 1, 0]], np.uint8)
    target.setflags(write=False)
    assert count_labels(target[:, ::2], target[:, 1::2], SPACE).tolist() == [[0, 1], [1, 0]]


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(DataError, match="holds 7"):
        count_labels(np.array([7], np.uint8), np.array([0], np.uint8), SPACE)
    with pytest.raises(DataError, match="holds 4294967296"):
        count_labels(np.array([2**32]), np.array([0], np.uint8), SPACE)
    with pytest.raises(DataError, match="holds -1"):
        count_labels(np.array([-1]), np.array([0], np.uint8), SPACE)
    with pytest.raises(SettingError, match="must have one shape"):
        count_labels(np.zeros(2, np.uint8), np.zeros(3, np.uint8), SPACE)
