from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from pixelwise.encoders.vgg import VGG16, vgg16_from_torchvision
from pixelwise.errors import ModelError
from pixelwise.nn.tracing.trace import trace


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def published() -> nn.Module:
    """Torchvision's network with random weights and a small classifier of the same form."""
    torch.manual_seed(0)
    with torch.device("meta"):
        whole = vgg16(num_classes=2)
    whole.classifier = nn.Sequential(nn.Linear(25088, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16))
    whole.to_empty(device="cpu")
    for part in whole.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            nn.init.normal_(part.bias, std=0.1)
    return whole.double().eval()


def test_the_trunk_computes_what_torchvisions_does(published: nn.Module) -> None:
    state = vgg16_from_torchvision(published.state_dict())
    trunk = VGG16(taps="blocks").double()
    assert not trunk.load_state_dict({k: v for k, v in state.items() if k.startswith("conv")}).missing_keys
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    features, expected = images, []
    for part in published.features:
        if isinstance(part, nn.MaxPool2d):
            expected.append(features.clone())
        features = part(features)
    expected.append(features)
    with torch.no_grad():
        maps = trunk(images)
    assert len(maps) == len(expected) == 6
    for ours, reference in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-9)


def test_the_classifier_slides(published: nn.Module) -> None:
    state = vgg16_from_torchvision(published.state_dict())
    assert state["fc6.weight"].shape == (16, 512, 7, 7)
    features = torch.randn(1, 512, 7, 7, dtype=torch.float64)
    slid = torch.relu(nn.functional.conv2d(features, state["fc6.weight"], state["fc6.bias"]))
    slid = nn.functional.conv2d(slid, state["fc7.weight"], state["fc7.bias"])
    torch.testing.assert_close(slid.flatten(1), published.classifier(features.flatten(1)))


def test_a_file_of_another_network_is_refused(published: nn.Module) -> None:
    state = published.state_dict()
    del state["features.28.bias"]
    with pytest.raises(ModelError, match=r"features\.28\.bias"):
        vgg16_from_torchvision(state)


@pytest.mark.parametrize("atrous", [False, True])
@pytest.mark.parametrize("taps", ["pools", "blocks"])
def test_declared_channels_and_strides_are_those_of_the_maps(atrous: bool, taps: Literal["pools", "blocks"]) -> None:
    with torch.device("meta"):
        trunk = VGG16(atrous=atrous, taps=taps)
        maps = trunk(torch.empty(1, 3, 128, 192))
    assert count(trunk) == 14_714_688
    assert trunk.exact
    assert [m.shape[1] for m in maps] == list(trunk.channels)
    assert [(128 // s, 192 // s) for s in trunk.strides] == [tuple(m.shape[2:]) for m in maps]
    assert trace(trunk, (1, 3, 128, 128)).outputs == trunk.geometries


def test_sizes_of_the_papers() -> None:
    with torch.device("meta"):
        fcn = VGG16(first_padding=100, ceil_pools=True)(torch.empty(1, 3, 500, 500))
        deeplab = VGG16(atrous=True)(torch.empty(1, 3, 321, 321))
    assert [m.shape[2] for m in fcn] == [349, 175, 88, 44, 22]
    assert [m.shape[2] for m in deeplab] == [161, 81, 41, 41, 41]


def test_receptive_fields_are_the_published_ones() -> None:
    with torch.device("meta"):
        reads = [geometry.receptive_field for geometry in VGG16().geometries]
        before_the_last_pool = VGG16(taps="blocks").geometries[4].receptive_field
    assert reads == [6, 16, 44, 100, 212]
    assert before_the_last_pool == 196


def test_values_neither_grow_nor_fade_from_a_fresh_start() -> None:
    torch.manual_seed(0)
    maps = VGG16()(torch.randn(1, 3, 64, 64))
    assert 0.3 < maps[-1].std() < 3


def test_width_scales_every_map() -> None:
    trunk = VGG16(in_channels=2, width=1 / 16)
    assert trunk.channels == (4, 8, 16, 32, 32)
    assert [m.shape[1] for m in trunk(torch.zeros(1, 2, 32, 32))] == [4, 8, 16, 32, 32]
