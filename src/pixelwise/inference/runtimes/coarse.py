"""What runtimes share whose network gives coarse logits: labels, probabilities and counts are computed from these."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.models import Coarse
from pixelwise.ops import upsample_argmax, upsample_confusion
from pixelwise.ops.grid import resolve_grid
from pixelwise.ops.tail.reference import bands, upsample_band
from pixelwise.tiling import Window


class CoarseRuntime(Runtime):
    """A runtime whose network gives coarse logits; no full-size floats of all classes are built of them."""

    device: torch.device
    """Where the logits are."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """The type for computations that must be precise."""

    @abstractmethod
    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> Coarse:
        """Compute coarse logits of an image (C, H, W), to which the model adds the border that it needs.

        If a window is given, the logits are valid only for it.
        """

    @abstractmethod
    def coarse_of(self, image: NDArray[np.uint8], window: Window) -> Coarse:
        """Compute coarse logits of the input of a tile (C, H, W), aligned with the pixels of a window only."""

    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""
        with torch.inference_mode():
            return _labels(self.coarse_of(image, window))

    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the softmax as float32 (K, h, w) in main memory."""
        with torch.inference_mode():
            coarse = self.coarse_of(image, window)
            return _labels(coarse), _probabilities(coarse)

    def confidences(
        self, image: NDArray[np.uint8], window: Window, first: int = 0, every: int = 1
    ) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the greatest softmax of pixels in some of its rows.

        Returns:
            Class indices (h, w), and float32 (rows, w) for rows ``first``, ``first + every`` .. of the window.
        """
        with torch.inference_mode():
            coarse = self.coarse_of(image, window)
            return _labels(coarse), _confidences(_some_rows(coarse, first, every))

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        with torch.inference_mode():
            coarse = self.coarse_of(image, window)
            # Wider masks than uint8 go as int64: torch computes little in uint16, and int32 would take 2**32 for 0.
            dtype = np.uint8 if mask.dtype == np.uint8 else np.int64
            target = torch.from_numpy(np.array(mask, dtype))[None]  # (1, h, w)
            counts = upsample_confusion(
                coarse.logits,
                target.to(coarse.logits.device),
                scale=coarse.scale,
                offset=coarse.offset,
                ignore_index=self.card.label_space.ignore_index,
            )
            return counts.cpu().numpy()


def on_window(coarse: Coarse, window: Window) -> Coarse:
    """Align coarse logits with the pixels of a window (rows and columns) of the picture only."""
    rows, columns = window
    scale, offset = _both(coarse.scale), _both(coarse.offset)
    shifted = (offset[0] + rows.start * scale[0], offset[1] + columns.start * scale[1])
    return Coarse(coarse.logits, (rows.stop - rows.start, columns.stop - columns.start), scale, shifted)


def _both(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def _labels(coarse: Coarse) -> NDArray[np.integer]:
    labels = upsample_argmax(coarse.logits, coarse.size, scale=coarse.scale, offset=coarse.offset)  # (1, h, w)
    return labels[0].cpu().numpy()


def _probabilities(coarse: Coarse) -> NDArray[np.float32]:
    """Softmax of the upsampled logits of one picture; full-size floats exist in main memory only."""
    logits, size = coarse.logits, coarse.size
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), size, coarse.scale, coarse.offset)
    result = np.empty((logits.shape[1], *size), np.float32)  # (K, h, w)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, w)
        result[:, band] = full.softmax(0).cpu().numpy()
    return result


def _some_rows(coarse: Coarse, first: int, every: int) -> Coarse:
    """Align coarse logits with every n-th row of pixels only."""
    (down, along), (top, left) = _both(coarse.scale), _both(coarse.offset)
    rows = len(range(first, coarse.size[0], every))
    return Coarse(coarse.logits, (rows, coarse.size[1]), (down * every, along), (top + first * down, left))


def _confidences(coarse: Coarse) -> NDArray[np.float32]:
    """Greatest softmax of the upsampled logits of one picture; they exist for one band at a time."""
    logits, size = coarse.logits, coarse.size
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), size, coarse.scale, coarse.offset)
    result = np.empty(size, np.float32)  # (h, w)
    for _, band in bands(logits, rows, columns):
        full: Tensor = upsample_band(logits, rows, columns, band)[0]  # (K, rows of the band, w)
        result[band] = (full - full.amax(0)).exp_().sum(0).reciprocal_().cpu().numpy()
    return result
