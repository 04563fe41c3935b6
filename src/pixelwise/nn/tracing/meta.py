"""Running a network on shapes alone, to find what it does without computing values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from pixelwise.nn.tracing.shapes import ShapeRules


def run_on_meta(
    network: nn.Module,
    images: tuple[int, int, int, int],
    watching: AbstractContextManager[Any],
    *,
    dtype: torch.dtype = torch.float32,
    begin: Callable[[Tensor], None] | None = None,
    more: tuple[Any, ...] = (),
) -> Any:
    """Run a network in evaluation mode on the meta device and return its output; the network is not changed.

    Args:
        network: takes images (N, C, H, W).
        images: their shape.
        watching: entered for the run, such as an ``OperatorMode`` that sees every operator.
        dtype: type of images and of all parameters that are floats.
        begin: called with the images before the run.
        more: further arguments of the network.
    """
    state = {
        name: torch.empty(value.shape, device="meta", dtype=dtype if value.is_floating_point() else value.dtype)
        for name, value in [*network.named_parameters(), *network.named_buffers()]
    }
    picture = torch.empty(images, device="meta", dtype=dtype)
    if begin is not None:
        begin(picture)
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        with torch.no_grad(), ShapeRules(), watching:
            return torch.func.functional_call(network, state, (picture, *more))
    finally:
        for part in training:
            part.training = True
