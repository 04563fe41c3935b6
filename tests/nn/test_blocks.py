from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from pixelwise.nn.aspp import ASPP
from pixelwise.nn.blocks import BatchNorm2d, DepthwiseConv2d, conv_norm_relu, separable_conv_norm_relu


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_depthwise_separable_has_75_weights_where_a_full_convolution_has_432() -> None:
    full, separable = conv_norm_relu(3, 16), separable_conv_norm_relu(3, 16)
    norm = 2 * 16
    assert parameters(full) - norm == 432
    assert parameters(separable) - norm == 75


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, 1, 1), (2, 0, 1), (1, 2, 2), (2, (0, 1), 1), (2, (0, 3), 1), (3, (1, 4), 2)]
)
def test_depthwise_is_a_grouped_convolution(stride: int, padding: int | tuple[int, int], dilation: int) -> None:
    torch.manual_seed(0)
    conv = DepthwiseConv2d(5, 3, stride=stride, padding=padding, dilation=dilation)
    images = torch.randn(2, 5, 12, 10)
    padded = images if isinstance(padding, int) else F.pad(images, (*padding, *padding))
    if not isinstance(padding, int):
        padded = F.pad(padded, (0, -10 % stride, 0, -12 % stride))
    inside = padding if isinstance(padding, int) else 0
    expected = F.conv2d(padded, conv.weight, conv.bias, stride, inside, dilation, groups=5)
    torch.testing.assert_close(conv(images), expected)
    conv.fuse()
    torch.testing.assert_close(conv(images), expected)


def test_batch_norm_of_one_value_uses_the_running_statistics() -> None:
    norm = BatchNorm2d(3).train()
    norm.running_mean = torch.tensor([1.0, 2.0, 3.0])
    one = torch.tensor([2.0, 2.0, 5.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(norm(one).flatten(), torch.tensor([1.0, 0.0, 2.0]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_mean, torch.tensor([1.0, 2.0, 3.0]))
    two = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(norm(two).mean(0), torch.zeros(3, 1, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("separable", [False, True])
def test_aspp_keeps_the_size_and_sees_the_whole_picture(separable: bool) -> None:
    torch.manual_seed(0)
    aspp = ASPP(4, 8, atrous_rates=(1, 2), separable=separable).eval()
    features = torch.randn(1, 4, 20, 24, requires_grad=True)
    pooled = aspp(features)
    assert pooled.shape == (1, 8, 20, 24)
    pooled[0, :, 0, 0].sum().backward()
    assert features.grad is not None
    assert features.grad[0, :, 19, 23].abs().sum() > 0


def multiply_adds(module: nn.Module, features: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        module(features)
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("dilation", [1, 2, 6])
def test_multiply_adds_follow_the_weights_whatever_the_dilation(dilation: int) -> None:
    with torch.device("meta"):
        features = torch.empty(1, 3, 20, 30)
        full, strided = conv_norm_relu(3, 16, dilation=dilation), conv_norm_relu(3, 16, stride=2)
        assert multiply_adds(full, features) == 432 * 20 * 30
        assert multiply_adds(strided, features) == 432 * 10 * 15
        # The same shapes without our own depthwise operator, which the counter does not know.
        depthwise = nn.Conv2d(3, 3, 3, padding=dilation, dilation=dilation, groups=3, bias=False)
        separable = nn.Sequential(depthwise, nn.Conv2d(3, 16, 1, bias=False))
        assert multiply_adds(separable, features) == 75 * 20 * 30
    assert round(75 / 432, 4) == round(1 / 16 + 1 / 9, 4) == 0.1736
