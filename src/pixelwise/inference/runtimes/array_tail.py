"""What follows the coarse logits, on arrays in main memory and without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtimes.tail import Tail
from pixelwise.ops.grid import Grid, resolve_grid
from pixelwise.ops.tail import arrays
from pixelwise.placement import CoarseArray


class ArrayTail(Tail[CoarseArray]):
    """Computes with the native kernels where there are some, else with numpy."""

    def labels(self, coarse: CoarseArray) -> NDArray[np.integer[Any]]:
        """Find the class of the greatest logit at each pixel."""
        labels: NDArray[np.integer[Any]] = arrays.argmax(coarse.logits, _grid(coarse))[0]
        return labels

    def probabilities(self, coarse: CoarseArray) -> NDArray[np.float32]:
        """Compute the softmax."""
        result = np.empty((coarse.logits.shape[1], *coarse.size), np.float32)  # (K, h, w)
        for band, softmax in self._softmax(coarse):
            result[:, band] = softmax
        return result

    def confidences(self, coarse: CoarseArray) -> NDArray[np.float32]:
        """Compute the greatest softmax of each pixel."""
        result = np.empty(coarse.size, np.float32)  # (h, w)
        grid = _grid(coarse)
        for band in arrays.bands(coarse.logits, *grid):
            full = arrays.upsample_band(coarse.logits, *grid, band)[0]  # (K, rows of the band, w)
            result[band] = 1 / np.exp(full - full.max(0)).sum(0)
        return result

    def confusion(self, coarse: CoarseArray, mask: NDArray[np.integer[Any]], ignore_index: int) -> NDArray[np.int64]:
        """Count pairs of the mask's class and predicted class."""
        return arrays.confusion(coarse.logits, mask[None], _grid(coarse), ignore_index)

    def zeros(self, shape: tuple[int, int, int], itemsize: int) -> NDArray[np.floating[Any]]:
        """Begin a total."""
        return np.zeros(shape, np.float64 if itemsize == 8 else np.float32)

    def add_softmax(self, total: NDArray[np.floating[Any]], coarse: CoarseArray, weight: float) -> None:
        """Add the weighted softmax to a total."""
        for band, softmax in self._softmax(coarse):
            total[:, band] += np.float32(weight) * softmax

    def in_main_memory(self, total: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Give a total as an array."""
        return total

    def greatest(self, total: NDArray[np.floating[Any]]) -> NDArray[np.integer[Any]]:
        """Find the class with the greatest value at each pixel of a total."""
        labels: NDArray[np.integer[Any]] = total.argmax(0)
        return labels

    def _softmax(self, coarse: CoarseArray) -> Any:
        """Compute the softmax band by band: pairs of rows and (K, rows, w)."""
        grid = _grid(coarse)
        for band in arrays.bands(coarse.logits, *grid):
            full = arrays.upsample_band(coarse.logits, *grid, band)[0]  # (K, rows of the band, w)
            full -= full.max(0)
            np.exp(full, out=full)
            full /= full.sum(0)
            yield band, full


def _grid(coarse: CoarseArray) -> Grid:
    return resolve_grid((coarse.logits.shape[2], coarse.logits.shape[3]), coarse.size, coarse.scale, coarse.offset)
