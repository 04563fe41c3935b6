"""The card of a model: kept by its file, equal to what the network says, and bounded whatever a file claims."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pixelwise import MODELS, build_model, load_model, save_model
from pixelwise.card import ModelCard, TrainingSummary
from pixelwise.encoders.sizes import Pyramid
from pixelwise.errors import ModelError, PixelwiseError
from pixelwise.models import Model, SegmentationModel
from pixelwise.models import base as models_base
from pixelwise.models.files import read_card

SMALL = {"unet": "resnet10t", "fcn": "resnet10t", "deeplabv3plus": "resnet10t", "mask_rcnn": "resnet10t"}
WIDTH = {"unet2015": 0.125, "segnet": 0.125, "segnet_basic": 0.25}


def small(name: str) -> Model:
    options: dict[str, Any] = {"width": WIDTH[name]} if name in WIDTH else {}
    return build_model(name, classes=3, encoder=SMALL.get(name), **options).eval()


def written(path: Path, **changes: Any) -> Path:
    """Change what a model file says; None takes a key away."""
    with safe_open(path, framework="pt") as opened:
        described = json.loads(opened.metadata()["pixelwise"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    for key, value in changes.items():
        if value is None:
            del described[key]
        else:
            described[key] = value
    save_file(tensors, path, metadata={"pixelwise": json.dumps(described)})
    return path


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_file_keeps_the_card_and_its_geometry_is_that_of_the_network(name: str, tmp_path: Path) -> None:
    model = small(name)
    summary = TrainingSummary(data="0123456789abcdef", pictures=5, steps=100, scores={"mIoU": 0.5, "dice": None})
    model.change_card(fast_halo=32, training=summary)
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.card == model.card == read_card(path)
    assert loaded.card.geometry == loaded.trace_geometry()
    assert loaded.training_summary == summary


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "mask_rcnn", "unet2015"])
def test_opening_a_model_traces_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    model = small(name)
    save_model(model, path)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was run on shapes")

    monkeypatch.setattr(models_base, "trace", never)
    monkeypatch.setattr(Pyramid, "measure", never)
    loaded = load_model(path)
    images = torch.randn(1, 3, 70, 90)
    with torch.no_grad():
        if isinstance(model, SegmentationModel) and isinstance(loaded, SegmentationModel):
            torch.testing.assert_close(loaded(images), model(images), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "mask_rcnn"])
def test_files_from_before_there_was_a_geometry_are_traced(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = small(name)
    save_model(model, path)
    written(path, geometry=None, kind=None, training=None)
    assert not isinstance(read_card(path), ModelCard)
    assert load_model(path).card == model.card


ROWS = [[i, i, i] for i in range(32)]


@pytest.mark.parametrize(
    "geometry",
    [
        {"period": 16, "least": 0, "phases": [[i, i, i] for i in range(16)], "exact_maps": True},  # not its strides
        {"period": 32, "least": 0, "phases": ROWS[:-1], "exact_maps": True},
        {"period": 32, "least": 0, "phases": [[5, 4, 0], *ROWS[1:]], "exact_maps": True},
        {"period": 32, "least": 0, "phases": [[0, 40, 0], *ROWS[1:]], "exact_maps": True},  # falls
        {"period": 32, "least": 0, "phases": [*ROWS[:-1], [31, 31, 32]], "exact_maps": True},  # loses a pixel
        {"period": 32, "least": 0, "phases": [*ROWS[:-1], [31, 10**9, 31]], "exact_maps": True},
        {"period": 32, "least": 0, "phases": ROWS, "exact_maps": False},
        {"period": 32, "least": 0, "phases": [*ROWS[:-1], [31, 31]], "exact_maps": True},
        {"period": 10**6, "least": 0, "phases": None, "exact_maps": True},
        {"period": 0, "least": 0, "phases": [], "exact_maps": True},
        {"period": 32, "least": 10**9, "phases": None, "exact_maps": True},
        {"period": 32, "least": -1, "phases": None, "exact_maps": True},
        {"period": 32.5, "least": 0, "phases": None, "exact_maps": True},
        {"period": True, "least": 0, "phases": None, "exact_maps": True},
        {"period": 32, "least": 0, "phases": None},
        {"period": 32, "least": 0, "phases": "all", "exact_maps": True},
        "none",
        [],
    ],
)
def test_a_geometry_that_cannot_be_is_refused(geometry: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small("unet"), path)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_model(written(path, geometry=geometry))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "objects"},
        {"kind": "both"},
        {"training": {"data": "x", "pictures": -1, "steps": 0, "scores": {}}},
        {"training": {"data": "x", "pictures": 1, "steps": 0, "scores": {"mIoU": "high"}}},
        {"training": {"data": 5, "pictures": 1, "steps": 0, "scores": {}}},
        {"training": []},
    ],
)
def test_other_claims_that_cannot_be_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small("unet"), path)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_model(written(path, **changes))


def test_an_object_network_says_that_it_finds_objects(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small("mask_rcnn"), path)
    with pytest.raises(ModelError, match="gives pixels, but model 'mask_rcnn' gives objects"):
        load_model(written(path, kind="pixels"))


def test_a_card_without_its_network_is_no_model() -> None:
    card = small("unet").card
    with pytest.raises(PixelwiseError):
        replace(card, geometry=replace(card.geometry, period=0))
