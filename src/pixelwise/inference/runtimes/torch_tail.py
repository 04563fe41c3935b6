"""What follows the coarse logits, by torch on the device that they are on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelwise.inference.runtimes.tail import Tail
from pixelwise.models.base import Coarse
from pixelwise.ops.grid import Grid, resolve_grid
from pixelwise.ops.tail.operators import compute_argmax, compute_confusion
from pixelwise.ops.tail.reference import bands, upsample_band


class TorchTail(Tail[Coarse]):
    """Computes with torch and the native or Triton kernels.

    Args:
        device: where totals are kept.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @torch.inference_mode()
    def labels(self, coarse: Coarse) -> NDArray[np.integer[Any]]:
        """Find the class of the greatest logit at each pixel."""
        labels = compute_argmax(coarse.logits, _grid(coarse))  # (1, h, w)
        return labels[0].cpu().numpy()

    @torch.inference_mode()
    def probabilities(self, coarse: Coarse) -> NDArray[np.float32]:
        """Compute the softmax."""
        result = np.empty((coarse.logits.shape[1], *coarse.size), np.float32)  # (K, h, w)
        grid = _grid(coarse)
        for _, band in bands(coarse.logits, *grid):
            full: Tensor = upsample_band(coarse.logits, *grid, band)[0]  # (K, rows of the band, w)
            result[:, band] = full.softmax(0).cpu().numpy()
        return result

    @torch.inference_mode()
    def confidences(self, coarse: Coarse) -> NDArray[np.float32]:
        """Compute the greatest softmax of each pixel."""
        result = np.empty(coarse.size, np.float32)  # (h, w)
        grid = _grid(coarse)
        for _, band in bands(coarse.logits, *grid):
            full: Tensor = upsample_band(coarse.logits, *grid, band)[0]  # (K, rows of the band, w)
            result[band] = (full - full.amax(0)).exp_().sum(0).reciprocal_().cpu().numpy()
        return result

    @torch.inference_mode()
    def confusion(self, coarse: Coarse, mask: NDArray[np.integer[Any]], ignore_index: int) -> NDArray[np.int64]:
        """Count pairs of the mask's class and predicted class."""
        # Wider masks than uint8 go as int64: torch computes little in uint16, and int32 would take 2**32 for 0.
        dtype = np.uint8 if mask.dtype == np.uint8 else np.int64
        target = torch.from_numpy(np.array(mask, dtype))[None].to(coarse.logits.device)  # (1, h, w)
        return compute_confusion(coarse.logits, target, _grid(coarse), ignore_index).cpu().numpy()

    def zeros(self, shape: tuple[int, int, int], itemsize: int) -> Tensor:
        """Begin a total."""
        return torch.zeros(shape, dtype=torch.float64 if itemsize == 8 else torch.float32, device=self.device)

    @torch.inference_mode()
    def add_softmax(self, total: Tensor, coarse: Coarse, weight: float) -> None:
        """Add the weighted softmax to a total."""
        grid = _grid(coarse)
        for _, band in bands(coarse.logits, *grid):
            softmax = upsample_band(coarse.logits, *grid, band)[0].softmax(0)  # (K, rows of the band, w)
            total[:, band].add_(softmax.to(total.device), alpha=weight)

    def in_main_memory(self, total: Tensor) -> NDArray[np.floating[Any]]:
        """Give a total as an array."""
        return total.cpu().numpy()

    def greatest(self, total: Tensor) -> NDArray[np.integer[Any]]:
        """Find the class with the greatest value at each pixel of a total."""
        return total.argmax(0).cpu().numpy()


def _grid(coarse: Coarse) -> Grid:
    return resolve_grid((coarse.logits.shape[2], coarse.logits.shape[3]), coarse.size, coarse.scale, coarse.offset)
