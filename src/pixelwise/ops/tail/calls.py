"""The fused tail: labels, loss and counts straight from coarse logits, with no full-size logits in between.

Every function reads the coarse map by the same grid: pixel ``y`` reads row ``y * scale + offset`` by linear
interpolation, clamped to the map, and columns in the same way. ``scale`` and ``offset`` are one number for both axes,
or one for the rows and one for the columns; ``align_corners=True`` from (h, w) to (H, W) for instance is the scale
``((h - 1) / (H - 1), (w - 1) / (W - 1))`` with the offset 0 (the scale of a side of one pixel does not matter; one cell
gives the scale 0, and is read everywhere). Without them the map is stretched over the picture as
``F.interpolate(mode="bilinear", align_corners=False)`` does. Logits may be float32, bfloat16, float16 or float64, of
any memory layout; sums are in float32 (float64 for float64). The gradient in half precision is rounded once, after
multiplication by the factor of the backward pass (such as one over the sum of weights, or a loss scale), so that every
value that fits is kept.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pixelwise.errors import SettingError
from pixelwise.ops.grid import PerAxis
from pixelwise.ops.tail import operators as tail_ops
from pixelwise.ops.tail.backend import sums_in_type
from pixelwise.ops.tail.checks import check_logits, check_no_tangent, check_target, check_weights, checked_grid


def upsample_argmax(
    logits: Tensor, size: tuple[int, int], *, scale: PerAxis | None = None, offset: PerAxis | None = None
) -> Tensor:
    """Find the class of the greatest upsampled logit at each pixel.

    Args:
        logits: coarse scores (N, K, h, w).
        size: height H and width W of the picture.
        scale: coarse cells from one pixel to the next; see the module.
        offset: where pixel 0 lies, in coarse cells.

    Returns:
        Labels (N, H, W), uint8 while K <= 255, else int64. Among equal scores the lower class is taken.

    Raises:
        SettingError: the logits are not (N, K, h, w) floats, or the grid makes no sense.
    """
    check_logits(logits)
    labels: Tensor = tail_ops.argmax(logits, *size, *checked_grid(logits, size, scale, offset))
    return labels


def upsample_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    scale: PerAxis | None = None,
    offset: PerAxis | None = None,
    class_weights: Tensor | None = None,
    pixel_weights: Tensor | None = None,
    ignore_index: int = 255,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Compute the cross-entropy of upsampled logits; differentiable once, with respect to the coarse logits.

    The loss of a pixel is that of ``F.cross_entropy`` (class weights and label smoothing included) times its pixel
    weight. Class weights and pixel weights are constants: no gradient flows to them.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes 0 .. K-1 or ``ignore_index`` (N, H, W), any integer type.
        scale: coarse cells from one pixel to the next; see the module.
        offset: where pixel 0 lies, in coarse cells.
        class_weights: weight of each class (K,), not negative.
        pixel_weights: weight of each pixel (N, H, W), not negative.
        ignore_index: target value of pixels that do not count.
        label_smoothing: share of the target spread evenly over the classes, 0 .. 1.
        reduction: ``"mean"`` divides the sum of losses by the sum of class weight times pixel weight over counted
            pixels, ``"sum"`` does not, ``"none"`` keeps (N, H, W) with 0 at ignored pixels.

    Returns:
        The loss, float32 (float64 for float64 logits). Where no pixel counts, the mean is 0 with a gradient of 0. NaN
        in logits that counted pixels read gives a NaN loss.

    Raises:
        SettingError: a shape, a type or a range is wrong; ``ignore_index`` is a class.
        DataError: the target holds a value that is neither a class nor ``ignore_index`` (on CUDA a device assertion
            fails instead, to spare the wait for the device).
        UnsupportedError: a second derivative, or one in forward mode, is asked for.
    """
    check_logits(logits)
    check_no_tangent("upsample_cross_entropy", logits)
    check_target(logits, target, ignore_index)
    check_weights(logits, target, class_weights, pixel_weights)
    if not 0 <= label_smoothing <= 1:
        raise SettingError(f"label_smoothing is {label_smoothing}; it must be 0 .. 1")
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f"reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'")
    grid = checked_grid(logits, (target.shape[1], target.shape[2]), scale, offset)
    options = (*grid, ignore_index, label_smoothing)
    if reduction == "none":
        losses: Tensor = tail_ops.cross_entropy_map(logits, target, class_weights, pixel_weights, *options)
        return losses
    with_gradient = torch.is_grad_enabled() and logits.requires_grad and sums_in_type(logits)
    loss: Tensor
    weight: Tensor
    loss, weight, _ = tail_ops.cross_entropy_sums(logits, target, class_weights, pixel_weights, *options, with_gradient)
    weight = weight.detach()  # a constant
    return loss / weight.where(weight != 0, 1) if reduction == "mean" else loss


def upsample_confusion(
    logits: Tensor,
    target: Tensor,
    *,
    scale: PerAxis | None = None,
    offset: PerAxis | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Count the pixels of each pair of target class and predicted class, in one pass over the picture.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes 0 .. K-1 or ``ignore_index`` (N, H, W), any integer type.
        scale: coarse cells from one pixel to the next; see the module.
        offset: where pixel 0 lies, in coarse cells.
        ignore_index: target value of pixels that do not count.

    Returns:
        Counts (K, K), int64, ``counts[target, prediction]``.

    Raises:
        SettingError: a shape or a type is wrong; ``ignore_index`` is a class.
        DataError: the target holds a value that is neither a class nor ``ignore_index``.
    """
    check_logits(logits)
    check_target(logits, target, ignore_index)
    grid = checked_grid(logits, (target.shape[1], target.shape[2]), scale, offset)
    counts: Tensor = tail_ops.confusion(logits, target, *grid, ignore_index)
    return counts
