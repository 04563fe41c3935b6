"""A convolution of a map that is doubled by copying equals the one that builds the doubled map."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pixelwise import build_model
from pixelwise.nn.fused.exchanging import fuse_parts
from pixelwise.nn.fused.upsampled_conv import UpsampledConv2d
from pixelwise.nn.tracing.memory import peak_bytes
from pixelwise.nn.upsampling import upsample_nearest


def slow(conv: nn.Conv2d, decoded: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
    doubled = upsample_nearest(decoded, 2)[:, :, : size[0], : size[1]]
    result: Tensor = conv(doubled if skip is None else torch.cat([doubled, skip], 1))
    return result


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("skip_channels", [0, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 3), (64, 2), (130, 2)])
@pytest.mark.parametrize("less", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_equals_doubling_first(
    size: tuple[int, int], less: tuple[int, int], skip_channels: int, bias: bool, layout: torch.memory_format
) -> None:
    """Also where the doubled map lacks its last row or column."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3 + skip_channels, 5, 3, padding=1, bias=bias).double()
    decoded = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout)
    doubled = (2 * size[0] - less[0], 2 * size[1] - less[1])
    skip = torch.randn(2, skip_channels, *doubled, dtype=torch.float64) if skip_channels else None
    fused = UpsampledConv2d(conv, 3)
    with torch.no_grad():
        expected = slow(conv, decoded, skip, doubled)
        torch.testing.assert_close(fused(decoded, skip, doubled), expected, rtol=1e-12, atol=1e-12)


def test_a_fused_network_computes_the_same_in_less_memory() -> None:
    torch.manual_seed(0)
    network = build_model("unet", classes=3, encoder="resnet18").network.double().eval()
    fused = copy.deepcopy(network)
    fuse_parts(fused)
    assert sum(isinstance(part, UpsampledConv2d) for part in fused.modules()) == 5
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), network(images), rtol=1e-9, atol=1e-9)
    assert peak_bytes(fused, (1, 3, 256, 256)) < 0.8 * peak_bytes(network, (1, 3, 256, 256))


@pytest.mark.parametrize("upsampling", ["bilinear", "transposed", "unpool"])
def test_other_ways_of_doubling_are_left(upsampling: str) -> None:
    torch.manual_seed(0)
    network = build_model("unet", classes=3, encoder="resnet18", upsampling=upsampling).network.double().eval()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = network(images)
        fuse_parts(network)
        assert not any(isinstance(part, UpsampledConv2d) for part in network.modules())
        torch.testing.assert_close(network(images), before, rtol=0, atol=0)
