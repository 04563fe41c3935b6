"""The practical forms with each way of upsampling that they offer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelwise import build_model, load_model, save_model
from pixelwise.errors import SettingError
from pixelwise.models import SegmentationModel
from pixelwise.nn.upsampling import Doubling, Upsampling
from pixelwise.ops import upsample_argmax
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace

ENCODER = "mobilenetv3_small_050"

CHOICES: list[tuple[str, Upsampling]] = [
    ("unet", "nearest"),
    ("unet", "bilinear"),
    ("unet", "transposed"),
    ("unet", "unpool"),
    ("fcn", "nearest"),
    ("fcn", "bilinear"),
    ("fcn", "transposed"),
]


def build(name: str, upsampling: Upsampling, encoder: str = ENCODER) -> SegmentationModel:
    torch.manual_seed(0)
    return build_model(name, classes=3, encoder=encoder, upsampling=upsampling)


@pytest.mark.parametrize(("name", "upsampling"), CHOICES)
def test_any_size_trains_saves_and_loads(name: str, upsampling: Upsampling, tmp_path: Path) -> None:
    model = build(name, upsampling).train()
    for size in ((37, 53), (64, 96)):
        model.zero_grad()
        loss = F.cross_entropy(model(torch.randn(1, 3, *size)), torch.randint(0, 3, (1, *size)))
        loss.backward()
        assert not [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    save_model(model, tmp_path / "model.safetensors")
    loaded, images = load_model(tmp_path), torch.randn(1, 3, 40, 50)
    assert loaded.options["upsampling"] == upsampling
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), model.eval()(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "upsampling"), [("unet", "unpool"), ("unet", "transposed"), ("unet", "bilinear"), ("fcn", "transposed")]
)
def test_encoders_with_unpadded_convolutions(name: str, upsampling: Upsampling) -> None:
    with torch.device("meta"):
        assert build(name, upsampling, "inception_v3")(torch.zeros(1, 3, 193, 250)).shape == (1, 3, 193, 250)


@pytest.mark.parametrize(("name", "default"), [("unet", "nearest"), ("fcn", "bilinear")])
def test_the_default_has_the_tensors_of_files_without_the_option(name: str, default: Upsampling) -> None:
    chosen = build(name, default)
    torch.manual_seed(0)
    plain = build_model(name, classes=3, encoder=ENCODER)
    assert plain.state_dict().keys() == chosen.state_dict().keys()
    assert not [key for key in plain.state_dict() if "doublings" in key or "enlarge" in key]
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(images), chosen.eval()(images), rtol=0, atol=0)


def test_ways_differ_and_reach_is_still_known() -> None:
    images = torch.randn(1, 3, 64, 64)
    results = []
    for upsampling in ("nearest", "bilinear", "transposed", "unpool"):
        model = build("unet", upsampling, "resnet18").eval()
        assert model.geometry.receptive_field is not None
        with torch.no_grad():
            results.append(model(images))
    for i, one in enumerate(results):
        for other in results[i + 1 :]:
            assert (one - other).abs().max() > 1e-3


def test_an_fcn_with_learnt_kernels_starts_bilinear_inside() -> None:
    bilinear, transposed = build("fcn", "bilinear"), build("fcn", "transposed")
    for model in (bilinear, transposed):
        for key, part in model.named_modules():
            if isinstance(part, nn.Conv2d) and part.out_channels == 3 and ".decoder." in key:
                nn.init.constant_(part.weight, 0.1)
    images = torch.randn(1, 3, 192, 192)
    with torch.no_grad():
        ours, reference = transposed.eval().coarse(images).logits, bilinear.eval().coarse(images).logits
    # The border row of cells differs by the zeros around; two doublings carry that three cells of stride 8 inwards.
    torch.testing.assert_close(ours[:, :, 3:-3, 3:-3], reference[:, :, 3:-3, 3:-3], rtol=1e-4, atol=1e-5)
    assert (ours - reference).abs().max() > 1e-3


def test_unpooled_values_land_on_the_largest_of_the_finer_map() -> None:
    torch.manual_seed(0)
    doubling = Doubling(6, 4, "unpool")
    decoded, skip = torch.rand(2, 6, 3, 4), torch.randn(2, 4, 5, 8)
    with torch.no_grad():
        result, values = doubling(decoded, skip), doubling.match(decoded)
    assert result.shape == skip.shape
    for n in range(2):
        for channel in range(4):
            for y in range(3):
                for x in range(4):
                    block = skip[n, channel, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
                    cell = result[n, channel, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
                    assert int((cell != 0).sum()) == 1
                    assert float(cell.flatten()[block.argmax()]) == float(values[n, channel, y, x])


def test_up_convolutions_halve_the_channels() -> None:
    doubling = Doubling(32, 16, "transposed")
    assert doubling.out_channels == 16
    assert sum(p.numel() for p in doubling.parameters()) == 2 * 32 * 32 + 16
    values = doubling(torch.randn(4, 32, 20, 20), None)
    assert values.shape == (4, 16, 40, 40)
    assert 0.8 < float(values.std().detach()) < 1.25  # a fresh up-convolution keeps the size of values


def test_wrong_ways_are_named() -> None:
    with pytest.raises(SettingError, match="'nearest', 'bilinear' or 'transposed'"):
        build("fcn", "unpool")
    with pytest.raises(SettingError, match="cubic"):
        build("unet", "cubic")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="upsampling"):
        build_model("segnet", classes=2, width=1 / 32, upsampling="nearest")


class Strip(nn.Module):
    """One cell along either axis, or along both: the mean over it is the score of each class."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(self.axes, keepdim=True)


@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)])
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (6, 9)])
def test_a_single_cell_is_stretched_from_corner_to_corner(axes: tuple[int, ...], size: tuple[int, int]) -> None:
    preprocessing = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3)
    labels = LabelSpace(("red", "green", "blue"))
    model = SegmentationModel(
        Strip(axes), label_space=labels, preprocessing=preprocessing, stride=1, stretch="corners"
    ).eval()
    images = torch.randn(2, 3, *size)
    extended = model._extend(images)
    expected = F.interpolate(Strip(axes)(extended), extended.shape[2:], mode="bilinear", align_corners=True)
    expected = expected[:, :, : size[0], : size[1]]
    torch.testing.assert_close(model(images), expected)
    coarse = model.coarse(images)
    labels_of = upsample_argmax(coarse.logits, size, scale=coarse.scale, offset=coarse.offset)
    assert torch.equal(labels_of.long(), expected.argmax(1))
