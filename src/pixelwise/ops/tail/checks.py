"""Checks of what the functions of the tail are given; each raises SettingError or UnsupportedError."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from pixelwise.errors import SettingError, UnsupportedError
from pixelwise.ops.grid import PerAxis, per_axis, resolve_grid
from pixelwise.words import counted


def check_logits(logits: Tensor) -> None:
    """Refuse anything but coarse scores (N, K, h, w) of a floating type."""
    known = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
    if logits.ndim != 4 or logits.dtype not in known or logits.shape[1] < 1:
        raise SettingError(
            f"logits must be floats (N, K, h, w) of 16, 32 or 64 bits, got {logits.dtype} {tuple(logits.shape)}"
        )


def check_no_tangent(name: str, logits: Tensor) -> None:
    """Refuse forward mode, in which torch would treat the result of a custom operator as a constant."""
    if torch.compiler.is_compiling():
        return
    if forward_ad.unpack_dual(logits).tangent is not None:  # type: ignore[no-untyped-call]
        raise UnsupportedError(
            f"{name} has no derivative in forward mode; use reverse mode (backward, torch.autograd.grad)"
        )


def checked_grid(
    logits: Tensor, size: tuple[int, int], scale: PerAxis | None, offset: PerAxis | None
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Check the grid, and give its scale and offset as the operators take them: (rows, columns) or None."""
    resolve_grid((logits.shape[2], logits.shape[3]), size, scale, offset)
    return per_axis("scale", scale), per_axis("offset", offset)


def check_target(logits: Tensor, target: Tensor, ignore_index: int) -> None:
    """Refuse a target of another type, shape or device, and an ``ignore_index`` that is a class."""
    integer = not (target.is_floating_point() or target.is_complex() or target.dtype == torch.bool)
    if target.ndim != 3 or not integer or target.shape[0] != logits.shape[0]:
        raise SettingError(
            f"target must be integers (N, H, W) for logits {tuple(logits.shape)}, "
            f"got {target.dtype} {tuple(target.shape)}"
        )
    if target.device != logits.device:
        raise SettingError(f"logits are on {logits.device} and target on {target.device}; move one to the other")
    if 0 <= ignore_index < logits.shape[1]:
        classes = counted(logits.shape[1], "class")
        raise SettingError(f"ignore_index {ignore_index} is one of the {classes}; choose another value")


def check_weights(logits: Tensor, target: Tensor, class_weights: Tensor | None, pixel_weights: Tensor | None) -> None:
    """Refuse weights of other shapes."""
    if class_weights is not None and class_weights.shape != logits.shape[1:2]:
        raise SettingError(f"class_weights must be ({logits.shape[1]},), got {tuple(class_weights.shape)}")
    if pixel_weights is not None and pixel_weights.shape != target.shape:
        raise SettingError(f"pixel_weights must be {tuple(target.shape)}, got {tuple(pixel_weights.shape)}")


def second_derivative_error(name: str, mend: str) -> UnsupportedError:
    """Make the error for a second derivative of an operator; ``mend`` says what can be differentiated twice."""
    return UnsupportedError(
        f"{name} can be differentiated once, and a second derivative was asked for; for that, upsample by "
        f"F.interpolate and {mend}, or leave out create_graph=True where it is not needed"
    )
