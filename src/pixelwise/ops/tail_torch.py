"""The fused tail in plain torch: the reference that the kernels are tested against, and what runs without them.

The upsampled logits exist for one band of rows at a time, so memory is bounded whatever the picture and the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.ops.confusion import check_labels, count_pairs
from pixelwise.ops.grid import Axis

BAND_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 24}
"""Upsampled logits that exist at a time: 4 MiB stay in a processor's cache; a GPU wants larger pieces of work."""


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Give the type in which logits of ``dtype`` are interpolated and summed: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def bands(logits: Tensor, rows: Axis, columns: Axis) -> Iterator[tuple[slice, slice]]:
    """Cut the upsampled logits into pieces of bounded size: pairs of (pictures, pixel rows)."""
    count, classes = logits.shape[:2]
    budget = BAND_ELEMENTS.get(logits.device.type, 1 << 22)
    row_elements = max(1, classes * columns.pixels)
    height = min(rows.pixels, max(1, budget // row_elements))
    pictures = max(1, budget // (row_elements * height))
    for first in range(0, count, pictures):
        for top in range(0, rows.pixels, height):
            yield slice(first, min(first + pictures, count)), slice(top, min(top + height, rows.pixels))


@dataclass(frozen=True)
class _Taps:
    """What a run of pixels reads, on the device of the logits."""

    first: int
    last: int
    lower: Tensor
    upper: Tensor
    share: Tensor

    @classmethod
    def of(cls, axis: Axis, pixels: slice, like: Tensor) -> _Taps:
        """Find the taps of some pixels; cells are counted from ``first``, the lowest that is read."""
        lower, upper, share = axis.taps(pixels.start, pixels.stop)
        first, last = int(lower[0]), int(upper[-1]) + 1
        device = like.device
        return cls(first, last, (lower - first).to(device), (upper - first).to(device), share.to(like.dtype).to(device))


def upsample_band(logits: Tensor, rows: Axis, columns: Axis, band: slice) -> Tensor:
    """Interpolate some pixel rows of logits (N, K, h, w), bilinear: (N, K, rows of the band, W)."""
    return upsample_window(logits, rows, columns, band, slice(0, columns.pixels))


def upsample_window(logits: Tensor, rows: Axis, columns: Axis, down: slice, along: slice) -> Tensor:
    """Interpolate a window of pixels of (N, K, h, w), bilinear: (N, K, rows of the window, columns of the window)."""
    dtype = accumulation_dtype(logits.dtype)
    y = _Taps.of(rows, down, logits.new_empty(0, dtype=dtype))
    x = _Taps.of(columns, along, y.share)
    coarse = logits[:, :, y.first : y.last, x.first : x.last].to(dtype)
    # Columns first: a coarse row serves several pixel rows.
    wide = torch.lerp(coarse.index_select(3, x.lower), coarse.index_select(3, x.upper), x.share)  # (..., W)
    share = y.share[:, None]
    return torch.lerp(wide.index_select(2, y.lower), wide.index_select(2, y.upper), share)  # (N, K, rows, W)


def add_band_adjoint(gradient: Tensor, band_gradient: Tensor, rows: Axis, columns: Axis, band: slice) -> None:
    """Add the gradient of :func:`upsample_band` with respect to its logits.

    Args:
        gradient: (N, K, h, w), added to in place.
        band_gradient: (N, K, rows of the band, W), with respect to the interpolated logits.
        rows: the axis of rows.
        columns: the axis of columns.
        band: the pixel rows.
    """
    y = _Taps.of(rows, band, gradient)
    x = _Taps.of(columns, slice(0, columns.pixels), gradient)
    share = y.share[:, None]
    wide = band_gradient.new_zeros(*band_gradient.shape[:2], y.last - y.first, columns.pixels)  # (N, K, coarse rows, W)
    wide.index_add_(2, y.lower, band_gradient * (1 - share))
    wide.index_add_(2, y.upper, band_gradient * share)
    coarse = gradient[:, :, y.first : y.last, x.first : x.last]  # a view
    coarse.index_add_(3, x.lower, wide * (1 - x.share))
    coarse.index_add_(3, x.upper, wide * x.share)


def argmax(logits: Tensor, rows: Axis, columns: Axis, dtype: torch.dtype) -> Tensor:
    """Find the class with the greatest upsampled logit at each pixel: (N, K, h, w) -> (N, H, W) of ``dtype``."""
    labels = torch.empty(logits.shape[0], rows.pixels, columns.pixels, dtype=dtype, device=logits.device)
    for pictures, band in bands(logits, rows, columns):
        labels[pictures, band] = upsample_band(logits[pictures], rows, columns, band).argmax(1).to(dtype)
    return labels


def confusion(logits: Tensor, target: Tensor, rows: Axis, columns: Axis, ignore_index: int) -> Tensor:
    """Count the pixels of each pair of target and predicted class: int64 (K, K)."""
    classes = logits.shape[1]
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=logits.device)
    for pictures, band in bands(logits, rows, columns):
        labels = upsample_band(logits[pictures], rows, columns, band).argmax(1)
        counts += count_pairs(target[pictures, band], labels, classes, ignore_index)
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
    """Compute the weighted cross-entropy of each pixel, 0 where ignored: float (N, H, W)."""
    check_labels("target", target, logits.shape[1], ignore_index)
    dtype = accumulation_dtype(logits.dtype)
    losses = torch.empty(target.shape, dtype=dtype, device=logits.device)
    for pictures, band in bands(logits, rows, columns):
        losses[pictures, band] = F.cross_entropy(
            upsample_band(logits[pictures], rows, columns, band),
            target[pictures, band].long(),
            weight=None if class_weights is None else class_weights.to(dtype),
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction="none",
        )
    return losses if pixel_weights is None else losses.mul_(pixel_weights).masked_fill_(target == ignore_index, 0)


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
    """Sum the weighted cross-entropy over all pixels, and its gradient with respect to the coarse logits.

    Returns:
        The sum of losses; the sum of the weights of counted pixels; the gradient of the first, in the accumulation
        type, of the shape of the logits (empty unless ``with_gradient``).
    """
    check_labels("target", target, logits.shape[1], ignore_index)
    dtype = accumulation_dtype(logits.dtype)
    classes = logits.shape[1]
    weights = logits.new_ones(classes, dtype=dtype) if class_weights is None else class_weights.to(dtype)
    loss, weight = logits.new_zeros((), dtype=dtype), logits.new_zeros((), dtype=dtype)
    gradient = logits.new_zeros(logits.shape if with_gradient else 0, dtype=dtype)
    even = label_smoothing / classes
    for pictures, band in bands(logits, rows, columns):
        labels = target[pictures, band].long()
        counted = labels != ignore_index
        labels = labels.where(counted, 0)[:, None]  # (n, 1, rows, W)
        importance = counted.to(dtype)
        if pixel_weights is not None:
            importance = importance * pixel_weights[pictures, band].to(dtype)
        own_weight = weights[labels[:, 0]]  # (n, rows, W)
        scores = F.log_softmax(upsample_band(logits[pictures], rows, columns, band), 1)  # (n, K, rows, W)
        losses = -(1 - label_smoothing) * own_weight * scores.gather(1, labels)[:, 0]
        if label_smoothing:
            losses = losses - even * torch.einsum("nkyx,k->nyx", scores, weights)
        loss += (losses * importance).where(counted, 0).sum()
        weight += (own_weight * importance).sum()
        if with_gradient:
            share = (1 - label_smoothing) * own_weight + even * weights.sum()
            band_gradient = scores.exp() * share[:, None] - even * weights[:, None, None]
            band_gradient.scatter_add_(1, labels, -(1 - label_smoothing) * own_weight[:, None])
            band_gradient = (band_gradient * importance[:, None]).where(counted[:, None], 0)
            add_band_adjoint(gradient[pictures], band_gradient, rows, columns, band)
    return loss, weight, gradient
