"""Predictions whose labels follow the colours of the picture more closely."""

from __future__ import annotations

import dataclasses

from pixelwise.errors import SettingError
from pixelwise.inference.prediction import Prediction


def refine_by_crf(prediction: Prediction) -> Prediction:
    """Run the dense random field of DeepLab v1 and v2 over a prediction; see :func:`pixelwise.ops.crf.dense_crf`.

    Args:
        prediction: with its picture and its probabilities.

    Returns:
        The labels and probabilities after the field; every pixel has looked at the whole picture.

    Raises:
        SettingError: the prediction holds no picture or no probabilities.
    """
    if prediction.image is None or prediction.probabilities is None:
        raise SettingError("sharpening needs the picture and the probabilities; predict with probabilities=True")
    # Imported here, so that importing the predictor does not wait for torch.
    from pixelwise.ops.crf import dense_crf

    probabilities = dense_crf(prediction.image, prediction.probabilities)
    labels = probabilities.argmax(0).astype(prediction.label_space.dtype)
    return dataclasses.replace(prediction, computed=labels, probabilities=probabilities)
