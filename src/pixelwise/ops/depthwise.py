"""Depthwise convolution: one filter per channel, with gradients that a CPU computes fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import UnsupportedError
from pixelwise.ops.native import native_for, require_native, threads

Pair2d = tuple[int, int]


def depthwise_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
) -> Tensor:
    """Convolve each channel with its own filter, as ``F.conv2d(..., groups=C)`` does.

    On the CPU, the gradients of float32 and bfloat16 are computed by a native kernel that works in channels-last memory
    and sums in float32; they can be differentiated once. Everything else is computed by torch. Under autocast the
    convolution runs in the autocast type, as torch's own does.

    Args:
        input: (N, C, H, W).
        weight: one filter per channel (C, 1, kernel height, kernel width).
        bias: one value per channel (C,).
        stride: step between outputs, one number or (vertical, horizontal), as ``padding`` and ``dilation`` may be.
        padding: zeros on each side.
        dilation: step between the taps of the filter.

    Returns:
        (N, C, H', W').
    """
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    if input.device.type == "cpu" and torch.is_autocast_enabled("cpu"):  # on other devices F.conv2d casts by itself
        dtype = torch.get_autocast_dtype("cpu")
        input, weight = input.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    needs_gradient = torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad)
    same = weight.dtype == input.dtype and weight.shape[:2] == (input.shape[1], 1)
    if needs_gradient and same and input.dtype in (torch.float32, torch.bfloat16) and native_for(input, weight):
        output: Tensor = _NativeBackward.apply(input, weight, bias, stride, padding, dilation)
        return output
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups=input.shape[1])


class _NativeBackward(torch.autograd.Function):
    """torch's forward pass with the native backward pass."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair2d, padding: Pair2d, dilation: Pair2d
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.geometry = (stride, padding, dilation)
        ctx.bias_dtype = None if bias is None else bias.dtype
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups=input.shape[1])

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        input_gradient, weight_gradient = _backward(output_gradient, input, weight, stride, padding, dilation)
        bias_gradient = None
        if ctx.bias_dtype is not None:
            bias_gradient = output_gradient.sum((0, 2, 3), dtype=torch.float32).to(ctx.bias_dtype)
        return input_gradient, weight_gradient, bias_gradient, None, None, None


@torch.library.custom_op("pixelwise::depthwise_conv2d_backward", mutates_args=())
def _backward(
    output_gradient: Tensor, input: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> tuple[Tensor, Tensor]:
    channels, _, *kernel = weight.shape
    # (N, H, W, C), which is no copy for channels_last tensors
    images = input.detach().permute(0, 2, 3, 1).contiguous()
    gradients = output_gradient.detach().permute(0, 2, 3, 1).contiguous()
    input_gradient = torch.empty_like(images)
    filters = weight.detach().float().reshape(channels, -1).t().contiguous()  # (taps, C)
    filter_gradient = torch.empty_like(filters)
    require_native().depthwise_conv2d_backward(
        images, filters, gradients, input_gradient, filter_gradient, kernel, stride, padding, dilation, threads()
    )
    return input_gradient.permute(0, 3, 1, 2), filter_gradient.t().reshape(weight.shape).to(weight.dtype)


@_backward.register_fake
def _(output_gradient: Tensor, input: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(input, memory_format=torch.channels_last), torch.empty_like(weight)


def _refuse(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
    """Refuse the second derivative: without this, autograd would treat the gradients as constants."""
    raise UnsupportedError(
        "depthwise_conv2d can be differentiated once on a CPU, and a second derivative was asked for; use F.conv2d for "
        "it, or leave out create_graph=True where it is not needed"
    )


_backward.register_autograd(_refuse)


def _pair(value: int | tuple[int, ...]) -> Pair2d:
    if isinstance(value, int):
        return value, value
    vertical, horizontal = value
    return vertical, horizontal
