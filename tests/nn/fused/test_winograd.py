"""Winograd's algorithm computes what the convolution computes, up to rounding, and is left where it does not suit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pixelwise.nn.fused import winograd
from pixelwise.nn.fused.winograd import WinogradConv2d, kernel_points, suits, use_winograd
from pixelwise.nn.tracing.memory import peak_bytes
from pixelwise.ops.native import native_module

needs_kernels = pytest.mark.skipif(native_module() is None, reason="the native kernels are not built")


@needs_kernels
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(1, 64, 64), (2, 37, 50), (130, 1, 1), (140, 3, 14)])
def test_it_equals_the_convolution(size: tuple[int, int, int], layout: torch.memory_format, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(80, 64, 3, padding=1, bias=bias)
    images = torch.randn(size[0], 80, *size[1:]).contiguous(memory_format=layout)
    with torch.no_grad():
        found = WinogradConv2d(conv)(images)
        expected = conv.double()(images.double())
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() < 3e-5 * expected.abs().max()


@needs_kernels
def test_the_kernels_do_the_work() -> None:
    # Wrong points must show: else a plain convolution would stand behind all that is tested above.
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 64, 3, padding=1)
    fast = WinogradConv2d(conv)
    fast.points.zero_()
    images = torch.randn(1, 64, 48, 48)
    with torch.no_grad():
        assert torch.equal(fast(images)[0, :, 0, 0], fast.bias)
        assert torch.equal(fast(images[:, :, :40, :40]), conv(images[:, :, :40, :40]))  # of few tiles
        assert torch.equal(fast.double()(images.double()), conv.double()(images.double()))


def test_points_of_a_kernel_are_a_quarter_of_its_corner_at_zero() -> None:
    weight = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    points = kernel_points(weight)
    assert points.shape == (36, 4, 5)
    torch.testing.assert_close(points[0], weight[:, :, 0, 0].T / 16)
    torch.testing.assert_close(points[35], weight[:, :, 2, 2].T)  # the point at infinity


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3, padding=2, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(64, 72, 3, padding=1),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.Conv2d(64, 64, 1),
        nn.ConvTranspose2d(64, 64, 3, padding=1),
    ],
)
def test_other_layers_are_left(conv: nn.Module) -> None:
    assert suits(nn.Conv2d(64, 64, 3, padding=1))
    assert not suits(conv)


@needs_kernels
def test_a_network_keeps_its_results_and_can_be_counted() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)).eval()
    fast = copy.deepcopy(network)
    use_winograd(fast)
    assert [type(part) for part in fast] == [nn.Conv2d, nn.ReLU, WinogradConv2d]
    images = torch.randn(1, 3, 60, 60)
    with torch.no_grad():
        torch.testing.assert_close(fast(images), network(images), rtol=1e-4, atol=1e-4)
    assert peak_bytes(fast, (1, 3, 64, 64)) == peak_bytes(network, (1, 3, 64, 64))


def test_without_the_kernels_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "native_module", lambda: None)
    network = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1))
    use_winograd(network)
    assert type(network[0]) is nn.Conv2d
