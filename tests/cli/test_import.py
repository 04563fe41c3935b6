"""``pixelwise import`` from the command line to the file it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large
from verbs import run

from pixelwise.models import load_model
from pixelwise.preprocessing import Resize

NAME = "deeplabv3_mobilenet_v3_large"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What torchvision's training script writes, of a network of 21 classes with its auxiliary head."""
    torch.manual_seed(0)
    network = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, aux_loss=True)
    path = tmp_path_factory.mktemp("trained") / "model_29.pth"
    torch.save({"model": network.state_dict(), "epoch": 29}, path)
    return path


def test_a_network_moves_over_and_labels_pictures(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.safetensors"
    assert run("import", checkpoint, "--as", NAME, "--out", out) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "360 taken over" in printed
    assert "21: background, aeroplane" in printed
    assert "align_corners=False" in printed
    model = load_model(out)
    assert model.label_space.names[15] == "person"
    assert model.options["auxiliary"] is True

    Image.fromarray(np.random.default_rng(0).integers(0, 256, (65, 80, 3), np.uint8)).save(tmp_path / "a.png")
    assert run("predict", out, tmp_path / "a.png", "--out", tmp_path / "out", "--save", "labels") == 0
    assert np.asarray(Image.open(tmp_path / "out" / "a.png")).shape == (65, 80)


def test_classes_are_named_by_a_file(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("background\n" + "\n".join(f"kind {i}" for i in range(1, 21)))
    out = tmp_path / "model.safetensors"
    assert run("import", checkpoint, "--as", NAME, "--out", out, "--labels", tmp_path / "classes.txt") == 0
    label_space = load_model(out).label_space
    assert label_space.names[1] == "kind 1"
    assert label_space.background == 0


def test_resizing_is_said_and_can_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    network = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    out = tmp_path / "a.safetensors"
    for option, resize, message in (
        ([], Resize(800, 1333), "until the shorter side has 800 pixels or the longer side 1333"),
        (["--set", "resize=[96,160]"], Resize(96, 160), "until the shorter side has 96 pixels"),
        (["--set", "resize=none"], None, "at their own size"),
    ):
        name = "fasterrcnn_resnet50_fpn"
        assert run("import", tmp_path / "a.pth", "--as", name, "--out", out, "--set", "norm_eps=0", *option) == 0
        assert load_model(out).preprocessing.resize == resize
        assert message in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "deeplabv3_resnet50"], "no place in deeplabv3_resnet50"),
        (["--as", "unknown"], "no source 'unknown'"),
        (["--as", NAME, "--labels", "nowhere.txt"], "nowhere.txt: there is no such file"),
        (["--as", NAME, "--labels", "two.txt"], "2 classes are named, but this network has 21"),
        (["--as", NAME, "--set", "rates"], "expected KEY=VALUE"),
        (["--as", NAME, "--set", "rates=[1"], "expected KEY=VALUE"),
        (["--as", NAME, "--set", "rates=1"], "no option of model 'deeplabv3' 'rates'"),
    ],
)
def test_bad_input_leaves_nothing_behind(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.txt").write_text("a\nb\n")
    assert run("import", checkpoint, "--out", "model.safetensors", *arguments) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert message in printed
    assert "Traceback" not in printed
    assert not Path("model.safetensors").exists()


def test_the_name_of_the_file_is_checked_first(checkpoint: Path, tmp_path: Path) -> None:
    assert run("import", checkpoint, "--as", NAME, "--out", tmp_path / "model.pth") == 2
    assert run("import", checkpoint, "--as", NAME, "--out", tmp_path / "nowhere" / "model.safetensors") == 2
