"""Networks of the table as exported files: the check that is made when they are written passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from pixelwise import MODELS, Predictor, build_model
from pixelwise.export import export_model
from pixelwise.export.pictures import generate
from pixelwise.inference.runtimes.coarse import CoarseRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.models import SegmentationModel

CLASSES = 3
SEMANTIC = sorted(name for name, entry in MODELS.items() if not entry.objects)


def small(name: str, **options: Any) -> SegmentationModel:
    """Build a small network whose random weights give several classes."""
    torch.manual_seed(0)
    own = {"width": 1 / 16} if MODELS[name].encoder is None else {"encoder": "mobilenetv3_small_050"}
    model = build_model(name, classes=CLASSES, **{**own, **options})
    heads = [part for part in model.network.modules() if isinstance(part, nn.Conv2d) and part.out_channels == CLASSES]
    for head in heads:
        nn.init.normal_(head.weight, std=0.5 / head.weight[0].numel() ** 0.5)
    for part in model.network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # statistics are averaged
    channels = model.preprocessing.channels
    pictures = np.stack([generate(channels, number, (128, 160)) for number in range(4)])
    images = torch.from_numpy(pictures).float() / 64 - 2
    with torch.no_grad():
        model.train().network(images if model.border == "zeros" else images.repeat(1, 1, 2, 2)[..., :252, :252])
        logits = model.eval().coarse(images).logits
        heads[-1].bias = nn.Parameter(-logits.mean((0, 2, 3)) + (heads[-1].bias if heads[-1].bias is not None else 0))
    return model


def check(model: SegmentationModel, out: Path) -> None:
    parity = export_model(model, out).parity
    assert parity.verdict == "equal", parity
    assert any(row.classes > 1 for row in parity.rows)
    assert len(parity.rows) == 10


@pytest.mark.parametrize("name", ["unet", "deeplabv3", "unet2015", "segnet_basic"])
def test_a_network_is_exported(name: str, tmp_path: Path) -> None:
    check(small(name), tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SEMANTIC if name not in ("unet", "unet2015", "segnet_basic")])
def test_every_network_is_exported(name: str, tmp_path: Path) -> None:
    check(small(name), tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deeplabv3", {"form": "smp", "trunk": "resnet18"}),  # stretched from corner to corner
        ("deeplabv3", {"form": "torchvision", "trunk": "resnet18"}),  # no padding, stretched
        ("fcn_dilated", {"stretch": True, "trunk": "resnet18"}),
        ("unet", {"upsampling": "bilinear"}),
        ("unet", {"upsampling": "transposed"}),
        ("unet", {"encoder": "inception_v3"}),  # maps that are no exact fractions
        ("deeplabv3plus", {"encoder": "tf_efficientnet_lite0"}),  # uneven padding
        ("unet", {"in_channels": 1}),
    ],
)
def test_options_that_change_the_grid_are_exported(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    check(small(name, **options), tmp_path / "model.onnx")


@pytest.mark.parametrize("edge", ["none", "zeros"])
def test_edges_are_those_of_the_model(edge: str, tmp_path: Path) -> None:
    model = small("unet", encoder="resnet10t", decoder_channels=(8,))
    model.change_card(edge=edge)
    check(model, tmp_path / "model.onnx")


def test_many_classes_have_wide_labels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model("segnet_basic", classes=300, width=1 / 16).eval()
    out = export_model(model, tmp_path / "model.onnx")
    assert out.parity.verdict == "equal"
    session = onnxruntime.InferenceSession(out.path)
    labels = session.run(["labels"], {"image": generate(3, 0, (40, 50)).transpose(1, 2, 0)[None]})[0]
    assert labels.dtype == np.int64


def test_tiles_share_the_mean_of_image_pooling(tmp_path: Path) -> None:
    model = small("deeplabv3", trunk="resnet18")
    file = export_model(model, tmp_path / "model.onnx").path
    strip = generate(3, 1, (64, 512))
    runtimes: list[CoarseRuntime[Any]] = [TorchRuntime(model, device="cpu", precision="float32")]
    runtime = Predictor(file).runtime
    assert isinstance(runtime, CoarseRuntime)
    runtimes.append(runtime)
    found = []
    for runtime in runtimes:
        alone = np.asarray(runtime.coarse(strip[:, :, :96]).logits)
        with runtime.averaging_over([strip, strip[:, :32, :40]]):
            found.append(np.asarray(runtime.coarse(strip[:, :, :96]).logits))
        np.testing.assert_allclose(runtime.coarse(strip[:, :, :96]).logits, alone, rtol=1e-6)
        assert np.abs(found[-1] - alone).max() > 1e-3
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)
