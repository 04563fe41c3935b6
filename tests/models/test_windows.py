"""A decoder that computes a window alone gives what it gives for the whole picture, and computes less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.models import SegmentationModel, build_model, deeplab_v3plus, unet
from pixelwise.nn.fused.windows import crop, everything, widen
from pixelwise.tiling import Window

SIZE = (160, 224)
WINDOWS = [np.s_[70:90, 97:120], np.s_[0:1, 0:1], np.s_[159:160, 223:224], np.s_[33:131, 0:64], np.s_[0:160, 64:65]]
NETWORKS: dict[str, dict[str, Any]] = {
    "nearest": {"name": "unet", "encoder": "resnet10t"},
    "bilinear": {"name": "unet", "encoder": "resnet10t", "upsampling": "bilinear"},
    "transposed": {"name": "unet", "encoder": "resnet10t", "upsampling": "transposed"},
    "unpool": {"name": "unet", "encoder": "resnet10t", "upsampling": "unpool"},
    "mobile": {"name": "unet", "encoder": "tf_efficientnet_lite0"},
    "deeplab": {"name": "deeplabv3plus", "encoder": "resnet10t"},
    "full convolutions": {"name": "deeplabv3plus", "encoder": "resnet10t", "separable": False},
}


def lively(name: str, **options: Any) -> SegmentationModel:
    torch.manual_seed(0)
    model = build_model(name, classes=4, **options).eval()
    assert isinstance(model, SegmentationModel)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return model


def difference(runtime: TorchRuntime, window: Window) -> float:
    """Largest difference of the probabilities of a window, computed alone and with all else."""
    image = np.random.default_rng(0).integers(0, 256, (3, *SIZE), dtype=np.uint8)
    _, whole = runtime.probabilities(image, everything(SIZE))
    _, alone = runtime.probabilities(image, window)
    return float(np.abs(whole[:, window[0], window[1]] - alone).max())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_window_is_as_if_all_were_computed(network: str) -> None:
    model = lively(**NETWORKS[network])
    assert model.windowed
    runtime = TorchRuntime(model, device="cpu", precision="float64")
    for window in WINDOWS:
        assert difference(runtime, window) < 1e-6, window  # probabilities are kept in float32
    with torch.inference_mode():
        images = torch.zeros(1, 3, *SIZE)
        whole, part = model.coarse(images).logits, model.coarse(images, WINDOWS[0]).logits
    assert part.shape[2] < 0.6 * whole.shape[2]
    assert part.shape[3] < 0.6 * whole.shape[3]


@pytest.mark.parametrize(("network", "module"), [("nearest", unet), ("bilinear", unet), ("deeplab", deeplab_v3plus)])
def test_what_lies_around_is_needed(network: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = TorchRuntime(lively(**NETWORKS[network]), device="cpu", precision="float64")
    monkeypatch.setattr(module, "widen", lambda window, by, unit, size: widen(window, 0, unit, size))
    assert max(difference(runtime, window) for window in WINDOWS) > 1e-4


def test_networks_that_compute_all_say_so() -> None:
    for options in ({"name": "fcn", "encoder": "resnet10t"}, {"name": "unet2015", "width": 2}, {"name": "segnet"}):
        model = build_model(**options, classes=2).eval()
        assert isinstance(model, SegmentationModel)
        assert not model.windowed
        with torch.inference_mode():
            images = torch.zeros(1, 3, 64, 64)
            assert torch.equal(model.coarse(images, np.s_[0:4, 0:4]).logits, model.coarse(images).logits)


def test_the_halo_costs_the_encoder_alone() -> None:
    cost = TorchRuntime(lively(**NETWORKS["nearest"]), device="cpu", precision="float32").cost
    assert 0.2 < cost.share_around < 0.8
    assert cost.bytes_held < cost.bytes_around <= cost.bytes
    assert TorchRuntime(lively("fcn", encoder="resnet10t"), device="cpu", precision="float32").cost.share_around == 1


def test_windows_widen_to_whole_units_within_the_picture() -> None:
    assert widen(np.s_[5:9, 0:3], 2, 4, (12, 16)) == np.s_[0:12, 0:8]
    assert widen(np.s_[5:9, 4:8], 0, 4, (12, 16)) == np.s_[4:12, 4:8]


def test_a_crop_is_a_copy_in_the_same_layout() -> None:
    features = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6).contiguous(memory_format=torch.channels_last)
    covered = np.s_[8:40, 0:48]
    assert crop(features, covered, covered, 8) is features
    part = crop(features, np.s_[16:32, 40:48], covered, 8)
    assert torch.equal(part, features[:, :, 1:3, 5:6])
    assert part.is_contiguous(memory_format=torch.channels_last)
    assert part.untyped_storage().nbytes() == 4 * part.numel()
