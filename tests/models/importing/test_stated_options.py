"""What configurations and training settings say of a network is taken from there, and refused where it has no form."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pixelwise.errors import ModelError, SettingError
from pixelwise.models.importing.importer import import_checkpoint

SOURCE = "smp-unet-resnet18"


@pytest.fixture(scope="module")
def states() -> dict[int, dict[str, torch.Tensor]]:
    smp = pytest.importorskip("segmentation_models_pytorch")
    return {
        classes: smp.Unet("resnet18", encoder_weights=None, classes=classes, decoder_channels=(8,) * 5).state_dict()
        for classes in (1, 3)
    }


def written(folder: Path, state: dict[str, torch.Tensor], config: dict[str, Any] | None = None, **beside: Any) -> Path:
    torch.save({"state_dict": state, **beside} if beside else state, folder / "model.pth")
    if config is not None:
        (folder / "config.json").write_text(json.dumps({"encoder_name": "resnet18", **config}))
    return folder / "model.pth"


@pytest.mark.parametrize(
    "stated",
    [
        {"config": {"activation": "sigmoid"}},
        {"hyper_parameters": {"model": {"activation": "sigmoid"}}},
        {"hyper_parameters": {"loss": {"mode": "multilabel"}}},
        {"args": argparse.Namespace(activation="sigmoid")},
    ],
    ids=["config", "nested settings", "mode of the loss", "command line"],
)
def test_several_sigmoids_are_refused(states: Any, tmp_path: Path, stated: dict[str, Any]) -> None:
    path = written(tmp_path, states[3], **stated)
    with pytest.raises(ModelError, match=r"model\.pth: .*each of the 3 classes was scored for itself.*no form yet"):
        import_checkpoint(path, SOURCE)
    assert len(import_checkpoint(path, SOURCE, activation="none").model.label_space) == 3  # who wants the largest score
    single = written(tmp_path, states[1], **stated)
    assert len(import_checkpoint(single, SOURCE).model.label_space) == 2  # one sigmoid has a form


def test_several_sigmoids_are_refused_where_the_user_says_so(states: Any, tmp_path: Path) -> None:
    path = written(tmp_path, states[3])
    with pytest.raises(ModelError, match="activation is 'sigmoid', so that each of the 3 classes"):
        import_checkpoint(path, SOURCE, activation="sigmoid")
    with pytest.raises(SettingError, match="activation is 'tanh'; choose none, softmax or sigmoid"):
        import_checkpoint(path, SOURCE, activation="tanh")
    assert any("activation=sigmoid" in note for note in import_checkpoint(path, SOURCE).notes)  # tensors do not tell
    for known in (
        import_checkpoint(path, SOURCE, activation="softmax"),
        import_checkpoint(written(tmp_path, states[1]), SOURCE),
    ):
        assert not any("sigmoid of its own" in note for note in known.notes)


def test_settings_of_other_things_say_nothing(states: Any, tmp_path: Path) -> None:
    path = written(tmp_path, states[3], callbacks={"checkpoint": {"mode": "min"}}, hparams={"activation": "relu"})
    (tmp_path / "config.json").write_text(json.dumps({"activation": "sigmoid"}))  # of no network of the library
    assert len(import_checkpoint(path, SOURCE).model.label_space) == 3


def test_a_configuration_says_how_the_network_was_built(states: Any, tmp_path: Path) -> None:
    config = {"_model_class": "Unet", "encoder_depth": 5, "decoder_interpolation": "bilinear", "activation": None}
    imported = import_checkpoint(written(tmp_path, states[3], config), SOURCE)
    assert imported.model.options["upsampling"] == "bilinear"
    assert [note for note in imported.notes if "by default" in note] == []  # nothing had to be assumed
    assert (
        import_checkpoint(tmp_path / "model.pth", SOURCE, upsampling="nearest").model.options["upsampling"] == "nearest"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoder_name": "resnet34"}, "encoder_name is 'resnet34', but the source names smp-unet-resnet18"),
        ({"_model_class": "FPN"}, "_model_class is 'FPN', but the source names"),
        ({"encoder_depth": 4}, "encoder_depth is 4, which has no form here; it can be 5"),
        ({"decoder_attention_type": "scse"}, "decoder_attention_type is 'scse'"),
        ({"decoder_interpolation": "bicubic"}, "decoder_interpolation is 'bicubic'.*nearest or bilinear"),
        ({"decoder_use_norm": "instancenorm"}, "decoder_use_norm is 'instancenorm'"),
    ],
)
def test_a_configuration_without_a_form_is_refused(
    states: Any, tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, states[3], config)
    with pytest.raises(ModelError, match=rf"config\.json: {message}"):
        import_checkpoint(path, SOURCE)


def test_what_the_library_writes_itself_is_understood(tmp_path: Path) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    for architecture, options, expected in (
        ("Unet", {"decoder_interpolation": "bilinear"}, {"upsampling": "bilinear"}),
        ("DeepLabV3Plus", {"decoder_atrous_rates": (2, 4, 6)}, {"atrous_rates": [2, 4, 6]}),
        ("DeepLabV3", {"encoder_output_stride": 16}, {"output_stride": 16}),
    ):
        folder = tmp_path / architecture
        getattr(smp, architecture)("resnet18", encoder_weights=None, classes=3, **options).save_pretrained(folder)
        imported = import_checkpoint(folder / "model.safetensors", f"smp-{architecture.lower()}-resnet18")
        assert expected.items() <= imported.model.options.items()
        assert not any("by default" in note for note in imported.notes)


def test_a_damaged_configuration_is_named(states: Any, tmp_path: Path) -> None:
    path = written(tmp_path, states[3])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: lies beside model\.pth but is no JSON"):
        import_checkpoint(path, SOURCE)
