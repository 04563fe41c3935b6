"""Every output says the same of the same labels, whether they lie in memory or on disk."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise.errors import DataError, SettingError
from pixelwise.inference import Predictor
from pixelwise.inference.labelling import labelled
from pixelwise.inference.labelling.jobs import Job, Options, is_raster
from pixelwise.inference.labelling.label import Outcome, label_one
from pixelwise.inference.labelling.object_lists import ObjectLists
from pixelwise.inference.labelling.outputs import OUTPUT_KINDS, BytesSink, FolderSink, parse_kinds
from pixelwise.io.masks import read_mask
from pixelwise.listener import Silent
from pixelwise.models import Model, build_model
from pixelwise.types import LabelSpace, object_space

WANTED = tuple(kind for kind in OUTPUT_KINDS if kind != "probabilities")


def discs() -> np.ndarray:
    """Bright squares on black, two of them with a line of two pixels between them, and one of three pixels a side."""
    pixels = np.zeros((64, 90, 3), np.uint8)
    for top, left, side in ((5, 5, 12), (5, 19, 12), (30, 40, 20), (40, 10, 3), (20, 70, 9)):
        pixels[top : top + side, left : left + side] = 255
    return pixels


@pytest.fixture(params=["pixels", "objects"])
def predictor(request: pytest.FixtureRequest, by_brightness: Model) -> Predictor:
    if request.param == "pixels":
        by_brightness.change_card(label_space=LabelSpace(("nothing", "grey", "white"), background=0))
        return Predictor(by_brightness, min_area=10, precision="float32")
    small = {"channels": 16, "head": 32, "mask_head": 16, "proposals": 40, "detections": 8}
    return Predictor(build_model("mask_rcnn", classes=2, encoder="test_resnet", **small), score=0.0, min_area=10)


def label(predictor: Predictor, picture: Path, out: Path) -> Outcome:
    out.mkdir()
    job = Job(picture, PurePath("a"))
    outcome = label_one(predictor, job, Options(WANTED), FolderSink(out / "a"), listener=Silent())
    lists = ObjectLists(out, WANTED)
    lists.add(Job(Path("a.png"), PurePath("a")), outcome.size, outcome.labelled.records)
    jobs = [Job(Path("a.png"), PurePath("a"))]
    lists.write(jobs, object_space(predictor.label_space), score=predictor.rule.score)
    lists.remove()
    return outcome


def unscored(path: Path) -> list[dict]:
    """What a file says of objects but for scores, which parts of classes have in memory alone."""
    content = json.loads(path.read_text())
    found = content.get("annotations") or content.get("features") or []
    return [{key: value for key, value in one.items() if key != "score"} for one in found]


def test_memory_and_disk_give_the_same_outputs(predictor: Predictor, tmp_path: Path) -> None:
    pixels = discs()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", pixels)
    assert is_raster(tmp_path / "a.npy")
    here, there = tmp_path / "memory", tmp_path / "disk"
    label(predictor, tmp_path / "a.png", here)
    label(predictor, tmp_path / "a.npy", there)
    np.testing.assert_array_equal(read_mask(here / "a.png"), read_mask(there / "a.tif"))
    assert (here / "a_overlay.jpg").read_bytes() == (there / "a_overlay.jpg").read_bytes()
    assert (here / "a.geojson").read_bytes() == (there / "a.geojson").read_bytes()
    assert unscored(here / "predictions.json") == unscored(there / "predictions.json")
    assert len(unscored(here / "predictions.json")) > 0
    rows = [
        [line.split(",")[:3] + line.split(",")[4:] for line in (folder / "objects.csv").read_text().splitlines()]
        for folder in (here, there)
    ]
    assert rows[0] == rows[1]


def test_a_region_stands_in_every_output_or_in_none(by_brightness: Model, tmp_path: Path) -> None:
    by_brightness.change_card(label_space=LabelSpace(("nothing", "grey", "white"), background=0))
    Image.fromarray(discs()).save(tmp_path / "a.png")
    predictor = Predictor(by_brightness, min_area=30, precision="float32")
    outcome = label(predictor, tmp_path / "a.png", tmp_path / "out")
    features = unscored(tmp_path / "out/a.geojson")
    assert len(features) == len(list(outcome.labelled.records())) == len(unscored(tmp_path / "out/predictions.json"))
    assert len(features) < len(predictor(tmp_path / "a.png").every_object())


def test_large_rasters_are_drawn_small(by_brightness: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "DRAWN_PIXELS", 100)
    tifffile.imwrite(tmp_path / "a.tif", discs(), photometric="rgb", metadata={"axes": "YXS"})
    np.save(tmp_path / "a.npy", discs())
    outcome = label(Predictor(by_brightness, precision="float32"), tmp_path / "a.npy", tmp_path / "out")
    assert outcome.labelled.overlay(numbers=True).shape == (64, 90, 3)


def test_outputs_can_be_had_as_bytes(by_brightness: Model, tmp_path: Path) -> None:
    Image.fromarray(discs()).save(tmp_path / "a.png")
    predictor = Predictor(by_brightness, precision="float32")
    job, options = Job(tmp_path / "a.png", PurePath("a")), Options(("labels", "geojson"))
    with BytesSink() as sink:
        label_one(predictor, job, options, sink, listener=Silent())
        content = sink.files()
    assert set(content) == {".png", ".geojson"}
    label_one(predictor, job, options, FolderSink(tmp_path / "b"), listener=Silent())
    assert content[".png"] == (tmp_path / "b.png").read_bytes()


def test_what_cannot_be_saved_is_named() -> None:
    with pytest.raises(SettingError, match=r"save: there is no output 'labls'; the nearest names are labels"):
        parse_kinds(["labls"])
    with pytest.raises(SettingError, match="it names nothing"):
        parse_kinds([])


def test_probabilities_of_rasters_are_refused(by_brightness: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", discs())
    predictor = Predictor(by_brightness, precision="float32")
    with pytest.raises(DataError, match="probabilities cannot be written for a raster"):
        label_one(
            predictor,
            Job(tmp_path / "a.npy", PurePath("a")),
            Options(("probabilities",)),
            FolderSink(tmp_path / "b"),
            listener=Silent(),
        )
