"""The same weights give the same scores: our forms beside the networks of torchvision, smp and timm, in float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from pixelwise.encoders import TimmEncoder
from pixelwise.models import SegmentationModel, load_model, save_model
from pixelwise.models.importing.importer import import_tensors

TOLERANCE = 1e-5
CLASSES = 5


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics, scales and shifts that matter, and biases that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
        elif name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    assert expected.std() > 0.01 * expected.abs().max()  # a flat map would agree with anything
    return float((found - expected).abs().max() / expected.abs().max())


def images(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def hold(network: nn.Module, source: str, *sizes: tuple[int, int], **options: Any) -> SegmentationModel:
    """Import a network's tensors and compare full-size scores, at several sizes."""
    randomised(network)
    model = import_tensors(network.state_dict(), source, **options).model
    network.double()
    model.double()
    for size in sizes:
        given = images(*size, model.preprocessing.channels)
        expected = network(given)
        expected = expected["out"] if isinstance(expected, dict) else expected
        assert relative_error(model(given), expected) < TOLERANCE
    return model


# torchvision: any size, odd ones too, since it stretches its map over the picture.

ODD = (65, 81)


@pytest.mark.parametrize(
    "name",
    [
        "fcn_resnet50",
        "deeplabv3_resnet50",
        "deeplabv3_mobilenet_v3_large",
        pytest.param("fcn_resnet101", marks=pytest.mark.slow),
        pytest.param("deeplabv3_resnet101", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_torchvision(name: str) -> None:
    from torchvision.models import segmentation

    network = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)
    model = hold(network, name, ODD)

    # In training the auxiliary scores come along; batch norms stay as they are, so that both can be compared.
    model.network.training = True
    given = images(64, 64)
    auxiliary = model.coarse(given).auxiliary[0]
    full = nn.functional.interpolate(auxiliary, (64, 64), mode="bilinear", align_corners=False)
    assert relative_error(full, network(given)["aux"]) < TOLERANCE


# segmentation_models_pytorch: sizes that its stride divides, and twice as large; others are padded here, while the
# library refuses them or resizes maps within.

SMP = {
    "smp-unet-resnet18": ("Unet", "resnet18", {}, ((96, 128), (64, 96))),
    "smp-unet-resnet34": ("Unet", "resnet34", {"decoder_channels": (64, 32, 16, 16, 8)}, ((64, 96),)),
    "smp-unet-resnext50_32x4d": ("Unet", "resnext50_32x4d", {"in_channels": 4}, ((64, 64),)),
    "smp-unet-tu-efficientnet_b0": ("Unet", "tu-efficientnet_b0", {}, ((64, 96),)),
    "smp-unet-tu-convnext_atto": ("Unet", "tu-convnext_atto", {}, ((64, 96),)),
    "smp-unet-mobilenet_v2": ("Unet", "mobilenet_v2", {"in_channels": 1}, ((64, 96),)),
    "smp-unet-efficientnet-b0": ("Unet", "efficientnet-b0", {}, ((64, 96),)),
    "smp-unet-efficientnet-b2": ("Unet", "efficientnet-b2", {}, ((64, 96),)),
    "smp-unet-timm-efficientnet-b0": ("Unet", "timm-efficientnet-b0", {}, ((64, 96),)),
    "smp-unet-timm-tf_efficientnet_lite0": ("Unet", "timm-tf_efficientnet_lite0", {}, ((64, 96),)),
    "smp-deeplabv3-resnet18": ("DeepLabV3", "resnet18", {}, ((96, 72),)),
    "smp-deeplabv3-resnet50": ("DeepLabV3", "resnet50", {}, ((64, 72),)),
    "smp-deeplabv3plus-resnet18": ("DeepLabV3Plus", "resnet18", {"decoder_channels": 64}, ((96, 80), (64, 64))),
    "smp-deeplabv3plus-resnet50": ("DeepLabV3Plus", "resnet50", {}, ((64, 80),)),
    "smp-deeplabv3plus-tu-resnet18": ("DeepLabV3Plus", "tu-resnet18", {"in_channels": 1}, ((96, 80),)),
    "smp-deeplabv3plus-resnext50_32x4d": ("DeepLabV3Plus", "resnext50_32x4d", {}, ((64, 80),)),
    "smp-deeplabv3plus-mobilenet_v2": ("DeepLabV3Plus", "mobilenet_v2", {}, ((96, 80),)),
    "smp-deeplabv3plus-efficientnet-b0": ("DeepLabV3Plus", "efficientnet-b0", {}, ((96, 80),)),
    "smp-deeplabv3plus-timm-efficientnet-b0": ("DeepLabV3Plus", "timm-efficientnet-b0", {}, ((96, 80),)),
}


SLOW = {"smp-deeplabv3-resnet50", "smp-deeplabv3plus-resnext50_32x4d", "smp-deeplabv3plus-timm-efficientnet-b0"}
"""These repeat on other encoders what the rest shows."""


def smp_network(architecture: str, encoder: str, **options: Any) -> nn.Module:
    smp = pytest.importorskip("segmentation_models_pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its names that begin with timm-
        build = getattr(smp, architecture)
        network: nn.Module = build(encoder, encoder_weights=None, **{"classes": CLASSES, **options})
    return network


@pytest.mark.parametrize("source", [pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW)) for s in SMP])
def test_smp(source: str) -> None:
    architecture, encoder, options, sizes = SMP[source]
    hold(smp_network(architecture, encoder, **options), source, *sizes)


BUILT_OTHERWISE: dict[str, tuple[str, Callable[[], nn.Module], dict[str, Any]]] = {
    "bilinear": (
        "smp-unet-resnet18",
        lambda: smp_network("Unet", "resnet18", decoder_interpolation="bilinear"),
        {"upsampling": "bilinear"},
    ),
    "rates": (
        "smp-deeplabv3plus-resnet18",
        lambda: smp_network("DeepLabV3Plus", "resnet18", decoder_atrous_rates=(2, 4, 6)),
        {"atrous_rates": [2, 4, 6]},
    ),
    "stride": (
        "smp-deeplabv3-resnet18",
        lambda: smp_network("DeepLabV3", "resnet18", encoder_output_stride=16),
        {"output_stride": 16},
    ),
}


@pytest.mark.parametrize("case", BUILT_OTHERWISE)
def test_smp_networks_that_were_built_with_other_options(case: str) -> None:
    source, build, options = BUILT_OTHERWISE[case]
    hold(build(), source, (96, 128), **options)
    with pytest.raises(AssertionError):  # the option is what makes them equal
        hold(build(), source, (96, 128))


@torch.no_grad()
def test_one_sigmoid_becomes_the_softmax_of_two_classes(tmp_path: Any) -> None:
    network = randomised(smp_network("Unet", "resnet18", classes=1))
    save_model(import_tensors(network.state_dict(), "smp-unet-resnet18").model, tmp_path / "model.safetensors")
    model = load_model(tmp_path / "model.safetensors").double()
    given = images(64, 64)
    probability = network.double()(given).sigmoid()
    assert probability.std() > 0.01
    found = model(given).softmax(1)
    torch.testing.assert_close(found[:, 1:], probability)
    assert len(model.label_space) == 2


# timm: the adapter's maps are timm's own, dilated or not.


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [("resnet18", 32), ("resnet18", 8), ("mobilenetv3_small_050", 16), ("tf_efficientnet_lite0", 16)],
)
@torch.no_grad()
def test_timm_trunks(name: str, output_stride: int) -> None:
    options = {} if output_stride == 32 else {"output_stride": output_stride}
    reference = randomised(timm.create_model(name, features_only=True, **options)).double()
    ours = TimmEncoder(name, output_stride=output_stride).double().eval()
    ours.body.load_state_dict(reference.state_dict())
    for found, expected in zip(ours(images(64, 96)), reference(images(64, 96)), strict=True):
        assert relative_error(found, expected) < TOLERANCE
