from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixelwise.errors import DataError
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.timing.schedule import Schedule, rate_factor


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_rises_then_falls_to_zero(schedule: str) -> None:
    factors = [rate_factor(step, 100, schedule=schedule, warmup=0.1) for step in range(101)]
    peak = factors.index(max(factors))
    assert 9 <= peak <= 10
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) == pytest.approx(1.0)
    assert 0 < factors[0] < 0.2
    assert factors[100] == pytest.approx(0.0)


def test_poly_is_the_deeplab_power() -> None:
    assert rate_factor(500, 1000, schedule="poly", warmup=0.0) == pytest.approx(0.5**0.9)
    assert rate_factor(500, 1000, schedule="cosine", warmup=0.0) == pytest.approx(0.5)


def settings(**changes: Any) -> Settings:
    values = {
        "model": "fcn", "weights": "none", "in_channels": 3, "crop": (64, 64), "batch": 2, "color": 0.0,
        "rare_class_probability": 0.0, "learning_rate": 1e-3, "encoder_rate": 1.0, "weight_decay": 0.0, "warmup": 0.1,
        "ema_decay": 0.0, "steps": 100, "validate_every": 50, "precision": "32-true", "workers": 0, "cache_bytes": 0,
        "devices": 1, "nodes": 1,
    }  # fmt: skip
    return Settings.make({**values, **changes})


@pytest.mark.parametrize("kind", ["poly", "cosine"])
@pytest.mark.parametrize(
    "changes",
    [[(5, 60)], [(40, 41)], [(40, 80), (60, 61)], [(1, 90), (30, 70), (50, 55)], [(6, 17), (12, 60), (40, 100)]],
)
def test_a_changed_run_ends_at_zero_without_a_jump(kind: str, changes: list[tuple[int, int]]) -> None:
    schedule, planned = Schedule(settings(schedule=kind)), Schedule(settings(schedule=kind))
    for at, steps in changes:
        before = schedule.rate(at)
        schedule.change(at, steps)
        assert schedule.rate(at) == pytest.approx(before)
        assert schedule.steps == steps
    assert schedule.rate(schedule.steps) == pytest.approx(0.0, abs=1e-9)
    places = [schedule.place(step) for step in range(schedule.steps + 1)]
    assert places == sorted(places)
    assert places[: changes[0][0] + 1] == list(range(changes[0][0] + 1))
    assert [schedule.rate(step) for step in range(changes[0][0])] == [
        planned.rate(step) for step in range(changes[0][0])
    ]


def test_the_changes_of_a_run_are_read_back(tmp_path: Path) -> None:
    run, plan = RunFolder(tmp_path), settings()
    assert Schedule.load(run, plan).steps == 100
    schedule = Schedule(plan)
    schedule.change(40, 80)
    schedule.change(60, 70)
    schedule.save(run)
    again = Schedule.load(run, plan)
    assert again.changes == schedule.changes
    assert again.steps == 70
    schedule.change(65, 90)
    assert "shortened to 70 of the planned 100 steps" in schedule.sentences()[1]
    assert "After 65 steps the run was lengthened to 90 of the planned 100 steps" in schedule.sentences()[2]
    run.schedule_file.write_text('{"changes": [{"at": 3}]}')
    with pytest.raises(DataError, match=r"schedule\.json: the decisions"):
        Schedule.load(run, plan)
