"""Settings as people give them: one clear message for each that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.errors import SettingError
from pixelwise.training.settings import Settings, check_names, read_assignments, read_overrides

SHORTEST = {
    **{"weights": "none", "in_channels": 3, "crop": (64, 64), "batch": 2, "color": 0.1, "rare_class_probability": 0.0},
    **{"learning_rate": 0.1, "encoder_rate": 1.0, "weight_decay": 0.0, "warmup": 0, "ema_decay": 0.5, "steps": 8},
    **{"validate_every": 8, "precision": "32-true", "workers": 0, "cache_bytes": 0, "devices": 1, "nodes": 1},
}
"""The settings of a run that have no default."""


def test_values_are_yaml() -> None:
    given = ["batch=4", "model_options={width: 0.5, roi: pool}", "hflip=false", "encoder=", "model = unet"]
    assert read_assignments(given) == {
        "batch": 4,
        "model_options": {"width": 0.5, "roi": "pool"},
        "hflip": False,
        "encoder": None,
        "model": "unet",
    }


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e-3", "1.e-3", "1.0e-3", "0.001"])
def test_numbers_with_an_exponent_are_numbers(text: str, tmp_path: Path) -> None:
    expected = {"learning_rate": 0.001, "model_options": {"nms": 0.001}}
    given = {"learning_rate": text, "model_options": f"{{nms: {text}}}"}
    assert read_assignments([f"{key}={value}" for key, value in given.items()]) == expected
    (tmp_path / "settings.yaml").write_text("".join(f"{key}: {value}\n" for key, value in given.items()))
    assert read_overrides(tmp_path / "settings.yaml", []) == expected
    assert read_assignments(["model=1e", "encoder=e3"]) == {"model": "1e", "encoder": "e3"}


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("batch: 2\nseed: 3\nreasons: {batch: why}\n")
    assert read_overrides(config, ["batch=4"]) == {"batch": 4, "seed": 3}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("batch", "set: batch: expected KEY=VALUE, such as learning_rate=0.001"),
        ("=4", "expected KEY=VALUE"),
        ("model_options={width: [", "set: 'model_options=.* is no YAML"),
        ("batch=" + "9" * 5000, "is no YAML"),
        ("batch=" + "[" * 5000, "is no YAML"),
        ("bacth=4", "no setting 'bacth'; the nearest names are batch"),
    ],
)
def test_what_is_no_assignment(assignment: str, expected: str) -> None:
    with pytest.raises(SettingError, match=expected):
        read_overrides(None, [assignment])


@pytest.mark.parametrize(
    ("name", "mend"),
    [("pretrained", "the setting weights"), ("encoder", "the setting encoder"), ("classes", "leave it")],
)
def test_options_of_a_model_are_no_arguments_of_building_it(name: str, mend: str) -> None:
    with pytest.raises(SettingError, match=f"model_options: '{name}' is no option of a model; .*{mend}"):
        check_names({"model_options": {name: True}})
    with pytest.raises(SettingError, match=f"'{name}' is no option of a model"):  # as a file may have it
        Settings.make({"model": "unet", "model_options": {name: True}, **SHORTEST})
