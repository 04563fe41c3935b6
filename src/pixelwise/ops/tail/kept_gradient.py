"""Gradients that an operator computes in its forward pass, for the backward pass to scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def keep_gradient(ctx: Any, gradient: Tensor | None) -> None:
    """Keep the gradient of an output for the backward pass; None if it was not computed."""
    ctx.set_materialize_grads(False)  # otherwise zeros of the size of the gradient arrive as its upstream gradient
    # Keeping the output itself would make a reference cycle with this node.
    ctx.gradient = None if gradient is None else gradient.detach()


def scale_gradient(ctx: Any, upstream: Tensor | None, compute: Callable[..., Tensor]) -> Tensor | None:
    """Scale the kept gradient in place, which saves a second tensor of its size, or compute it.

    It is computed where the forward pass did not compute it, where a backward pass has already scaled it, and for a
    graph of the backward pass, which has to include its inputs.

    Args:
        ctx: what the forward pass kept: tensors, options and the gradient.
        upstream: factor () of the gradient; None if the output has no part in the result.
        compute: computes the gradient from the tensors, the factor and the options.
    """
    if upstream is None:
        return None
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None or torch.is_grad_enabled():
        return compute(*ctx.saved_tensors, upstream, *ctx.options)
    scaled: Tensor = gradient.mul_(upstream)
    return scaled
