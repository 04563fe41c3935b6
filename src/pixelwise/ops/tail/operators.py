"""The fused tail as registered torch operators, which compiled graphs may hold and gradients pass through.

Each operator chooses one of the backends. Arguments are of plain types; ``scale`` and ``offset`` are (rows, columns).
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pixelwise.ops.grid import Grid, grid_of_target, resolve_grid
from pixelwise.ops.native import native_for
from pixelwise.ops.tail import native, reference
from pixelwise.ops.tail.backend import Backend, CrossEntropy, accumulation_dtype, empty_gradient
from pixelwise.ops.tail.checks import second_derivative_error
from pixelwise.ops.tail.kept_gradient import keep_gradient, scale_gradient


def _backend_for(logits: Tensor) -> Backend:
    if logits.dtype == torch.float64:
        return reference
    if logits.device.type == "cuda":
        return _triton_backend() or reference
    return native if native_for(logits) else reference


@functools.cache
def _triton_backend() -> Backend | None:
    """Load the kernels for CUDA, if Triton is installed beside torch."""
    if importlib.util.find_spec("triton") is None:
        return None
    backend: Backend = importlib.import_module("pixelwise.ops.tail.triton")
    return backend


def _label_dtype(logits: Tensor) -> torch.dtype:
    return torch.uint8 if logits.shape[1] <= 255 else torch.int64


def compute_argmax(logits: Tensor, grid: Grid) -> Tensor:
    """Find the labels (N, H, W) of coarse logits (N, K, h, w), without the operator around it.

    Torch imports its compiler when an operator is first called, which takes longer than predicting a picture.
    """
    return _backend_for(logits).argmax(logits, grid, _label_dtype(logits))


def compute_confusion(logits: Tensor, target: Tensor, grid: Grid, ignore_index: int) -> Tensor:
    """Count pairs of target and predicted class, (K, K), without the operator around it."""
    return _backend_for(logits).confusion(logits, target, grid, ignore_index)


@torch.library.custom_op("pixelwise::upsample_argmax", mutates_args=())
def argmax(
    logits: Tensor, height: int, width: int, scale: Sequence[float] | None, offset: Sequence[float] | None
) -> Tensor:
    """Find the labels (N, height, width) of coarse logits (N, K, h, w)."""
    return compute_argmax(logits, resolve_grid((logits.shape[2], logits.shape[3]), (height, width), scale, offset))


@argmax.register_fake
def _(logits: Tensor, height: int, width: int, *_: Any) -> Tensor:
    return logits.new_empty((logits.shape[0], height, width), dtype=_label_dtype(logits))


@torch.library.custom_op("pixelwise::upsample_confusion", mutates_args=())
def confusion(
    logits: Tensor, target: Tensor, scale: Sequence[float] | None, offset: Sequence[float] | None, ignore_index: int
) -> Tensor:
    """Count pairs of target and predicted class, (K, K)."""
    return compute_confusion(logits, target, grid_of_target(logits, target, scale, offset), ignore_index)


@confusion.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return logits.new_empty((logits.shape[1], logits.shape[1]), dtype=torch.int64)


@torch.library.custom_op("pixelwise::upsample_cross_entropy_map", mutates_args=())
def cross_entropy_map(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
    label_smoothing: float,
) -> Tensor:
    """Compute the loss of each pixel, (N, H, W)."""
    grid = grid_of_target(logits, target, scale, offset)
    call = CrossEntropy(logits, target, grid, class_weights, pixel_weights, ignore_index, label_smoothing)
    return _backend_for(logits).cross_entropy_map(call)


@cross_entropy_map.register_fake
def _(logits: Tensor, target: Tensor, *_: Any) -> Tensor:
    return logits.new_empty(target.shape, dtype=accumulation_dtype(logits.dtype))


@torch.library.custom_op("pixelwise::upsample_cross_entropy_sums", mutates_args=())
def cross_entropy_sums(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
    label_smoothing: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum losses and weights over all pixels, and compute the gradient of the first sum in the same pass.

    The gradient belongs to the backward pass, which changes it: callers use only the two sums. In half precision the
    backward pass computes the gradient, because its range depends on the factor.
    """
    grid = grid_of_target(logits, target, scale, offset)
    call = CrossEntropy(logits, target, grid, class_weights, pixel_weights, ignore_index, label_smoothing)
    return _backend_for(logits).cross_entropy_sums(call, with_gradient)


@cross_entropy_sums.register_fake
def _(logits: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    dtype = accumulation_dtype(logits.dtype)
    gradient = empty_gradient(logits, with_gradient=arguments[-1])
    return logits.new_empty((), dtype=dtype), logits.new_empty((), dtype=dtype), gradient


@torch.library.custom_op("pixelwise::upsample_cross_entropy_gradient", mutates_args=())
def cross_entropy_gradient(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    upstream: Tensor,
    scale: Sequence[float] | None,
    offset: Sequence[float] | None,
    ignore_index: int,
    label_smoothing: float,
) -> Tensor:
    """Compute the gradient of the sum of losses times ``upstream`` (), rounded to the type of the logits after it."""
    grid = grid_of_target(logits, target, scale, offset)
    call = CrossEntropy(logits, target, grid, class_weights, pixel_weights, ignore_index, label_smoothing)
    return _backend_for(logits).cross_entropy_sums(call, True, upstream)[2]


@cross_entropy_gradient.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(logits)


def _refuse(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    """Refuse the second derivative: without this, autograd would treat the gradient as a constant."""
    raise second_derivative_error("upsample_cross_entropy", "use F.cross_entropy")


cross_entropy_gradient.register_autograd(_refuse)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:8]


def _weigh_by_upstream(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    logits, target, class_weights, pixel_weights = ctx.saved_tensors
    weights = upstream if pixel_weights is None else upstream * pixel_weights
    gradient = cross_entropy_gradient(logits, target, class_weights, weights, upstream.new_ones(()), *ctx.options)
    return gradient, *[None] * 7


cross_entropy_map.register_autograd(_weigh_by_upstream, setup_context=_keep_inputs)


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _keep_inputs(ctx, inputs, output[0])
    keep_gradient(ctx, output[2] if inputs[8] else None)


def _scale_gradient(ctx: Any, upstream: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    return scale_gradient(ctx, upstream, cross_entropy_gradient), *[None] * 8


cross_entropy_sums.register_autograd(_scale_gradient, setup_context=_keep_gradient)
