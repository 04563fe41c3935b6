"""Exported files in the predictor: the labels of the model, and files from strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tifffile

from pixelwise.errors import ModelError, PixelwiseError, SettingError
from pixelwise.export import export_model
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.io.masks import read_mask
from pixelwise.models import SegmentationModel


@pytest.fixture
def exported(by_brightness: SegmentationModel, tmp_path: Path) -> Path:
    return export_model(by_brightness, tmp_path / "model.onnx").path


def draw(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(generate(3, 1, (height, width)).transpose(1, 2, 0))


def in_torch(model: SegmentationModel, **options: object) -> Predictor:
    return Predictor(model, device="cpu", precision="float32", **options)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (33, 7), (64, 96)])
def test_labels_and_probabilities_are_those_of_the_model(
    by_brightness: SegmentationModel, exported: Path, size: tuple[int, int]
) -> None:
    expected = in_torch(by_brightness)(draw(*size), probabilities=True)
    found = Predictor(exported)(draw(*size), probabilities=True)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    assert (found.labels == expected.labels).all()
    assert found.label_space == by_brightness.label_space
    assert found.exact


def test_tiles_rasters_views_and_counts_work(by_brightness: SegmentationModel, exported: Path, tmp_path: Path) -> None:
    picture = draw(101, 170)
    whole = in_torch(by_brightness)(picture).labels
    tiled = Predictor(exported, tile=32, mode="exact")
    assert len(tiled.plan((101, 170))) > 4
    assert (tiled(picture).labels == whole).all()
    assert (tiled.confusion(picture, whole) == np.diag(np.bincount(whole.ravel(), minlength=3))).all()
    tifffile.imwrite(tmp_path / "in.tif", picture, photometric="rgb")
    tiled.raster(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (read_mask(tmp_path / "out.tif") == whole).all()
    turned = in_torch(by_brightness, tta=("hflip", 0.5))(picture).labels
    assert (Predictor(exported, tta=("hflip", 0.5))(picture).labels == turned).mean() > 0.999


def test_plain_onnx_runtime_gives_the_labels(by_brightness: SegmentationModel, exported: Path) -> None:
    picture = draw(45, 70)
    session = onnxruntime.InferenceSession(exported)
    coarse, labels = session.run(["coarse", "labels"], {"image": picture[None]})
    assert (labels[0] == in_torch(by_brightness)(picture).labels).all()
    assert labels.dtype == np.uint8
    assert coarse.shape == (1, 3, 12, 18)


def test_the_fingerprint_is_that_of_the_file(exported: Path, tmp_path: Path) -> None:
    first = Predictor(exported).runtime.fingerprint
    (tmp_path / "copy.onnx").write_bytes(exported.read_bytes())
    assert Predictor(tmp_path / "copy.onnx").runtime.fingerprint == first
    assert first.endswith("onnx float32")


def test_runtimes_and_settings_that_do_not_fit_are_refused(by_brightness: SegmentationModel, exported: Path) -> None:
    with pytest.raises(SettingError, match=r"runtime: .*model\.onnx: an exported file runs in onnx or openvino, not"):
        Predictor(exported, runtime="torch")
    with pytest.raises(SettingError, match="run: the runtime onnx takes files that were exported"):
        Predictor("run", runtime="onnx")
    with pytest.raises(SettingError, match="a model in memory: the runtime onnx takes files"):
        Predictor([exported, by_brightness])
    with pytest.raises(SettingError, match="device: exported files run on the CPU, got 'cuda'"):
        Predictor(exported, device="cuda")
    with pytest.raises(SettingError, match="precision: exported files are not computed in 'float16' here"):
        Predictor(exported, precision="float16")
    with pytest.raises(ModelError, match=r"gone\.onnx: there is no such exported file"):
        Predictor(exported.with_name("gone.onnx"))


def changed(file: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(file)
    change(model)
    file.write_bytes(model.SerializeToString())
    return file


def describe(change: Callable[[dict], None]) -> Callable[[onnx.ModelProto], None]:
    def within(model: onnx.ModelProto) -> None:
        written = json.loads(model.metadata_props[0].value)
        change(written)
        model.metadata_props[0].value = json.dumps(written)

    return within


def keep_outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def keep_outside_in_a_branch(model: onnx.ModelProto) -> None:
    inner = onnx.helper.make_graph([], "branch", [], [])
    inner.initializer.add(name="secret", data_location=onnx.TensorProto.EXTERNAL)
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner))


def use_another_set(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def forget_the_logits(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.output[:] = ["other" if name == "coarse" else name for name in node.output]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (keep_outside, "lies in another file"),
        (keep_outside_in_a_branch, "'secret' lies in another file"),
        (use_another_set, "only operators of the ONNX standard"),
        (lambda model: model.functions.add(name="f"), "holds functions"),
        (lambda model: model.ClearField("metadata_props"), "without pixelwise's description"),
        (lambda model: model.ClearField("graph"), "it holds 0 graphs"),
        (forget_the_logits, "does not compute"),
        (lambda model: model.graph.ClearField("initializer"), "does not compute"),
        (describe(lambda written: written.pop("export")), "lacks 'export'"),
        (describe(lambda written: written.pop("geometry")), "lacks 'geometry'"),
        (describe(lambda written: written.update(surprise=1)), "'surprise'"),
        (describe(lambda written: written["export"].update(bytes_per_pixel=-1)), "bytes_per_pixel"),
        (describe(lambda written: written["export"]["placement"].update(stride=0)), "stride"),
        (describe(lambda written: written["export"]["placement"].update(around="margin")), "loses no pixels"),
        (describe(lambda written: written["export"].update(means=[3])), None),
    ],
)
def test_files_from_strangers_are_refused(
    exported: Path, change: Callable[[onnx.ModelProto], None], message: str | None
) -> None:
    changed(exported, change)
    if message is None:  # a mean that the graph lacks is found when tiles share it
        runtime = Predictor(exported).runtime
        with pytest.raises(ModelError, match=r"lacks the tensor 'mean\.0'"), runtime.averaging_over([]):
            pass
        return
    with pytest.raises(ModelError, match=message) as refused:
        Predictor(exported)
    assert str(exported) in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"PK\x03\x04", bytes(range(256)) * 4])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx"):
        Predictor(tmp_path / "model.onnx")


def test_damaged_files_are_refused_or_run(exported: Path) -> None:
    content, random = exported.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        damaged = bytearray(content)
        place = int(random.integers(len(damaged)))
        if random.random() < 0.6:
            damaged[place] = int(random.integers(256))
        else:
            del damaged[place : place + int(random.integers(1, 40))]
        exported.write_bytes(damaged)
        try:
            Predictor(exported)(draw(8, 8))
        except PixelwiseError:  # anything else fails the test
            refused += 1
    assert refused > 30


def test_a_network_that_gives_other_logits_is_named(exported: Path) -> None:
    changed(exported, describe(lambda written: written["label_space"].update(names=["a"], colors=[[0, 0, 0]])))
    with pytest.raises(ModelError, match="not the logits it states"):
        Predictor(exported)(draw(8, 8))
