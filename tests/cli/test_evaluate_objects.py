"""``pixelwise evaluate`` on annotated objects, by networks of pixels and of objects."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from verbs import run

from pixelwise.models import build_model, save_model
from pixelwise.types import LabelSpace, semantic_space

CELLS = LabelSpace(("cell",))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures of bright discs with maps of their ids."""
    root = tmp_path / "cells"
    for folder in ("images", "instance_masks"):
        (root / folder).mkdir(parents=True)
    for number in range(2):
        ids = np.zeros((64, 96), np.uint16)
        for identity in range(1, 4 + number):
            cv2.circle(ids, (22 * identity, 12 + 12 * identity), 8, identity, -1)
        image = np.where(ids[..., None] > 0, 200, 30).astype(np.uint8).repeat(3, 2)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(ids).save(root / f"instance_masks/{number}.png")
    return root


def make_model(path: Path, name: str, classes: LabelSpace, **options: object) -> Path:
    torch.manual_seed(0)
    save_model(build_model(name, classes=classes, encoder="resnet10t", pretrained=False, **options), path)
    return path


def test_a_network_of_pixels_is_scored_by_pixels_and_by_objects(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(tmp_path / "unet.safetensors", "unet", semantic_space(CELLS))
    out = tmp_path / "s.json"
    assert run("evaluate", model, data, "--json", out, "--csv", tmp_path / "s.csv", "--report", tmp_path / "page") == 0
    scores = json.loads(out.read_text())
    wanted = {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ap50_tp_fp_fn", "boundary_ap", "pq"}
    assert wanted | {"miou", "pixel_accuracy", "mean_accuracy", "dice", "iou", "images"} <= scores.keys()
    assert scores["objects"] == 7
    assert scores["tp"] + scores["fn"] == 7
    assert scores["miou"] is not None
    with (tmp_path / "s.csv").open(newline="") as opened:
        assert [row["objects"] for row in csv.DictReader(opened)] == ["3", "4"]
    assert (tmp_path / "page" / "report.html").read_text().count("data:image/jpeg") == 2 * 5 + 2 * 2
    printed = capsys.readouterr().out
    assert f"TP / (TP + FP + FN) {scores['ap50_tp_fp_fn']:.4f}" in printed


def test_a_network_of_objects_is_scored_by_objects(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(tmp_path / "rcnn.safetensors", "mask_rcnn", CELLS)
    assert run("evaluate", model, data, "--json", "-") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["objects"] == 7
    assert scores["compared"] == "mask"
    assert scores["score_threshold"] == 0.5
    assert "miou" not in scores


def test_classes_that_the_model_does_not_know_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(tmp_path / "m.safetensors", "fcn", semantic_space(LabelSpace(("leaf", "stem"))))
    assert run("evaluate", model, data) == 2
    assert "does not know" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["unet", "mask_rcnn"])
def test_two_processes_score_as_one(data: Path, tmp_path: Path, name: str) -> None:
    classes = CELLS if name == "mask_rcnn" else semantic_space(CELLS)
    model = make_model(tmp_path / "m.safetensors", name, classes)
    for devices in (1, 2):
        out = tmp_path / str(devices)
        out.mkdir()
        files = ("--json", out / "s.json", "--csv", out / "s.csv")
        assert run("evaluate", model, data, "--devices", devices, *files) == 0
    for file in ("s.json", "s.csv"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()
