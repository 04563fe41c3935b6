"""Sums of class probabilities over the pixels of each class: what Dice, Jaccard and Tversky losses are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pixelwise.ops.confusion import check_labels
from pixelwise.ops.grid import PerAxis, grid_of_target
from pixelwise.ops.tail.backend import accumulation_dtype
from pixelwise.ops.tail.checks import (
    check_logits,
    check_no_tangent,
    check_target,
    check_weights,
    checked_grid,
    second_derivative_error,
)
from pixelwise.ops.tail.reference import GradientSums, bands, upsample_band


class Overlaps(NamedTuple):
    """Sums over the counted pixels of each picture, each times its weight; (N, K) each, float32 or float64."""

    intersections: Tensor
    """Probabilities of a class at the pixels of that class."""
    probabilities: Tensor
    """Probabilities of a class at all pixels."""
    targets: Tensor
    """Pixels of a class; a constant."""


def upsample_overlaps(
    logits: Tensor,
    target: Tensor,
    *,
    scale: PerAxis | None = None,
    offset: PerAxis | None = None,
    pixel_weights: Tensor | None = None,
    ignore_index: int = 255,
) -> Overlaps:
    """Sum the softmax probabilities of upsampled logits; differentiable once, with respect to the coarse logits.

    Full-size probabilities exist for one band of rows at a time, forward and backward.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes 0 .. K-1 or ``ignore_index`` (N, H, W), any integer type.
        scale: coarse cells from one pixel to the next; see :mod:`pixelwise.ops.tail.calls`.
        offset: where pixel 0 lies, in coarse cells.
        pixel_weights: weight of each pixel (N, H, W), not negative; a constant.
        ignore_index: target value of pixels that do not count.

    Raises:
        SettingError: a shape or a type is wrong; ``ignore_index`` is a class.
        DataError: the target holds a value that is neither a class nor ``ignore_index``.
        UnsupportedError: a second derivative, or one in forward mode, is asked for.
    """
    check_logits(logits)
    check_no_tangent("upsample_overlaps", logits)
    check_target(logits, target, ignore_index)
    check_weights(logits, target, None, pixel_weights)
    grid = checked_grid(logits, (target.shape[1], target.shape[2]), scale, offset)
    intersections, probabilities, targets = _overlaps(logits, target, pixel_weights, *grid, ignore_index)
    return Overlaps(intersections, probabilities, targets.detach())


class _Band(NamedTuple):
    """One band of the pictures."""

    pictures: slice
    rows: slice
    labels: Tensor
    """Classes (n, 1, rows, W), 0 where ignored."""
    weights: Tensor
    """Weight of each pixel (n, 1, rows, W), 0 where ignored."""
    probabilities: Tensor
    """Softmax (n, K, rows, W), 0 where ignored."""

    def at_targets(self) -> Tensor:
        """Probability of the class of each pixel, (n, 1, rows, W)."""
        return self.probabilities.gather(1, self.labels)


def _bands(
    logits: Tensor,
    target: Tensor,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
) -> Iterator[_Band]:
    grid = grid_of_target(logits, target, scale, offset)
    dtype = accumulation_dtype(logits.dtype)
    for pictures, rows in bands(logits, *grid):
        labels = target[pictures, rows].long()[:, None]  # (n, 1, rows, W)
        counted = labels != ignore_index
        if pixel_weights is None:
            weights = counted.to(dtype)
        else:
            weights = pixel_weights[pictures, rows][:, None].to(dtype).where(counted, 0)
        probabilities = torch.softmax(upsample_band(logits[pictures], *grid, rows), 1).masked_fill_(~counted, 0)
        yield _Band(pictures, rows, labels.where(counted, 0), weights, probabilities)


@torch.library.custom_op("pixelwise::upsample_overlaps", mutates_args=())
def _overlaps(
    logits: Tensor,
    target: Tensor,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute intersections, probabilities and targets, (N, K) each."""
    check_labels("target", target, logits.shape[1], ignore_index)
    sums = [logits.new_zeros(logits.shape[:2], dtype=accumulation_dtype(logits.dtype)) for _ in range(3)]
    for band in _bands(logits, target, pixel_weights, scale, offset, ignore_index):
        labels, weights = band.labels.flatten(1), band.weights.flatten(1)  # (n, pixels)
        intersections, probabilities, targets = (part[band.pictures] for part in sums)  # views
        intersections.scatter_add_(1, labels, band.at_targets().flatten(1) * weights)
        probabilities += torch.einsum("nkyx,nyx->nk", band.probabilities, band.weights[:, 0])
        targets.scatter_add_(1, labels, weights)
    return sums[0], sums[1], sums[2]


@_overlaps.register_fake
def _(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    dtype = accumulation_dtype(logits.dtype)
    first, second, third = (logits.new_empty(logits.shape[:2], dtype=dtype) for _ in range(3))
    return first, second, third


@torch.library.custom_op("pixelwise::upsample_overlaps_gradient", mutates_args=())
def _overlaps_gradient(
    logits: Tensor,
    target: Tensor,
    pixel_weights: Tensor | None,
    by_intersections: Tensor,
    by_probabilities: Tensor,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
) -> Tensor:
    """Compute the gradient with respect to the logits from those with respect to the sums, (N, K) each."""
    gradient = GradientSums(logits, grid_of_target(logits, target, scale, offset))
    for band in _bands(logits, target, pixel_weights, scale, offset, ignore_index):
        factors = by_intersections[band.pictures].gather(1, band.labels.flatten(1)).view_as(band.labels)
        own = band.at_targets() * factors * band.weights  # (n, 1, rows, W)
        shared = by_probabilities[band.pictures, :, None, None]  # (n, K, 1, 1)
        mean = torch.einsum("nkyx,nk->nyx", band.probabilities, by_probabilities[band.pictures])[:, None]
        slope = band.probabilities * (shared * band.weights - (mean * band.weights + own))
        gradient.add(slope.scatter_add_(1, band.labels, own), band.pictures, band.rows)
    return gradient.values


@_overlaps_gradient.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(logits)


def _refuse(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    raise second_derivative_error("upsample_overlaps", "use torch.softmax")


_overlaps_gradient.register_autograd(_refuse)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.options = inputs[3:]


def _backward(ctx: Any, by_intersections: Tensor, by_probabilities: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    gradient = _overlaps_gradient(*ctx.saved_tensors, by_intersections, by_probabilities, *ctx.options)
    return gradient, *[None] * 5


_overlaps.register_autograd(_backward, setup_context=_keep_inputs)
