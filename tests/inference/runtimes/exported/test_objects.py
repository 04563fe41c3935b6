"""Exported files of networks that find objects in the predictor: the objects of the model, and files from strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import tifffile
from finders import lively

from pixelwise.errors import ModelError, PixelwiseError, SettingError
from pixelwise.export import export_model
from pixelwise.export.object_matching import match_objects
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.instances import ObjectRule
from pixelwise.io.masks import read_mask
from pixelwise.models import DetectionModel
from pixelwise.preprocessing import Resize


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    return lively()


@pytest.fixture(scope="module")
def written(model: DetectionModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(model, tmp_path_factory.mktemp("exported") / "model.onnx").path


@pytest.fixture
def exported(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    copy = tmp_path / "model.onnx"
    copy.write_bytes(written.read_bytes())
    return copy


def draw(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(generate(3, 1, (height, width)).transpose(1, 2, 0))


def check_same(model: DetectionModel, file: Path, picture: np.ndarray, **options: object) -> None:
    theirs = Predictor(model, device="cpu", precision="float32", **options)
    ours = Predictor(file, **options)
    assert ours.plan(picture.shape[:2]) == theirs.plan(picture.shape[:2])
    expected, found = theirs(picture), ours(picture)
    assert expected.instances is not None
    assert found.instances is not None
    assert len(expected.instances) > 3
    assert not match_objects(expected.instances, found.instances).unmatched
    assert (found.labels == expected.labels).all()
    assert found.rule == expected.rule


@pytest.mark.parametrize("size", [(33, 47), (101, 64), (60, 240)])
def test_objects_are_those_of_the_model(model: DetectionModel, written: Path, size: tuple[int, int]) -> None:
    check_same(model, written, draw(*size))


def test_the_rule_is_that_of_the_model(model: DetectionModel, written: Path) -> None:
    assert Predictor(written).rule == ObjectRule(score=0.3, min_area=4)
    assert Predictor(written, score=0.9).rule.score == 0.9
    assert Predictor(written).finds_objects


def test_tiles_and_rasters_are_those_of_the_model(model: DetectionModel, written: Path, tmp_path: Path) -> None:
    picture = draw(170, 230)
    assert len(Predictor(written, tile=64).plan((170, 230))) > 4
    check_same(model, written, picture, tile=64)
    tifffile.imwrite(tmp_path / "in.tif", picture, photometric="rgb")
    tiled = Predictor(written, tile=64)
    tiled.raster(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (read_mask(tmp_path / "out.tif") == tiled(picture).labels).all()


def test_resized_pictures_are_cut_into_tiles_behind_the_resizing(tmp_path: Path) -> None:
    model = lively(Resize(150, 300))
    file = export_model(model, tmp_path / "model.onnx").path
    for options in ({}, {"tile": 64, "mode": "fast"}):
        check_same(model, file, draw(90, 70), **options)


def test_what_torch_refuses_is_refused(written: Path) -> None:
    with pytest.raises(SettingError, match="take one view"):
        Predictor(written, tta=("hflip",))
    with pytest.raises(ModelError, match="cannot be averaged with others"):
        Predictor([written, written])
    with pytest.raises(SettingError, match="no probabilities of pixels"):
        Predictor(written)(draw(40, 40), probabilities=True)


def describe(change: Callable[[dict], object]) -> Callable[[onnx.ModelProto], object]:
    def within(graph: onnx.ModelProto) -> None:
        described = json.loads(graph.metadata_props[0].value)
        change(described)
        graph.metadata_props[0].value = json.dumps(described)

    return within


def fewer_masks(graph: onnx.ModelProto) -> None:
    """Let the file give three masks however many boxes there are."""
    (node,) = (node for node in graph.graph.node if "masks" in node.output)
    node.output[0] = "all_masks"
    masks = onnx.numpy_helper.from_array(np.zeros((3, 28, 28), np.float32), "three")
    graph.graph.initializer.append(masks)
    graph.graph.node.append(onnx.helper.make_node("Identity", ["three"], ["masks"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (describe(lambda told: told["export"].pop("largest")), "lacks 'export.largest'"),
        (describe(lambda told: told["export"].update(largest=-1)), "largest"),
        (describe(lambda told: told["export"].update(mask_side=2**30)), "mask_side"),
        (describe(lambda told: told["export"].update(surprise=1)), "surprise"),
        (describe(lambda told: told["geometry"].update(phases=[[0, 0, 0]] * told["geometry"]["period"])), "whole pict"),
        (describe(lambda told: told.update(kind="pixels")), "lacks 'export.placement'"),
        (describe(lambda told: told["preprocessing"].update(resize=[100, 200])), "lacks the tensor 'resized'"),
        (lambda graph: graph.graph.output.pop(), "lacks the tensor 'masks'"),
    ],
)
def test_files_from_strangers_are_refused(exported: Path, change: Callable, message: str) -> None:
    graph = onnx.load(exported)
    change(graph)
    exported.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=message) as refused:
        Predictor(exported)
    assert str(exported) in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (fewer_masks, "not the objects it states"),
        (describe(lambda told: told["label_space"].update(names=["a"], colors=[[9, 9, 9]])), "beyond the 1 that"),
    ],
)
def test_objects_that_are_not_stated_are_named(exported: Path, change: Callable, message: str) -> None:
    graph = onnx.load(exported)
    change(graph)
    exported.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=message):
        Predictor(exported)(draw(60, 80))


def test_damaged_files_are_refused_or_run(exported: Path) -> None:
    content, random = exported.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(40):
        damaged = bytearray(content)
        place = int(random.integers(len(damaged)))
        if random.random() < 0.5:
            damaged[place] = int(random.integers(256))
        else:
            del damaged[place : place + int(random.integers(1, 40))]
        exported.write_bytes(damaged)
        try:
            Predictor(exported)(draw(32, 40))
        except PixelwiseError:  # anything else fails the test
            refused += 1
    assert refused > 10
