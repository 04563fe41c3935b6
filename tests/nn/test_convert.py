from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelwise.errors import SettingError
from pixelwise.nn.convert import linear_to_conv


@pytest.mark.parametrize(("size", "sides"), [(7, (7, 7)), ((2, 3), (2, 3)), (1, (1, 1))])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_slides_over_larger_maps(
    size: int | tuple[int, int], sides: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    height, width = sides
    linear = nn.Linear(5 * height * width, 4, bias=bias).double()
    conv = linear_to_conv(linear, size)
    features = torch.randn(2, 5, height + 2, width + 1, dtype=torch.float64)
    scores = conv(features)
    assert scores.shape == (2, 4, 3, 2)
    for y in range(3):
        for x in range(2):
            window = features[:, :, y : y + height, x : x + width]
            torch.testing.assert_close(scores[:, :, y, x], linear(window.flatten(1)))
    assert sum(p.numel() for p in conv.parameters()) == sum(p.numel() for p in linear.parameters())


def test_the_copy_stands_alone() -> None:
    linear = nn.Linear(8, 2)
    conv = linear_to_conv(linear, 2)
    before = conv.weight.clone()
    with torch.no_grad():
        linear.weight.zero_()
    assert torch.equal(conv.weight, before)


def test_vgg16_fc6_becomes_a_7x7_convolution() -> None:
    with torch.device("meta"):
        conv = linear_to_conv(nn.Linear(25088, 4096), 7)
    assert conv.weight.shape == (4096, 512, 7, 7)


def test_a_size_that_does_not_fit_is_named() -> None:
    with pytest.raises(SettingError, match="3x3"):
        linear_to_conv(nn.Linear(25, 2), 3)
