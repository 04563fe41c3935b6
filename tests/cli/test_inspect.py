"""``pixelwise inspect`` and ``pixelwise models``: published figures, stages a person knows, one clear message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise.cli import main
from pixelwise.errors import SettingError
from pixelwise.inspection import Inspection, inspect_model, list_models, stage_rows
from pixelwise.models import MODELS, SegmentationModel, build_model
from pixelwise.nn.tracing.trace import trace

SMALL = ["--encoder", "test_resnet", "--size", "64x96"]


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def message(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert printed.out == ""
    return " ".join(printed.err.split())


def inspect_meta(name: str, size: tuple[int, int], *, classes: int, **options: Any) -> Inspection:
    with torch.device("meta"):
        model = build_model(name, classes=classes, **options)
    return inspect_model(model, size=size)


def test_unet_costs_what_is_published() -> None:
    found = inspect_meta("unet2015", (388, 388), classes=2, in_channels=1)
    assert found.computed == (572, 572)
    assert found.parameters == 31_030_658
    assert round(found.multiply_adds / 1e9, 1) == 150.4
    assert "188 + 16 k" in found.sizes
    assert {row.name: row.shape for row in found.rows}["down.4"] == (1, 1024, 28, 28)
    assert found.to_dict()["legal_sizes"]["least"] == 188


def test_segnet_costs_what_is_published() -> None:
    with torch.device("meta"):
        network = build_model("segnet", classes=11).network
    traced = trace(network, (1, 3, 360, 480))
    assert round(traced.multiply_adds / 1e9, 1) == 106.7
    assert sum(row.parameters for row in stage_rows(network, traced)) == 29_449_355


@pytest.mark.parametrize(("size", "classes", "cost"), [((500, 500), 21, 181.5), ((360, 480), 11, 139.5)])
def test_fcn_costs_what_is_published(size: tuple[int, int], classes: int, cost: float) -> None:
    with torch.device("meta"):
        network = build_model("fcn8s", classes=classes).network
    traced = trace(network, (1, 3, *size))
    rows = {row.name: row for row in stage_rows(network, traced)}
    # The paper's net enlarges the scores by kernels that mix classes (K*K of them); ours keep classes apart.
    mixing = {"upscore2": classes - 1, "upscore_pool4": classes - 1}
    assert rows["fc6"].geometry is not None
    assert rows["fc6"].geometry.receptive_field == 404
    last = 256 * classes**2 * (traced.shapes[0][2] - 2) * (traced.shapes[0][3] - 2)
    total = traced.multiply_adds + last + sum(factor * rows[name].multiply_adds for name, factor in mixing.items())
    assert round(total / 1e9, 1) == cost


def test_stages_are_levels_branches_and_steps() -> None:
    found = inspect_meta("deeplabv3plus", (64, 64), classes=3, encoder="resnet18")
    names = [row.name for row in found.rows]
    assert names[:6] == [f"encoder.{part}" for part in ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")]
    assert [f"decoder.aspp.branches.{i}" for i in range(4)] == [name for name in names if "branches" in name]
    assert names[-2:] == ["head", "(between)"]
    names = [row.name for row in inspect_meta("fcn8s", (64, 64), classes=3, width=1 / 16).rows]
    assert names[:2] == ["trunk.conv1_1 .. conv1_2", "trunk.conv2_1 .. conv2_2"]
    assert {"fc6", "fc7", "score_fr", "score_pool4", "score_pool3"} < set(names)


def test_what_stretches_its_scores_says_so() -> None:
    found = inspect_meta("deeplabv3", (70, 50), classes=3, width=1 / 16, form="torchvision")
    assert found.computed == (70, 50)
    assert "as it is" in found.sizes
    assert "cannot equal" in found.tiling
    assert found.to_dict()["stretch"] == "half_pixel"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_stages_add_up(name: str) -> None:
    options = {"encoder": "test_resnet"} if MODELS[name].encoder else {}
    found = inspect_meta(name, (64, 64), classes=4, **options)
    assert sum(row.parameters for row in found.rows) == found.parameters
    assert sum(row.multiply_adds for row in found.rows) == found.multiply_adds
    assert sum(row.written for row in found.rows) == found.written
    assert 0 < found.peak <= found.written + 4 * found.channels * found.computed[0] * found.computed[1]
    assert len(found.rows) <= 30
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="at least 1x1"):
        inspect_meta("fcn32s", (0, 5), classes=2, width=1 / 32)


def test_a_model_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "field.png"
    printed = run(["inspect", "unet", *SMALL, "--out", str(out)], capsys)
    assert "encoder.layer1" in printed
    assert "multiples of 32" in printed
    assert "field.png" in printed.replace("\n", "")
    with Image.open(out) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width > 400


def test_nothing_is_written_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--out FILE.png" in run(["inspect", "unet", *SMALL], capsys)
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_repeat_are_one_row_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", "deeplabv3plus", "--encoder", "aligned_xception41", "--size", "64x64"]
    printed = run(arguments, capsys)
    assert "encoder.blocks.3-10 (8x)" in printed
    assert "123-859" in printed, "the fields from the first to the last"
    assert "--verbose" in printed
    assert "blocks.7" not in printed
    every = run([*arguments, "--verbose"], capsys)
    assert "encoder.blocks.7.stack.conv3" in every
    assert " 571 " in every
    assert "(8x)" not in every


def test_the_network_of_the_paper_stands_beside_the_mirrored_form(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", "unet2015", "--classes", "2", "--set", "in_channels=1"]
    printed = " ".join(run([*arguments, "--size", "572x572"], capsys).split())
    assert "computed at 764x764 with mirrored borders" in printed
    assert "572x572 -> 388x388, scores of the middle, for 150.4 G multiply-adds" in printed
    assert "down.0 64 760x760 568x568 1 5" in printed
    assert "down.4 1024 40x40 28x28 16 140" in printed
    assert "total 572x572 388x388 1 204" in printed
    found = json.loads(run([*arguments, "--size", "572x572", "--json"], capsys))
    assert found["computed_size"] == [764, 764]
    assert (found["unpadded"]["size"], found["unpadded"]["output_size"]) == ([572, 572], [388, 388])
    assert round(found["unpadded"]["multiply_adds"] / 1e9, 1) == 150.4
    assert [stage["unpadded_shape"][2:] for stage in found["stages"][:2]] == [[568, 568], [280, 280]]
    with torch.device("meta"):
        model = build_model("unet2015", classes=2, in_channels=1)
        assert isinstance(model, SegmentationModel)
        assert model.valid(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_a_size_that_fits_no_unpadded_network_names_those_near_it(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["inspect", "unet2015", "--set", "width=0.05"]
    printed = " ".join(run([*small, "--size", "500x600"], capsys).split())
    assert "492 -> 308, 508 -> 324, 588 -> 404, 604 -> 420" in printed
    assert " unpadded stride" not in printed
    assert "188 -> 4, 204 -> 20" in " ".join(run([*small, "--size", "20x200"], capsys).split())
    assert json.loads(run([*small, "--size", "500x600", "--json"], capsys))["unpadded"] is None


@pytest.mark.parametrize("name", ["mask_rcnn", "faster_rcnn"])
def test_strides_are_whole_numbers_or_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", name, "--encoder", "test_resnet", "--size", "800x800"]
    printed = run(arguments, capsys)
    assert "/" not in printed
    words = " ".join(printed.split())
    assert "once for each of 1,000 proposals" in words
    assert ("its masks for each of 100 detections" in words) == (name == "mask_rcnn")
    stages = {stage["name"]: stage for stage in json.loads(run([*arguments, "--json"], capsys))["stages"]}
    heads = [stage for name, stage in stages.items() if name.startswith("heads.")]
    assert {stage["regions"] for stage in heads} == ({1000, 100} if name == "mask_rcnn" else {1000})
    assert all(stage["stride"] is None and stage["receptive_field"] is None for stage in heads)
    assert [call["stride"] for call in stages["rpn.conv"]["calls"]] == [4, 8, 16, 32, 64][
        : len(stages["rpn.conv"]["calls"])
    ]
    assert [call["shape"][2:] for call in stages["rpn.conv"]["calls"]][:2] == [[200, 200], [100, 100]]


@pytest.mark.parametrize("neck", ["fpn", "c4"])
@pytest.mark.parametrize("roi", ["pool", "warp", "align"])
@pytest.mark.parametrize("reduce", ["avg", "max"])
def test_regions_lie_on_no_grid_however_they_are_read(neck: str, roi: str, reduce: str) -> None:
    options = {"neck": neck, "roi": roi, "reduce": reduce, "proposals": 1, "detections": 1}  # as many as pictures
    found = inspect_meta("mask_rcnn", (128, 128), classes=2, encoder="resnet10t", **options)
    heads = [row for row in found.rows if row.name.startswith("heads.")]
    assert len(heads) >= 4
    assert all(row.regions and row.geometry is None for row in heads)
    assert not any(row.regions for row in found.rows if row.name.startswith(("rpn.", "trunk.conv1", "trunk.encoder")))


def test_maps_that_are_stretched_have_about_a_stride(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run(["inspect", "unet", "--encoder", "inception_v3", "--size", "97x131"], capsys)
    assert "~21 whole" in printed, "128 rows on 6 cells"
    assert "no exact grid" in " ".join(printed.split())
    assert "/" not in printed


def test_the_field_of_labels_is_told_as_the_drawing_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    printed = " ".join(run(["inspect", "fcn8s", "--set", "width=0.05", "--size", "375x500"], capsys).split())
    assert "436 to 468 pixels along an axis, by its place in a block of 32" in printed
    assert "the most" in printed


@pytest.mark.parametrize(
    "settings",
    [
        ["width=0.25", "last_up_channels=128"],
        ["model_options={width: 0.25, last_up_channels: 128}"],
        ["model_options={width: 2, last_up_channels: 128}", "width=0.25"],
        ["width=25e-2", "model_options={last_up_channels: 128}"],
    ],
)
def test_options_are_set_as_in_training(settings: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [word for setting in settings for word in ("--set", setting)]
    found = json.loads(run(["inspect", "unet2015", *arguments, "--json"], capsys))
    with torch.device("meta"):
        expected = build_model("unet2015", classes=21, width=0.25, last_up_channels=128)
    assert found["parameters"] == sum(parameter.numel() for parameter in expected.parameters())
    assert found["options"] == {"width": 0.25, "last_up_channels": 128}


def test_settings_of_training_that_shape_a_network_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["encoder=test_resnet", "in_channels=5", "decoder_channels=[8, 8, 8, 8, 8]", "upsampling=bilinear"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    found = json.loads(run(["inspect", "unet", *arguments, "--json", "--encoder", "test_resnet"], capsys))
    assert (found["encoder"], found["in_channels"]) == ("test_resnet", 5)
    assert found["options"] == {"decoder_channels": [8] * 5, "upsampling": "bilinear"}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("widht=0.5", "nearest names are width"),
        ("model_options={widht: 0.5}", "nearest names are width"),
        ("model_options=0.5", "model_options={width: 0.25}"),
        ("width", "--set: width: expected KEY=VALUE, such as width=0.25"),
        ("=0.5", "KEY=VALUE"),
        ("width={", "is no YAML"),
        ("width=wide", "option 'width' of model 'unet2015' cannot be 'wide'"),
        ("width=[1, 2]", "option 'width' of model 'unet2015' cannot be [1, 2]"),
        ("width=", "option 'width' of model 'unet2015' cannot be None"),
        ("width=-1", "cannot be -1"),
        ("width=.nan", "cannot be nan"),
        ("width=0", "greater than 0"),
        ("last_up_channels=1.5", "cannot be 1.5"),
        ("in_channels=0", "greater than or equal to 1"),
        ("in_channels=many", "option 'in_channels' of model 'unet2015' cannot be 'many'"),
        ("width=1.0e12", "width=1.0e12"),
        ("learning_rate=0.1", "how a network is trained"),
        ("model=unet", "the NAME"),
        ("classes=3", "--classes"),
        ("encoder=resnet18", "takes no encoder"),
        ("decoder_channels=[1]", "there is no setting or option of model 'unet2015' 'decoder_channels'"),
    ],
)
def test_what_cannot_be_set(setting: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in message(["inspect", "unet2015", "--set", setting], capsys)


def test_json_is_all_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(run(["inspect", "deeplabv3plus", *SMALL, "--classes", "5", "--json"], capsys))
    assert found["model"] == "deeplabv3plus"
    assert found["classes"] == 5
    assert found["whole_picture"] is True
    assert found["halo"] is None
    assert found["stages"][0]["stride"] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_and_a_picture(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (70, 50), (200, 30, 30)).save("red.png")
    arguments = ["inspect", str(untrained_run), "--picture", "red.png", "--json"]
    found = json.loads(run(arguments, capsys))
    assert found["size"] == [50, 70]
    assert found["classes"] == 3
    assert found["picture"] == "run-field.png"
    with Image.open("run-field.png") as drawn:
        pixels = np.asarray(drawn).reshape(-1, 3).astype(int)
    assert (abs(pixels - [213, 85, 85]) < 12).all(1).sum() > 1000  # the picture, a little paler


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["deeplab"], "deeplabv1"),
        (["unet", "--encoder", "resnet-18"], "resnet18"),
        (["unet2015", "--encoder", "resnet18"], "takes no encoder"),
        (["unet", "--classes", "0"], "at least 1"),
        (["unet", "--size", "big"], "288x384"),
        (["unet", "--size", "0x64"], "288x384"),
        (["nowhere/model.safetensors"], "nowhere/model.safetensors"),
        (["unet", "--picture", "nowhere.png"], "--out names the file to draw into"),
        (["unet2015", "--set", "width=0.05", "--size", "999999999x999999999"], "--size 999999999x999999999"),
        (["unet", "--set", "encoder=resnet18", "--encoder", "resnet34"], "give one of them"),
        (["unet", "--out", "nowhere/field.png"], "--out"),
        (["unet", "--out", "field.jpg"], "PNG"),
    ],
)
def test_what_cannot_be_inspected(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in message(["inspect", *arguments], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_trained_model_keeps_its_own_classes_and_options(
    untrained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "leave --classes out" in message(["inspect", str(untrained_run), "--classes", "3"], capsys)
    assert "leave --set out" in message(["inspect", str(untrained_run), "--set", "hidden_channels=8"], capsys)


def test_a_picture_has_its_own_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (70, 50)).save(picture)
    arguments = ["inspect", "unet", "--picture", str(picture), "--size", "64x64", "--out", str(tmp_path / "b.png")]
    assert "50x70" in message(arguments, capsys)
    assert not (tmp_path / "b.png").exists()


def test_all_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {model["name"]: model for model in json.loads(run(["models", "--json"], capsys))}
    assert list(listed) == list(MODELS)
    assert listed["fcn8s"]["parameters"] == 134_362_751
    assert (listed["unet2015"]["period"], listed["unet2015"]["context"]) == (16, 96)
    assert listed["deeplabv3plus"]["receptive_field"] is None
    assert {model["year"] for model in listed.values()} <= set(range(2014, 2030))


def test_the_listing_shows_every_name_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = list_models()[:3]
    monkeypatch.setattr("pixelwise.inspection.listed.list_models", lambda: few)
    printed = run(["models"], capsys)
    for model in few:
        assert f"{model.name} " in printed
        assert str(model.encoder) in printed.replace("\n", "")


def test_help_does_not_wait_for_torch() -> None:
    program = "import sys, pixelwise.cli.inspect, pixelwise.cli.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
