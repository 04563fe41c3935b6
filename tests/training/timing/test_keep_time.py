"""A run keeps to its time when steps take longer than they were measured to."""

from __future__ import annotations

import csv
import time
from pathlib import Path
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
from pixelwise.training.timing.schedule import Cut, Schedule

SECONDS = 12.0


@pytest.fixture
def hopeful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are measured to take a hundredth of what they do."""
    monkeypatch.setattr(PixelSetup, "measure_pace", lambda *_, **__: (0.002, 0.01))
    monkeypatch.setattr(Budget, "with_halo", lambda self, **_: self)  # nothing follows


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
    Schedule(settings, (Cut(0, 7),)).save(run)
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
