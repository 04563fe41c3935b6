"""A model doubts what was annotated wrongly, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.cli import main
from pixelwise.data.source import open_data
from pixelwise.inference import Predictor
from pixelwise.instances import BoxMask
from pixelwise.models import SegmentationModel
from pixelwise.scoring import doubts as doubts_module
from pixelwise.scoring.doubts import BORDER_PIXELS, find_doubts, interior, regions_of

GREY = np.array([0, 128, 255], np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pictures in grey whose brightness is the class of a pixel: squares of 24 pixels on a dark ground."""
    rng = np.random.default_rng(0)
    root = tmp_path / "set"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((96, 128), np.uint8)
        for row, column in ((8, 8), (8, 72), (56, 40)):
            mask[row : row + 24, column : column + 24] = rng.integers(1, 3)
        grey = (GREY[mask].astype(int) + rng.integers(-3, 4, mask.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(np.stack([grey] * 3, 2)).save(root / f"images/{number:02}.png")
        Image.fromarray(mask).save(root / f"masks/{number:02}.png")
    (root / "classes.txt").write_text("dark\nmiddle\nbright\n")
    return root


def edit(data: Path, number: int, rows: slice, columns: slice, value: int) -> None:
    path = data / f"masks/{number:02}.png"
    mask = np.asarray(Image.open(path)).copy()
    mask[rows, columns] = value
    Image.fromarray(mask).save(path)


def test_a_right_annotation_is_not_doubted(data: Path, by_brightness: SegmentationModel) -> None:
    doubts = find_doubts(Predictor(by_brightness), open_data(data, label_space=by_brightness.label_space))
    assert doubts.found == ()
    assert doubts.regions == 12 * 4
    assert max(doubts.pictures.values()) < 0.01


def test_exchanged_forgotten_and_invented_regions_come_first(data: Path, by_brightness: SegmentationModel) -> None:
    mask = np.asarray(Image.open(data / "masks/03.png"))
    was = int(mask[20, 20])
    edit(data, 3, slice(8, 32), slice(8, 32), 3 - was)  # another class
    edit(data, 5, slice(8, 32), slice(72, 96), 0)  # forgotten
    edit(data, 7, slice(60, 90), slice(90, 120), 2)  # where nothing is
    edit(data, 9, slice(8, 32), slice(30, 33), 2)  # a border drawn 1 to 3 pixels off
    doubts = find_doubts(Predictor(by_brightness), open_data(data, label_space=by_brightness.label_space))
    found = {one.id: one for one in doubts.found}
    assert set(found) == {"images/03.png", "images/05.png", "images/07.png"}
    assert len(doubts.found) == 3
    names = by_brightness.label_space.names
    exchanged, forgotten, invented = found["images/03.png"], found["images/05.png"], found["images/07.png"]
    assert (exchanged.kind, exchanged.annotated, exchanged.predicted) == ("class", names[3 - was], names[was])
    assert (exchanged.box, exchanged.pixels) == ((8, 8, 32, 32), 576)
    assert (forgotten.kind, forgotten.annotated, forgotten.box) == ("missing", "dark", (72, 8, 96, 32))
    assert (invented.kind, invented.annotated, invented.predicted) == ("class", "bright", "dark")
    assert set(list(doubts.pictures)[:3]) == set(found)
    assert all(0 < one.score < 1 for one in doubts.found)
    assert "columns 8 to 32, rows 8 to 32: annotated as" in exchanged.line


def test_regions_are_the_connected_parts_of_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts_module, "LEAST_PIXELS", 3)
    labels = np.array([[0, 0, 1, 1], [0, 1, -1, 1], [0, 1, 2, 2], [2, 0, 0, 0]])
    found = {(one.box, one.area) for one in regions_of(labels)}
    assert found == {((0, 0, 4, 4), 7), ((1, 0, 4, 3), 5)}


def test_the_interior_leaves_out_the_border() -> None:
    square = BoxMask(np.ones((20, 10), np.bool_), 3, 4, (40, 40))
    inside = interior(square)
    assert inside.sum() == (20 - 2 * BORDER_PIXELS) * (10 - 2 * BORDER_PIXELS)
    thin = BoxMask(np.ones((3, 10), np.bool_), 3, 4, (40, 40))
    assert interior(thin).all()


def test_the_verb_ranks_them(
    data: Path, by_brightness: SegmentationModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(data, 5, slice(8, 32), slice(72, 96), 0)

    class Opened(Predictor):
        def __init__(self, _: object) -> None:
            super().__init__(by_brightness)

    out = tmp_path / "found.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelwise.inference.Predictor", Opened)
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", str(data), "--model", "unused", "--json", str(out), "--report", str(tmp_path / "page")])
    assert stopped.value.code in (0, None)
    printed = capsys.readouterr().out
    assert "the model has 1 doubt about 47 annotations" in printed
    content = json.loads(out.read_text())
    assert [one["file"] for one in content["doubts"]] == ["images/05.png"]
    assert next(iter(content["pictures"])) == "images/05.png"
    page = (tmp_path / "page" / "doctor.html").read_text()
    assert "What the model doubts" in page
