"""The fused tail by Triton kernels on CUDA; a :class:`pixelwise.ops.tail.backend.Backend`.

Every kernel interpolates the four coarse cells around a pixel on the fly. Memory per pixel is a label, or three floats
for the loss: no tensor has both the size of the picture and all classes. The gradient is gathered cell by cell, in a
fixed order and without atomic additions, so it is the same in every run.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from pixelwise.ops.confusion import check_labels
from pixelwise.ops.grid import Axis, Grid
from pixelwise.ops.tail.backend import CrossEntropy

PROGRAM_PIXELS = 128
"""Pixels or cells of a row that one program works on."""

COUNTER_ELEMENTS = 1 << 22
"""Most counters that confusion counts are spread over, so that few programs add to the same one at a time."""


@triton.jit
def _score(plane, top, bottom, left, right, down, along, row_stride, column_stride, mask):
    """Interpolate one class at some pixels."""
    top_left = tl.load(plane + top * row_stride + left * column_stride, mask=mask, other=0.0).to(tl.float32)
    top_right = tl.load(plane + top * row_stride + right * column_stride, mask=mask, other=0.0).to(tl.float32)
    bottom_left = tl.load(plane + bottom * row_stride + left * column_stride, mask=mask, other=0.0).to(tl.float32)
    bottom_right = tl.load(plane + bottom * row_stride + right * column_stride, mask=mask, other=0.0).to(tl.float32)
    upper_edge = top_left + along * (top_right - top_left)
    lower_edge = bottom_left + along * (bottom_right - bottom_left)
    return upper_edge + down * (lower_edge - upper_edge)


@triton.jit
def _argmax_kernel(
    logits, labels, row_lower, row_upper, row_share, column_lower, column_upper, column_share,
    classes, height, width, picture_stride, class_stride, row_stride, column_stride, block: tl.constexpr,
):  # fmt: skip
    y, picture = tl.program_id(1), tl.program_id(2).to(tl.int64)
    x = tl.program_id(0) * block + tl.arange(0, block)
    mask = x < width
    top, bottom, down = tl.load(row_lower + y), tl.load(row_upper + y), tl.load(row_share + y)
    left = tl.load(column_lower + x, mask=mask, other=0)
    right = tl.load(column_upper + x, mask=mask, other=0)
    along = tl.load(column_share + x, mask=mask, other=0.0)
    plane = logits + picture * picture_stride
    best = tl.full((block,), float("-inf"), tl.float32)
    label = tl.full((block,), 0, tl.int32)
    for k in range(classes):
        score = _score(plane, top, bottom, left, right, down, along, row_stride, column_stride, mask)
        better = score > best
        best = tl.where(better, score, best)
        label = tl.where(better, k, label)
        plane += class_stride
    tl.store(labels + (picture * height + y) * width + x, label.to(labels.dtype.element_ty), mask=mask)


@triton.jit
def _count_kernel(target, labels, counts, pixels, classes, copies, block: tl.constexpr):
    program = tl.program_id(0)
    i = program.to(tl.int64) * block + tl.arange(0, block)
    mask = i < pixels
    true = tl.load(target + i, mask=mask, other=0).to(tl.int64)
    predicted = tl.load(labels + i, mask=mask, other=0).to(tl.int64)
    counted = mask & (true >= 0) & (true < classes)  # the ignored value is no class
    table = counts + (program % copies).to(tl.int64) * classes * classes
    tl.atomic_add(table + true * classes + predicted, 1, mask=counted)


@triton.jit
def _loss_kernel(
    logits, target, class_weights, pixel_weights, losses, weights, log_sums,
    row_lower, row_upper, row_share, column_lower, column_upper, column_share,
    classes, height, width, picture_stride, class_stride, row_stride, column_stride,
    smoothing, weigh_classes: tl.constexpr, weigh_pixels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    y, picture = tl.program_id(1), tl.program_id(2).to(tl.int64)
    x = tl.program_id(0) * block + tl.arange(0, block)
    mask = x < width
    pixel = (picture * height + y) * width + x
    true = tl.load(target + pixel, mask=mask, other=0).to(tl.int64)
    counted = mask & (true >= 0) & (true < classes)
    top, bottom, down = tl.load(row_lower + y), tl.load(row_upper + y), tl.load(row_share + y)
    left = tl.load(column_lower + x, mask=mask, other=0)
    right = tl.load(column_upper + x, mask=mask, other=0)
    along = tl.load(column_share + x, mask=mask, other=0.0)
    plane = logits + picture * picture_stride
    greatest = tl.full((block,), float("-inf"), tl.float32)
    total = tl.full((block,), 0, tl.float32)  # of exp(score - greatest)
    own = tl.full((block,), 0, tl.float32)
    weighted = tl.full((block,), 0, tl.float32)
    all_weights = 0.0
    for k in range(classes):
        score = _score(plane, top, bottom, left, right, down, along, row_stride, column_stride, mask)
        # A NaN must reach the sum, which a maximum alone would drop.
        higher = tl.maximum(greatest, score)
        total = total * tl.exp(greatest - higher) + tl.exp(score - higher)
        greatest = higher
        own = tl.where(true == k, score, own)
        weight = tl.load(class_weights + k) if weigh_classes else 1.0
        weighted += weight * score
        all_weights += weight
        plane += class_stride
    log_sum = greatest + tl.log(total)
    importance = tl.load(pixel_weights + pixel, mask=mask, other=0.0) if weigh_pixels else 1.0
    if weigh_classes:
        own_weight = tl.load(class_weights + true, mask=counted, other=0.0) * importance
    else:
        own_weight = tl.full((block,), 0, tl.float32) + importance
    loss = (1 - smoothing) * own_weight * (log_sum - own)
    if smoothing > 0:
        loss += smoothing / classes * importance * (all_weights * log_sum - weighted)
    tl.store(losses + pixel, tl.where(counted, loss, 0.0), mask=mask)
    tl.store(weights + pixel, tl.where(counted, own_weight, 0.0), mask=mask)
    tl.store(log_sums + pixel, log_sum, mask=mask)


@triton.jit
def _gradient_kernel(
    logits, target, class_weights, pixel_weights, weights, log_sums, gradient,
    row_lower, row_upper, row_share, row_first, row_last,
    column_lower, column_upper, column_share, column_first, column_last,
    upstream, classes, height, width, cell_columns, picture_stride, class_stride, row_stride, column_stride,
    gradient_picture_stride, gradient_class_stride, gradient_row_stride, gradient_column_stride,
    smoothing, all_weights, most_columns,
    weigh_classes: tl.constexpr, weigh_pixels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    plane_index, cell_y = tl.program_id(0).to(tl.int64), tl.program_id(1)
    picture, k = plane_index // classes, plane_index % classes
    cell_x = tl.program_id(2) * block + tl.arange(0, block)
    inside = cell_x < cell_columns
    first = tl.load(column_first + cell_x, mask=inside, other=0)
    last = tl.load(column_last + cell_x, mask=inside, other=0)
    plane = logits + picture * picture_stride + k * class_stride
    weight = tl.load(class_weights + k) if weigh_classes else 1.0
    even = smoothing / classes
    total = tl.full((block,), 0, tl.float32)
    for y in range(tl.load(row_first + cell_y), tl.load(row_last + cell_y)):
        top, bottom, down = tl.load(row_lower + y), tl.load(row_upper + y), tl.load(row_share + y)
        row_part = tl.where(top == cell_y, 1 - down, down)
        for step in range(most_columns):
            x = first + step
            mask = inside & (x < last)
            left = tl.load(column_lower + x, mask=mask, other=0)
            right = tl.load(column_upper + x, mask=mask, other=0)
            along = tl.load(column_share + x, mask=mask, other=0.0)
            pixel = (picture * height + y) * width + x
            true = tl.load(target + pixel, mask=mask, other=0).to(tl.int64)
            counted = mask & (true >= 0) & (true < classes)
            own_weight = tl.load(weights + pixel, mask=mask, other=0.0) * (1 - smoothing)
            score = _score(plane, top, bottom, left, right, down, along, row_stride, column_stride, mask)
            probability = tl.exp(score - tl.load(log_sums + pixel, mask=mask, other=0.0))
            slope = own_weight * (probability - tl.where(true == k, 1.0, 0.0))
            if smoothing > 0:
                importance = tl.load(pixel_weights + pixel, mask=mask, other=0.0) if weigh_pixels else 1.0
                slope += even * importance * (all_weights * probability - weight)
            column_part = tl.where(left == cell_x, 1 - along, along)
            total += tl.where(counted, row_part * column_part * slope, 0.0)
    to = gradient + picture * gradient_picture_stride + k * gradient_class_stride
    to += cell_y * gradient_row_stride + cell_x * gradient_column_stride
    tl.store(to, (total * tl.load(upstream)).to(gradient.dtype.element_ty), mask=inside)


@dataclass(frozen=True)
class _DeviceTaps:
    """The cells that the pixels of one axis read, and the pixels that read each cell, on the device."""

    lower: Tensor
    upper: Tensor
    share: Tensor
    first: Tensor
    last: Tensor
    most: int

    @classmethod
    def of(cls, axis: Axis, device: torch.device) -> _DeviceTaps:
        lower, upper, share = map(torch.from_numpy, axis.taps(0, axis.pixels))
        cells = torch.arange(axis.cells)
        first = torch.searchsorted(lower, cells - 1)
        last = torch.searchsorted(lower, cells, right=True)
        most = int((last - first).max())
        lower, upper, first, last = (indices.to(device, torch.int32) for indices in (lower, upper, first, last))
        return cls(lower, upper, share.to(device, torch.float32), first, last, most)

    @property
    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """The cells that each pixel reads."""
        return self.lower, self.upper, self.share


def argmax(logits: Tensor, grid: Grid, dtype: torch.dtype) -> Tensor:
    """Find the labels (N, H, W)."""
    rows, columns = grid
    labels = torch.empty(logits.shape[0], rows.pixels, columns.pixels, dtype=dtype, device=logits.device)
    if labels.numel():
        y, x = (_DeviceTaps.of(axis, logits.device) for axis in grid)
        _argmax_kernel[_pixel_programs(labels)](
            logits, labels, *y.tables, *x.tables, logits.shape[1], rows.pixels, columns.pixels, *logits.stride(),
            block=PROGRAM_PIXELS,
        )  # fmt: skip
    return labels


def confusion(logits: Tensor, target: Tensor, grid: Grid, ignore_index: int) -> Tensor:
    """Count pairs of target and predicted class, (K, K)."""
    classes = logits.shape[1]
    check_labels("target", target, classes, ignore_index)
    labels = argmax(logits, grid, torch.uint8 if classes <= 255 else torch.int64)
    copies = max(1, min(64, COUNTER_ELEMENTS // classes**2))
    counts = torch.zeros(copies, classes, classes, dtype=torch.int64, device=logits.device)
    if labels.numel():
        programs = (triton.cdiv(labels.numel(), 1024),)
        _count_kernel[programs](target.contiguous(), labels, counts, labels.numel(), classes, copies, block=1024)
    return counts.sum(0)


def cross_entropy_map(call: CrossEntropy) -> Tensor:
    """Compute the loss of each pixel, (N, H, W)."""
    return _Loss(call).losses


def cross_entropy_sums(
    call: CrossEntropy, with_gradient: bool, upstream: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum losses and weights, and compute the gradient times ``upstream``."""
    loss = _Loss(call)
    gradient = loss.gradient(upstream) if with_gradient else call.logits.new_empty(0)
    return loss.losses.sum(), loss.weights.sum(), gradient


class _Loss:
    """The forward pass, and the values that the gradient needs from it."""

    def __init__(self, call: CrossEntropy) -> None:
        check_labels("target", call.target, call.logits.shape[1], call.ignore_index)
        device = call.logits.device
        self.logits, self.target, self.grid = call.logits, call.target.contiguous(), call.grid
        self.y, self.x = (_DeviceTaps.of(axis, device) for axis in call.grid)
        self.class_weights = None if call.class_weights is None else call.class_weights.float().contiguous()
        self.pixel_weights = None if call.pixel_weights is None else call.pixel_weights.float().contiguous()
        self.smoothing = float(call.label_smoothing)
        self.losses, self.weights, self.log_sums = (
            torch.empty(self.target.shape, dtype=torch.float32, device=device) for _ in range(3)
        )
        if self.target.numel():
            _loss_kernel[_pixel_programs(self.target)](
                self.logits, self.target, *self._weights(), self.losses, self.weights, self.log_sums,
                *self.y.tables, *self.x.tables, *self._sizes(), *self.logits.stride(),
                self.smoothing, **self._weighed(), block=PROGRAM_PIXELS,
            )  # fmt: skip

    def gradient(self, upstream: Tensor | None) -> Tensor:
        """Compute the gradient of the sum of losses with respect to the coarse logits, times ``upstream``."""
        count, classes, cell_rows, cell_columns = self.logits.shape
        gradient = torch.empty_like(self.logits)
        if gradient.numel():
            # Read on the device, so that the factor of a backward pass need not be waited for.
            upstream = self.losses.new_ones(()) if upstream is None else upstream.float()
            all_weights = float(classes)
            if self.class_weights is not None and self.smoothing:
                all_weights = float(self.class_weights.sum())  # waits for the device
            _gradient_kernel[(count * classes, cell_rows, triton.cdiv(cell_columns, PROGRAM_PIXELS))](
                self.logits, self.target, *self._weights(), self.weights, self.log_sums, gradient,
                *self.y.tables, self.y.first, self.y.last, *self.x.tables, self.x.first, self.x.last,
                upstream, *self._sizes(), cell_columns, *self.logits.stride(), *gradient.stride(),
                self.smoothing, all_weights, self.x.most, **self._weighed(), block=PROGRAM_PIXELS,
            )  # fmt: skip
        return gradient

    def _sizes(self) -> tuple[int, int, int]:
        return self.logits.shape[1], self.grid.rows.pixels, self.grid.columns.pixels

    def _weights(self) -> tuple[Tensor, Tensor]:
        # A kernel takes a pointer even where it reads nothing from it.
        nothing = self.losses
        return (
            nothing if self.class_weights is None else self.class_weights,
            nothing if self.pixel_weights is None else self.pixel_weights,
        )

    def _weighed(self) -> dict[str, Any]:
        return {"weigh_classes": self.class_weights is not None, "weigh_pixels": self.pixel_weights is not None}


def _pixel_programs(pixels: Tensor) -> tuple[int, int, int]:
    count, height, width = pixels.shape
    return triton.cdiv(width, PROGRAM_PIXELS), height, count
