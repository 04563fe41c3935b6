from __future__ import annotations

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from pixelwise.encoders import TimmEncoder
from pixelwise.encoders.sizes import rounds_up
from pixelwise.nn.blocks import DepthwiseConv2d


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "convnext_atto"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_declared_channels_and_strides_are_those_of_the_maps(name: str, output_stride: int) -> None:
    with torch.device("meta"):
        encoder = TimmEncoder(name, output_stride=output_stride)
        maps = encoder(torch.empty(2, 3, 96, 160))
    assert [m.shape for m in maps] == [
        (2, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]
    assert max(encoder.strides) == output_stride
    assert encoder.exact


def test_an_encoder_that_cannot_be_dilated_keeps_its_stride() -> None:
    with torch.device("meta"):
        assert max(TimmEncoder("densenet121", output_stride=16).strides) == 32


def test_unpadded_networks_are_known_to_be_inexact() -> None:
    with torch.device("meta"):
        assert not TimmEncoder("inception_v3").exact


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_our_depthwise_convolutions_change_nothing(name: str) -> None:
    torch.manual_seed(0)
    expected = timm.create_model(name, features_only=True).eval()
    encoder = TimmEncoder(name).eval()
    encoder.body.load_state_dict(expected.state_dict())
    kinds = [type(part) for part in encoder.modules() if isinstance(part, nn.Conv2d) and part.groups > 1]
    assert set(kinds) == {DepthwiseConv2d}
    assert any(type(part) is Conv2dSame for part in expected.modules()) == name.startswith("tf_")
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        for ours, reference in zip(encoder(images), expected(images), strict=True):
            torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_mixnet_s", "resnet10t"])
@torch.no_grad()
def test_a_picture_of_any_size_moves_no_cell(name: str) -> None:
    """Maps round sizes up, and are those of a larger picture wherever that shows nothing else."""
    torch.manual_seed(0)
    encoder = TimmEncoder(name).eval().double()
    larger = torch.randn(1, 3, 160, 160, dtype=torch.float64)
    height, width = 65, 159  # a cell more than whole ones, and a pixel less, at every stride
    first = encoder(larger[:, :, :height, :width])[:2]
    for stride, ours, reference in zip(encoder.strides, first, encoder(larger), strict=False):
        assert ours.shape[2:] == (-(-height // stride), -(-width // stride))
        rows, columns = 24 // stride, 96 // stride  # what lies beyond is not seen there
        reference = reference[:, :, :rows, :columns]
        torch.testing.assert_close(ours[:, :, :rows, :columns], reference, rtol=0, atol=1e-12)


def test_encoders_tell_where_a_size_would_move_cells_of_the_original() -> None:
    with torch.device("meta"):
        assert TimmEncoder("tf_efficientnet_lite0").shifted
        assert not TimmEncoder("resnet10t").shifted
        assert rounds_up(TimmEncoder("tf_efficientnet_lite0"), 3)
        for name in ("dm_nfnet_f0", "densenet121", "hrnet_w18_small"):  # move, round down, fit no odd size
            assert not rounds_up(TimmEncoder(name), 3)
