"""Settings as people give them: one clear message for each that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.errors import SettingError
from pixelwise.training.settings import read_assignments, read_overrides


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
