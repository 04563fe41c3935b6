"""What checkpoints may hold, what is refused, and how it is named. What imported networks compute: test_parity.py."""

from __future__ import annotations

import argparse
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.models import build_model, load_model, save_model
from pixelwise.models.importing.checkpoint import read_checkpoint
from pixelwise.models.importing.importer import import_checkpoint, import_tensors
from pixelwise.types import LabelSpace

STATE = {"a.weight": torch.arange(4.0), "b.bias": torch.ones(2)}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def under(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        under("module."),
        {"epoch": 3, "model": under("module."), "optimizer": {"state": {}}, "args": argparse.Namespace(lr=0.1)},
        {"state_dict": under("model.")},
        {"model_state_dict": under("_orig_mod.module."), "loss": 0.5},
        {"model": {"state_dict": STATE}},
    ],
    ids=["plain", "data parallel", "torchvision's script", "lightning", "compiled", "nested"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_found_wherever_training_loops_keep_them(
    tmp_path: Path, content: dict[str, Any], zipped: bool
) -> None:
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_checkpoint(tmp_path / "a.pth")[0], STATE)


def test_safetensors_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    save_file(under("model."), tmp_path / "a.bin")
    assert same(read_checkpoint(tmp_path / "a.bin")[0], STATE)


def test_a_loss_with_weights_keeps_its_name_beside_the_network(tmp_path: Path) -> None:
    torch.save({**under("model."), "loss.weight": torch.ones(3)}, tmp_path / "a.pth")
    assert set(read_checkpoint(tmp_path / "a.pth")[0]) == {*STATE, "loss.weight"}


class RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("it-ran",)


def test_nothing_in_a_pickle_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"state_dict": RunsCode()}, protocol=2))
    torch.save({"state_dict": STATE, "callback": RunsCode()}, tmp_path / "b.pth")
    for name in ("a.pth", "b.pth"):
        with pytest.raises(ModelError, match=rf"{name}: holds more than tensors.*could run code"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "it-ran").exists()


def test_a_whole_module_is_refused_by_its_type(tmp_path: Path) -> None:
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"conv\.Conv2d.*save model\.state_dict\(\)"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02\x80", b"plain text, and then some"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.pth: .*checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize(("content", "message"), [([1, 2], "holds a list"), ({"epoch": 3}, "no tensors.*epoch")])
def test_a_file_without_tensors_says_what_it_has(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "a.pth")
    with pytest.raises(ModelError, match="no such file"):
        read_checkpoint(tmp_path / "b.pth")


# Names. The network below is smp's U-Net on ResNet-18, written by hand from ours, so that these tests need no smp.


@pytest.fixture(scope="module")
def unet_state() -> dict[str, Tensor]:
    """Tensors by the names of segmentation_models_pytorch, of four classes."""
    torch.manual_seed(0)
    ours = build_model("unet", classes=4, encoder="resnet18", decoder_channels=[32, 16, 8, 8, 8]).network.state_dict()
    smp_state = {}
    for name, value in ours.items():
        name = re.sub(r"^encoder\.body\.", "encoder.", name)
        name = re.sub(r"^decoder\.steps\.(\d)\.0\.", r"decoder.blocks.\1.conv1.", name)
        name = re.sub(r"^decoder\.steps\.(\d)\.1\.", r"decoder.blocks.\1.conv2.", name)
        smp_state[re.sub(r"^head\.", "segmentation_head.0.", name)] = value
    return smp_state


def test_the_names_written_by_hand_are_those_of_the_library(unet_state: dict[str, Tensor]) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    network = smp.Unet("resnet18", encoder_weights=None, classes=4, decoder_channels=(32, 16, 8, 8, 8))
    assert set(unet_state) == set(network.state_dict())


def test_an_imported_model_is_kept_by_its_file(unet_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"state_dict": {f"module.{name}": value for name, value in unet_state.items()}}, tmp_path / "a.pth")
    classes = LabelSpace(("sky", "tree", "road", "car"))
    imported = import_checkpoint(tmp_path / "a.pth", "smp-unet-resnet18", label_space=classes)
    assert imported.mapped == len(unet_state)
    assert imported.left_out == ()
    save_model(imported.model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert loaded.label_space == classes
    assert loaded.options["decoder_channels"] == [32, 16, 8, 8, 8]
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(loaded(images), imported.model(images))


def test_stretched_maps_stay_stretched_in_the_file(tmp_path: Path) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    network = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=3, decoder_channels=32)
    model = import_tensors(network.state_dict(), "smp-deeplabv3plus-resnet18").model
    save_model(model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert loaded.stretch == "corners"
    assert loaded.geometry.whole  # so that no tile claims to equal the whole picture
    images = torch.randn(1, 3, 96, 80)
    with torch.no_grad():
        assert torch.equal(loaded(images), model(images))


def test_classes_and_channels_are_read_from_the_tensors(unet_state: dict[str, Tensor]) -> None:
    infrared = {**unet_state, "encoder.conv1.weight": torch.randn(64, 5, 7, 7)}
    model = import_tensors(infrared, "smp-unet-resnet18").model
    assert len(model.label_space) == 4
    assert model.preprocessing.channels == 5
    assert torch.equal(model.network.state_dict()["encoder.body.conv1.weight"], infrared["encoder.conv1.weight"])


def test_a_tensor_without_a_place_is_named_and_can_be_left_out(unet_state: dict[str, Tensor]) -> None:
    with_loss = {**unet_state, "loss.weight": torch.ones(4)}
    with pytest.raises(ModelError, match=r"1 tensor \(loss\.weight\) has no place"):
        import_tensors(with_loss, "smp-unet-resnet18")
    assert import_tensors(with_loss, "smp-unet-resnet18", leave_out=["loss."]).left_out == ("loss.weight",)


def test_the_classifier_of_the_trunk_is_left_out_by_name(unet_state: dict[str, Tensor]) -> None:
    more = {**unet_state, "encoder.fc.weight": torch.ones(10, 512), "classification_head.3.bias": torch.ones(2)}
    assert set(import_tensors(more, "smp-unet-resnet18").left_out) == set(more) - set(unet_state)


def test_a_missing_tensor_is_named(unet_state: dict[str, Tensor]) -> None:
    less = {name: value for name, value in unet_state.items() if not name.startswith("encoder.layer4.1.bn2")}
    with pytest.raises(ModelError, match=r"4 tensors \(encoder\.body\.layer4\.1\.bn2\.weight, .*\) have to be there"):
        import_tensors(less, "smp-unet-resnet18")


def test_counters_that_early_torch_did_not_keep_begin_at_zero(unet_state: dict[str, Tensor]) -> None:
    less = {name: value for name, value in unet_state.items() if not name.endswith("num_batches_tracked")}
    imported = import_tensors(less, "smp-unet-resnet18")
    assert any("num_batches_tracked" in note for note in imported.notes)
    assert imported.mapped == len(less)


def test_another_network_than_named_is_refused(unet_state: dict[str, Tensor]) -> None:
    with pytest.raises(ModelError, match=r"165 tensors .* have to be there"):
        import_tensors(unet_state, "smp-unet-resnet50")
    with pytest.raises(ModelError, match="have no place in fcn_resnet50"):
        import_tensors(unet_state, "fcn_resnet50")
    wider = {**unet_state, "encoder.layer1.0.conv1.weight": torch.ones(64, 32, 3, 3)}
    with pytest.raises(ModelError, match=r"another shape.*\(64, 32, 3, 3\).*\(64, 64, 3, 3\)"):
        import_tensors(wider, "smp-unet-resnet18")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "fcn_resnet5",
            r"no source 'fcn_resnet5'\. What can be imported: of torchvision fcn_resnet50, .*maskrcnn_resnet50",
        ),
        (
            "smp-fpn-resnet34",
            "of segmentation_models_pytorch smp-unet-ENCODER, smp-deeplabv3-ENCODER, smp-deeplabv3plus",
        ),
        ("yolov8", "What can be imported"),
        ("smp-unet-mit_b0", "no encoder here gives the maps"),
        ("smp-unet-tu-nothing", "no timm model 'nothing'"),
        ("smp-deeplabv3-mobilenet_v2", "no form here"),
    ],
)
def test_a_source_without_a_form_is_refused_by_name(source: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        import_tensors(STATE, source)


def test_wrong_names_and_options_are_refused(unet_state: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="3 classes are named, but this network has 4"):
        import_tensors(unet_state, "smp-unet-resnet18", label_space=LabelSpace(("a", "b", "c")))
    torch.save(unet_state, tmp_path / "a.pth")
    with pytest.raises(SettingError, match=r"a\.pth: there is no option of model 'unet' 'atrous_rates'"):
        import_checkpoint(tmp_path / "a.pth", "smp-unet-resnet18", atrous_rates=[1])
    with pytest.raises(SettingError, match="option 'decoder_channels' of model 'unet' cannot be 'wide'"):
        import_tensors(unet_state, "smp-unet-resnet18", decoder_channels="wide")
