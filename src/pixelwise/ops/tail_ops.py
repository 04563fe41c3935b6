"""The fused tail as operators that torch knows: compiled graphs may hold them, and gradients pass through them.

Each picks one of the forms, which have the same functions: plain torch, native kernels on the CPU, Triton on CUDA.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any, Protocol

import torch
from torch import Tensor

from pixelwise.ops import tail_native, tail_torch
from pixelwise.ops.grid import Axis, resolve_grid
from pixelwise.ops.native import native_for


class Form(Protocol):
    """One implementation of the tail; :mod:`pixelwise.ops.tail_torch` says what each function does."""

    def argmax(self, logits: Tensor, rows: Axis, columns: Axis, dtype: torch.dtype, /) -> Tensor: ...  # noqa: D102
    def confusion(  # noqa: D102
        self, logits: Tensor, target: Tensor, rows: Axis, columns: Axis, ignore_index: int, /
    ) -> Tensor: ...
    def cross_entropy_map(  # noqa: D102
        self,
        logits: Tensor,
        target: Tensor,
        rows: Axis,
        columns: Axis,
        class_weights: Tensor | None,
        pixel_weights: Tensor | None,
        ignore_index: int,
        label_smoothing: float,
        /,
    ) -> Tensor: ...
    def cross_entropy_sums(  # noqa: D102
        self,
        logits: Tensor,
        target: Tensor,
        rows: Axis,
        columns: Axis,
        class_weights: Tensor | None,
        pixel_weights: Tensor | None,
        ignore_index: int,
        label_smoothing: float,
        with_gradient: bool,
        /,
    ) -> tuple[Tensor, Tensor, Tensor]: ...


def _form_for(logits: Tensor) -> Form:
    if logits.dtype == torch.float64:
        return tail_torch
    if logits.device.type == "cuda":
        return _triton_form() or tail_torch
    return tail_native if native_for(logits) else tail_torch


@functools.cache
def _triton_form() -> Form | None:
    """Load the kernels for CUDA, if Triton is installed beside torch."""
    if importlib.util.find_spec("triton") is None:
        return None
    form: Form = importlib.import_module("pixelwise.ops.tail_triton")
    return form


def _grid(logits: Tensor, target: Tensor, scale: float | None, offset: float | None) -> tuple[Axis, Axis]:
    return resolve_grid((logits.shape[2], logits.shape[3]), (target.shape[1], target.shape[2]), scale, offset)


def _label_dtype(logits: Tensor) -> torch.dtype:
    return torch.uint8 if logits.shape[1] <= 255 else torch.int64


@torch.library.custom_op("pixelwise::upsample_argmax", mutates_args=())
def argmax(logits: Tensor, height: int, width: int, scale: float | None, offset: float | None) -> Tensor:
    """Find the labels (N, height, width) of coarse logits (N, K, h, w)."""
    rows, columns = resolve_grid((logits.shape[2], logits.shape[3]), (height, width), scale, offset)
    return _form_for(logits).argmax(logits, rows, columns, _label_dtype(logits))


@argmax.register_fake
def _(logits: Tensor, height: int, width: int, scale: float | None, offset: float | None) -> Tensor:
    return logits.new_empty((logits.shape[0], height, width), dtype=_label_dtype(logits))


@torch.library.custom_op("pixelwise::upsample_confusion", mutates_args=())
def confusion(logits: Tensor, target: Tensor, scale: float | None, offset: float | None, ignore_index: int) -> Tensor:
    """Count pairs of target and predicted class, (K, K)."""
    return _form_for(logits).confusion(logits, target, *_grid(logits, target, scale, offset), ignore_index)


@confusion.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return logits.new_empty((logits.shape[1], logits.shape[1]), dtype=torch.int64)


@torch.library.custom_op("pixelwise::upsample_cross_entropy_map", mutates_args=())
def cross_entropy_map(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: float | None,
    offset: float | None,
    ignore_index: int,
    label_smoothing: float,
) -> Tensor:
    """Compute the loss of each pixel, (N, H, W)."""
    grid = _grid(logits, target, scale, offset)
    return _form_for(logits).cross_entropy_map(
        logits, target, *grid, class_weights, pixel_weights, ignore_index, label_smoothing
    )


@cross_entropy_map.register_fake
def _(logits: Tensor, target: Tensor, *_: Any) -> Tensor:
    return logits.new_empty(target.shape, dtype=tail_torch.accumulation_dtype(logits.dtype))


@torch.library.custom_op("pixelwise::upsample_cross_entropy_sums", mutates_args=())
def cross_entropy_sums(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    pixel_weights: Tensor | None,
    scale: float | None,
    offset: float | None,
    ignore_index: int,
    label_smoothing: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum losses and weights over all pixels; the gradient of the first sum comes along, since one pass gives both."""
    grid = _grid(logits, target, scale, offset)
    loss, weight, gradient = _form_for(logits).cross_entropy_sums(
        logits, target, *grid, class_weights, pixel_weights, ignore_index, label_smoothing, with_gradient
    )
    return loss, weight, gradient.to(logits.dtype)  # it waits for the backward pass, in half the memory for bfloat16


@cross_entropy_sums.register_fake
def _(logits: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    dtype = tail_torch.accumulation_dtype(logits.dtype)
    with_gradient = arguments[-1]
    gradient = torch.empty(logits.shape if with_gradient else (0,), dtype=logits.dtype, device=logits.device)
    return logits.new_empty((), dtype=dtype), logits.new_empty((), dtype=dtype), gradient


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(output[2])


def _scale_gradient(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    (gradient,) = ctx.saved_tensors
    return gradient * upstream, *[None] * 8


cross_entropy_sums.register_autograd(_scale_gradient, setup_context=_keep_gradient)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:]


def _weigh_by_upstream(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    logits, target, class_weights, pixel_weights = ctx.saved_tensors
    weights = upstream if pixel_weights is None else upstream * pixel_weights
    gradient = cross_entropy_sums(logits, target, class_weights, weights, *ctx.options, True)[2]
    return gradient, *[None] * 7


cross_entropy_map.register_autograd(_weigh_by_upstream, setup_context=_keep_inputs)
