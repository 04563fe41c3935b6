from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import alexnet

from pixelwise import build_model
from pixelwise.encoders import build_encoder
from pixelwise.encoders.alexnet import AlexNet, alexnet_from_torchvision
from pixelwise.errors import ModelError
from pixelwise.nn.tracing.trace import trace


@pytest.fixture(scope="module")
def published() -> nn.Module:
    torch.manual_seed(0)
    network = alexnet(weights=None, num_classes=2)
    network.classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(9216, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU()
    )
    return network.double().eval()


def test_the_trunk_computes_what_torchvisions_does(published: nn.Module) -> None:
    state = alexnet_from_torchvision(published.state_dict())
    trunk = AlexNet(first_padding=2, pool_padding=0).double()
    assert not trunk.load_state_dict({k: v for k, v in state.items() if k.startswith("conv")}).missing_keys
    images = torch.randn(1, 3, 224, 240, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(trunk(images)[-1], published.features(images))


def test_the_classifier_slides(published: nn.Module) -> None:
    state = alexnet_from_torchvision(published.state_dict())
    features = torch.randn(1, 256, 6, 6, dtype=torch.float64)
    slid = torch.relu(nn.functional.conv2d(features, state["fc6.weight"], state["fc6.bias"]))
    slid = torch.relu(nn.functional.conv2d(slid, state["fc7.weight"], state["fc7.bias"]))
    torch.testing.assert_close(slid.flatten(1), published.classifier(features.flatten(1)))
    with pytest.raises(ModelError, match=r"features\.0\.weight"):
        alexnet_from_torchvision({})


def test_channels_are_normalised_by_their_neighbours() -> None:
    """The formula of the paper with Caffe's parameters: five channels, alpha shared among them, k = 1."""
    torch.manual_seed(0)
    features = 100 * torch.randn(1, 8, 2, 2, dtype=torch.float64)
    normalised = AlexNet(width=1 / 8, form="caffe")._normalise(features)
    for channel in range(8):
        near = features[:, max(0, channel - 2) : channel + 3]
        expected = features[:, channel] / (1 + 1e-4 / 5 * near.square().sum(1)) ** 0.75
        torch.testing.assert_close(normalised[:, channel], expected)


@pytest.mark.parametrize(("form", "parameters"), [("torchvision", 2_469_696), ("caffe", 2_334_080)])
def test_declared_channels_strides_and_geometry(form: Literal["caffe", "torchvision"], parameters: int) -> None:
    with torch.device("meta"):
        trunk = AlexNet(form=form)
        maps: list[Tensor] = trunk(torch.empty(1, 3, 128, 192))
    assert sum(p.numel() for p in trunk.parameters()) == parameters
    assert trunk.exact
    assert [m.shape[1] for m in maps] == list(trunk.channels)
    assert [tuple(m.shape[2:]) for m in maps] == [(128 // s, 192 // s) for s in trunk.strides]
    assert trace(trunk, (1, 3, 256, 256)).outputs == trunk.geometries
    assert trunk.geometries[-1].receptive_field == 195


@pytest.mark.parametrize("name", ["unet", "fcn", "deeplabv3plus"])
def test_the_practical_forms_take_it(name: str) -> None:
    torch.manual_seed(0)
    assert isinstance(build_encoder("alexnet", in_channels=2), AlexNet)
    model = build_model(name, classes=3, encoder="alexnet").eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 50, 70)).shape == (1, 3, 50, 70)
