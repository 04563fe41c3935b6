"""Keeping predictions, within a memory budget, until it is known which pictures are drawn."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.instances import Instances

MOST_KEPT_BYTES = 2**28
"""Memory for the predictions of a set; pictures beyond it are predicted again when they are drawn."""


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


class Budget:
    """The remaining memory for predictions.

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
