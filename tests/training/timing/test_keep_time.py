"""A run keeps to its time when steps take longer than they were measured to."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pixelwise.data.source import open_data
from pixelwise.errors import SettingError
from pixelwise.listener import Silent
from pixelwise.training.fit import fit, plan
from pixelwise.training.pixel_course import PixelSetup
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.timing.budget import Budget
from pixelwise.training.timing.keep_time import KeepTime
from pixelwise.training.timing.schedule import Change, Schedule

SECONDS = 12.0


class Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    warn = say


@pytest.fixture
def hopeful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are measured to take a hundredth of what they do."""
    monkeypatch.setattr(PixelSetup, "measure_pace", lambda *_, **__: (0.002, 0.01))
    monkeypatch.setattr(Budget, "with_halo", lambda self, **_: self)  # nothing follows


@pytest.mark.parametrize(("slow", "quick"), [(4.0, 1.0), (4.0, 0.3), (0.5, 0.5)])
def test_a_run_uses_its_time_when_what_disturbed_it_has_ended(
    slow: float, quick: float, shapes: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = replace_steps(plan(open_data(shapes), fixed=small, epochs=1), 200)
    run, told, now, lengths = RunFolder(tmp_path), Told(), 0.0, []
    run.path.mkdir(exist_ok=True)
    schedule = Schedule(planned)
    monkeypatch.setattr("pixelwise.training.timing.keep_time.completes_step", lambda *_: True)
    budget = Budget(0.0, 230.0, 0.0)
    assert quick * 200 < 230
    keep = KeepTime(run, schedule, budget=budget, validation_seconds=1.0, listener=told, clock=lambda: now)
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(max_steps=200))
    step = 0
    while step < schedule.steps:
        step += 1
        now += slow if 5 < step <= 20 else quick
        trainer: Any = SimpleNamespace(
            global_step=step, is_global_zero=True, world_size=1, fit_loop=loop, accumulate_grad_batches=1
        )
        keep.on_train_batch_end(trainer, None, None, None, step)  # type: ignore[arg-type]
        lengths.append(schedule.steps)
    assert min(lengths) < 100 or slow < 1
    assert lengths[-1] == step == loop.epoch_loop.max_steps
    assert 0.95 * 230 < now + 1 < 1.03 * 230
    assert any("longer than planned" in line for line in told.lines) or slow < 1
    assert any("less than planned: the run ends after" in line for line in told.lines)
    assert Schedule.load(run, planned).changes == schedule.changes


@pytest.mark.usefixtures("hopeful")
def test_a_run_with_slow_steps_is_shortened_and_ends_in_time(
    shapes: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    del small["steps"]
    source, run = open_data(shapes), RunFolder(tmp_path / "run")
    started = time.monotonic()
    fitted = fit(source, run, fixed=small, minutes=SECONDS / 60)
    assert time.monotonic() - started < 1.1 * SECONDS
    assert fitted.finished
    schedule = Schedule.load(run, fitted.settings)
    assert 5 < schedule.steps < fitted.settings.steps / 3
    with run.metrics_file.open() as opened:
        rows = list(csv.DictReader(opened))
    assert int(rows[-1]["step"]) == schedule.steps
    assert rows[-1]["miou"], "the last weights are validated"
    rates = [float(row["learning_rate"]) for row in rows if row["learning_rate"]]
    assert rates[-1] < 1e-6


def test_a_resumed_run_follows_the_decision(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    source, run = open_data(shapes), RunFolder(tmp_path / "run")
    settings = plan(source, fixed=small, epochs=1)
    run.path.mkdir()
    settings = replace_steps(settings, 40)
    Schedule(settings, (Change(0, 7),)).save(run)
    # As if the first process had decided and was killed before its first state.
    DataRecord.of(source, Silent()).save(run.splits_file)
    settings.save(run.settings_file)
    fitted = fit(source, run, fixed={}, resume=True)
    assert fitted.finished
    with run.metrics_file.open() as opened:
        rows = list(csv.DictReader(opened))
    assert int(rows[-1]["step"]) == 7
    assert rows[-1]["miou"], "the last weights are validated"


def replace_steps(settings: Any, steps: int) -> Any:
    return settings.make({**settings.model_dump(), "steps": steps, "validate_every": steps})


def test_little_time_makes_steps_smaller_and_too_little_is_refused(
    shapes: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("steps", "crop", "batch"):
        del small[name]
    work: list[tuple[Any, Any]] = []

    def pace(_: Any, settings: Any, *__: Any, **___: Any) -> tuple[float, float]:
        work.append((settings.batch, settings.crop))
        return 3.0 * settings.batch / 8, 0.1

    monkeypatch.setattr(PixelSetup, "measure_pace", pace)
    source = open_data(shapes)
    planned = plan(source, fixed=small, minutes=1.0)
    assert len(work) == 2
    assert planned.batch == work[1][0] < work[0][0]
    assert "time is short" in planned.reasons["batch"] + planned.reasons["crop"]
    assert plan(source, fixed={**small, "batch": 8}, minutes=1.0).batch == 8, "what is set by hand stays"
    with pytest.raises(SettingError, match=r"leaves no time to train: .* give at least 0\.\d") as refused:
        plan(source, fixed=small, minutes=0.03)
    assert refused.value.argument == "minutes"
