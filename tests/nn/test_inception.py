from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from pixelwise.nn.inception import Inception


def test_3a_of_googlenet_has_its_counts() -> None:
    with torch.device("meta"):
        block = Inception(192, 64, (96, 128), (16, 32), 32)
        with FlopCounterMode(display=False) as counter:
            result = block(torch.empty(1, 192, 28, 28))
    assert result.shape == (1, 256, 28, 28)
    assert block.out_channels == 256
    assert sum(p.numel() for p in block.parameters()) == 163_696
    multiply_adds = counter.get_total_flops() // 2
    assert multiply_adds == 163_328 * 28 * 28
    unreduced = 192 * (64 + 9 * 128 + 25 * 32) * 28 * 28
    assert (round(multiply_adds / 1e6, 1), round(unreduced / 1e6, 1)) == (128.0, 303.5)


def test_an_output_reads_five_pixels_a_side() -> None:
    torch.manual_seed(0)
    block = Inception(2, 8, (8, 8), (8, 8), 8)
    features = torch.randn(1, 2, 9, 9, requires_grad=True)
    block(features)[0, :, 4, 4].sum().backward()
    assert features.grad is not None
    read = features.grad.abs().sum((0, 1)) > 0
    assert read.any(0).nonzero().flatten().tolist() == [2, 3, 4, 5, 6]


def test_branches_stand_side_by_side() -> None:
    block = Inception(2, 1, (1, 2), (1, 3), 1)
    features = torch.randn(1, 2, 6, 5)
    result = block(features)
    torch.testing.assert_close(result[:, :1], block.ones(features))
    torch.testing.assert_close(result[:, 3:6], block.fives(features))
    torch.testing.assert_close(result[:, 6:], block.pooled(features))
