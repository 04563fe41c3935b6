"""Folding batch normalisation into the convolutions before it, for networks that only predict."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pixelwise.nn.watching import OperatorMode

Folded = tuple[str, str]


def fold_batch_norm(network: nn.Module, images: tuple[int, int, int, int]) -> list[Folded]:
    """Let convolutions compute the batch normalisation that follows them; in place.

    With running statistics, a normalisation is one factor and one shift per channel, which the weights and the bias of
    the convolution can include. This saves one pass over every feature map. The network gives the same output up to
    rounding and can no longer be trained.

    Args:
        network: the network, in evaluation mode.
        images: a shape (N, C, H, W) to run it with, to find the order of operators.

    Returns:
        The names of the convolutions and of the normalisations that were folded.
    """
    pairs = _find_pairs(network, images)
    for conv_name, norm_name in pairs:
        conv, norm = network.get_submodule(conv_name), network.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        # timm's normalisations carry the activation that follows them.
        rest = [part for part in norm.children() if not isinstance(part, nn.Identity)]
        parent, _, leaf = norm_name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Sequential(*rest) if rest else nn.Identity())
    return pairs


def _find_pairs(network: nn.Module, images: tuple[int, int, int, int]) -> list[Folded]:
    """Find each normalisation that is the only reader of the output of one convolution."""
    watch = _Readers()
    made_by: dict[int, str] = {}
    pairs: list[tuple[str, str, int]] = []
    calls: dict[str, int] = {}
    handles = []

    def after_conv(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            made_by[id(output)] = name
            watch.kept.append(output)
            calls[name] = calls.get(name, 0) + 1

        return hook

    def before_norm(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[name] = calls.get(name, 0) + 1
            if id(inputs[0]) in made_by:
                pairs.append((made_by[id(inputs[0])], name, id(inputs[0])))

        return hook

    for name, part in network.named_modules():
        if isinstance(part, nn.Conv2d):
            handles.append(part.register_forward_hook(after_conv(name)))
        elif isinstance(part, nn.BatchNorm2d) and part.track_running_stats:
            handles.append(part.register_forward_pre_hook(before_norm(name)))
    try:
        # On real numbers: operators on the meta device import the compiler of torch, which takes seconds.
        some = next(network.parameters())
        with torch.no_grad(), watch:
            network(torch.zeros(images, dtype=some.dtype, device=some.device))
    finally:
        for handle in handles:
            handle.remove()
    return [
        (conv, norm)
        for conv, norm, tensor in pairs
        if watch.reads.get(tensor) == 1 and calls[conv] == 1 and calls[norm] == 1
    ]


class _Readers(OperatorMode):
    """Counts how many operators read each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[int, int] = {}
        self.kept: list[Tensor] = []  # kept alive, so that their ids stay valid

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in args:
            for tensor in value if isinstance(value, list | tuple) else (value,):
                if isinstance(tensor, Tensor):
                    self.reads[id(tensor)] = self.reads.get(id(tensor), 0) + 1
                    self.kept.append(tensor)
        return func(*args, **(kwargs or {}))
