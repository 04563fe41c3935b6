"""``pixelwise predict`` and objects: the files of a job hold those of all its pictures, also after it was stopped."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from verbs import run

from pixelwise.inference import Predictor
from pixelwise.inference.components import objects_of
from pixelwise.inference.labelling.object_lists import LISTS_FOLDER
from pixelwise.inference.labelling.regions import RegionFinder
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters.opening import open_source
from pixelwise.models import Model, build_model, save_model
from pixelwise.types import LabelSpace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, numpy 2


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name, size in (("a.png", (40, 50)), ("b.png", (64, 33)), ("sub/a.png", (33, 17))):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(root / name)
    return root


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "model.safetensors"
    model = build_model(
        "mask_rcnn",
        classes=LabelSpace(("cell", "dot")),
        encoder="resnet18",
        anchor_sizes=((8,), (16,), (32,), (64,), (128,)),
        score=0.0,
        detections=12,
        proposals=50,
        channels=16,
        head=32,
    )
    save_model(model, path)
    return path


def check_against(expected: dict, out: Path) -> None:
    """The job's files hold the objects of each picture, in the order of the pictures."""
    coco = json.loads((out / "predictions.json").read_text())
    with open(out / "objects.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [image["file_name"] for image in coco["images"]] == list(expected)
    assert [note["id"] for note in coco["annotations"]] == list(range(1, len(rows) + 1))
    at = 0
    for number, (name, found) in enumerate(expected.items(), 1):
        for index, mask in enumerate(found.masks):
            note, row = coco["annotations"][at], rows[at]
            at += 1
            assert note["image_id"] == number
            assert (row["picture"], row["id"]) == (name, str(index + 1))
            assert note["category_id"] == found.labels[index] + 1
            assert row["class"] == coco["categories"][found.labels[index]]["name"]
            np.testing.assert_array_equal(coco_mask.decode(note["segmentation"]), mask.full())
            if found.scores is not None:
                assert note["score"] == pytest.approx(float(found.scores[index]), abs=1e-5)
    assert at == len(rows) > 0


def test_a_detection_model_writes_its_objects(detector: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kinds = "labels,overlay,coco,geojson,table"
    assert run("predict", detector, photos, "--out", out, "--save", kinds, "--score", 0) == 0
    of_pictures = [f"{name}{end}" for name in ("a", "b", "sub/a") for end in (".geojson", ".png", "_overlay.jpg")]
    assert files(out) == sorted([*of_pictures, "objects.csv", "predictions.json", "sub"])
    predictor = Predictor(detector, score=0)
    predictions = {name: predictor(photos / name) for name in ("a.png", "b.png", "sub/a.png")}
    check_against({name: one.objects() for name, one in predictions.items()}, out)
    for name, one in predictions.items():
        np.testing.assert_array_equal(read_mask(out / name), one.labels)
    features = json.loads((out / "b.geojson").read_text())["features"]
    assert [one["properties"]["id"] for one in features] == list(range(1, len(predictions["b.png"].objects()) + 1))


def test_a_semantic_model_writes_the_parts_of_its_classes(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out, "--save", "coco,table") == 0
    assert [name for name in files(out) if name != "sub"] == ["objects.csv", "predictions.json"]
    predictor = Predictor(untrained_run)
    expected = {
        name: predictor(photos / name, probabilities=True).objects() for name in ("a.png", "b.png", "sub/a.png")
    }
    check_against(expected, out)


def test_parts_too_small_are_listed_nowhere(by_brightness: Model, tmp_path: Path) -> None:
    """Of pictures in memory and of rasters, which are listed from the labels written."""
    pixels = np.zeros((80, 96, 3), np.uint8)
    for number, side in enumerate((3, 6, 9, 12)):
        pixels[10 + 16 * number :][:side, 40 : 40 + side] = 255
    prediction = Predictor(by_brightness)(pixels)
    areas = prediction.every_object().areas
    least = int(np.median(areas)) + 1
    kept = sorted(areas[areas >= least])
    assert 0 < len(kept) < len(areas)
    assert sorted(Predictor(by_brightness, min_area=least)(pixels).objects().areas) == kept
    with open_source(prediction.labels, indices=True) as labels:
        records = list(RegionFinder(labels, prediction.label_space, min_area=least).records())
    assert sorted(record.area for record in records) == kept
    assert [record.id for record in records] == list(range(1, len(kept) + 1))


def test_a_stopped_job_goes_on_to_the_same_files(
    untrained_run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    arguments = ("predict", untrained_run, photos, "--save", "coco,table,labels", "--out")
    assert run(*arguments, whole) == 0

    from pixelwise.inference.labelling import labeller as module

    label = module.label_one
    calls = []

    def stopped(predictor, job, *rest, **named):
        calls.append(job.name.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return label(predictor, job, *rest, **named)

    monkeypatch.setattr(module, "label_one", stopped)
    assert run(*arguments, out) != 0
    assert not (out / "predictions.json").exists()
    assert len(list((out / LISTS_FOLDER).iterdir())) == 2
    assert run(*arguments, out, "--resume") == 0
    assert len(calls) == 4  # the two that were finished are not computed again
    for name in ("predictions.json", "objects.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not (out / LISTS_FOLDER).exists()


def test_pictures_that_fail_are_not_listed(untrained_run: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert run("predict", untrained_run, photos, "--out", out, "--save", "coco") == 2
    names = [image["file_name"] for image in json.loads((out / "predictions.json").read_text())["images"]]
    assert names == ["a.png", "b.png", "sub/a.png"]


def test_rasters_have_objects_too(untrained_run: Path, detector: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)
    np.save(tmp_path / "map.npy", np.asarray(image))
    out = tmp_path / "semantic"
    assert run("predict", untrained_run, tmp_path / "map.npy", "--out", out, "--save", "coco,table", "--tile", 32) == 0
    predictor = Predictor(untrained_run)
    with open_source(out / "map.tif", indices=True) as labels:
        found = objects_of(labels.read(slice(None), slice(None))[0], predictor.label_space)
    coco = json.loads((out / "predictions.json").read_text())
    pairs = {(note["category_id"], tuple(note["bbox"]), note["area"]) for note in coco["annotations"]}
    sides = np.concatenate([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2]], 1)
    expected = zip(found.labels + 1, map(tuple, sides.tolist()), found.areas, strict=True)
    assert pairs == {(int(label), side, area) for label, side, area in expected}
    assert "score" not in coco["annotations"][0]

    out = tmp_path / "found"
    kinds = "coco,table,geojson,overlay"
    assert (
        run("predict", detector, tmp_path / "map.npy", "--out", out, "--save", kinds, "--tile", 64, "--score", 0) == 0
    )
    coco = json.loads((out / "predictions.json").read_text())
    features = json.loads((out / "map.geojson").read_text())["features"]
    assert [one["properties"]["area"] for one in features] == [note["area"] for note in coco["annotations"]]
    with open_source(out / "map.tif", indices=True) as labels:
        painted = labels.read(slice(None), slice(None))[0]
    covered = np.zeros(painted.shape, bool)
    for note in coco["annotations"]:
        covered |= coco_mask.decode(note["segmentation"]).astype(bool)
    np.testing.assert_array_equal(painted > 0, covered)


def test_objects_of_low_scores_stand_in_the_coco_file_alone(detector: Path, photos: Path, tmp_path: Path) -> None:
    everything = Predictor(detector)(photos / "a.png").objects()
    assert everything.scores is not None
    score = float(np.sort(everything.scores)[-4:-2].mean())
    out = tmp_path / "out"
    kinds = "labels,geojson,coco,table"
    assert run("predict", detector, photos / "a.png", "--out", out, "--save", kinds, "--score", score) == 0
    annotations = json.loads((out / "predictions.json").read_text())["annotations"]
    assert len(annotations) == len(everything)
    with open(out / "objects.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert len(json.loads((out / "a.geojson").read_text())["features"]) == 3
    assert everything.masks is not None
    covered = np.any([mask.full() for mask in everything.masks[:3]], axis=0)
    np.testing.assert_array_equal(read_mask(out / "a.png") > 0, covered)


def test_what_a_detection_model_does_not_give_is_refused(
    detector: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", detector, photos, "--out", tmp_path / "out", "--save", "probabilities") == 2
    assert "gives each a score" in " ".join(capsys.readouterr().err.split())
    assert run("predict", detector, photos, "--out", tmp_path / "out", "--crf") == 2
    assert not (tmp_path / "out").exists()


def test_the_ids_of_a_given_file(
    detector: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(photos / "map.npy", np.zeros((40, 60, 3), np.uint8))
    stated = {"a.png": (40, 50), "b.png": (64, 33), "sub/a.png": (33, 17), "map.npy": (40, 60)}
    content = {
        "images": [
            {"id": 90 - number, "file_name": name, "height": size[0], "width": size[1]}
            for number, (name, size) in enumerate(stated.items())
        ],
        "categories": [{"id": 5, "name": "dot"}, {"id": 3, "name": "cell"}],
    }
    given, out = tmp_path / "given.json", tmp_path / "out"
    given.write_text(json.dumps(content))
    arguments = ("predict", detector, photos, photos / "map.npy", "--like", given, "--out")
    assert run(*arguments, out, "--save", "coco") == 0
    written = json.loads((out / "predictions.json").read_text())
    assert {image["file_name"]: image["id"] for image in written["images"]} == dict(
        zip(stated, (90, 89, 88, 87), strict=True)
    )
    assert {one["category_id"] for one in written["annotations"]} <= {3, 5}

    assert run(*arguments, tmp_path / "none", "--save", "labels,table") == 2
    assert f"--like: {given}: ids are taken from it for predictions.json" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "none").exists()

    for entry in content["images"]:
        if entry["file_name"] in ("b.png", "map.npy"):
            entry["width"] += 1
    given.write_text(json.dumps(content))
    out = tmp_path / "second"
    assert run(*arguments, out, "--save", "coco,labels") == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert "2 of 4 pictures could not be labelled" in errors
    assert f"{given}: b.png (id 89) has 64x34 pixels (height x width) there, but the picture b.png has 64x33" in errors
    assert f"{given}: map.npy (id 87) has 40x61" in errors
    assert [name for name in files(out) if name.startswith(("b", "map"))] == []
    assert {image["id"] for image in json.loads((out / "predictions.json").read_text())["images"]} == {90, 88}
