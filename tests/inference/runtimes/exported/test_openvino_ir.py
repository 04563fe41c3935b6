"""Files of OpenVINO: the labels and objects of the model, and files from strangers."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pixelwise.errors import ModelError, PixelwiseError, SettingError, UnsupportedError
from pixelwise.export import export_model, file_formats
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.io.masks import read_mask
from pixelwise.models import SegmentationModel, build_model

pytestmark = pytest.mark.engines

openvino = pytest.importorskip("openvino")


def draw(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(generate(3, 1, (height, width)).transpose(1, 2, 0))


@pytest.fixture(scope="module")
def written(wide: SegmentationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(wide, tmp_path_factory.mktemp("exported") / "model.xml").path


@pytest.fixture
def exported(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    for file in (written, written.with_suffix(".bin")):
        shutil.copy(file, tmp_path)
    return tmp_path / "model.xml"


def test_labels_tiles_and_rasters_are_those_of_the_model(
    wide: SegmentationModel, exported: Path, tmp_path: Path
) -> None:
    picture = draw(101, 170)
    whole = Predictor(wide, device="cpu", precision="float32")(picture).labels
    assert len(np.unique(whole)) == 3
    assert (Predictor(exported, precision="float32")(picture).labels == whole).mean() > 0.999
    tiled = Predictor(exported, precision="float32", tile=64, mode="exact")
    assert len(tiled.plan((101, 170))) > 2
    assert (tiled(picture).labels == whole).mean() > 0.999
    tifffile.imwrite(tmp_path / "in.tif", picture, photometric="rgb")
    tiled.raster(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (read_mask(tmp_path / "out.tif") == whole).mean() > 0.999
    assert tiled.runtime.fingerprint.endswith("openvino float32")


def test_a_mean_over_the_picture_is_shared_by_tiles(tmp_path: Path) -> None:
    model = build_model("deeplabv3plus", classes=3, encoder="test_resnet", decoder_channels=8).eval()
    exported = export_model(model, tmp_path / "pooled.xml").path
    picture = draw(90, 150)
    predictor = Predictor(exported, precision="float32", tile=64, mode="fast")
    expected = Predictor(model, device="cpu", precision="float32", tile=64, mode="fast")(picture, probabilities=True)
    found = predictor(picture, probabilities=True)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)


def test_plain_openvino_gives_the_labels(wide: SegmentationModel, exported: Path) -> None:
    picture = draw(45, 70)
    compiled = openvino.Core().compile_model(exported, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    labels = compiled({"image": picture[None]})["labels"]
    assert (labels[0] == Predictor(wide, device="cpu", precision="float32")(picture).labels).mean() > 0.999
    assert labels.dtype == np.uint8


def test_the_format_goes_by_the_suffix_and_must_fit_it(wide: SegmentationModel, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"format: there is no format 'tflite'"):
        export_model(wide, tmp_path / "a.onnx", format="tflite")
    with pytest.raises(SettingError, match=r"out: .*a\.onnx: exported files end in \.xml \(openvino\); name it so"):
        export_model(wide, tmp_path / "a.onnx", format="openvino")
    with pytest.raises(SettingError, match=r"exported files end in \.onnx \(onnx\) or \.xml \(openvino\)"):
        export_model(wide, tmp_path / "a.bin")
    assert not any(tmp_path.iterdir())


def test_the_missing_package_is_named(wide: SegmentationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_formats.importlib.util, "find_spec", lambda name: None if name == "openvino" else name)
    with pytest.raises(UnsupportedError, match=r"needs the package openvino; .*pixelwise\[export,openvino\]"):
        export_model(wide, tmp_path / "a.xml")


def test_a_file_that_differs_is_not_written_and_neither_are_its_weights(
    wide: SegmentationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelwise.export.parity.LEAST_EQUAL", 1.1)
    with pytest.raises(ModelError, match=r"a\.xml: was not written"):
        export_model(wide, tmp_path / "a.xml")
    assert not any(tmp_path.iterdir())


def test_other_libraries_do_not_run_it(exported: Path) -> None:
    with pytest.raises(SettingError, match=r"runtime: .*model\.xml: is a file of OpenVINO, which no other library"):
        Predictor(exported, runtime="onnx")
    with pytest.raises(SettingError, match=r"runtime: .*model\.xml: an exported file runs in onnx or openvino, not"):
        Predictor(exported, runtime="torch")


def of_another_model(file: Path) -> None:
    weights = file.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")


def with_an_entity(file: Path) -> None:
    file.write_bytes(b'<!DOCTYPE net [<!ENTITY a "b">]>' + file.read_bytes().partition(b"?>")[2])


def replacing(before: str, after: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after), "utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.with_suffix(".bin").unlink(), r"model\.bin: there is no such file; .* is a pair"),
        (of_another_model, r"model\.bin: holds other weights than those of model\.xml"),
        (with_an_entity, r"model\.xml: .*defines entities"),
        (lambda file: file.write_bytes(b"\x00\x01"), r"model\.xml: this is no graph of OpenVINO"),
        (lambda file: file.write_text("<html><body/></html>"), r"begins with <html>"),
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), r"this is no graph of OpenVINO"),
        (replacing('version="opset1"', 'version="stranger"'), r"of the set 'stranger'; only operators of OpenVINO"),
        (replacing('offset="0"', 'offset="99999999999"'), r"lies beyond the [\d,]+ bytes of weights"),
        (replacing("<pixelwise>", "<other>"), r"no graph of OpenVINO"),
        (replacing('"coarse"', '"gone"'), r"model\.xml: its graph lacks the tensor 'coarse'"),
    ],
)
def test_files_from_strangers_are_refused(exported: Path, change: Callable[[Path], object], said: str) -> None:
    change(exported)
    with pytest.raises(ModelError, match=said):
        Predictor(exported)(draw(20, 20))


def test_a_graph_without_a_description_is_refused(exported: Path) -> None:
    text = exported.read_text("utf-8")
    first, last = text.index("<pixelwise>"), text.index("</pixelwise>") + len("</pixelwise>")
    exported.write_text(text[:first] + text[last:], "utf-8")
    with pytest.raises(ModelError, match="without pixelwise's description"):
        Predictor(exported)


def test_damaged_files_give_errors_that_name_them(exported: Path) -> None:
    random, content, refused = np.random.default_rng(0), exported.read_bytes(), 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 3):
            damaged[place] = random.integers(32, 127)
        exported.write_bytes(bytes(damaged))
        with contextlib.suppress(PixelwiseError):
            Predictor(exported, precision="float32")(draw(20, 20))
            refused -= 1
        refused += 1
    assert refused > 20


def test_an_exported_file_is_no_model_to_train_or_export(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.xml: is exported already"):
        export_model(exported, tmp_path / "again.onnx")
