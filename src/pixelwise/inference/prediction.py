"""What a predictor returns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.inference.overlay import paint
from pixelwise.io.masks import write_labels
from pixelwise.types import LabelSpace


@dataclass(frozen=True, eq=False)
class Prediction:
    """The labels of one picture.

    Args:
        labels: (H, W) class indices, of the integer type of the label space.
        label_space: what the indices mean.
        exact: whether this is what the network gives for the whole picture at once; False where the picture was
            computed in tiles that see less than the network does.
        probabilities: float32 (K, H, W), summing to 1 over the classes, where they were asked for.
        image: the picture as uint8 (H, W, 3), RGB, for the overlay.
        seam_error: share of the pixels looked at, at seams of tiles, that come out otherwise with twice the halo; None
            where the result is exact.

    Raises:
        SettingError: shapes do not fit each other.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    label_space: LabelSpace
    exact: bool = True
    probabilities: NDArray[np.float32] | None = None
    image: NDArray[np.uint8] | None = None
    seam_error: float | None = None

    def __post_init__(self) -> None:
        size = self.labels.shape
        if len(size) != 2:
            raise SettingError(f"labels are (H, W), got {size}")
        if self.probabilities is not None and self.probabilities.shape != (len(self.label_space), *size):
            raise SettingError(
                f"probabilities are (K, H, W) = {(len(self.label_space), *size)}, got {self.probabilities.shape}"
            )
        if self.image is not None and self.image.shape != (*size, 3):
            raise SettingError(f"the picture is (H, W, 3) = {(*size, 3)}, got {self.image.shape}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the labels as an index PNG with the palette of the classes; raises like :func:`write_labels`."""
        write_labels(path, self.labels, self.label_space)

    def overlay(self, alpha: float = 0.5) -> NDArray[np.uint8]:
        """Paint the labels over the picture: uint8 (H, W, 3); see :func:`pixelwise.inference.overlay.paint`.

        Raises:
            SettingError: the prediction does not hold its picture.
        """
        if self.image is None:
            raise SettingError("this prediction does not hold its picture; use pixelwise.inference.overlay.paint")
        return paint(self.image, self.labels, self.label_space, alpha=alpha)
