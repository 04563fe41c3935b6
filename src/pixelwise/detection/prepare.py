"""A copy of a detection model in the form in which it predicts fastest."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from pixelwise.nn.fused.exchanging import fuse_parts
from pixelwise.nn.fused.folding import fold_batch_norm
from pixelwise.nn.fused.winograd import use_winograd

PROBE = 256
"""Side in pixels of the picture on which it is seen which normalisation follows which convolution."""

Found = TypeVar("Found", bound=nn.Module)


def prepare(model: Found, *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu") -> Found:
    """Copy a model for prediction alone.

    Normalisations are folded into convolutions, weights are turned into ``dtype`` once and for all (autocast would do
    so for every picture), and everything is laid out channels last, down to the layer that reads whole regions. In
    float32 on a CPU, 3x3 convolutions take fewer multiplications. Boxes and scores are computed in float32 at least.

    Args:
        model: a :class:`pixelwise.models.DetectionModel`; it is left as it is.
        dtype: ``torch.float32``, ``torch.bfloat16`` or ``torch.float64``.
        device: where it will compute.

    Returns:
        A model on the device with the same methods and, up to rounding, the same results; it cannot be trained.
    """
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    network: Any = prepared.network
    fold_batch_norm(network, (1, prepared.preprocessing.channels, PROBE, PROBE))  # type: ignore[arg-type, union-attr]
    if network.trunk.encoder.exact:
        fuse_parts(network)
    network.to(dtype=dtype, memory_format=torch.channels_last)
    network.heads.box_head.read_channels_last()
    device = torch.device(device)
    if dtype == torch.float32 and device.type == "cpu":
        use_winograd(network)
    return prepared.to(device)
