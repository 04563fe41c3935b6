"""``pixelwise export`` from the command line to the file it leaves, and what other verbs make of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from verbs import run

from pixelwise import LabelSpace, build_model, save_model
from pixelwise.export import export_model
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.instances import ObjectRule
from pixelwise.models import SegmentationModel


def test_a_run_becomes_one_file_that_predicts(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    assert run("export", untrained_run, "--out", out) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "below one period" in printed
    assert "generated" in printed
    assert f"written: {out}" in printed
    Image.fromarray(generate(3, 0, (45, 60)).transpose(1, 2, 0)).save(tmp_path / "a.png")
    for model in (untrained_run, out):
        assert (
            run("predict", model, tmp_path / "a.png", "--out", tmp_path / f"{model.stem}-labels", "--save", "labels")
            == 0
        )
    labels, expected = (np.asarray(Image.open(tmp_path / name / "a.png")) for name in ("model-labels", "run-labels"))
    assert (labels == expected).all()


def test_a_file_is_evaluated_as_its_run(
    by_brightness: SegmentationModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "model.onnx"
    export_model(by_brightness, out)
    labels = Predictor(out)
    for number in range(2):
        picture = np.ascontiguousarray(generate(3, number, (40, 50)).transpose(1, 2, 0))
        for folder, stored in (("images", picture), ("masks", labels(picture).labels)):
            (data / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(stored).save(data / folder / f"{number}.png")
    assert run("evaluate", out, data, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["pixel_accuracy"] == 1


def test_runs_separated_by_commas_become_one_file(
    untrained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    assert run("export", f"{untrained_run},{untrained_run}", "--out", out) == 0
    assert "exporting 2 networks" in capsys.readouterr().out
    picture = np.ascontiguousarray(generate(3, 0, (45, 60)).transpose(1, 2, 0))
    averaged = Predictor(out)(picture, probabilities=True).probabilities
    alone = Predictor(untrained_run, device="cpu", precision="float32")(picture, probabilities=True).probabilities
    np.testing.assert_allclose(averaged, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{run}", "--out", "{out}/model.pb"), "--out"),
        (("{run},{out}/gone", "--out", "{out}/model.onnx"), "no such model file"),
        (("{run}", "--out", "{out}/model.onnx", "--pictures", "{out}"), "there are no pictures"),
        (("{out}/gone", "--out", "{out}/model.onnx"), "no such model file"),
    ],
)
def test_what_is_wrong_is_one_message(
    untrained_run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [word.format(run=untrained_run, out=tmp_path) for word in arguments]
    assert run("export", *filled) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_finds_objects_predicts_and_is_evaluated_as_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    small = {"encoder": "test_resnet", "channels": 16, "head": 32, "proposals": 50, "detections": 20}
    model = build_model("faster_rcnn", classes=LabelSpace(("cell", "dot")), **small)
    nn.init.normal_(model.network.heads.box_head.cls_score.weight, std=0.5)
    model.change_card(object_rule=ObjectRule(score=0.3))
    trained, out = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    save_model(model, trained)
    assert run("export", trained, "--out", out) == 0
    assert "parity: equal" in capsys.readouterr().out
    annotations = []
    (tmp_path / "data").mkdir()
    for number in range(2):
        picture = np.ascontiguousarray(generate(3, number, (60, 80)).transpose(1, 2, 0))
        Image.fromarray(picture).save(tmp_path / "data" / f"{number}.png")
        found = Predictor(trained, device="cpu", precision="float32")(picture).instances
        assert len(found) > 3
        for label, (left, top, right, bottom) in zip(found.labels.tolist()[:3], found.boxes.tolist(), strict=False):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, "bbox": box, "iscrowd": 0}
            )
    described = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 80, "height": 60} for number in range(2)],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "dot"}],
        "annotations": annotations,
    }
    (tmp_path / "data" / "annotations.json").write_text(json.dumps(described))
    assert run("evaluate", out, tmp_path / "data", "--json", "-") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["ap50"] > 0.3
    pictures = [tmp_path / "data" / f"{number}.png" for number in range(2)]
    assert run("predict", out, *pictures, "--out", tmp_path / "found", "--save", "coco") == 0
    written = json.loads(next((tmp_path / "found").glob("*.json")).read_text())
    first = Predictor(trained, device="cpu", precision="float32")(pictures[0]).instances
    boxes = [one["bbox"] for one in written["annotations"] if one["image_id"] == written["images"][0]["id"]]
    assert len(boxes) == len(first)
