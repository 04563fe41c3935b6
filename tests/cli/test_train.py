from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise import load_model
from pixelwise.cli import main
from pixelwise.inference.halo import TRIED_HALOS


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Eight pictures of a bright bar on a dark ground."""
    data = tmp_path / "data"
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
    for number in range(8):
        mask = np.zeros((64, 64), np.uint8)
        mask[8 + 4 * number : 18 + 4 * number] = 1
        Image.fromarray(np.repeat(40 + 150 * mask[..., None], 3, 2)).save(data / "images" / f"{number}.png")
        Image.fromarray(mask).save(data / "masks" / f"{number}.png")
    (data / "classes.txt").write_text("ground\nbar\n")
    return data


def train(data: Path, out: Path, *more: str) -> list[str]:
    small = ["--encoder", "mobilenetv3_small_050", "--weights", "none", "--size", "64x64", "--batch", "2"]
    return ["train", str(data), "--out", str(out), *small, "--set", "steps=2", "--set", "workers=0", *more]


def test_upsampling_is_chosen_and_saved(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        main(train(bars, run, "--model", "unet", "--upsampling", "unpool", "--epochs", "1"))
    assert not ended.value.code
    model = load_model(run)
    assert model.options["upsampling"] == "unpool"
    assert model.fast_halo in TRIED_HALOS
    printed = capsys.readouterr().out
    assert f"tiles of larger pictures see {model.fast_halo} pixels around them" in printed


def test_upsampling_that_a_model_does_not_have(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, offered in (("fcn", "should be 'nearest', 'bilinear' or 'transposed'"), ("deeplabv3plus", "option")):
        with pytest.raises(SystemExit) as ended:
            main(train(bars, tmp_path / "run", "--model", model, "--upsampling", "unpool"))
        assert ended.value.code == 2
        printed = " ".join(capsys.readouterr().err.split())
        assert offered in printed
        assert "upsampling" in printed


def test_a_dry_run_prints_the_plan_and_stops(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, printed = tmp_path / "run", []
    for more in ((), ("--verbose",)):
        with pytest.raises(SystemExit) as ended:
            main(train(bars, run, "--model", "fcn", "--epochs", "1", "--dry-run", *more))
        assert not ended.value.code
        printed.append(capsys.readouterr().out)
        assert "learning rate" in printed[-1]
    assert "weight decay" not in printed[0]
    assert "weight decay" in printed[1]
    assert not run.exists()
