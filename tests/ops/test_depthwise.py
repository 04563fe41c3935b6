from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import UnsupportedError
from pixelwise.ops.depthwise import depthwise_conv2d
from pixelwise.ops.native import native_module

needs_native = pytest.mark.skipif(native_module() is None, reason="the native kernels are not built")

# channels, (height, width), kernel, stride, padding, dilation
SHAPES = [
    (1, (1, 1), 1, 1, 0, 1),
    (1, (3, 3), 3, 1, 1, 1),
    (3, (7, 9), 3, 2, 1, 1),
    (5, (8, 6), 3, 2, 0, 1),
    (31, (9, 10), 5, 2, 2, 1),
    (32, (11, 7), 3, 1, 2, 2),
    (33, (6, 13), 5, 1, 4, 2),
    (64, (5, 5), 3, 1, 18, 18),  # only the middle tap meets the picture
    (40, (12, 12), 7, 3, 3, 1),
    (7, (10, 11), (3, 5), (2, 1), (0, 2), (1, 3)),
    (2, (9, 9), 2, 2, 0, 1),
    (4, (4, 20), 3, 4, 5, 1),  # padding that reaches beyond a whole step
]


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    # Numbers that bfloat16 holds, so that every type is given the same ones.
    upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(7)).bfloat16().to(output.dtype)
    return torch.autograd.grad(output, inputs, upstream)


def make(channels, size, kernel, dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    shapes = (2, channels, *size), (channels, 1, *kernel), (channels,)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("channels", "size", "kernel", "stride", "padding", "dilation"), SHAPES)
def test_matches_torch(channels, size, kernel, stride, padding, dilation, layout):
    image, weight, bias = make(channels, size, kernel)
    arranged = image.detach().contiguous(memory_format=layout).requires_grad_()
    ours = depthwise_conv2d(arranged, weight, bias, stride=stride, padding=padding, dilation=dilation)
    exact = [tensor.detach().double().requires_grad_() for tensor in (image, weight, bias)]
    expected = F.conv2d(*exact, stride, padding, dilation, groups=channels)
    torch.testing.assert_close(ours, expected.float())
    for found, reference in zip(gradients(ours, arranged, weight, bias), gradients(expected, *exact), strict=True):
        torch.testing.assert_close(found.double(), reference, rtol=1e-5, atol=1e-5)


def test_gradient_of_the_filter_matches_a_slow_loop():
    image, weight, _ = make(2, (5, 6), 3)
    output = depthwise_conv2d(image, weight, stride=2, padding=1)
    upstream = np.random.default_rng(0).standard_normal(output.shape).astype(np.float32)
    (gradient,) = torch.autograd.grad(output, weight, torch.from_numpy(upstream))
    padded = np.pad(image.detach().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 3, 3))
    for picture, channel, row, column in np.ndindex(upstream.shape):
        window = padded[picture, channel, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        expected[channel] += upstream[picture, channel, row, column] * window
    np.testing.assert_allclose(gradient[:, 0].numpy(), expected, rtol=1e-4, atol=1e-5)


@needs_native  # torch itself sums in bfloat16 on a processor that does not compute in it
@pytest.mark.parametrize("channels", [3, 96])
def test_bfloat16_sums_in_float32(channels):
    image, weight, bias = make(channels, (17, 19), 3, torch.bfloat16)
    exact = [tensor.detach().double().requires_grad_() for tensor in (image, weight, bias)]
    ours = gradients(depthwise_conv2d(image, weight, bias, padding=1), image, weight, bias)
    expected = gradients(F.conv2d(*exact, padding=1, groups=channels), *exact)
    for found, reference in zip(ours, expected, strict=True):
        assert found.dtype == torch.bfloat16
        # One rounding to 8 bits at the end, and none on the way.
        torch.testing.assert_close(found.double(), reference.bfloat16().double(), rtol=2**-7, atol=1e-3)


def test_runs_in_bfloat16_under_autocast_with_float32_gradients():
    image, weight, bias = make(4, (6, 6), 3)
    with torch.autocast("cpu", torch.bfloat16):
        output = depthwise_conv2d(image, weight, bias, padding=1)
        expected = F.conv2d(image, weight, bias, padding=1, groups=4)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output, expected)
    for ours, reference in zip(
        gradients(output, image, weight, bias), gradients(expected, image, weight, bias), strict=True
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, reference, rtol=2e-2, atol=2e-2)


def test_keeps_nan_and_infinity_in_bfloat16():
    image, weight, _ = make(1, (1, 3), 1, torch.bfloat16)
    output = depthwise_conv2d(image, weight)
    upstream = torch.tensor([[[[float("nan"), float("inf"), 1.0]]]] * 2, dtype=torch.bfloat16)
    (gradient,) = torch.autograd.grad(output, image, upstream)
    assert gradient[0, 0, 0, 0].isnan()
    assert gradient[0, 0, 0, 1].isinf()
    assert gradient[0, 0, 0, 2].isfinite()


def test_no_grad_and_empty_batch():
    image, weight, bias = make(4, (6, 6), 3)
    with torch.no_grad():
        assert not depthwise_conv2d(image, weight, bias).requires_grad
    empty = image.detach()[:0].requires_grad_()
    nothing, zeros = torch.autograd.grad(depthwise_conv2d(empty, weight).sum(), (empty, weight))
    assert nothing.shape == empty.shape
    assert not zeros.any()


def test_float64_passes_gradcheck():
    image, weight, bias = make(2, (4, 5), 3, torch.float64)
    assert torch.autograd.gradcheck(lambda *t: depthwise_conv2d(*t, stride=2, padding=1), (image, weight, bias))


@needs_native
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_second_derivatives_are_refused(dtype):
    image, weight, bias = make(3, (5, 6), 3, dtype)
    output = depthwise_conv2d(image, weight, bias, padding=1)
    (plain,) = torch.autograd.grad(output.sum(), image, retain_graph=True)
    (gradient,) = torch.autograd.grad(output.sum(), image, create_graph=True)
    assert torch.equal(gradient, plain)
    # The gradient depends on the filter; beside another term its part would be missing in silence.
    with pytest.raises(UnsupportedError, match=r"differentiated once .* F\.conv2d"):
        torch.autograd.grad(gradient.square().sum() + weight.sum(), weight)


def test_used_twice_adds_gradients():
    image, weight, _ = make(3, (6, 6), 3)
    once = depthwise_conv2d(image, weight, padding=1)
    twice = depthwise_conv2d(once, weight, padding=1)
    reference = F.conv2d(F.conv2d(image, weight, padding=1, groups=3), weight, padding=1, groups=3)
    for ours, expected in zip(gradients(twice, image, weight), gradients(reference, image, weight), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@needs_native
def test_same_bits_in_every_run():
    image, weight, _ = make(40, (20, 20), 3)
    first, second = (gradients(depthwise_conv2d(image, weight, padding=1), image, weight) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
