from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from pixelwise.encoders.resnet import ResNet
from pixelwise.errors import ModelError, SettingError
from pixelwise.nn.tracing.trace import trace


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def randomise(module: nn.Module) -> None:
    """Give batch norms statistics and scales that a wrong order of layers would show."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.0)
            nn.init.normal_(part.bias, std=0.1)
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.8, 1.2)


def without_classifier(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


@pytest.mark.parametrize(("depth", "count"), [(50, 23_508_032), (101, 42_500_160)])
def test_parameters_are_those_of_the_paper(depth: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(ResNet(depth)) == count


@pytest.mark.parametrize(
    ("depth", "stride_in", "field"), [(50, "1x1", 483), (101, "1x1", 1027), (50, "3x3", 427), (101, "3x3", 971)]
)
def test_receptive_fields_are_the_published_ones(depth: int, stride_in: Any, field: int) -> None:
    with torch.device("meta"):
        deepest = trace(ResNet(depth, stride_in=stride_in), (1, 3, 64, 64)).outputs[-1]
    assert (deepest.receptive_field, deepest.stride) == (field, 32)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"output_stride": 8}, 427),
        ({"output_stride": 16}, 427),
        ({"output_stride": 16, "dilation_from": "stage"}, 459),
        ({"output_stride": 8, "dilation_from": "stage"}, 475),
    ],
)
def test_dilation_keeps_the_receptive_field_where_the_first_block_does(options: dict[str, Any], field: int) -> None:
    with torch.device("meta"):
        deepest = trace(ResNet(50, **options), (1, 3, 64, 64)).outputs[-1]
    assert (deepest.receptive_field, deepest.stride) == (field, options["output_stride"])


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_computes_what_timm_computes(depth: int, output_stride: int) -> None:
    torch.manual_seed(0)
    expected = timm.create_model(f"resnet{depth}", output_stride=output_stride, features_only=True).double().eval()
    randomise(expected)
    ours = ResNet(depth, output_stride=output_stride).double().eval()
    ours.load_state_dict(expected.state_dict())
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        for found, reference in zip(ours(images), expected(images), strict=True):
            torch.testing.assert_close(found, reference, rtol=1e-10, atol=1e-10)
    assert ours.channels == tuple(expected.feature_info.channels())
    assert ours.strides == tuple(expected.feature_info.reduction())


@pytest.mark.parametrize("dilate", [(False, False, False), (False, False, True), (False, True, True)])
def test_computes_what_torchvision_computes(dilate: tuple[bool, bool, bool]) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=dilate).double().eval()
    randomise(reference)
    ours = ResNet(50, output_stride=32 // 2 ** sum(dilate)).double().eval()
    ours.load_state_dict(without_classifier(reference.state_dict()))
    images = torch.randn(1, 3, 64, 72, dtype=torch.float64)
    reached: dict[str, torch.Tensor] = {}
    reference.layer4.register_forward_hook(lambda _, __, output: reached.update(deepest=output))
    with torch.no_grad():
        reference(images)
        torch.testing.assert_close(ours(images)[-1], reached["deepest"], rtol=1e-10, atol=1e-10)


def dilations(network: ResNet, stage: int) -> list[int]:
    return [block.conv2.dilation[0] for block in network.get_submodule(f"layer{stage}")]


def test_multi_grid_multiplies_the_rates_of_the_last_stage() -> None:
    with torch.device("meta"):
        sixteen = ResNet(50, output_stride=16, multi_grid=(1, 2, 4), dilation_from="stage")
        eight = ResNet(50, output_stride=8, multi_grid=(1, 2, 4), dilation_from="stage")
    assert dilations(sixteen, 4) == [2, 4, 8]
    assert dilations(sixteen, 3) == [1] * 6
    assert dilations(eight, 4) == [4, 8, 16]
    assert dilations(eight, 3) == [2] * 6


@pytest.mark.parametrize(("size", "cells"), [(321, 41), (513, 65), (320, 41)])
def test_a_pool_that_rounds_up_covers_the_whole_picture(size: int, cells: int) -> None:
    with torch.device("meta"):
        network = ResNet(101, output_stride=8, stride_in="1x1", dilation_from="stage", ceil_pool=True)
        assert network(torch.empty(1, 3, size, size))[-1].shape[2:] == (cells, cells)
    assert not network.exact


@pytest.mark.parametrize("depth", [34, 50])
def test_width_scales_the_channels(depth: int) -> None:
    network = ResNet(depth, in_channels=5, width=1 / 16, output_stride=16)
    maps = network(torch.randn(2, 5, 32, 48))
    assert [m.shape for m in maps] == [
        (2, channels, 32 // stride, 48 // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    maps[-1].sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ModelError, match="depth 51"):
        ResNet(51)
    with pytest.raises(SettingError, match="output_stride is 4"):
        ResNet(50, output_stride=4)
    with pytest.raises(SettingError, match="7x7"):
        ResNet(50, stride_in="7x7")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="multi_grid"):
        ResNet(50, multi_grid=(0, 1))
