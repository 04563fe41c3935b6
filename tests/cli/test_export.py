"""``pixelwise export`` from the command line to the file it leaves, and what other verbs make of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from verbs import run

from pixelwise.export import export_model
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{run}", "--out", "{out}/model.pb"), "--out"),
        (("{run},{run}", "--out", "{out}/model.onnx"), "averages of several models"),
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
