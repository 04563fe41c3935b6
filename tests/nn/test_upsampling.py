from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.nn.upsampling import (
    BilinearTransposed,
    bilinear_kernel,
    max_unpool,
    upsample_aligned,
    upsample_bilinear,
    upsample_nearest,
)


def convolution_matrix(kernel: Tensor, size: int, *, stride: int, padding: int) -> Tensor:
    """The matrix A with A @ picture.flatten() = convolution, built by loops over outputs and taps."""
    side = kernel.shape[0]
    cells = (size + 2 * padding - side) // stride + 1
    matrix = torch.zeros(cells * cells, size * size, dtype=kernel.dtype)
    for oy in range(cells):
        for ox in range(cells):
            for ky in range(side):
                for kx in range(side):
                    y, x = oy * stride - padding + ky, ox * stride - padding + kx
                    if 0 <= y < size and 0 <= x < size:
                        matrix[oy * cells + ox, y * size + x] += kernel[ky, kx]
    return matrix


def test_transposed_convolution_is_the_transpose_of_the_convolution_matrix() -> None:
    torch.manual_seed(0)
    kernel = torch.randn(3, 3, dtype=torch.float64)
    matrix = convolution_matrix(kernel, 5, stride=2, padding=1)
    assert matrix.shape == (9, 25)
    picture = torch.randn(5, 5, dtype=torch.float64)
    forth = F.conv2d(picture[None, None], kernel[None, None], stride=2, padding=1)
    torch.testing.assert_close(forth.flatten(), matrix @ picture.flatten())
    gradient = torch.randn(3, 3, dtype=torch.float64)
    back = F.conv_transpose2d(gradient[None, None], kernel[None, None], stride=2, padding=1)
    assert back.shape == (1, 1, 5, 5)
    torch.testing.assert_close(back.flatten(), matrix.T @ gradient.flatten())


@pytest.mark.parametrize("full", [False, True])
def test_the_bilinear_block_is_that_transpose_too(full: bool) -> None:
    block = BilinearTransposed(2, 4, 2, padding=1, full=full).double()
    matrix = convolution_matrix(bilinear_kernel(4), 8, stride=2, padding=1)
    assert matrix.shape == (16, 64)
    features = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    for channel in range(2):
        torch.testing.assert_close(block(features)[0, channel].flatten(), matrix.T @ features[0, channel].flatten())


def test_the_kernel_is_a_tent() -> None:
    torch.testing.assert_close(bilinear_kernel(4)[1], 0.75 * torch.tensor([0.25, 0.75, 0.75, 0.25]).double())
    torch.testing.assert_close(bilinear_kernel(3)[1], torch.tensor([0.5, 1, 0.5]).double())
    assert bilinear_kernel(63).shape == (63, 63)
    for factor in (2, 8, 32):
        assert bilinear_kernel(2 * factor).sum() == pytest.approx(factor**2)


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_the_deconvolution_interpolates_except_along_the_border(factor: int) -> None:
    features = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    block = BilinearTransposed(3, 2 * factor, factor, padding=factor // 2).double()
    ours, reference = block(features), upsample_bilinear(features, factor)
    assert ours.shape == reference.shape
    half = factor // 2
    inside = (..., slice(half, -half), slice(half, -half))
    torch.testing.assert_close(ours[inside], reference[inside], rtol=0, atol=1e-12)
    assert (ours - reference)[:, :, :half].abs().max() > 0.01


def test_fixed_kernels_are_no_parameters_and_learnt_ones_are() -> None:
    assert not list(BilinearTransposed(21, 64, 32).parameters())
    assert not BilinearTransposed(21, 64, 32).state_dict()
    (each,) = BilinearTransposed(21, 64, 32, learnt=True).parameters()
    (full,) = BilinearTransposed(21, 64, 32, learnt=True, full=True).parameters()
    assert (each.numel(), full.numel()) == (21 * 64 * 64, 21 * 21 * 64 * 64)
    block = BilinearTransposed(2, 4, 2, learnt=True).double()
    assert torch.autograd.gradcheck(block, torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (8, 5)])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_aligned_cells_lie_on_multiples_of_the_factor(size: tuple[int, int], factor: int) -> None:
    features = torch.randn(2, 3, *size, dtype=torch.float64)
    enlarged = upsample_aligned(features, factor)
    assert enlarged.shape == (2, 3, factor * size[0], factor * size[1])
    torch.testing.assert_close(enlarged[:, :, ::factor, ::factor], features)
    for y in range(factor * size[0]):
        for x in range(factor * size[1]):
            top, left = y // factor, x // factor
            down, right = min(top + 1, size[0] - 1), min(left + 1, size[1] - 1)
            v, u = y / factor - top, x / factor - left
            expected = (1 - v) * ((1 - u) * features[:, :, top, left] + u * features[:, :, top, right]) + v * (
                (1 - u) * features[:, :, down, left] + u * features[:, :, down, right]
            )
            torch.testing.assert_close(enlarged[:, :, y, x], expected)


def test_aligned_is_align_corners_on_the_sizes_it_was_made_for() -> None:
    features = torch.randn(1, 2, 9, 9)
    made_for = F.interpolate(features, (65, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(upsample_aligned(features, 8)[:, :, :65, :65], made_for, rtol=1e-5, atol=1e-6)


def test_nearest_copies_into_blocks() -> None:
    features = torch.randn(1, 2, 3, 4)
    enlarged = upsample_nearest(features, 3)
    torch.testing.assert_close(enlarged, features.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_unpooling_puts_values_back() -> None:
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    pooled, indices = F.max_pool2d(picture, 2, return_indices=True)
    assert indices.flatten().tolist() == [5, 7, 13, 15]
    unpooled = max_unpool(pooled, indices, (4, 4)).flatten()
    assert unpooled.nonzero().flatten().tolist() == [5, 7, 13, 15]
    assert unpooled[[5, 7, 13, 15]].tolist() == [5, 7, 13, 15]


def test_of_equal_values_the_first_is_taken() -> None:
    _, indices = F.max_pool2d(torch.zeros(1, 1, 4, 4), 2, return_indices=True)
    assert indices.flatten().tolist() == [0, 2, 8, 10]


def test_unpooling_at_odd_sizes() -> None:
    picture = torch.randn(2, 3, 45, 60)
    pooled, indices = F.max_pool2d(picture, 2, ceil_mode=True, return_indices=True)
    assert pooled.shape == (2, 3, 23, 30)
    unpooled = max_unpool(pooled, indices, (45, 60))
    assert unpooled.shape == picture.shape
    again, places = F.max_pool2d(unpooled, 2, ceil_mode=True, return_indices=True)
    torch.testing.assert_close(again, pooled.clamp(min=0))  # among zeros a negative value is not the largest
    assert torch.equal(places[pooled > 0], indices[pooled > 0])
    with pytest.raises(SettingError, match="ceil_mode"):
        max_unpool(pooled, indices, (48, 60))
