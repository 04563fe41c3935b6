from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixelwise.errors import SettingError
from pixelwise.training.resuming.settings_held import held_settings
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings

VALUES: dict[str, Any] = {
    "model": "unet",
    "encoder": "resnet18",
    "model_options": {"upsampling": "nearest"},
    "weights": "auto",
    "in_channels": 3,
    "value_range": (0, 4095),
    "crop": (64, 96),
    "batch": 2,
    "color": 0.3,
    "rare_class_probability": 0.5,
    "learning_rate": 0.002,
    "encoder_rate": 0.1,
    "weight_decay": 0.01,
    "warmup": 0.05,
    "ema_decay": 0.9,
    "steps": 8,
    "validate_every": 4,
    "precision": "32-true",
    "workers": 0,
    "cache_bytes": 1000,
    "seed": 5,
    "devices": 1,
    "nodes": 1,
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    Settings.make({**VALUES, "reasons": {"seed": "set by hand"}}).save(run.settings_file)
    return run


def test_settings_need_not_be_repeated_and_may_be(run: RunFolder) -> None:
    saved = Settings.load(run.settings_file)
    assert held_settings(run, {}) == saved
    assert held_settings(run, VALUES) == saved
    assert held_settings(run, {"crop": [64, 96], "value_range": (0.0, 4095.0)}) == saved


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("seed", 0, r"seed 0 \(the run has 5\)"),
        ("crop", (64, 64), r"crop 64 64 \(the run has 64 96\)"),
        ("encoder", "resnet34", r"encoder resnet34 \(the run has resnet18\)"),
        ("steps", 9, r"steps 9 \(the run has 8\)"),
        ("model_options", {"upsampling": "unpool"}, r"upsampling 'unpool' \(the run has 'nearest'\)"),
        ("model_options", {"width": 0.5}, r"width 0.5 \(the run has None\)"),
    ],
)
def test_settings_that_contradict_the_run_are_refused(run: RunFolder, name: str, value: Any, says: str) -> None:
    with pytest.raises(SettingError, match=rf"keeps its settings, and these differ: {says}; leave them out"):
        held_settings(run, {name: value})


def test_every_contradiction_is_named(run: RunFolder) -> None:
    with pytest.raises(SettingError, match=r"differ: seed 1 .*, batch 4 \(the run has 2\); leave"):
        held_settings(run, {"seed": 1, "batch": 4, "color": 0.3})


def test_what_the_steps_do_not_depend_on_may_change(run: RunFolder) -> None:
    held = held_settings(run, {"workers": 2, "devices": 1})
    assert held.workers == 2
    assert held.reasons == {"seed": "set by hand", "workers": "set by hand when the run went on"}
    with pytest.raises(SettingError, match="'workers'"):
        held_settings(run, {"workers": -1})
