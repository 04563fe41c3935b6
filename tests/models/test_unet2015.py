from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise import build_model
from pixelwise.models.unet2015 import UNet2015


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("channels", "classes", "count"),
    [(1, 2, 31_030_658), (3, 2, 31_031_810), (3, 11, 31_032_395), (3, 21, 31_033_045), (1, 1, 31_030_593)],
)
def test_it_has_the_published_parameters(channels: int, classes: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(UNet2015(channels, classes)) == count


def test_the_released_network_has_a_wider_last_up_convolution() -> None:
    with torch.device("meta"):
        assert parameters(UNet2015(1, 2, last_up_channels=128)) == 31_100_354


@pytest.mark.parametrize(("side", "scored"), [(188, 4), (204, 20), (572, 388), (700, 516)])
def test_it_loses_92_pixels_on_every_side(side: int, scored: int) -> None:
    with torch.device("meta"):
        scores = UNet2015(1, 2)(torch.empty(1, 1, side, 188))
    assert scores.shape == (1, 2, scored, 4)


@torch.no_grad()
def test_it_computes_what_the_paper_draws() -> None:
    """Against the layers written out one by one, with the crops of the paper's figure."""
    network = UNet2015(1, 3, width=1 / 16, last_up_channels=96).double().eval()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.rand(2, 1, 188, 204, dtype=torch.float64)

    def convolve(maps: Tensor, name: str) -> Tensor:
        return F.conv2d(maps, state[f"{name}.weight"], state[f"{name}.bias"]).relu()

    maps, skips = images, []
    for level in range(5):
        maps = convolve(convolve(maps, f"down.{level}.0"), f"down.{level}.2")
        skips.append(maps)
        maps = F.max_pool2d(maps, 2) if level < 4 else maps
    for step, crop in enumerate((4, 16, 40, 88)):
        maps = F.conv_transpose2d(maps, state[f"up.{step}.0.weight"], state[f"up.{step}.0.bias"], stride=2).relu()
        maps = torch.cat([skips[3 - step][:, :, crop:-crop, crop:-crop], maps], 1)
        maps = convolve(convolve(maps, f"merge.{step}.0"), f"merge.{step}.2")
    expected = F.conv2d(maps, state["score.weight"], state["score.bias"])
    assert expected.shape == (2, 3, 4, 20)
    torch.testing.assert_close(network(images), expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_a_shift_by_16_pixels_shifts_the_scores() -> None:
    network = UNet2015(1, 2, width=1 / 16).double().eval()
    images = torch.rand(1, 1, 188, 204 + 16, dtype=torch.float64)
    whole = network(images)
    torch.testing.assert_close(network(images[..., 16:]), whole[..., 16:], rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_dropout_spares_all_but_the_two_deepest_levels() -> None:
    network = UNet2015(1, 2, width=1 / 16)
    seen: list[tuple[int, ...]] = []
    network.dropout.register_forward_hook(lambda _, inputs, output: seen.append(tuple(output.shape[1:])))
    images = torch.rand(1, 1, 188, 188)
    torch.manual_seed(0)
    first = network(images)
    assert seen == [(32, 16, 16), (64, 4, 4)]
    assert not torch.equal(first, network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_weights_start_with_variance_two_over_the_values_summed() -> None:
    torch.manual_seed(0)
    network = UNet2015(1, 2, width=0.5)
    third = network.down[3][2]
    assert third.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)
    assert network.up[0][0].weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert not network.score.bias.any()


def test_signals_keep_their_size_on_the_way() -> None:
    """The point of that start: after 18 layers of ReLU the scores are neither lost nor blown up."""
    torch.manual_seed(0)
    network = UNet2015(1, 2, width=0.25).eval()
    with torch.no_grad():
        deviation = network(torch.randn(1, 1, 188, 188)).std().item()
    assert 0.05 < deviation < 20


def test_every_parameter_learns() -> None:
    network = UNet2015(1, 2, width=1 / 16)
    network(torch.rand(1, 1, 188, 188)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_geometry_knows_the_published_sizes() -> None:
    with torch.device("meta"):
        geometry = build_model("unet2015", classes=2, in_channels=1).geometry
    assert (geometry.margin, geometry.period) == (92, 16)
    assert geometry.output_size(572) == 388
    assert geometry.input_size(388) == 572
    assert [geometry.input_size(4 + 16 * k) for k in range(40)] == [188 + 16 * k for k in range(40)]
    assert geometry.input_size(5) == 204


@torch.no_grad()
def test_the_middle_of_a_large_picture_is_what_the_network_says() -> None:
    model = build_model("unet2015", classes=2, in_channels=1, width=1 / 16).double().eval()
    images = torch.rand(1, 1, 210, 230, dtype=torch.float64)
    scores = model(images)
    assert scores.shape == (1, 2, 210, 230)
    # Four pixels in, a window has the pools where the mirrored picture has them: 92 + 4 is a multiple of 16.
    valid = model.valid(images[:, :, 4 : 4 + 204, 4 : 4 + 220])
    assert valid.shape == (1, 2, 20, 36)
    torch.testing.assert_close(scores[:, :, 96 : 96 + 20, 96 : 96 + 36], valid, rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (33, 50)])
def test_narrow_pictures_are_mirrored_again_and_again(size: tuple[int, int]) -> None:
    model = build_model("unet2015", classes=2, in_channels=1, width=1 / 16).double().eval()
    images = torch.rand(1, 1, *size, dtype=torch.float64)
    sides = [model.geometry.input_size(side) for side in size]

    def mirrored(place: int, length: int) -> int:
        """Walk to and fro between the border pixels."""
        at, step = 0, 1
        for _ in range(abs(place)):
            if length > 1:
                step = -step if not 0 <= at + step < length else step
                at += step
        return at

    rows, columns = ([mirrored(i - 92, length) for i in range(side)] for side, length in zip(sides, size, strict=True))
    expected = model.valid(images[:, :, rows][..., columns])[:, :, : size[0], : size[1]]
    torch.testing.assert_close(model(images), expected, rtol=1e-12, atol=1e-12)
