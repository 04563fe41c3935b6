"""Options of models: one frozen dataclass each, which takes the same from Python, from people and from files."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields
from typing import Any

import pytest
import torch

from pixelwise.errors import ModelError, SettingError
from pixelwise.models import MODELS, build_model
from pixelwise.models.build import read_options
from pixelwise.models.deeplab_v1_v2 import DeepLabV2Options
from pixelwise.models.mask_rcnn import FasterRCNNOptions, MaskRCNNOptions
from pixelwise.models.options import EncoderOptions, ModelOptions, PaperOptions
from pixelwise.models.unet import UNetOptions


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_options_that_stand_as_they_were_made(name: str) -> None:
    options = MODELS[name].options()
    option = options.names()[0]
    with pytest.raises(FrozenInstanceError):
        setattr(options, option, getattr(options, option))
    with pytest.raises(ValueError, match=option):
        type(options)(**{option: object()})


@pytest.mark.parametrize(
    "kind", list(dict.fromkeys(kind for entry in MODELS.values() for kind in entry.options.__mro__[:-2]))
)
def test_every_option_is_described(kind: type[ModelOptions]) -> None:
    known = {field.name for base in kind.__bases__ if issubclass(base, ModelOptions) for field in fields(base)}
    for field in fields(kind):
        assert field.name in known or f"        {field.name}: " in f"    {kind.__doc__}"


def test_lists_become_tuples_and_integers_floats() -> None:
    _, options = read_options("mask_rcnn", {"anchor_sizes": [[8], [16.5]], "nms": 1})
    assert isinstance(options, MaskRCNNOptions)
    assert options.anchor_sizes == ((8.0,), (16.5,))
    assert isinstance(options.nms, float)
    assert UNetOptions.read({"decoder_channels": [8, 4]}, model="unet").decoder_channels == (8, 4)


def test_what_is_left_out_is_as_by_default() -> None:
    shared, options = read_options("unet", {"in_channels": 4})
    assert shared == EncoderOptions(encoder="tf_efficientnet_lite0", in_channels=4)
    assert options == UNetOptions()
    assert asdict(read_options("segnet", {})[0]) == {"in_channels": 3}


def test_a_card_holds_what_was_given_and_no_default() -> None:
    with torch.device("meta"):
        model = build_model("unet2015", classes=2, width=0.25, dropout=0)
    assert model.options == {"in_channels": 3, "width": 0.25, "dropout": 0}


WRONG: list[tuple[str, str, list[Any]]] = [
    ("unet", "decoder_channels", [8, "8", [], [0], [-5], [True], [8.5], [8.0], [[8]], ["8"], None, {8: 8}]),
    ("unet", "upsampling", ["cubic", 1, None]),
    ("unet", "in_channels", [0, -1, "3", 3.0, True, None]),
    ("unet", "encoder", [5, ["resnet18"]]),
    ("fcn", "upsampling", ["unpool"]),
    ("fcn", "hidden_channels", [0, 1.5, "512", None]),
    ("segnet", "width", [0, -1, "0.5", None, True, float("nan"), float("inf"), 10**400, [1.0]]),
    ("unet2015", "last_up_channels", [0, -64]),
    ("unet2015", "dropout", [-0.1, 1.1]),
    ("fcn8s", "learnt", ["some", True]),
    ("fcn8s", "full_kernels", [1, "yes", None]),
    ("deeplabv2", "trunk", ["resnet18", 5]),
    ("deeplabv2", "atrous_rates", [[], [0], 6]),
    ("deeplabv2", "scales", [[], [0.5], [1, 5], [1, 0], [1, float("nan")], 1]),
    ("deeplabv3", "form", ["smpl", None]),
    ("deeplabv3", "output_stride", ["8", 8.5]),
    ("deeplabv3plus", "atrous_rates", [[-1], "6", [6.0]]),
    ("deeplabv3plus", "separable", [0, "no"]),
    ("faster_rcnn", "anchor_sizes", [[32], 32, [["32"]], [[float("inf")]]]),
    ("faster_rcnn", "samples", [0, 65, 2.0]),
    ("faster_rcnn", "proposals", [0, 100.0]),
    ("mask_rcnn", "norm_eps", [-1, "0"]),
    ("mask_rcnn", "masks", [None, 1]),
]


@pytest.mark.parametrize(("name", "option", "values"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_values_that_cannot_be(name: str, option: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(SettingError, match=option):
            read_options(name, {option: value})
        if value is not None or option != "encoder":
            with torch.device("meta"), pytest.raises(SettingError, match=option):
                build_model(name, classes=2, **{option: value})


def test_the_message_says_what_was_found_and_what_is_expected() -> None:
    with pytest.raises(SettingError) as caught:
        build_model("deeplabv3", classes=2, form="papers")
    assert str(caught.value) == (
        "option 'form' of model 'deeplabv3' cannot be 'papers': input should be 'paper', 'torchvision' or 'smp'"
    )
    with pytest.raises(SettingError, match=r"scales are \(0\.5,\); they begin with 1"):
        DeepLabV2Options.read({"scales": [0.5]}, model="deeplabv2")


@pytest.mark.parametrize(
    ("name", "option", "nearest"),
    [
        ("unet", "decoder_chanels", "decoder_channels"),
        ("segnet", "widht", "width"),
        ("faster_rcnn", "mask_head", "head"),
        ("segnet", "encoder", "width"),
        ("unet", "pretrained", "decoder_channels"),
    ],
)
def test_options_that_there_are_not(name: str, option: str, nearest: str) -> None:
    with pytest.raises(SettingError, match=f"there is no option of model '{name}' '{option}'; .*{nearest}"):
        read_options(name, {option: 1})


def test_a_model_that_there_is_not() -> None:
    with pytest.raises(ModelError, match="segnet"):
        read_options("segnt", {})


def test_options_of_masks_belong_to_mask_rcnn_alone() -> None:
    assert set(MaskRCNNOptions.names()) - set(FasterRCNNOptions.names()) == {"masks", "mask_head"}
    assert PaperOptions.names() == ("width",)
