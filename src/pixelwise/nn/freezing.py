"""Batch normalisation with constant parameters and statistics, for batches that are too small to estimate a mean."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def freeze_batch_norm(network: nn.Module) -> None:
    """Turn the factors and shifts of all batch norms into constants, in place.

    Names and values stay, so that weights load as before. Such a norm computes with its running statistics as long as
    it is in evaluation mode: see :func:`hold_frozen`.
    """
    for norm in network.modules():
        if isinstance(norm, _BatchNorm):
            for name in ("weight", "bias"):
                value = norm._parameters.pop(name, None)
                if value is not None:
                    norm.register_buffer(name, value.detach())


def hold_frozen(network: nn.Module) -> None:
    """Put batch norms without trainable parameters into evaluation mode; to be called whenever training begins."""
    for norm in network.modules():
        if isinstance(norm, _BatchNorm) and "weight" in norm._buffers:
            norm.eval()
