"""What every entry of MODELS that labels pixels must do, whatever its family."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pixelwise import MODELS, LabelSpace, Preprocessing, build_model, load_model, save_model
from pixelwise.errors import ModelError, PixelwiseError, SettingError
from pixelwise.models import SegmentationModel

ENCODER = "mobilenetv3_small_050"
SEMANTIC = sorted(name for name, entry in MODELS.items() if not entry.objects)


def small(name: str) -> dict[str, Any]:
    """Options that make a network small: a small encoder, or a trunk of its own at a fraction of its width."""
    return {"width": 1 / 16} if MODELS[name].encoder is None else {"encoder": ENCODER}


@pytest.fixture(params=SEMANTIC)
def model(request: pytest.FixtureRequest) -> SegmentationModel:
    torch.manual_seed(0)
    return build_model(request.param, classes=3, **small(request.param)).eval()


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1), (1, 70), (129, 130)])
def test_any_size_gives_logits_of_that_size(model: SegmentationModel, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 3, *size)
    assert torch.isfinite(logits).all()


def test_forward_reads_the_grid_that_coarse_states(model: SegmentationModel) -> None:
    images = torch.randn(1, 3, 75, 50)
    with torch.no_grad():
        coarse, full = model.coarse(images), model(images)
    rows = (torch.arange(75) * coarse.scale + coarse.offset).clamp(0, coarse.logits.shape[2] - 1)
    columns = (torch.arange(50) * coarse.scale + coarse.offset).clamp(0, coarse.logits.shape[3] - 1)
    for y in range(0, 75, 7):
        for x in range(0, 50, 7):
            top, left = int(rows[y]), int(columns[x])
            down, right = min(top + 1, coarse.logits.shape[2] - 1), min(left + 1, coarse.logits.shape[3] - 1)
            v, u = rows[y] - top, columns[x] - left
            cell = coarse.logits[0]
            expected = (1 - v) * ((1 - u) * cell[:, top, left] + u * cell[:, top, right]) + v * (
                (1 - u) * cell[:, down, left] + u * cell[:, down, right]
            )
            torch.testing.assert_close(full[0, :, y, x], expected, rtol=1e-4, atol=1e-5)


def test_cells_do_not_move_with_the_size_of_the_picture(model: SegmentationModel) -> None:
    with torch.no_grad():
        odd, even = model.coarse(torch.zeros(1, 3, 97, 99)), model.coarse(torch.zeros(1, 3, 96, 128))
    assert (odd.scale, odd.offset) == (even.scale, even.offset)
    assert odd.scale == 1 / model.stride


def test_every_parameter_gets_a_gradient_from_a_batch_of_one(model: SegmentationModel) -> None:
    model.train()
    loss = F.cross_entropy(model(torch.randn(1, 3, 33, 40)), torch.randint(0, 3, (1, 33, 40)))
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
@pytest.mark.parametrize("name", SEMANTIC)
def test_any_number_of_channels(name: str, channels: int) -> None:
    built = build_model(name, classes=2, in_channels=channels, **small(name)).eval()
    with torch.no_grad():
        assert built(torch.randn(1, channels, 40, 40)).shape == (1, 2, 40, 40)
    with pytest.raises(ModelError, match=f"N, {channels}, H, W"):
        built(torch.randn(1, channels + 1, 40, 40))


def test_a_file_holds_everything(model: SegmentationModel, tmp_path: Path) -> None:
    space = LabelSpace(("sky", "sea", "land"), background=0, mapping={0: 0, 7: 1, 9: 2, 11: 255})
    preprocessing = Preprocessing((0.1, 0.2, 0.3), (0.5, 0.6, 0.7), value_range=(10.0, 4000.0))
    model.change_card(label_space=space, preprocessing=preprocessing)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path)
    assert loaded.label_space == model.label_space
    assert loaded.label_space.mapping == model.label_space.mapping
    assert loaded.preprocessing == model.preprocessing
    assert loaded.name == model.name
    images = torch.randn(1, 3, 50, 41)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), model(images), rtol=0, atol=0)


@pytest.mark.parametrize("name", SEMANTIC)
def test_builds_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        built = build_model(name, classes=5, **small(name))
    assert {parameter.device.type for parameter in built.parameters()} == {"meta"}


@pytest.mark.parametrize(
    "encoder", ["resnet18", "convnext_atto", "densenet121", "vgg11", "inception_v3", "regnetx_002"]
)
@pytest.mark.parametrize("name", [name for name in SEMANTIC if MODELS[name].encoder is not None])
def test_families_of_encoders(name: str, encoder: str) -> None:
    with torch.device("meta"):
        built = build_model(name, classes=4, encoder=encoder)
        assert built(torch.zeros(1, 3, 193, 250)).shape == (1, 4, 193, 250)


@pytest.mark.parametrize("encoder", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_encoders_without_a_pyramid_are_refused(encoder: str) -> None:
    with pytest.raises(ModelError, match=f"'{encoder}'.*choose|takes"):
        build_model("unet", classes=2, encoder=encoder)


def test_wrong_names_offer_near_ones() -> None:
    with pytest.raises(ModelError, match="deeplabv3plus"):
        build_model("deeplab3plus", classes=2)
    with pytest.raises(ModelError, match="resnet18"):
        build_model("unet", classes=2, encoder="resnet-18")
    with pytest.raises(SettingError, match="decoder_channels"):
        build_model("unet", classes=2, encoder=ENCODER, decoder_chanels=(8,))
    with pytest.raises(
        SettingError, match="option 'width' of model 'fcn8s' cannot be 0: input should be greater than 0"
    ):
        build_model("fcn8s", classes=2, width=0)
    with pytest.raises(SettingError, match="at least 1"):
        build_model("unet", classes=0, encoder=ENCODER)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04rest of a zip", "pickle"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"", "no safetensors"),
        (b"hello", "no safetensors"),
    ],
)
def test_files_that_are_no_model_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason) as caught:
        load_model(path)
    assert str(path) in str(caught.value)


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such"):
        load_model(tmp_path / "nothing.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_model(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_former_model_file(tmp_path: Path) -> None:
    import resource

    small = build_model("fcn", classes=2, encoder=ENCODER)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the former one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(PixelwiseError, match=r"model\.safetensors"):
            save_model(small, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"the former one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
