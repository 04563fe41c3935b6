"""The interface of the backends of the fused tail: plain torch, native CPU kernels, Triton kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pixelwise.ops.grid import Grid


@dataclass(frozen=True)
class CrossEntropy:
    """A cross-entropy to compute: the arguments of :func:`pixelwise.ops.upsample_cross_entropy`, checked.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes or ``ignore_index`` (N, H, W), any integer type.
        grid: how the target lies on the logits.
        class_weights: (K,), or None for 1.
        pixel_weights: (N, H, W), or None for 1.
        ignore_index: target value of pixels that do not count.
        label_smoothing: share of the target spread evenly over the classes.
    """

    logits: Tensor
    target: Tensor
    grid: Grid
    class_weights: Tensor | None = None
    pixel_weights: Tensor | None = None
    ignore_index: int = 255
    label_smoothing: float = 0.0


class Backend(Protocol):
    """One implementation of the tail; the module of each backend has these functions."""

    def argmax(self, logits: Tensor, grid: Grid, dtype: torch.dtype, /) -> Tensor:
        """Find the class with the greatest upsampled logit at each pixel: (N, K, h, w) -> (N, H, W) of ``dtype``."""

    def confusion(self, logits: Tensor, target: Tensor, grid: Grid, ignore_index: int, /) -> Tensor:
        """Count the pixels of each pair of target and predicted class: int64 (K, K)."""

    def cross_entropy_map(self, call: CrossEntropy, /) -> Tensor:
        """Compute the weighted loss of each pixel, 0 where ignored: (N, H, W) in the accumulation type."""

    def cross_entropy_sums(
        self, call: CrossEntropy, with_gradient: bool, upstream: Tensor | None = None, /
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the weighted losses over all pixels, and find the gradient of the sum.

        Args:
            call: what to compute.
            with_gradient: whether the gradient is wanted.
            upstream: factor () of the gradient in the accumulation type, or None for 1. Half precision is rounded after
                this factor: the gradient of a sum may exceed the range of float16 while that of the mean does not.

        Returns:
            The sum of losses and the sum of the weights of counted pixels, in the accumulation type; the gradient of
            the first with respect to the logits, of their type and memory layout (empty unless ``with_gradient``).
        """


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Give the type in which logits of ``dtype`` are interpolated and summed: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def sums_in_type(logits: Tensor) -> bool:
    """Whether the gradient can have the type of the logits before it is scaled, because sums have that type."""
    return logits.dtype == accumulation_dtype(logits.dtype)


def empty_gradient(logits: Tensor, with_gradient: bool) -> Tensor:
    """Allocate a gradient of the type and memory layout of the logits; no elements unless it is wanted."""
    return torch.empty_like(logits) if with_gradient else logits.new_empty(0)
