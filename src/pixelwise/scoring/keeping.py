"""Keeping predictions, within a memory budget, until it is known which pictures are drawn."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Instances
from pixelwise.scoring.example import reduced_size

MOST_KEPT_BYTES = 2**28
"""Memory for the predictions of a set; pictures beyond it are predicted again when they are drawn."""


MOST_KEPT_CONFIDENCE = 2**27
"""Memory for the probabilities of labels; it is apart, because they take far more than the labels."""

CONFIDENCE_SIDE = 1024
"""Longer side that probabilities are reduced to before they are kept."""


@dataclass(frozen=True, eq=False)
class PackedLabels:
    """Labels (H, W) packed so that memory grows with their regions and not with their pixels."""

    packed: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, labels: NDArray[Any]) -> PackedLabels:
        """Pack labels."""
        return cls(zlib.compress(np.ascontiguousarray(labels).tobytes(), 1), labels.dtype, labels.shape)

    def unpack(self) -> NDArray[Any]:
        """Unpack the labels."""
        return np.frombuffer(zlib.decompress(self.packed), self.dtype).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class PackedConfidence:
    """Probabilities of labels (H, W), reduced and rounded to 1 / 255, for drawing."""

    packed: PackedLabels

    @classmethod
    def of(cls, confidence: NDArray[np.float32]) -> PackedConfidence:
        """Pack probabilities; rows of NaN, which were not computed, are taken from the computed row before them."""
        numbers = np.arange(len(confidence))
        rows = np.maximum.accumulate(np.where(np.isnan(confidence).all(1), 0, numbers))
        size = reduced_size((confidence.shape[0], confidence.shape[1]), CONFIDENCE_SIDE)
        filled = np.nan_to_num(confidence[rows])
        if size is not None:
            filled = np.asarray(cv2.resize(filled, size[::-1], interpolation=cv2.INTER_AREA), np.float32)
        return cls(PackedLabels.of(np.rint(255 * filled).clip(0, 255).astype(np.uint8)))

    def unpack(self) -> NDArray[np.float32]:
        """Unpack the probabilities, (h, w)."""
        return np.asarray(self.packed.unpack().astype(np.float32) / 255, np.float32)


class Budget:
    """The remaining memory for predictions.

    Args:
        room: bytes at the beginning.
    """

    def __init__(self, room: int = MOST_KEPT_BYTES) -> None:
        self._room = room
        self._room_of_confidence = min(room, MOST_KEPT_CONFIDENCE)

    def labels(self, labels: NDArray[Any]) -> PackedLabels | None:
        """Keep labels, if there is room."""
        packed = PackedLabels.of(labels)
        return packed if self._take(len(packed.packed)) else None

    def confidence(self, confidence: NDArray[np.float32] | None) -> PackedConfidence | None:
        """Keep the probabilities of labels, if there are any, and room."""
        if confidence is None:
            return None
        packed = PackedConfidence.of(confidence)
        needed = len(packed.packed.packed)
        if needed > self._room_of_confidence:
            return None
        self._room_of_confidence -= needed
        return packed

    def objects(self, objects: Instances) -> Instances | None:
        """Keep objects, if there is room."""
        pixels = 0 if objects.masks is None else sum(mask.pixels.nbytes for mask in objects.masks)
        return objects if self._take(pixels + objects.boxes.nbytes) else None

    def _take(self, needed: int) -> bool:
        if needed > self._room:
            return False
        self._room -= needed
        return True
