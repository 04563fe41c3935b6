"""Exporting: what the file holds, what is refused, and that nothing is left of a file that is wrong."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from pixelwise import load_model
from pixelwise.data.source import open_data
from pixelwise.errors import DataError, ModelError, SettingError, UnsupportedError
from pixelwise.export import export_model, exporting
from pixelwise.export.around import exact_rule
from pixelwise.export.graph import build_graph
from pixelwise.export.pictures import checked_sizes, find_pictures, generate
from pixelwise.geometry import Geometry
from pixelwise.listener import Silent
from pixelwise.models import SegmentationModel
from pixelwise.placement import Placement
from pixelwise.preprocessing import Preprocessing
from pixelwise.training.resuming.data_record import DataRecord
from pixelwise.words import counted


def described(file: Path) -> dict:
    properties = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    return json.loads(properties["pixelwise"])


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_holds_the_card_and_the_check(by_brightness: SegmentationModel, exported: Path) -> None:
    written = described(exported)
    assert written["label_space"]["names"] == ["dark", "middle", "bright"]
    assert written["export"]["tiles"] == {"period": 4, "halo": 4, "context": 4, "margin": 0}
    assert written["export"]["parity"]["parity"] == "equal"
    assert written["export"]["parity"]["pictures"] == "generated"
    assert len(written["export"]["parity"]["rows"]) == 10
    assert left(exported.parent) == ["model.onnx"]


def test_pictures_of_a_folder_are_checked(by_brightness: SegmentationModel, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(generate(3, 0, (50, 70)).transpose(1, 2, 0)).save(tmp_path / "photos" / "a.png")
    exported = export_model(by_brightness, tmp_path / "model.onnx", pictures=tmp_path / "photos")
    assert exported.parity.source == f"1 picture of {tmp_path / 'photos'}"
    with pytest.raises(DataError, match="nowhere: there are no pictures to check"):
        export_model(by_brightness, tmp_path / "other.onnx", pictures=tmp_path / "nowhere")
    assert left(tmp_path) == ["model.onnx", "photos"]


def test_validation_pictures_of_a_run_are_checked(tmp_path: Path) -> None:
    for number in range(5):
        for folder, picture in (("images", generate(3, number, (40, 50))), ("masks", generate(1, 0, (40, 50)) // 128)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            stored = picture.transpose(1, 2, 0).squeeze()
            Image.fromarray(stored).save(tmp_path / "data" / folder / f"{number}.png")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    source = open_data(tmp_path / "data")
    DataRecord.of(source, Silent()).save(tmp_path / "run" / "splits.json")
    found = find_pictures(None, tmp_path / "run", Preprocessing())
    assert found.source == f"{counted(len(source.split('val')), 'validation picture')} of the run"
    assert found.make(0, (16, 31)).shape == (3, 16, 31)
    (tmp_path / "data").rename(tmp_path / "moved")
    assert find_pictures(None, tmp_path / "run", Preprocessing()).source == "generated"
    assert find_pictures(None, None, Preprocessing()).source == "generated"


def test_other_verbs_say_that_a_file_was_exported(exported: Path) -> None:
    with pytest.raises(ModelError, match="this is an exported file, which only labels pictures"):
        load_model(exported)


def test_one_class_makes_the_check_void(by_brightness: SegmentationModel, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((40, 40, 3), 250, np.uint8)).save(tmp_path / "photos" / "white.png")
    exported = export_model(by_brightness, tmp_path / "model.onnx", pictures=tmp_path / "photos")
    assert exported.parity.verdict == "void"
    assert described(exported.path)["export"]["parity"]["parity"] == "void"


def test_a_file_that_differs_is_not_written(
    by_brightness: SegmentationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(model: SegmentationModel):
        graph, description = build_graph(model)
        wrong = dataclasses.replace(description.placement, first=description.placement.first + 2)
        return graph, dataclasses.replace(description, placement=wrong)

    monkeypatch.setattr(exporting, "build_graph", shifted)
    with pytest.raises(ModelError, match=r"model.onnx: was not written, .* not at ties"):
        export_model(by_brightness, tmp_path / "model.onnx")
    assert left(tmp_path) == []


def test_what_cannot_be_exported_is_said(by_brightness: SegmentationModel, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    with pytest.raises(SettingError, match=r"out: .*model\.pb: exported files end in \.onnx"):
        export_model(by_brightness, tmp_path / "model.pb")
    with pytest.raises(SettingError, match="its folder does not exist"):
        export_model(by_brightness, tmp_path / "no" / "model.onnx")
    with pytest.raises(SettingError, match="no model to export"):
        export_model([], out)
    with pytest.raises(ModelError, match="is exported already"):
        export_model(tmp_path / "other.onnx", out)
    assert left(tmp_path) == []


def test_a_missing_package_is_named(
    by_brightness: SegmentationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UnsupportedError, match=r"onnxruntime; install it with: pip install 'pixelwise\[export\]'"):
        export_model(by_brightness, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("stride", "first", "rule"),
    [
        (1, 0.0, ("half_pixel", 0)),
        (8, 3.5, ("half_pixel", 0)),
        (8, -31.5, ("half_pixel", 35)),
        (8, 0, ("asymmetric", 0)),
        (32, -19.0, ("asymmetric", 19)),
    ],
)
def test_grids_have_a_rule_of_resizing(stride: int, first: float, rule: tuple[str, int]) -> None:
    assert exact_rule(Placement(stride, first, None, "period")) == rule


def test_a_grid_without_a_rule_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"pixel 3\.25, cannot be resized"):
        exact_rule(Placement(8, 3.25, None, "period"))


@pytest.mark.parametrize("period", [1, 4, 16, 32, 128])
def test_sizes_of_the_check(period: int) -> None:
    below, one, odd, long, tiled = checked_sizes(Geometry(1, 0, 0, period))
    assert max(below.size) < max(2, period)
    assert one.size == (period, period)
    assert all(side % 2 for side in odd.size)
    assert long.size[1] == 4 * long.size[0]
    assert tiled.tile is not None
    assert min(tiled.size) > tiled.tile
