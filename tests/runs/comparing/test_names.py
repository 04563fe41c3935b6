"""Models named with options: every setting by its own name, and typing errors found before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from pixelwise.errors import PixelwiseError
from pixelwise.runs.comparing.names import read_named_model, split_outside


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("unet", {"model": "unet"}),
        ("unet:encoder=resnet18", {"model": "unet", "encoder": "resnet18"}),
        (
            "deeplabv3plus:encoder=resnet18:loss=ce+dice",
            {"model": "deeplabv3plus", "encoder": "resnet18", "loss": "ce+dice"},
        ),
        (
            "unet:upsampling=bilinear:learning_rate=1e-3",
            {"model": "unet", "model_options": {"upsampling": "bilinear"}, "learning_rate": 1e-3},
        ),
        ("segnet:width=0.25", {"model": "segnet", "model_options": {"width": 0.25}}),
        ("segnet:model_options={width: 0.25}", {"model": "segnet", "model_options": {"width": 0.25}}),
        ("fcn:size=64x96", {"model": "fcn", "crop": (64, 96)}),
        ("fcn:crop=[64, 96]", {"model": "fcn", "crop": [64, 96]}),
    ],
)
def test_a_name_holds_settings_and_options(text: str, settings: dict[str, Any]) -> None:
    model = read_named_model(text)
    assert model.name == text
    assert model.settings == settings
    assert ":" not in model.folder
    assert "/" not in model.folder


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("unett", "nearest names are unet"),
        ("unet:encodr=resnet18", "nearest names are encoder"),
        ("unet:encoder=resnet1888", "resnet1888"),
        ("unet:resnet18", "expected KEY=VALUE, such as encoder=resnet18"),
        ("unet:seed=1", "all models are trained with the same seeds"),
        ("unet:minutes=1", "all models are given the same time"),
        ("unet:size=64", "size is height x width"),
        ("segnet:encoder=resnet18", "trunk of its own"),
        ("segnet:width=wide", "width"),
    ],
)
def test_typing_errors_are_found_at_once(text: str, complaint: str) -> None:
    with pytest.raises(PixelwiseError, match=complaint):
        read_named_model(text)


def test_separators_inside_brackets_and_quotes_separate_nothing() -> None:
    assert split_outside("a:crop=[1,2], b:x={c: 'd,e'},", ",") == ["a:crop=[1,2]", "b:x={c: 'd,e'}", ""]
    assert split_outside("b:x={c: 1}:y='p:q'", ":") == ["b", "x={c: 1}", "y='p:q'"]
