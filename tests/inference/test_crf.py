from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pixelwise.errors import SettingError
from pixelwise.inference.crf import refine_by_crf
from pixelwise.inference.prediction import Prediction
from pixelwise.types import LabelSpace


def noisy() -> tuple[Prediction, np.ndarray]:
    """Two halves of their own colours, labelled with errors; and the truth."""
    rng = np.random.default_rng(0)
    truth = np.zeros((24, 30), np.uint8)
    truth[:, 13:] = 1
    image = np.where(truth[..., None] == 1, (200, 40, 40), (30, 60, 180)).astype(np.uint8)
    scores = np.stack([truth == 0, truth == 1]) + rng.normal(0, 0.8, (2, 24, 30))
    probabilities = (np.exp(scores) / np.exp(scores).sum(0)).astype(np.float32)
    labels = probabilities.argmax(0).astype(np.uint8)
    return Prediction(labels, LabelSpace(("left", "right")), probabilities=probabilities, image=image), truth


def test_labels_follow_the_colours() -> None:
    prediction, truth = noisy()
    sharpened = refine_by_crf(prediction)
    assert (prediction.labels == truth).mean() < 0.9
    np.testing.assert_array_equal(sharpened.labels, truth)
    assert sharpened.labels.dtype == prediction.labels.dtype
    assert sharpened.probabilities is not None
    np.testing.assert_array_equal(sharpened.probabilities.argmax(0), truth)


@pytest.mark.parametrize("lacking", ["image", "probabilities"])
def test_what_it_needs_is_named(lacking: str) -> None:
    with pytest.raises(SettingError, match="probabilities=True"):
        refine_by_crf(dataclasses.replace(noisy()[0], **{lacking: None}))
