"""What runtimes share whose network gives coarse logits: labels, probabilities and counts are computed from these."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.runtimes.tail import AnyCoarse, Tail, some_rows
from pixelwise.tiling import Window


class CoarseRuntime(Runtime, Generic[AnyCoarse]):
    """A runtime whose network gives coarse logits; no full-size floats of all classes are built of them."""

    tail: Tail[AnyCoarse]
    """Computes everything from the logits."""
    itemsize: int = 4
    """Bytes of the floats for computations that must be precise."""

    @abstractmethod
    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> AnyCoarse:
        """Compute coarse logits of an image (C, H, W), to which the model adds the border that it needs.

        If a window is given, the logits are valid only for it.
        """

    @abstractmethod
    def coarse_of(self, image: NDArray[np.uint8], window: Window) -> AnyCoarse:
        """Compute coarse logits of the input of a tile (C, H, W), aligned with the pixels of a window only."""

    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer[Any]]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""
        return self.tail.labels(self.coarse_of(image, window))

    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the softmax as float32 (K, h, w) in main memory."""
        coarse = self.coarse_of(image, window)
        return self.tail.labels(coarse), self.tail.probabilities(coarse)

    def confidences(
        self, image: NDArray[np.uint8], window: Window, first: int = 0, every: int = 1
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the greatest softmax of pixels in some of its rows.

        Returns:
            Class indices (h, w), and float32 (rows, w) for rows ``first``, ``first + every`` .. of the window.
        """
        coarse = self.coarse_of(image, window)
        return self.tail.labels(coarse), self.tail.confidences(some_rows(coarse, first, every))

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        return self.tail.confusion(self.coarse_of(image, window), mask, self.card.label_space.ignore_index)
