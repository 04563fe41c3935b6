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
from torch import nn

from pixelwise.cli import main
from pixelwise.errors import SettingError
from pixelwise.inspection import Inspection, draw_field, inspect_model, list_models, sample_image, stage_rows
from pixelwise.inspection.picture import field_boxes
from pixelwise.models import MODELS, build_model
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


def test_stages_that_repeat_share_a_row() -> None:
    steps = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()) for _ in range(7)])

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = steps
            self.unused = nn.Linear(3, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            for step in self.steps:
                images = step(images)
            return images.clone()

    rows = stage_rows(Steps(), trace(Steps(), (1, 4, 20, 20)))
    assert [row.name for row in rows] == ["steps.0 .. 6", "unused (training)", "(between)"]
    assert (rows[0].parameters, rows[1].parameters) == (7 * (4 * 36 + 4), 20)
    assert rows[0].geometry is not None
    assert rows[0].geometry.receptive_field == 15


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


def test_the_drawing_shows_what_the_pixel_reads() -> None:
    found = inspect_meta("unet2015", (196, 228), classes=2, in_channels=1)
    *stages, label = field_boxes(found)
    margin = found.geometry.margin
    rows, columns = (found.geometry.reads(at) for at in (98, 114))
    assert (label.first, label.last) == (
        (rows[0] - margin, columns[0] - margin),
        (rows[1] - margin, columns[1] - margin),
    )
    for box in stages:  # all around the pixel
        assert box.last is not None
        assert label.last is not None
        assert min(box.first) >= min(label.first)
        assert max(box.last) <= max(label.last)
        for first, at, last in zip(box.first, (98, 114), box.last, strict=True):
            assert first - 8 <= at <= last + 8
    drawn = draw_field(found)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="at least 1x1"):
        inspect_meta("fcn32s", (0, 5), classes=2, width=1 / 32)
    with pytest.raises(SettingError, match="inspected size 64x64"):
        draw_field(inspect_meta("fcn32s", (64, 64), classes=2, width=1 / 32), sample_image((64, 65)))


def test_the_sample_image_is_the_same_every_time() -> None:
    assert (sample_image((40, 60)) == sample_image((40, 60))).all()
    assert sample_image((1, 1)).shape == (1, 1, 3)


def test_a_model_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "field.png"
    printed = run(["inspect", "unet", *SMALL, "--out", str(out)], capsys)
    assert "encoder.layer1" in printed
    assert "multiples of 32" in printed
    assert "field.png" in printed.replace("\n", "")
    with Image.open(out) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width > 400


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
        (["unet", "--picture", "nowhere.png"], "nowhere.png"),
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


def test_a_trained_model_keeps_its_own_classes(untrained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "leave --classes out" in message(["inspect", str(untrained_run), "--classes", "3"], capsys)


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
    monkeypatch.setattr("pixelwise.inspection.list_models", lambda: few)
    printed = run(["models"], capsys)
    for model in few:
        assert f"{model.name} " in printed
        assert str(model.encoder) in printed.replace("\n", "")


def test_help_does_not_wait_for_torch() -> None:
    program = "import sys, pixelwise.cli.inspect, pixelwise.cli.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
