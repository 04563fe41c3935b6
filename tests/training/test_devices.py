"""Several processes train as one, whatever the network reads and however few pictures there are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import build_model
from pixelwise.data.source import DataSource, open_data
from pixelwise.listener import Silent
from pixelwise.models import Model
from pixelwise.training.fit import fit
from pixelwise.training.initial_weights import leave_out_unread
from pixelwise.training.journal import read_metrics
from pixelwise.training.pixel_course import SegmentationTask
from pixelwise.training.run_folder import RunFolder


class Told(Silent):
    """Keeps the lines that it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def two_processes(data: Path, folder: Path, *options: str) -> RunFolder:
    """Train on two CPU processes over gloo, as ``pixelwise train --devices 2`` starts them."""
    command = [sys.executable, "-m", "pixelwise", "train", str(data), "--out", str(folder), "--devices", "2"]
    command += ["--weights", "none", "--size", "64x64", "--batch", "4", "--epochs", "1", "--set", "steps=2"]
    command += ["--set", "precision=32-true", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert [int(row["step"]) for row in read_metrics(RunFolder(folder)) if row["loss"]] == [1, 2]
    return RunFolder(folder)


def one_for_validation(data: Path, kinds: tuple[str, str]) -> Path:
    """Move the pictures of a folder and what is annotated into ``train/``, but for the last one."""
    for kind in kinds:
        files = sorted((data / kind).iterdir())
        for split, chosen in (("train", files[:-1]), ("val", files[-1:])):
            (data / split / kind).mkdir(parents=True)
            for file in chosen:
                shutil.move(file, data / split / kind / file.name)
        (data / kind).rmdir()
    return data


def test_what_nothing_reads_and_a_single_validation_picture(shapes: Path, tmp_path: Path) -> None:
    data = one_for_validation(shapes, ("images", "masks"))
    options = ["--model", "deeplabv3plus", "--encoder", "hrnet_w18_small"]
    run = two_processes(data, tmp_path / "run", *options)
    scores = json.loads(run.scores_file.read_text())
    assert scores["images"] == 1
    validated = [row for row in read_metrics(run) if row["miou"]]
    # Two steps leave scores so close that rounding decides a pixel or two.
    assert float(validated[-1]["miou"]) == pytest.approx(scores["miou"], abs=5e-3)


@pytest.mark.slow
def test_objects_of_a_single_validation_picture_and_crops_without_any(toys: DataSource, tmp_path: Path) -> None:
    data = tmp_path / "objects"
    for kind in ("images", "instance_masks"):
        (data / kind).mkdir(parents=True)
    for number, pair in enumerate(toys.pairs):
        ids = np.zeros((64, 64), np.uint8)
        if number % 4 == 0:  # most pictures are empty
            ids[10:30, 20:50] = 1
        Image.open(pair.image).save(data / "images" / f"{number:02}.png")
        Image.fromarray(ids).save(data / "instance_masks" / f"{number:02}.png")
    options = {"channels": 32, "head": 64, "mask_head": 32, "proposals": 100}
    run = two_processes(
        one_for_validation(data, ("images", "instance_masks")),
        tmp_path / "run",
        *(
            "--model",
            "mask_rcnn",
            "--encoder",
            "mobilenetv3_small_050",
            "--set",
            f"model_options={json.dumps(options)}",
        ),
    )
    assert json.loads(run.scores_file.read_text())["images"] == 1


def test_one_process_leaves_out_what_nothing_reads(
    shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Model] = []
    optimise = SegmentationTask.configure_optimizers
    monkeypatch.setattr(
        SegmentationTask, "configure_optimizers", lambda task: (trained.append(task.model), optimise(task))[1]
    )
    listener = Told()
    settings = {**small, "model": "deeplabv3plus", "encoder": "hrnet_w18_small", "steps": 1}
    fit(open_data(shapes), RunFolder(tmp_path / "run"), fixed=settings, epochs=1.0, listener=listener)
    (line,) = (line for line in listener.lines if line.startswith("left out of training: 370,784 of "))
    assert "no output of this deeplabv3plus on hrnet_w18_small reads" in line
    without = [name for name, parameter in trained[-1].named_parameters() if not parameter.requires_grad]
    assert len(without) == 45
    assert all(name.startswith("network.encoder.body.") for name in without)


def test_networks_that_read_everything_are_left_alone() -> None:
    listener = Told()
    model = build_model("fcn", classes=2, encoder="mobilenetv3_small_050")
    before = [parameter.requires_grad for parameter in model.parameters()]
    leave_out_unread(model, listener)
    assert [parameter.requires_grad for parameter in model.parameters()] == before == [True] * len(before)
    assert not listener.lines
    assert torch.is_grad_enabled()
