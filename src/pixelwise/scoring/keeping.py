"""Predictions kept until it is known which pictures are shown, within a budget of memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Instances

MOST_KEPT_BYTES = 2**28
"""Memory for the predictions of a set; pictures beyond it are predicted again when they are shown."""


@dataclass(frozen=True, eq=False)
class PackedLabels:
    """Labels (H, W) in the memory that their regions need, not their pixels."""

    packed: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, labels: NDArray[Any]) -> PackedLabels:
        """Pack labels."""
        return cls(zlib.compress(np.ascontiguousarray(labels).tobytes(), 1), labels.dtype, labels.shape)

    def unpack(self) -> NDArray[Any]:
        """Give the labels back."""
        return np.frombuffer(zlib.decompress(self.packed), self.dtype).reshape(self.shape)


class Budget:
    """What is left of the memory for predictions.

    Args:
        room: bytes at the beginning.
    """

    def __init__(self, room: int = MOST_KEPT_BYTES) -> None:
        self._room = room

    def labels(self, labels: NDArray[Any]) -> PackedLabels | None:
        """Keep labels, if there is room."""
        packed = PackedLabels.of(labels)
        return packed if self._take(len(packed.packed)) else None

    def objects(self, objects: Instances) -> Instances | None:
        """Keep objects, if there is room."""
        pixels = 0 if objects.masks is None else sum(mask.pixels.nbytes for mask in objects.masks)
        return objects if self._take(pixels + objects.boxes.nbytes) else None

    def _take(self, needed: int) -> bool:
        if needed > self._room:
            return False
        self._room -= needed
        return True
