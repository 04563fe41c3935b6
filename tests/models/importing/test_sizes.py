"""Pictures whose sides are no multiple of the stride: imported networks label them as their library does, or say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from pixelwise import build_model, load_model, save_model
from pixelwise.errors import ModelError
from pixelwise.inference import Predictor
from pixelwise.models import SegmentationModel
from pixelwise.models.importing.importer import import_tensors
from pixelwise.models.prepare import prepare

SIZES = ((97, 131), (33, 47), (20, 50), (64, 96), (95, 64))
COPYING = ("resnet18", "mobilenet_v2", "tu-mobilenetv3_small_050", "tu-regnetx_002")
STRETCHED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bilinear": ("resnet18", {"decoder_interpolation": "bilinear"}, {"upsampling": "bilinear"}),
    "rounding down": ("efficientnet-b0", {}, {}),
    "padding by size": ("tu-tf_efficientnet_lite0", {}, {}),
    "without a map of stride 2": ("tu-convnext_atto", {}, {}),
}


def smp_network(architecture: str, encoder: str, **options: Any) -> nn.Module:
    """Build a small network of the library whose normalisations do something."""
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    width: Any = (16, 8, 8, 8, 8) if architecture == "Unet" else 16
    network: nn.Module = getattr(smp, architecture)(
        encoder, encoder_weights=None, classes=3, decoder_channels=width, **options
    )
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return network.eval()


def imported(network: nn.Module, source: str, **options: Any) -> tuple[SegmentationModel, tuple[str, ...]]:
    result = import_tensors(network.state_dict(), source, **options)
    assert isinstance(result.model, SegmentationModel)
    return result.model, result.notes


@pytest.mark.parametrize("encoder", COPYING)
@torch.no_grad()
def test_scores_equal_those_of_smp_at_any_size(encoder: str) -> None:
    network = smp_network("Unet", encoder)
    model, notes = imported(network, f"smp-unet-{encoder}")
    assert model.edge == "none"
    assert not any("differ" in note for note in notes)
    network, model = network.double(), model.double()
    fast = prepare(model, dtype=torch.float64)
    for size in SIZES:
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        expected = network(images)
        for made in (model, fast):
            torch.testing.assert_close(made(images), expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


@torch.no_grad()
def test_tiles_of_odd_pictures_equal_the_whole() -> None:
    model, _ = imported(smp_network("Unet", "tu-resnet10t"), "smp-unet-tu-resnet10t")
    picture = np.random.default_rng(0).integers(0, 256, (331, 427, 3), dtype=np.uint8)
    whole = Predictor(model, precision="float64")(picture, probabilities=True)
    predictor = Predictor(model, precision="float64", mode="exact", tile=64)
    assert len(predictor.plan((331, 427))) == 42
    tiled = predictor(picture, probabilities=True)
    assert whole.probabilities is not None
    assert tiled.probabilities is not None
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(tiled.labels, whole.labels)


def test_the_file_keeps_it(tmp_path: Path) -> None:
    network = smp_network("Unet", "resnet18")
    model, _ = imported(network, "smp-unet-resnet18")
    save_model(model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert loaded.edge == "none"
    images = torch.randn(1, 3, 45, 61)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), network(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"encoder": "resnet10t", "upsampling": "bilinear"}),
        ("unet", {"encoder": "test_convnext"}),
        ("unet", {"encoder": "densenet121"}),
        ("fcn", {"encoder": "resnet10t"}),
        ("unet2015", {"width": 1 / 16}),
    ],
)
def test_a_file_must_not_claim_it_of_other_networks(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = tmp_path / "a.safetensors"
    save_model(build_model(name, classes=2, **options), path)
    with safe_open(path, framework="pt") as opened:
        described = json.loads(opened.metadata()["pixelwise"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    save_file(tensors, path, metadata={"pixelwise": json.dumps({**described, "edge": "none"})})
    with pytest.raises(ModelError, match=r"a\.safetensors.*do not round the size of pictures up"):
        load_model(path)


@pytest.mark.parametrize("case", STRETCHED)
@torch.no_grad()
def test_import_says_where_labels_differ(case: str) -> None:
    encoder, smp_options, our_options = STRETCHED[case]
    network = smp_network("Unet", encoder, **smp_options)
    model, notes = imported(network, f"smp-unet-{encoder}", **our_options)
    assert model.edge == "mirror"
    assert "labels differ from smp's where a side is no multiple of 32 or has less than 64 pixels" in notes[-1]
    for size, same in (((64, 96), True), ((97, 131), False), ((32, 96), False)):
        images = torch.randn(1, 3, *size)
        expected = network(images)
        assert torch.allclose(model(images), expected, rtol=0, atol=1e-4 * float(expected.abs().max())) == same


@torch.no_grad()
def test_import_says_how_sizes_are_taken_that_smp_refuses() -> None:
    network = smp_network("DeepLabV3Plus", "resnet18")
    model, notes = imported(network, "smp-deeplabv3plus-resnet18")
    assert "where a side is no multiple of 16, which smp refuses, the picture goes on with zeros" in notes
    assert "labels differ from smp's where a side has less than 32 pixels: the picture goes on with zeros" in notes
    with pytest.raises(RuntimeError, match="divisible by 16"):
        network(torch.zeros(1, 3, 45, 61))
    assert model(torch.zeros(1, 3, 45, 61)).shape == (1, 3, 45, 61)
