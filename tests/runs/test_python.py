"""Python is a first road: what the verbs do, a notebook does in the same words and without a console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw_blocks
from PIL import Image

import pixelwise
from pixelwise.errors import DataError, SettingError

SMALL: dict[str, Any] = {
    "model": "fcn",
    "encoder": "mobilenetv3_small_050",
    "weights": "none",
    "batch": 2,
    "steps": 2,
    "validate_every": 2,
    "workers": 0,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_blocks(tmp_path / "data", 6)


def test_a_notebook_trains_and_evaluates(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = pixelwise.open_data(data)
    run = pixelwise.train(source, out=tmp_path / "run", size=(64, 64), **SMALL)
    assert run.evaluation is not None
    assert not run.stopped
    assert run.folder.report_file.is_file()
    again = pixelwise.evaluate(tmp_path / "run", data)
    assert again.to_dict() == run.evaluation.to_dict()
    assert again.headline.name == "mIoU"
    everything = pixelwise.evaluate(pixelwise.Predictor(tmp_path / "run"), data)
    assert everything.pixels is not None
    assert everything.pixels.images == 6
    assert capsys.readouterr().out == ""


def test_pictures_that_cannot_be_used_are_left_out_on_purpose(data: Path, tmp_path: Path) -> None:
    (data / "masks/0.png").unlink()
    with pytest.raises(DataError, match=r"no mask: images/0\.png"):
        pixelwise.train(data, out=tmp_path / "run", size=(64, 64), **SMALL)
    run = pixelwise.train(data, out=tmp_path / "run", size=(64, 64), skip_bad=True, **SMALL)
    assert run.evaluation is not None
    assert "images/0.png" in run.folder.splits_file.read_text()


def test_arguments_are_called_by_their_own_names(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^minutes: give a time or a number of epochs"):
        pixelwise.train(data, minutes=1, epochs=1)
    with pytest.raises(SettingError, match="there is no setting 'modle'; the nearest names are model"):
        pixelwise.train(data, modle="unet")
    assert not (tmp_path / "runs").exists()


def test_classes_in_another_order_are_scored_by_their_names(data: Path, tmp_path: Path) -> None:
    (data / "classes.txt").write_text("low\nhigh\n")
    pixelwise.train(data, out=tmp_path / "run", size=(64, 64), **SMALL)
    predictor = pixelwise.Predictor(tmp_path / "run")
    before = pixelwise.evaluate(predictor, data).to_dict()
    (data / "classes.txt").write_text("high\nlow\n")
    for path in (data / "masks").iterdir():
        mask = np.asarray(Image.open(path))
        Image.fromarray(1 - mask).save(path)
    assert pixelwise.evaluate(predictor, data).to_dict() == before
