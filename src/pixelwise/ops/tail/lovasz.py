"""The Lovasz extension of the Jaccard loss on coarse logits, one class at a time (Berman et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pixelwise.ops.confusion import check_labels, is_ignored
from pixelwise.ops.grid import Grid, PerAxis, grid_of_target
from pixelwise.ops.tail.backend import accumulation_dtype, sums_in_type
from pixelwise.ops.tail.checks import (
    check_logits,
    check_no_tangent,
    check_target,
    check_weights,
    checked_grid,
    second_derivative_error,
)
from pixelwise.ops.tail.kept_gradient import keep_gradient, scale_gradient
from pixelwise.ops.tail.reference import add_band_adjoint, bands, upsample_band


def upsample_lovasz(
    logits: Tensor,
    target: Tensor,
    *,
    scale: PerAxis | None = None,
    offset: PerAxis | None = None,
    class_weights: Tensor | None = None,
    pixel_weights: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Compute the Lovasz-softmax loss of upsampled logits; differentiable once, with respect to the coarse logits.

    The loss of a class is the Lovasz extension of its Jaccard loss over all counted pixels of the batch, at the errors
    of their softmax probabilities; a pixel of weight 2 is worth two pixels. The loss is the mean over the classes of
    the target, weighted by ``class_weights``. Full-size maps exist for one class at a time.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes 0 .. K-1 or ``ignore_index`` (N, H, W), any integer type.
        scale: coarse cells from one pixel to the next; see :mod:`pixelwise.ops.tail.calls`.
        offset: where pixel 0 lies, in coarse cells.
        class_weights: weight of each class (K,), not negative; a constant.
        pixel_weights: weight of each pixel (N, H, W), not negative; a constant.
        ignore_index: target value of pixels that do not count.

    Returns:
        The loss (), float32 (float64 for float64 logits); 0 where no pixel counts.

    Raises:
        SettingError: a shape or a type is wrong; ``ignore_index`` is a class.
        DataError: the target holds a value that is neither a class nor ``ignore_index``.
        UnsupportedError: a second derivative, or one in forward mode, is asked for.
    """
    check_logits(logits)
    check_no_tangent("upsample_lovasz", logits)
    check_target(logits, target, ignore_index)
    check_weights(logits, target, class_weights, pixel_weights)
    grid = checked_grid(logits, (target.shape[1], target.shape[2]), scale, offset)
    with_gradient = torch.is_grad_enabled() and logits.requires_grad and sums_in_type(logits)
    loss: Tensor = _lovasz(logits, target, class_weights, pixel_weights, *grid, ignore_index, with_gradient)[0]
    return loss


class _Pixels:
    """The pixels of a batch, and the probabilities of their classes, one class at a time.

    Args:
        logits: coarse scores (N, K, h, w).
        target: classes or ``ignore_index`` (N, H, W).
        pixel_weights: (N, H, W), or None for 1.
        grid: how the target lies on the logits.
        ignore_index: target value of pixels that do not count.
    """

    def __init__(
        self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None, grid: Grid, ignore_index: int
    ) -> None:
        dtype = accumulation_dtype(logits.dtype)
        self.logits = logits
        self.target = target
        self.grid = grid
        self.ignored = is_ignored(target, ignore_index)  # (N, H, W)
        self.weights = None if pixel_weights is None else pixel_weights.to(dtype).masked_fill(self.ignored, 0)
        self.log_sums = logits.new_empty(target.shape, dtype=dtype)  # (N, H, W), of the softmax
        for pictures, rows in bands(logits, *grid):
            self.log_sums[pictures, rows] = upsample_band(logits[pictures], *grid, rows).logsumexp(1)

    def weight_of_classes(self) -> Tensor:
        """Sum the weights of the pixels of each class, (K,)."""
        classes = self.logits.shape[1]
        labels = self.target.long().masked_fill(self.ignored, classes).flatten()
        weights = None if self.weights is None else self.weights.flatten()
        return torch.bincount(labels, weights, minlength=classes + 1)[:classes]

    def probability(self, index: int) -> Tensor:
        """Compute the probability of a class at all pixels, (N, H, W); 0 where ignored."""
        whole = slice(0, self.grid.rows.pixels)
        scores = upsample_band(self.logits[:, index : index + 1], *self.grid, whole)[:, 0]
        return scores.sub_(self.log_sums).exp_().masked_fill_(self.ignored, 0)


def _extend(errors: Tensor, own: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Extend the Jaccard loss of a set of wrong pixels to errors between 0 and 1.

    With the errors in falling order, the slope at a pixel is what the Jaccard loss gains when that pixel joins those
    before it. It is computed in closed form, because differences of the loss itself would be mostly rounding: with the
    weights ``w``, the sum ``F`` over the pixels of the class so far, ``B`` over the others so far, and ``G`` over all
    pixels of the class, it is ``w / (G + B)`` at a pixel of the class, else ``w (G - F) / ((G + B - w) (G + B))``.

    Args:
        errors: 0 .. 1 (P,); 0 where a pixel does not count.
        own: whether a pixel is of the class, (P,); some are, with a weight.
        weights: (P,), or None for 1.

    Returns:
        The loss () and its slope with respect to the errors (P,).
    """
    # Behind the last pixel of the class all slopes are 0, so that pixels with smaller errors need not be sorted.
    places = (own | (errors > errors.where(own, 1).min())).nonzero()[:, 0]
    places = places.index_select(0, _falling_order(errors.index_select(0, places)))
    own = own.index_select(0, places)
    weight = torch.ones_like(places, dtype=errors.dtype) if weights is None else weights.index_select(0, places)
    exact = torch.float32 if errors.device.type == "mps" else torch.float64
    missed = weight.to(exact).where(own, 0).cumsum(0)  # F
    total = missed[-1]  # G
    union = weight.to(exact).where(~own, 0).cumsum_(0).add_(total)  # G + B
    slope = (weight / union).where(own, weight * (total - missed) / ((union - weight) * union)).to(errors.dtype)
    return (errors.index_select(0, places) * slope).sum(), torch.zeros_like(errors).index_copy_(0, places, slope)


def _falling_order(values: Tensor) -> Tensor:
    """Sort values that are not negative: the places of the greatest to the smallest, (P,)."""
    if values.device.type != "cpu" or values.dtype != torch.float32:
        return values.argsort(descending=True)
    # The bits of such values are in the order of the values. NumPy sorts whole numbers by vector instructions, several
    # times faster than torch sorts floats together with their places.
    keys = (-values.view(torch.int32).long() << 32) + torch.arange(len(values))
    sorted_keys = keys.numpy()
    sorted_keys.sort()
    return keys & 0xFFFFFFFF


@torch.library.custom_op("pixelwise::upsample_lovasz", mutates_args=())
def _lovasz(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
    with_gradient: bool,
) -> tuple[Tensor, Tensor]:
    """Compute the loss () and its gradient with respect to the logits (no elements unless it is wanted)."""
    loss, gradient = _loss_and_gradient(
        logits, target, class_weights, pixel_weights, scale, offset, ignore_index, with_gradient
    )
    return loss, logits.new_empty(0) if gradient is None else gradient


@_lovasz.register_fake
def _(logits: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    loss = logits.new_empty((), dtype=accumulation_dtype(logits.dtype))
    return loss, torch.empty_like(logits) if arguments[-1] else logits.new_empty(0)


@torch.library.custom_op("pixelwise::upsample_lovasz_gradient", mutates_args=())
def _lovasz_gradient(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    upstream: Tensor,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
) -> Tensor:
    """Compute the gradient of the loss times ``upstream`` (), rounded to the type of the logits after it."""
    _, gradient = _loss_and_gradient(logits, target, class_weights, pixel_weights, scale, offset, ignore_index, True)
    assert gradient is not None
    return (gradient * upstream).to(logits.dtype)


@_lovasz_gradient.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(logits)


def _loss_and_gradient(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
    with_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """Compute the loss, and its gradient in the accumulation type."""
    classes = logits.shape[1]
    check_labels("target", target, classes, ignore_index)
    grid = grid_of_target(logits, target, scale, offset)
    pixels = _Pixels(logits, target, pixel_weights, grid, ignore_index)
    dtype = pixels.log_sums.dtype
    factors = (pixels.weight_of_classes() > 0).to(dtype)  # (K,)
    if class_weights is not None:
        factors = factors * class_weights.to(dtype)
    factors = factors / factors.sum().clamp(min=torch.finfo(dtype).tiny)
    loss = logits.new_zeros((), dtype=dtype)
    gradient = torch.zeros_like(logits, dtype=dtype) if with_gradient else None
    whole = slice(0, grid.rows.pixels)
    pull = torch.zeros_like(pixels.log_sums)  # (N, H, W): what the softmax takes from all classes alike
    weights = None if pixels.weights is None else pixels.weights.flatten()
    for index in factors.nonzero()[:, 0].tolist():
        probability = pixels.probability(index)  # (N, H, W)
        own = target == index
        errors = (1 - probability).where(own, probability)
        of_class, slope = _extend(errors.flatten(), own.flatten(), weights)
        loss += factors[index] * of_class
        if gradient is not None:
            slope = slope.view_as(own)
            pushed = slope.where(~own, -slope) * probability * factors[index]
            pull += pushed
            add_band_adjoint(gradient[:, index : index + 1], pushed[:, None], *grid, whole)
    if gradient is None:
        return loss, None
    for index in range(classes):
        pulled = pixels.probability(index).mul_(pull).neg_()
        add_band_adjoint(gradient[:, index : index + 1], pulled[:, None], *grid, whole)
    return loss, gradient


def _refuse(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    raise second_derivative_error("upsample_lovasz", "use torch.softmax and torch.sort")


_lovasz_gradient.register_autograd(_refuse)


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:7]
    keep_gradient(ctx, output[1] if inputs[7] else None)


def _backward(ctx: Any, upstream: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    return scale_gradient(ctx, upstream, _lovasz_gradient), *[None] * 7


_lovasz.register_autograd(_backward, setup_context=_keep_gradient)
