"""Encoders are measured at several sizes, on shapes alone: what they compute on, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise.encoders import TimmEncoder, build_encoder, fitting
from pixelwise.encoders.sizes import InputSizes, Pyramid
from pixelwise.errors import ModelError


class Toy(nn.Module):
    """Maps of 4 channels at strides 4 and 8; what goes before and after the second is to be chosen."""

    def __init__(
        self,
        second: Callable[[Tensor], Tensor] = lambda features: features,
        *,
        stem: Callable[[Tensor], Tensor] = lambda images: F.avg_pool2d(images, 4),
    ) -> None:
        super().__init__()
        self.second, self.stem = second, stem
        self.grow = nn.Conv2d(3, 4, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.grow(self.stem(images))
        return [first, self.second(F.avg_pool2d(first, 2))]


def of_sixteen(features: Tensor) -> Tensor:
    """Patches of 16 x 16 cells alone."""
    if features.shape[2] % 16 or features.shape[3] % 16:
        raise AssertionError
    return features


def in_patches(features: Tensor) -> Tensor:
    """Patches of 2 x 2 cells: what does not fit is stretched to whole ones."""
    rows, columns = (-(-side // 2) * 2 for side in features.shape[2:])
    return F.interpolate(features, (rows, columns), mode="bilinear")


def at_one_place(features: Tensor) -> Tensor:
    """One learnt value a place, for pictures of 256 x 256."""
    return features + features.new_zeros(1, 4, 32, 32)


def square(features: Tensor) -> Tensor:
    assert features.shape[2] == features.shape[3], "only squares"
    return features


def always_thirty_two(features: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(features, 32)


def measure(network: nn.Module, strides: tuple[int, ...] = (4, 8), channels: tuple[int, ...] = (4, 4)) -> InputSizes:
    return Pyramid(network, "toy", channels=channels, strides=strides, in_channels=3).measure()


def test_padded_convolutions_compute_on_any_multiple_of_their_largest_stride() -> None:
    assert measure(Toy()) == InputSizes(8, 16, exact=True)


def test_patches_of_cells_make_the_period_longer() -> None:
    assert measure(Toy(in_patches)) == InputSizes(16, 32, exact=True)


def test_unpadded_convolutions_need_pictures_that_leave_two_cells() -> None:
    # Sides of 8 k give k - 3 cells after a 4x4 convolution: 5 is the least k.
    unpadded = Toy(lambda features: F.conv2d(features, torch.empty(4, 4, 4, 4, device=features.device)))
    assert measure(unpadded) == InputSizes(8, 40, exact=False)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Toy(of_sixteen), r"'toy' takes pictures of 256x256 but not of .* \(AssertionError\).*choose"),
        (Toy(at_one_place), r"'toy' takes pictures of 256x256 but not of 520x528 \(.*\).*one size.*choose"),
        (Toy(square), r"but not of 520x528 \(only squares"),
        (Toy(always_thirty_two), r"but not of .* \(gives \(1, 4, .*, \(1, 4, 32, 32\)\)"),
        (Toy(stem=lambda images: images.flatten(1)), r"'toy' takes no picture of 256x256 \("),
    ],
    ids=["windows", "learnt places", "squares", "resized", "vector"],
)
def test_networks_of_too_few_sizes_are_refused_with_the_reason(network: Toy, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        measure(network)


@pytest.mark.parametrize(
    ("strides", "channels", "reason"),
    [
        ((4, 4), (4, 4), r"no pyramid of \(N, C, H, W\) maps"),
        ((8, 4), (4, 4), r"no pyramid of \(N, C, H, W\) maps"),
        ((4, 8), (4, 8), r"no pyramid of \(N, C, H, W\) maps"),
        ((4, 8, 16), (4, 4, 4), r"no pyramid of \(N, C, H, W\) maps"),
        ((4, 16), (4, 4), r"declares strides of 4, 16 and gives .*\(1, 4, 32, 32\)"),
        ((2, 8), (4, 4), r"declares strides of 2, 8"),
        ((4, 7), (4, 4), r"declares strides of 4, 7 .*powers of two"),
    ],
)
def test_what_is_declared_is_held_against_what_is_given(
    strides: tuple[int, ...], channels: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        measure(Toy(), strides, channels)


def test_measuring_leaves_the_network_as_it_is() -> None:
    network = Toy().train()
    measure(network)
    assert network.training
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("resnet10t", InputSizes(32, 64, exact=True)),
        ("tiny_vit_5m_224", InputSizes(32, 64, exact=True)),
        ("mobilevitv2_050", InputSizes(64, 128, exact=True)),
        ("inception_v3", InputSizes(32, 128, exact=False)),
    ],
)
def test_encoders_of_timm(name: str, sizes: InputSizes) -> None:
    with torch.device("meta"):
        encoder = TimmEncoder(name)
    assert encoder.sizes == sizes
    assert (fitting(encoder).period, fitting(encoder).smallest) == sizes[:2]


@pytest.mark.parametrize("name", ["botnet26t_256", "halonet26t", "lambda_resnet26rpt_256"])
def test_encoders_of_a_fixed_feature_size_are_refused_by_name(name: str) -> None:
    with torch.device("meta"), pytest.raises(ModelError, match=f"'{name}' takes .* but not of 544x576 .*choose"):
        TimmEncoder(name)


def test_trunks_of_the_papers_take_any_multiple_of_their_largest_stride() -> None:
    with torch.device("meta"):
        geometry = fitting(build_encoder("resnet50_atrous", output_stride=8))
    assert (geometry.period, geometry.smallest, geometry.whole) == (8, 16, True)
