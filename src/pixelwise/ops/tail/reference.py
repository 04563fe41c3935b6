"""The fused tail in plain torch: the reference for tests of the kernels, and the form that runs without them.

The upsampled logits exist for one band of rows at a time, so that memory is bounded for any picture and number of
classes. The last four functions are a :class:`pixelwise.ops.tail.backend.Backend`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.ops.confusion import check_labels, count_pairs, is_ignored
from pixelwise.ops.grid import Axis, Grid
from pixelwise.ops.tail.backend import CrossEntropy, accumulation_dtype

BAND_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 24}
"""The number of upsampled logits at a time: 4 MiB stay in a processor's cache; a GPU needs larger pieces of work."""


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
    """The cells, and their weights, that a run of pixels reads, on the device of the logits."""

    first: int
    last: int
    lower: Tensor
    upper: Tensor
    share: Tensor

    @classmethod
    def of(cls, axis: Axis, pixels: slice, like: Tensor) -> _Taps:
        """Find the taps of some pixels; cells are counted from ``first``, the lowest that is read."""
        lower, upper, share = map(torch.from_numpy, axis.taps(pixels.start, pixels.stop))
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


class GradientSums:
    """The gradient with respect to coarse logits, summed over the bands of :func:`bands` in their order.

    Sums of half precision are kept in float32 until the last band of their pictures, and then rounded once.

    Args:
        logits: what the gradient belongs to, (N, K, h, w).
        grid: how pixels lie on the logits.
        upstream: factor () of the whole gradient, or None for 1.
    """

    def __init__(self, logits: Tensor, grid: Grid, upstream: Tensor | None = None) -> None:
        self.values = torch.zeros_like(logits)
        """The gradient (N, K, h, w), complete after the last band."""
        self._grid = grid
        self._upstream = upstream
        self._dtype = accumulation_dtype(logits.dtype)
        self._sums: Tensor | None = None

    def add(self, band_gradient: Tensor, pictures: slice, band: slice) -> None:
        """Add the gradient (n, K, rows of the band, W) with respect to the upsampled logits of one band."""
        if self._sums is None:
            self._sums = self.values[pictures].to(self._dtype)  # a view, unless the logits are of half precision
        add_band_adjoint(self._sums, band_gradient, *self._grid, band)
        if band.stop < self._grid.rows.pixels:
            return
        if self._upstream is not None:
            self._sums *= self._upstream
        if self.values.dtype != self._dtype:
            self.values[pictures] = self._sums
        self._sums = None  # freed before those of the next pictures are made


def argmax(logits: Tensor, grid: Grid, dtype: torch.dtype) -> Tensor:
    """Find the labels (N, H, W)."""
    labels = torch.empty(logits.shape[0], grid.rows.pixels, grid.columns.pixels, dtype=dtype, device=logits.device)
    for pictures, band in bands(logits, *grid):
        labels[pictures, band] = upsample_band(logits[pictures], *grid, band).argmax(1).to(dtype)
    return labels


def confusion(logits: Tensor, target: Tensor, grid: Grid, ignore_index: int) -> Tensor:
    """Count pairs of target and predicted class, (K, K)."""
    classes = logits.shape[1]
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=logits.device)
    for pictures, band in bands(logits, *grid):
        labels = upsample_band(logits[pictures], *grid, band).argmax(1)
        counts += count_pairs(target[pictures, band], labels, classes, ignore_index)
    return counts


def cross_entropy_map(call: CrossEntropy) -> Tensor:
    """Compute the loss of each pixel, (N, H, W)."""
    logits, target = call.logits, call.target
    check_labels("target", target, logits.shape[1], call.ignore_index)
    dtype = accumulation_dtype(logits.dtype)
    losses = torch.empty(target.shape, dtype=dtype, device=logits.device)
    for pictures, band in bands(logits, *call.grid):
        losses[pictures, band] = F.cross_entropy(
            upsample_band(logits[pictures], *call.grid, band),
            target[pictures, band].long(),
            weight=None if call.class_weights is None else call.class_weights.to(dtype),
            ignore_index=call.ignore_index,
            label_smoothing=call.label_smoothing,
            reduction="none",
        )
    if call.pixel_weights is None:
        return losses
    return losses.mul_(call.pixel_weights).masked_fill_(is_ignored(target, call.ignore_index), 0)


def cross_entropy_sums(
    call: CrossEntropy, with_gradient: bool, upstream: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum losses and weights, and compute the gradient times ``upstream``."""
    logits, target = call.logits, call.target
    classes = logits.shape[1]
    check_labels("target", target, classes, call.ignore_index)
    dtype = accumulation_dtype(logits.dtype)
    weights = logits.new_ones(classes, dtype=dtype) if call.class_weights is None else call.class_weights.to(dtype)
    loss, weight = logits.new_zeros((), dtype=dtype), logits.new_zeros((), dtype=dtype)
    gradient = GradientSums(logits, call.grid, upstream) if with_gradient else None
    sharp, even = 1 - call.label_smoothing, call.label_smoothing / classes
    for pictures, band in bands(logits, *call.grid):
        labels = target[pictures, band].long()
        counted = labels != call.ignore_index
        labels = labels.where(counted, 0)[:, None]  # (n, 1, rows, W)
        importance = counted.to(dtype)
        if call.pixel_weights is not None:
            importance = call.pixel_weights[pictures, band].to(dtype).where(counted, 0)
        own_weight = weights[labels[:, 0]]  # (n, rows, W)
        scores = F.log_softmax(upsample_band(logits[pictures], *call.grid, band), 1)  # (n, K, rows, W)
        losses = -sharp * own_weight * scores.gather(1, labels)[:, 0]
        if call.label_smoothing:
            losses = losses - even * torch.einsum("nkyx,k->nyx", scores, weights)
        loss += (losses * importance).where(counted, 0).sum()
        weight += (own_weight * importance).sum()
        if gradient:
            share = sharp * own_weight + even * weights.sum()
            band_gradient = scores.exp() * share[:, None] - even * weights[:, None, None]
            band_gradient.scatter_add_(1, labels, -sharp * own_weight[:, None])
            band_gradient = (band_gradient * importance[:, None]).where(counted[:, None], 0)
            gradient.add(band_gradient, pictures, band)
    return loss, weight, gradient.values if gradient else logits.new_empty(0)
