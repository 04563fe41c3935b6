"""The interface of what follows the coarse logits: labels, probabilities and counts, by torch or on plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelwise.placement import CoarseArray
from pixelwise.tiling import Window

if TYPE_CHECKING:
    from pixelwise.models.base import Coarse

AnyCoarse = TypeVar("AnyCoarse", "Coarse", CoarseArray)
"""Coarse logits of one picture, as a tensor or as an array, and how they lie on it."""


class Tail(ABC, Generic[AnyCoarse]):
    """Computes what is asked for from the coarse logits of one picture; full-size floats exist for one band at a time.

    Only :meth:`probabilities` and the totals of :meth:`zeros` hold floats of all classes at full size.
    """

    @abstractmethod
    def labels(self, coarse: AnyCoarse) -> NDArray[np.integer[Any]]:
        """Find the class of the greatest logit at each pixel: (h, w), uint8 while there are at most 255 classes."""

    @abstractmethod
    def probabilities(self, coarse: AnyCoarse) -> NDArray[np.float32]:
        """Compute the softmax, float32 (K, h, w) in main memory."""

    @abstractmethod
    def confidences(self, coarse: AnyCoarse) -> NDArray[np.float32]:
        """Compute the greatest softmax of each pixel, (h, w)."""

    @abstractmethod
    def confusion(self, coarse: AnyCoarse, mask: NDArray[np.integer[Any]], ignore_index: int) -> NDArray[np.int64]:
        """Count the pixels of each pair of the mask's class (h, w) and predicted class: (K, K), [target, prediction].

        Raises:
            DataError: the mask holds a value that is neither a class nor ``ignore_index``.
        """

    @abstractmethod
    def zeros(self, shape: tuple[int, int, int], itemsize: int) -> Any:
        """Begin a total (K, h, w) of floats of 4 or 8 bytes."""

    @abstractmethod
    def add_softmax(self, total: Any, coarse: AnyCoarse, weight: float) -> None:
        """Add the weighted softmax to a total."""

    @abstractmethod
    def in_main_memory(self, total: Any) -> NDArray[np.floating[Any]]:
        """Give a total as an array."""

    @abstractmethod
    def greatest(self, total: Any) -> NDArray[np.integer[Any]]:
        """Find the class with the greatest value at each pixel of a total: (h, w)."""


def on_window(coarse: AnyCoarse, window: Window) -> AnyCoarse:
    """Align coarse logits with the pixels of a window (rows and columns) of the picture only."""
    rows, columns = window
    scale, offset = _both(coarse.scale), _both(coarse.offset)
    shifted = (offset[0] + rows.start * scale[0], offset[1] + columns.start * scale[1])
    return coarse._replace(size=(rows.stop - rows.start, columns.stop - columns.start), scale=scale, offset=shifted)


def some_rows(coarse: AnyCoarse, first: int, every: int) -> AnyCoarse:
    """Align coarse logits with every n-th row of pixels only."""
    (down, along), (top, left) = _both(coarse.scale), _both(coarse.offset)
    rows = len(range(first, coarse.size[0], every))
    return coarse._replace(size=(rows, coarse.size[1]), scale=(down * every, along), offset=(top + first * down, left))


def _both(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)
