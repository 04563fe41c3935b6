"""Memory that runs out: steps are computed in parts, and learn the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pixelwise.data.source import open_data
from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.listener import Silent
from pixelwise.models import load_model
from pixelwise.training.fit import fit, plan
from pixelwise.training.journal import read_metrics
from pixelwise.training.memory import explained_memory, is_out_of_memory
from pixelwise.training.pixel_course import PixelSetup
from pixelwise.training.run_folder import RunFolder


class Warned(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def test_a_step_in_parts_learns_what_a_whole_step_learns(
    shapes: Path, small_paper: dict[str, Any], tmp_path: Path
) -> None:
    # Without norms, dropout and weights, the mean over all pixels is the mean of the means of the parts.
    fixed = {**small_paper, "batch": 4, "steps": 6, "validate_every": 3, "border_weight": 0.0, "edge": "zeros"}
    fixed |= {"model_options": {"width": 1 / 16, "dropout": 0.0}}
    fixed |= {"class_weights": (1.0, 1.0, 1.0), "elastic": 0.0, "scale": (1.0, 1.0), "shorter": 0}
    runs = []
    for parts in (1, 2, 4):
        run = RunFolder(tmp_path / str(parts))
        fitted = fit(open_data(shapes), run, fixed={**fixed, "accumulate": parts}, epochs=1)
        assert fitted.finished
        rows = read_metrics(run)
        assert [int(row["step"]) for row in rows if row["loss"]] == [1, 2, 3, 4, 5, 6]
        assert [int(row["step"]) for row in rows if row["miou"]] == [3, 6]
        runs.append((rows, load_model(run.path).state_dict()))
    for rows, weights in runs[1:]:
        for row, whole in zip(rows, runs[0][0], strict=True):
            assert float(row["loss"] or 0) == pytest.approx(float(whole["loss"] or 0), abs=5e-3)
        for name, value in weights.items():
            torch.testing.assert_close(value, runs[0][1][name], rtol=1e-2, atol=2e-3)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    tried: list[int] = []

    def pace(_: Any, settings: Any, *__: Any, **___: Any) -> tuple[float, float]:
        at_once = settings.batch // settings.accumulate
        tried.append(at_once)
        if at_once > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return 0.01, 0.01

    monkeypatch.setattr(PixelSetup, "measure_pace", pace)
    return tried


def test_parts_grow_until_they_fit(shapes: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    tried, listener = short_of_memory(monkeypatch, 2), Warned()
    settings = plan(open_data(shapes), fixed={**small, "batch": 6}, epochs=1, listener=listener)
    assert tried == [6, 3, 2]
    assert (settings.batch, settings.accumulate) == (6, 3)
    assert settings.reasons["accumulate"] == "memory ran out with 3 crops of 64x64 at once"
    assert listener.lines[-1].endswith("each step takes 2 crops at a time and averages the gradients of 3 parts")


def test_single_crops_and_parts_set_by_hand_are_the_end(
    shapes: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 0)
    with pytest.raises(SettingError, match="memory ran out with 1 crop of 64x64; choose smaller crops"):
        plan(open_data(shapes), fixed=small, epochs=1)
    with pytest.raises(SettingError, match=r"with 2 crops of 64x64; .* a larger accumulate"):
        plan(open_data(shapes), fixed={**small, "batch": 4, "accumulate": 2}, epochs=1)
    with pytest.raises(SettingError, match="accumulate 3 does not divide the 4 crops"):
        plan(open_data(shapes), fixed={**small, "batch": 4, "accumulate": 3}, epochs=1)


def test_memory_that_runs_out_later_is_explained(shapes: Path, small: dict[str, Any], tmp_path: Path) -> None:
    settings = plan(open_data(shapes), fixed={**small, "batch": 4}, epochs=1)
    with (
        pytest.raises(PixelwiseError, match=r"run: memory ran out with 4 crops .* resume it with accumulate 2"),
        explained_memory(settings, RunFolder(tmp_path / "run")),
    ):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes")
    with pytest.raises(RuntimeError, match="another"), explained_memory(settings, RunFolder(tmp_path)):
        raise RuntimeError("another error")


def test_the_errors_of_torch_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
