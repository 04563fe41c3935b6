"""The comparison of the labels of one picture with its mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Size
from pixelwise.metrics.pixel_details import PictureDetails
from pixelwise.scoring.keeping import PackedConfidence, PackedLabels


@dataclass(frozen=True, eq=False)
class PixelComparison:
    """The comparison of one picture's labels with its mask.

    Args:
        id: the picture's path relative to its data set.
        size: height and width in pixels.
        counts: int64 (K, K), pixels by ``[target, prediction]``.
        labels: the predicted labels, if they were kept.
        details: what needs more than counts, if it was computed.
        confidence: the probabilities of the labels, if they were kept.
    """

    id: str
    size: Size
    counts: NDArray[np.int64]
    labels: PackedLabels | None = None
    details: PictureDetails | None = None
    confidence: PackedConfidence | None = None
