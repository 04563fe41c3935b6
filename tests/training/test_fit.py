from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from pixelwise import build_model, load_model
from pixelwise.cli.progress import Terminal
from pixelwise.data.source import open_data
from pixelwise.errors import ModelError, SettingError
from pixelwise.listener import Progress, Silent
from pixelwise.training.callbacks import KeepState
from pixelwise.training.fit import Fitted, fit, plan
from pixelwise.training.initial_weights import fill_weights
from pixelwise.training.journal import read_metrics
from pixelwise.training.pixel_course import PixelSetup, SegmentationTask
from pixelwise.training.run_folder import RunFolder, saved_split
from pixelwise.training.settings import Settings


def run(data: Path, folder: Path, fixed: dict[str, Any], **options: Any) -> tuple[Fitted, str]:
    console = Console(file=io.StringIO(), width=120)
    options = {"epochs": 1.0, **options}
    fitted = fit(open_data(data), RunFolder(folder), fixed=fixed, listener=Terminal(console), **options)
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
    assert (model.edge, settings.edge, settings.shorter) == ("mirror", "mirror", 16)
    rows = read_metrics(fitted.run)
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(1, 9))
    assert any(row["miou"] for row in rows)
    described = json.loads(fitted.run.splits_file.read_text())
    assert saved_split(fitted.run.path, shapes) == described["splits"]["val"]
    assert saved_split(fitted.run.path, tmp_path) is None
    assert not list(fitted.run.path.glob(".*")), "nothing temporary is left"


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        ("killed", "small"),
        ("killed early", "small"),
        ("killed and damaged", "small"),
        ("interrupted", "small"),
        ("killed", "small_paper"),
    ],
)
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
        if task.global_step == (2 if fate == "killed early" else 5):
            if fate != "interrupted":
                raise RuntimeError("the power went out")
            os.kill(os.getpid(), signal.SIGINT)
        return step(task, batch, batch_idx)

    with monkeypatch.context() as broken:
        broken.setattr(SegmentationTask, "training_step", break_at_step_six)
        if fate != "interrupted":
            if fate != "killed early":
                broken.setattr(KeepState.__init__, "__kwdefaults__", {"every_seconds": 0.0})
            with pytest.raises(RuntimeError, match="power"):
                run(shapes, tmp_path / "broken", {**small, "validate_every": 4})
        else:
            fitted, printed = run(shapes, tmp_path / "broken", {**small, "validate_every": 4})
            assert not fitted.finished
            assert "stopped at step 6 of 8" in printed

    with pytest.raises(SettingError, match="unfinished run is here") as refused:
        run(shapes, tmp_path / "broken", small)
    assert refused.value.argument == "resume"
    if fate == "killed and damaged":
        os.truncate(tmp_path / "broken" / "last.ckpt", 1000)
    resumed, printed = run(shapes, tmp_path / "broken", {}, resume=True)
    assert resumed.finished
    place = {"killed": "step 5 of 8", "killed early": "the beginning", "killed and damaged": "step 4 of 8"}
    assert f"at {place.get(fate, 'step 6 of 8')}" in printed
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "unbroken"), rel=1e-3)
    assert len(losses(tmp_path / "broken")) == 8
    whole, again = load_model(unbroken.run.path), load_model(resumed.run.path)
    for (name, expected), found in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3, msg=lambda text, n=name: f"{n}: {text}")


def test_a_resumed_run_holds_to_its_seed_and_its_split(
    shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the power went out")

    listener, folder = Listening(), RunFolder(tmp_path / "run")
    of_five = open_data(shapes, seed=5)
    with monkeypatch.context() as broken:
        broken.setattr(SegmentationTask, "training_step", fail)
        with pytest.raises(RuntimeError, match="power"):
            fit(of_five, folder, fixed={**small, "seed": 5}, epochs=1.0)
    with pytest.raises(SettingError, match=r"these differ: seed 0 \(the run has 5\)"):
        fit(of_five, folder, fixed={"seed": 0}, resume=True)
    source = open_data(shapes)
    assert source.splits != of_five.splits
    fitted = fit(source, folder, fixed={"batch": 2}, minutes=3, resume=True, listener=listener)
    assert fitted.source.splits == of_five.splits
    assert fitted.settings.seed == 5
    assert "the run keeps its 8 steps; a time or epochs given now change nothing" in listener.lines
    with pytest.raises(SettingError, match="only a run that is resumed") as refused:
        fit(source, RunFolder(tmp_path / "new"), fixed=small, accept_changes=True)
    assert refused.value.argument == "accept_changes"


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
        fill_weights(other, str(fitted.run.path), Silent())


def test_a_budget_of_minutes_fixes_the_steps(
    shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del small["steps"]
    monkeypatch.setattr(PixelSetup, "measure_pace", lambda *_, **__: (10.0, 1.0))
    fitted, _ = run(shapes, tmp_path / "run", small, epochs=None, minutes=3.0)
    assert fitted.finished
    assert 4 <= fitted.settings.steps <= 18, "three minutes at ten seconds per step, less what getting ready took"
    assert "10000 ms per step" in fitted.settings.reasons["steps"]
    with pytest.raises(SettingError, match=r"minutes: 0\.1 leaves no time") as refused:
        run(shapes, tmp_path / "hasty", small, epochs=None, minutes=0.1)
    assert refused.value.argument == "minutes"


def test_folders_that_cannot_be_used(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "scores.json").write_text("{}")
    (tmp_path / "file").write_text("")
    for folder, resume, message, argument in (
        ("finished", False, "has finished", "out"),
        ("finished", True, "has finished", "out"),
        ("nothing", True, "no run to resume", "resume"),
        ("file/run", False, "cannot be made", "out"),
    ):
        with pytest.raises(SettingError, match=message) as refused:
            run(shapes, tmp_path / folder, small, resume=resume)
        assert refused.value.argument == argument
        assert "--" not in str(refused.value), "a caller in Python knows no flags"


class Listening:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tables: dict[str, Sequence[tuple[str, str, str]]] = {}
        self.steps: dict[str, list[tuple[int, int, str]]] = {}

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(f"warning: {text}")

    def table(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        self.tables[title] = rows

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        steps = self.steps[doing] = []

        def tell(done: int, of: int, note: str = "") -> None:
            assert of == total
            steps.append((done, of, note))

        yield tell


def test_a_listener_hears_what_is_decided_and_how_far_the_run_is(
    shapes: Path, small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = Listening()
    source = open_data(shapes)
    fitted = fit(source, RunFolder(tmp_path / "run"), fixed=small, epochs=1.0, listener=listener)
    more = len(fitted.settings.rows()) - len(fitted.settings.rows(brief=True))
    assert listener.lines == [
        "training from scratch (weights: none)",
        f"{more} more settings are shown with verbose; all are in {fitted.run.settings_file}",
    ]
    assert ("steps", "8", "set by hand") in listener.tables["the plan"]
    assert listener.tables["the plan"] == fitted.settings.rows(brief=True)
    assert len(listener.tables["the plan"]) <= 10
    train, val = len(source.split("train")), len(source.split("val"))
    assert [done for done, _, _ in listener.steps["reading training pictures"]] == list(range(1, train + 1))
    assert [done for done, _, _ in listener.steps["decoding pictures"]] == list(range(1, train + val + 1))
    timed = [done for done, _, _ in listener.steps["timing a few steps"]]
    assert timed == sorted(timed)
    first, *_, last = listener.steps["training"]
    assert first == (0, 8, "")
    best = max(float(row["miou"]) for row in read_metrics(fitted.run) if row["miou"])
    assert last == (8, 8, f"loss {losses(fitted.run.path)[-1]:.3f}, best mIoU {best:.3f}")
    printed = capsys.readouterr()
    assert printed.out == printed.err == "", "what a run says goes to its listener alone"


def test_a_plan_without_a_run_writes_nothing(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    listener, before = Listening(), sorted(tmp_path.rglob("*"))
    settings = plan(open_data(shapes), fixed=small, epochs=1.0, verbose=True, listener=listener)
    assert listener.tables["the plan"] == settings.rows()
    assert "training" not in listener.steps
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_a_listener_prints_nothing(
    shapes: Path, small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(open_data(shapes), RunFolder(tmp_path / "run"), fixed={**small, "steps": 2}, epochs=1.0)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


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
