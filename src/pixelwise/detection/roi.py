"""Reading the features inside a box into a map of fixed size: RoI pooling, RoI warping and RoIAlign.

A box, on a map with cells of ``stride`` pixels, is cut into ``cells`` x ``cells`` bins, and each becomes one value:

``pool``  (Girshick 2015) rounds the edges of the box to whole cells, and those of the bins again; a bin holds whole
          cells and becomes their largest value, or their mean.
``warp``  (Dai, He and Sun 2016) rounds the edges of the box, too, and interpolates at regular points inside each bin.
``align`` (He, Gkioxari, Dollar and Girshick 2017) rounds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.detection.boxes import widened
from pixelwise.errors import SettingError
from pixelwise.ops.native import native_for, require_native, threads

RoiOperation = Literal["pool", "warp", "align"]
Reduce = Literal["avg", "max"]
ROI_OPERATIONS: tuple[RoiOperation, ...] = ("pool", "warp", "align")
REDUCTIONS: tuple[Reduce, ...] = ("avg", "max")

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""A box of 224 x 224 pixels is read from the map of stride 2**4 (Lin et al. 2017, equation 1)."""


def read_regions(
    features: Tensor,
    rois: Tensor,
    *,
    cells: int,
    stride: float,
    operation: RoiOperation = "align",
    reduce: Reduce = "avg",
    samples: int = 2,
    half_pixel: bool = True,
) -> Tensor:
    """Read boxes from a feature map.

    Args:
        features: (N, C, h, w).
        rois: (P, 5): number of the picture, then left, top, right and bottom in pixels.
        cells: side of the result, and number of bins along a side of each box.
        stride: pixels from one cell of the map to the next.
        operation: ``"pool"``, ``"warp"`` or ``"align"``; see the head of this file.
        reduce: whether the samples of a bin (or its cells, for ``"pool"``) become their mean or their largest value.
        samples: points along a side of a bin where ``"warp"`` and ``"align"`` interpolate.
        half_pixel: whether cell ``i`` of the map lies from ``i`` to ``i + 1`` (``aligned`` in torchvision), or around
            ``i``, as in networks that were trained with RoIAlign's first code; only for ``"align"``.

    Returns:
        (P, C, cells, cells). Points one cell or more outside the map read 0.

    Raises:
        SettingError: there is no such operation, or a number is below 1.
    """
    from torchvision.ops import roi_align, roi_pool

    check_operation(operation, reduce)
    if min(cells, samples) < 1 or stride <= 0:
        raise SettingError(f"cells {cells}, samples {samples} and stride {stride} must be above 0")
    scale = 1 / stride
    if operation == "pool":
        if reduce == "max":
            pooled: Tensor = roi_pool(features, rois, (cells, cells), scale)
            return pooled
        return _pool_mean(features, rois, cells, scale)
    if operation == "warp":
        rois, scale, half_pixel = _rounded(rois, scale), 1.0, True
    if reduce == "avg":
        mean: Tensor = roi_align(features, rois, (cells, cells), scale, samples, half_pixel)
        return mean
    # One sample per bin, with more bins, so that each sample is a separate value.
    single = roi_align(features, rois, (cells * samples,) * 2, scale, 1, half_pixel)  # (P, C, cells * s, cells * s)
    return F.max_pool2d(single, samples)


def check_operation(operation: str, reduce: str) -> None:
    """Refuse unknown names.

    Raises:
        SettingError: no such operation, or no such way to reduce.
    """
    if operation not in ROI_OPERATIONS:
        raise SettingError(f"there is no RoI operation '{operation}'; choose one of {', '.join(ROI_OPERATIONS)}")
    if reduce not in REDUCTIONS:
        raise SettingError(f"samples of a bin cannot be reduced by '{reduce}'; choose one of {', '.join(REDUCTIONS)}")


def _round(values: Tensor) -> Tensor:
    """Round to the nearest integer, halves away from 0, as C and therefore RoI pooling do."""
    return values.sign() * (values.abs() + 0.5).floor()


def _rounded(rois: Tensor, scale: float) -> Tensor:
    """Round boxes to whole cells, the first and the last of which belong to them: edges in cells."""
    edges = _round(rois[:, 1:] * scale)
    first = edges[:, :2]
    return torch.cat([rois[:, :1], first, torch.maximum(edges[:, 2:], first) + 1], 1)


def _pool_mean(features: Tensor, rois: Tensor, cells: int, scale: float) -> Tensor:
    """Mean over the bins of RoI pooling, whose edges are rounded outwards to whole cells.

    The mean of a rectangle is computed from four sums that begin at the map's corner, in float64: their differences are
    exact to the precision of float32 features.
    """
    boxes = _rounded(rois, scale)
    sums = F.pad(features.double().cumsum(2).cumsum(3), (1, 0, 1, 0))  # (N, C, h + 1, w + 1)
    picture = boxes[:, 0].long()
    step = torch.arange(cells, device=rois.device, dtype=rois.dtype)
    edges = []
    for axis, side in ((1, features.shape[2]), (0, features.shape[3])):  # rows, columns
        start, bins = boxes[:, 1 + axis, None], (boxes[:, 3 + axis] - boxes[:, 1 + axis])[:, None] / cells
        first = (start + (step * bins).floor()).clamp(0, side).long()  # (P, cells)
        last = (start + ((step + 1) * bins).ceil()).clamp(0, side).long()  # (P, cells)
        edges.append((first, last))
    (top, bottom), (left, right) = edges
    rows, columns = (bottom - top)[:, :, None], (right - left)[:, None, :]
    picture = picture[:, None, None]

    def corner(row: Tensor, column: Tensor) -> Tensor:
        return sums[picture, :, row[:, :, None], column[:, None, :]]  # (P, cells, cells, C)

    total = corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
    count = (rows.clamp(min=0) * columns.clamp(min=0))[..., None]  # (P, cells, cells, 1)
    mean = torch.where(count > 0, total / count.clamp(min=1), 0.0)
    return mean.permute(0, 3, 1, 2).to(features.dtype)  # (P, C, cells, cells)


def levels_of(boxes: Tensor, strides: Sequence[int]) -> Tensor:
    """Choose the feature map that each box is read from: the larger the box, the coarser the map.

    A box is read from the map of stride 2**k with k = floor(4 + log2(sqrt(area) / 224)), limited to the existing maps
    (Lin et al. 2017, equation 1).

    Args:
        boxes: (P, 4) in pixels.
        strides: the strides of the maps, rising powers of 2.

    Returns:
        int64 (P,): number of the map.
    """
    (boxes,) = widened(boxes)
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
    # The small number keeps boxes of exactly 112, 224, 448 pixels from falling to the finer map by rounding.
    level = (CANONICAL_LEVEL + (side / CANONICAL_SIDE).log2() + 1e-6).floor()
    known = [int(math.log2(stride)) for stride in strides]
    level = level.clamp(known[0], known[-1])
    return torch.bucketize(level, torch.tensor(known, dtype=level.dtype, device=level.device)).clamp(max=len(known) - 1)


class RegionReader:
    """Reads boxes from a pyramid of feature maps, each from the map that fits its size; has no parameters.

    Args:
        cells: side of the result.
        strides: the strides of the maps that it reads, finest first.
        operation: as of :func:`read_regions`.
        reduce: how samples become one value.
        samples: points along a side of a bin.
        half_pixel: whether cell ``i`` of a map lies from ``i`` to ``i + 1``; see :func:`read_regions`.
        native: whether native kernels read the regions where these exist.
    """

    def __init__(
        self,
        cells: int,
        strides: Sequence[int],
        *,
        operation: RoiOperation = "align",
        reduce: Reduce = "avg",
        samples: int = 2,
        half_pixel: bool = True,
        native: bool = True,
    ) -> None:
        check_operation(operation, reduce)
        self.cells = cells
        self.strides = tuple(strides)
        self.operation: RoiOperation = operation
        self.reduce: Reduce = reduce
        self.samples = samples
        self.half_pixel = half_pixel
        self.native = native

    def __call__(self, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Read the boxes of all pictures.

        Args:
            maps: (N, C, h, w) each; the first ones are read, as many as there are strides.
            boxes: (P, 4) in pixels, for each of the N pictures.

        Returns:
            (sum of P, C, cells, cells), picture by picture.
        """
        rois = _numbered(boxes)  # (P, 5)
        if self._native(maps, rois):
            rois = rois.float().contiguous()
            levels = levels_of(rois[:, 1:], self.strides)
            read: Tensor = _NativeAlign.apply(self, rois, levels, *maps[: len(self.strides)])
            return read
        if len(self.strides) == 1:
            return self.at_level(maps[0], rois, 0)
        levels = levels_of(rois[:, 1:], self.strides)
        result: Tensor | None = None
        for number, features in enumerate(maps[: len(self.strides)]):
            chosen = torch.where(levels == number)[0]
            part = self.at_level(features, rois[chosen], number)
            if result is None:
                result = part.new_zeros(len(rois), *part.shape[1:])
            result = result.index_put((chosen,), part)
        assert result is not None
        return result

    def _native(self, maps: Sequence[Tensor], rois: Tensor) -> bool:
        """Whether the native kernels support the arguments."""
        features = maps[0]
        if (
            not self.native
            or self.operation != "align"
            or self.reduce != "avg"
            or features.dtype not in (torch.float32, torch.bfloat16)
        ):
            return False
        return not rois.requires_grad and hasattr(native_for(features, rois), "align_regions_backward")

    def at_level(self, features: Tensor, rois: Tensor, level: int) -> Tensor:
        """Read regions (P, 5) from one map (N, C, h, w), whatever their size: (P, C, cells, cells)."""
        # The operations are not implemented in half precision on a CPU.
        half = features.dtype in (torch.bfloat16, torch.float16)
        read = read_regions(
            features.float() if half else features,
            rois.to(torch.float32 if half else features.dtype),
            cells=self.cells,
            stride=self.strides[level],
            operation=self.operation,
            reduce=self.reduce,
            samples=self.samples,
            half_pixel=self.half_pixel,
        )
        return read.to(features.dtype)


class _NativeAlign(torch.autograd.Function):
    """Reads regions of all maps into one tensor, channels last, by native kernels; differentiable once."""

    @staticmethod
    def forward(ctx: Any, reader: RegionReader, rois: Tensor, levels: Tensor, *maps: Tensor) -> Tensor:
        ctx.reader, ctx.shapes, ctx.dtype = reader, [features.shape for features in maps], maps[0].dtype
        ctx.save_for_backward(rois, levels)
        result = maps[0].new_empty(len(rois), reader.cells, reader.cells, maps[0].shape[1])  # (P, cells, cells, C)
        for number, features in enumerate(maps):
            chosen = torch.where(levels == number)[0]
            require_native().align_regions(
                features.detach().permute(0, 2, 3, 1).contiguous(),  # (N, h, w, C)
                rois[chosen],
                chosen,
                1 / reader.strides[number],
                reader.samples,
                reader.half_pixel,
                result,
                threads(),
            )
        return result.permute(0, 3, 1, 2)  # (P, C, cells, cells)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        reader, (rois, levels) = ctx.reader, ctx.saved_tensors
        laid = output_gradient.permute(0, 2, 3, 1).contiguous()  # (P, cells, cells, C)
        gradients = []
        for number, (count, channels, height, width) in enumerate(ctx.shapes):
            chosen = torch.where(levels == number)[0]
            gradient = laid.new_zeros((count, height, width, channels), dtype=torch.float32)
            require_native().align_regions_backward(
                laid,
                rois[chosen],
                chosen,
                1 / reader.strides[number],
                reader.samples,
                reader.half_pixel,
                gradient,
                threads(),
            )
            gradients.append(gradient.to(ctx.dtype).permute(0, 3, 1, 2))
        return None, None, None, *gradients


def _numbered(boxes: Sequence[Tensor]) -> Tensor:
    """Put the number of its picture before each box: (P, 5), in a type that holds both."""
    boxes = widened(*boxes)
    numbers = [box.new_full((len(box), 1), number) for number, box in enumerate(boxes)]
    return torch.cat([torch.cat([number, box], 1) for number, box in zip(numbers, boxes, strict=True)])
