"""The fused tail by the native CPU kernels; the same functions as in :mod:`pixelwise.ops.tail_torch`."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelwise.ops.confusion import bad_label, byte_or_long
from pixelwise.ops.grid import Axis
from pixelwise.ops.native import require_native, threads


def argmax(logits: Tensor, rows: Axis, columns: Axis, dtype: torch.dtype) -> Tensor:
    """Find the class with the greatest upsampled logit at each pixel: (N, K, h, w) -> (N, H, W) of ``dtype``."""
    labels = torch.empty(logits.shape[0], rows.pixels, columns.pixels, dtype=dtype)
    require_native().upsample_argmax(logits.detach(), labels, _grid(rows, columns), threads())
    return labels


def confusion(logits: Tensor, target: Tensor, rows: Axis, columns: Axis, ignore_index: int) -> Tensor:
    """Count the pixels of each pair of target and predicted class: int64 (K, K)."""
    classes = logits.shape[1]
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    valid = require_native().upsample_confusion(
        logits.detach(), byte_or_long(target), counts, _grid(rows, columns), ignore_index, threads()
    )
    if not valid:
        raise bad_label("target", target, classes, ignore_index)
    return counts


def cross_entropy_map(
    logits: Tensor,
    target: Tensor,
    rows: Axis,
    columns: Axis,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
) -> Tensor:
    """Compute the weighted cross-entropy of each pixel, 0 where ignored: float32 (N, H, W)."""
    losses = torch.empty(target.shape)
    _cross_entropy(
        logits, target, rows, columns, class_weights, pixel_weights, None, losses, ignore_index, label_smoothing
    )
    return losses


def cross_entropy_sums(
    logits: Tensor,
    target: Tensor,
    rows: Axis,
    columns: Axis,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the weighted cross-entropy over all pixels; see the torch form for what is returned."""
    gradient = torch.zeros(logits.shape) if with_gradient else None
    loss, weight = _cross_entropy(
        logits, target, rows, columns, class_weights, pixel_weights, gradient, None, ignore_index, label_smoothing
    )
    return torch.tensor(loss), torch.tensor(weight), torch.empty(0) if gradient is None else gradient


def _cross_entropy(
    logits: Tensor,
    target: Tensor,
    rows: Axis,
    columns: Axis,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    gradient: Tensor | None,
    losses: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[float, float]:
    classes = logits.shape[1]
    weights = torch.ones(classes) if class_weights is None else class_weights.detach().float().contiguous()
    loss, weight, valid = require_native().upsample_cross_entropy(
        logits.detach(),
        byte_or_long(target),
        weights,
        None if pixel_weights is None else pixel_weights.detach().float().contiguous(),
        gradient,
        losses,
        _grid(rows, columns),
        ignore_index,
        label_smoothing,
        threads(),
    )
    if not valid:
        raise bad_label("target", target, classes, ignore_index)
    return loss, weight


def _grid(rows: Axis, columns: Axis) -> tuple[float, float, float, float]:
    return rows.scale, rows.offset, columns.scale, columns.offset
