from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from pixelwise import build_model, load_model
from pixelwise.data.fingerprint import fingerprint
from pixelwise.data.source import open_data
from pixelwise.errors import ModelError, SettingError
from pixelwise.models import Coarse
from pixelwise.training import calibrate
from pixelwise.training.assembly import fill_weights, make_model, make_stream, open_caches
from pixelwise.training.calibrate import MEASURED_STEPS, measure_pace
from pixelwise.training.callbacks import KeepState
from pixelwise.training.fit import Fitted, fit
from pixelwise.training.journal import read_metrics
from pixelwise.training.machine import Machine
from pixelwise.training.plan import plan
from pixelwise.training.run_folder import RunFolder, saved_split
from pixelwise.training.settings import Settings
from pixelwise.training.task import SegmentationTask


def run(data: Path, folder: Path, fixed: dict[str, Any], **options: Any) -> tuple[Fitted, str]:
    console = Console(file=io.StringIO(), width=120)
    options = {"epochs": 1.0, **options}
    fitted = fit(open_data(data), RunFolder(folder), fixed=fixed, console=console, **options)
    return fitted, console.file.getvalue()  # type: ignore[attr-defined]


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in read_metrics(RunFolder(folder)) if row["loss"]]


def test_a_run_leaves_a_model_its_settings_and_its_curve(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    fitted, printed = run(shapes, tmp_path / "run", small)
    assert fitted.finished
    settings = Settings.load(fitted.run.settings_file)
    assert settings.steps == 8
    assert settings.reasons["steps"] == "set by hand"
    assert set(settings.reasons) >= {"crop", "learning_rate", "class_weights", "ema_decay", "precision"}
    assert "from scratch" in printed
    assert "step" in printed
    model = load_model(fitted.run.path)
    assert model.label_space.names == ("ground", "disc", "bar")
    rows = read_metrics(fitted.run)
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(1, 9))
    assert any(row["miou"] for row in rows)
    described = json.loads(fitted.run.splits_file.read_text())
    assert saved_split(fitted.run.path, shapes) == described["splits"]["val"]
    assert saved_split(fitted.run.path, tmp_path) is None
    assert not list(fitted.run.path.glob(".*")), "nothing temporary is left"


@pytest.mark.parametrize(("fate", "kind"), [("killed", "small"), ("interrupted", "small"), ("killed", "small_paper")])
def test_a_broken_run_goes_on_to_the_same_curve(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    fate: str,
    kind: str,
) -> None:
    small = request.getfixturevalue(kind)
    unbroken, _ = run(shapes, tmp_path / "unbroken", {**small, "validate_every": 4})

    step = SegmentationTask.training_step

    def break_at_step_six(task: SegmentationTask, batch: list[Tensor], batch_idx: int) -> Tensor:
        if task.global_step == 5:
            if fate == "killed":
                raise RuntimeError("the power went out")
            os.kill(os.getpid(), signal.SIGINT)
        return step(task, batch, batch_idx)

    with monkeypatch.context() as broken:
        broken.setattr(SegmentationTask, "training_step", break_at_step_six)
        if fate == "killed":
            broken.setattr(KeepState.__init__, "__kwdefaults__", {"every_seconds": 0.0})
            with pytest.raises(RuntimeError, match="power"):
                run(shapes, tmp_path / "broken", {**small, "validate_every": 4})
        else:
            fitted, printed = run(shapes, tmp_path / "broken", {**small, "validate_every": 4})
            assert not fitted.finished
            assert "--resume" in printed

    with pytest.raises(SettingError, match="--resume"):
        run(shapes, tmp_path / "broken", small)
    resumed, printed = run(shapes, tmp_path / "broken", {}, resume=True)
    assert resumed.finished
    assert f"at step {5 if fate == 'killed' else 6} of 8" in printed
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "unbroken"), rel=1e-3)
    assert len(losses(tmp_path / "broken")) == 8
    whole, again = load_model(unbroken.run.path), load_model(resumed.run.path)
    for (name, expected), found in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3, msg=lambda text, n=name: f"{n}: {text}")


def test_a_network_without_an_encoder_trains_by_its_recipe(
    shapes: Path, small_paper: dict[str, Any], tmp_path: Path
) -> None:
    fitted, printed = run(shapes, tmp_path / "run", small_paper)
    assert "training from scratch: no published weights are known for unet2015" in " ".join(printed.split())
    assert fitted.settings.encoder is None
    again = Settings.load(fitted.run.settings_file)
    assert again == fitted.settings
    assert again.border_weight == 10
    assert load_model(fitted.run.path).name == "unet2015"
    assert losses(tmp_path / "run")
    other = build_model("fcn", classes=3, encoder="mobilenetv3_small_050")
    with pytest.raises(ModelError, match="no tensor of this unet2015 fits a fcn on mobilenetv3_small_050"):
        fill_weights(other, str(fitted.run.path), Console(file=io.StringIO()))


def test_a_pixel_weighs_its_class_and_its_gap(shapes: Path, small_paper: dict[str, Any]) -> None:
    source = open_data(shapes)
    draft = plan(fingerprint(source), Machine.detect(), {**small_paper, "class_weights": (1.0, 2.0, 3.0)})
    settings = Settings.make({**draft.values, "validate_every": 1, "ema_decay": 0.0})
    task = SegmentationTask(make_model(source.label_space, settings), settings)
    logits = torch.randn(2, 3, 9, 11, dtype=torch.float64, requires_grad=True)
    coarse = Coarse(logits, (9, 11), 1.0, 0.0)
    target = torch.randint(0, 3, (2, 9, 11))
    target[0, :3] = 255
    gaps = torch.rand(2, 9, 11)
    losses = torch.nn.functional.cross_entropy(logits, target, ignore_index=255, reduction="none")
    weights = torch.tensor([1.0, 2.0, 3.0])[target.clamp(max=2)] + gaps
    weights[target == 255] = 0
    expected = (losses * weights).sum() / weights.sum()
    torch.testing.assert_close(task.loss(coarse, target, gaps), expected, rtol=1e-6, atol=1e-6, check_dtype=False)
    without = task.loss(coarse, target)
    torch.testing.assert_close(task.loss(coarse, target, torch.zeros_like(gaps)), without)


def test_a_budget_of_minutes_fixes_the_steps(
    shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del small["steps"]
    monkeypatch.setattr("pixelwise.training.fit.measure_pace", lambda *_: (10.0, 1.0))
    fitted, _ = run(shapes, tmp_path / "run", small, epochs=None, minutes=3.0)
    assert fitted.finished
    assert 4 <= fitted.settings.steps <= 18, "three minutes at ten seconds a step, less what getting ready took"
    assert "10000 ms a step" in fitted.settings.reasons["steps"]
    with pytest.raises(SettingError, match="leaves no time"):
        run(shapes, tmp_path / "hasty", small, epochs=None, minutes=0.1)


def test_the_pace_is_measured_on_copies(shapes: Path, small: dict[str, Any]) -> None:
    source = open_data(shapes)
    traits = fingerprint(source)
    draft = plan(traits, Machine.detect(), small)
    settings = Settings.make({**draft.values, "steps": MEASURED_STEPS, "validate_every": 1, "ema_decay": 0.0})
    model = make_model(source.label_space, settings)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stream = make_stream(settings, open_caches(source, settings))
    step_seconds, validation_seconds = measure_pace(SegmentationTask(model, settings), stream, torch.device("cpu"))
    assert 1e-4 < step_seconds < 60
    assert 1e-4 < validation_seconds < 60
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_slow_steps_are_timed_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    quick: list[int] = []
    calibrate._median_seconds(quick.append, 3, 8, torch.device("cpu"))
    assert quick == list(range(11))
    monkeypatch.setattr(calibrate, "ENOUGH_SECONDS", 0.02)
    slow: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.03 if number else 0.2)  # the first is always slower
        slow.append(number)

    assert calibrate._median_seconds(work, 3, 8, torch.device("cpu")) < 0.15
    assert slow == [0, 1, 2]


def test_folders_that_cannot_be_used(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "scores.json").write_text("{}")
    with pytest.raises(SettingError, match=r"has finished.*--out"):
        run(shapes, tmp_path / "finished", small)
    with pytest.raises(SettingError, match="no run to resume"):
        run(shapes, tmp_path / "nothing", small, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="--out"):
        run(shapes, tmp_path / "file" / "run", small)


def test_settings_that_cannot_be_used(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'learning_rate'"):
        run(shapes, tmp_path / "a", {**small, "learning_rate": -1})
    with pytest.raises(SettingError, match="8 is no multiple of validate_every 3"):
        run(shapes, tmp_path / "v", {**small, "validate_every": 3})
    with pytest.raises(SettingError, match="batch 3 does not divide"):
        run(shapes, tmp_path / "b", {**small, "batch": 3, "devices": 2})
    with pytest.raises(ModelError, match="resnet18"):
        run(shapes, tmp_path / "c", {**small, "encoder": "resnet-18"})


def test_a_model_file_is_a_start(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    first, _ = run(shapes, tmp_path / "first", {**small, "steps": 2})
    _, printed = run(shapes, tmp_path / "second", {**small, "steps": 2, "weights": str(first.run.path)})
    found = re.search(r"(\d+) of (\d+) tensors fit", printed)
    assert found
    assert found[1] == found[2]


def test_two_processes_train_as_one(shapes: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pixelwise",
        "train",
        str(shapes),
        "--model",
        "fcn",
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["--encoder", "mobilenetv3_small_050", "--weights", "none", "--size", "64x64", "--batch", "4"]
    command += ["--epochs", "1", "--set", "steps=4", "--set", "precision=32-true", "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run_folder = RunFolder(tmp_path / "run")
    assert [int(row["step"]) for row in read_metrics(run_folder) if row["loss"]] == [1, 2, 3, 4]
    scores = json.loads(run_folder.scores_file.read_text())
    assert scores["images"] == len(saved_split(tmp_path / "run", shapes) or [])
    validated = [row for row in read_metrics(run_folder) if row["miou"]]
    assert float(validated[-1]["miou"]) == pytest.approx(scores["miou"], abs=1e-4)
