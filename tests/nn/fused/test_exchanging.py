"""Parts that stand in for others in prediction compute the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelwise.nn.fused.exchanging import HalvingMaxPool2d, fuse_parts
from pixelwise.nn.tracing.memory import peak_bytes


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(2, 2), (2, 8), (6, 10), (5, 8), (7, 7), (1, 1)])
def test_pooling_without_places_gives_the_same(size: tuple[int, int], layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, *size).contiguous(memory_format=layout)
    pool = nn.MaxPool2d(3, 2, 1)
    assert torch.equal(HalvingMaxPool2d()(images), pool(images))
    assert torch.equal(HalvingMaxPool2d()(-images.abs()), pool(-images.abs()))  # padding is no zero


def test_a_network_pools_without_places_in_less_memory() -> None:
    pools = [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((3, 3), (2, 2), (1, 1))]
    others = [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 1, 1)]
    network = nn.Sequential(*pools, *others)
    before = peak_bytes(network[:1], (1, 8, 64, 64), dtype=torch.bfloat16)
    fuse_parts(network)
    assert [type(part) for part in network] == [HalvingMaxPool2d] * 2 + [nn.MaxPool2d] * 4
    assert peak_bytes(network[:1], (1, 8, 64, 64), dtype=torch.bfloat16) < before
