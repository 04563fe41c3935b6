"""The fused tail by the native CPU kernels; a :class:`pixelwise.ops.tail.backend.Backend`."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelwise.ops.confusion import bad_label, byte_or_long
from pixelwise.ops.grid import Axis, Grid
from pixelwise.ops.native import require_native, threads
from pixelwise.ops.tail.backend import CrossEntropy, empty_gradient


def argmax(logits: Tensor, grid: Grid, dtype: torch.dtype) -> Tensor:
    """Find the labels (N, H, W)."""
    labels = torch.empty(logits.shape[0], grid.rows.pixels, grid.columns.pixels, dtype=dtype)
    require_native().upsample_argmax(logits.detach(), labels, _numbers(grid), threads())
    return labels


def confusion(logits: Tensor, target: Tensor, grid: Grid, ignore_index: int) -> Tensor:
    """Count pairs of target and predicted class, (K, K)."""
    classes = logits.shape[1]
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    valid = require_native().upsample_confusion(
        logits.detach(), byte_or_long(target), counts, _numbers(grid), ignore_index, threads()
    )
    if not valid:
        raise bad_label("target", target, classes, ignore_index)
    return counts


def cross_entropy_map(call: CrossEntropy) -> Tensor:
    """Compute the loss of each pixel, (N, H, W)."""
    losses = torch.empty(call.target.shape)
    _cross_entropy(call, losses=losses)
    return losses


def cross_entropy_sums(
    call: CrossEntropy, with_gradient: bool, upstream: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum losses and weights, and compute the gradient times ``upstream``."""
    gradient = empty_gradient(call.logits.detach(), with_gradient)
    if not all(_reads_every_cell(axis) for axis in call.grid):
        gradient.zero_()
    factor = 1.0 if upstream is None else float(upstream)
    loss, weight = _cross_entropy(call, gradient=gradient if with_gradient else None, factor=factor)
    return torch.tensor(loss), torch.tensor(weight), gradient


def _cross_entropy(
    call: CrossEntropy, *, gradient: Tensor | None = None, factor: float = 1.0, losses: Tensor | None = None
) -> tuple[float, float]:
    """Fill the given gradient, times ``factor``, and sum losses and weights."""
    classes = call.logits.shape[1]
    weights = torch.ones(classes) if call.class_weights is None else call.class_weights.detach().float().contiguous()
    loss, weight, valid = require_native().upsample_cross_entropy(
        call.logits.detach(),
        byte_or_long(call.target),
        weights,
        None if call.pixel_weights is None else call.pixel_weights.detach().float().contiguous(),
        gradient,
        factor,
        losses,
        _numbers(call.grid),
        call.ignore_index,
        call.label_smoothing,
        threads(),
    )
    if not valid:
        raise bad_label("target", call.target, classes, call.ignore_index)
    return loss, weight


def _reads_every_cell(axis: Axis) -> bool:
    """Whether the kernel, which only writes cells that pixels read, is certain to write all cells."""
    last = (axis.pixels - 1) * axis.scale + axis.offset
    return axis.scale <= 1 and axis.offset < 1 and last > axis.cells - 1.5


def _numbers(grid: Grid) -> tuple[float, float, float, float]:
    return grid.rows.scale, grid.rows.offset, grid.columns.scale, grid.columns.offset
