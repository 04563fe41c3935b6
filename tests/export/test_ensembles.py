"""Several networks in one exported file, which averages their probabilities as the predictor does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from pixelwise import LabelSpace, build_model
from pixelwise.errors import ModelError
from pixelwise.export import export_model
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.models import SegmentationModel
from pixelwise.preprocessing import Preprocessing

CLASSES = LabelSpace(("dark", "middle", "bright"))


def network(stride: int, seed: int, *, classes: LabelSpace = CLASSES, mean: float = 0.5) -> SegmentationModel:
    """A network of a stride that gives all of its classes."""
    torch.manual_seed(seed)
    convolution = nn.Conv2d(3, 8, 2 * stride - 1, stride=stride, padding=stride - 1)
    layers = nn.Sequential(convolution, nn.ReLU(), nn.Conv2d(8, len(classes), 3, padding=1))
    preprocessing = Preprocessing((mean,) * 3, (0.25,) * 3)
    images = torch.from_numpy(np.stack([generate(3, number, (64, 96)) for number in range(3)]))
    with torch.no_grad():
        scores = layers((images / 255 - mean) / 0.25)
        spread, last = scores.std((0, 2, 3)) / 2, layers[-1]
        last.weight /= spread[:, None, None, None]
        last.bias.copy_((last.bias - scores.mean((0, 2, 3))) / spread)
    return SegmentationModel(layers, label_space=classes, preprocessing=preprocessing, stride=stride).eval()


@pytest.fixture(scope="module")
def models() -> list[SegmentationModel]:
    """Two models of other strides and another normalisation."""
    return [network(4, 0), network(2, 1, mean=0.4)]


@pytest.fixture(scope="module")
def written(models: list[SegmentationModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(models, tmp_path_factory.mktemp("exported") / "model.onnx").path


def draw(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(generate(3, 1, (height, width)).transpose(1, 2, 0))


def test_the_check_compares_with_the_averaging_predictor(models: list[SegmentationModel], tmp_path: Path) -> None:
    parity = export_model(models, tmp_path / "model.onnx").parity
    assert parity.verdict == "equal"
    assert len(parity.rows) == 10
    described = json.loads(onnx.load(tmp_path / "model.onnx").metadata_props[0].value)
    assert described["label_space"]["names"] == ["dark", "middle", "bright"]
    assert [member["preprocessing"]["mean"][0] for member in described["export"]["members"]] == [0.5, 0.4]
    assert described["export"]["parity"]["parity"] == "equal"


@pytest.mark.parametrize("size", [(1, 1), (33, 71), (90, 64)])
def test_plain_onnx_runtime_averages(models: list[SegmentationModel], written: Path, size: tuple[int, int]) -> None:
    expected = Predictor(models, device="cpu", precision="float32")(draw(*size), probabilities=True)
    session = onnxruntime.InferenceSession(written)
    probabilities, labels = session.run(["probabilities", "labels"], {"image": draw(*size)[None]})
    np.testing.assert_allclose(probabilities[0], expected.probabilities, atol=1e-5)
    assert labels.dtype == np.uint8
    assert (labels[0] == expected.labels).mean() > 0.999
    alone = Predictor(models[0], device="cpu", precision="float32")(draw(*size), probabilities=True)
    assert np.abs(alone.probabilities - probabilities[0]).max() > 0.01


def test_the_predictor_averages(models: list[SegmentationModel], written: Path) -> None:
    picture = draw(101, 170)
    predictor = Predictor(written, tile=32, mode="exact")
    assert isinstance(predictor.runtime, AveragingRuntime)
    assert len(predictor.plan((101, 170))) > 4
    expected = Predictor(models, device="cpu", precision="float32")(picture, probabilities=True)
    found = predictor(picture, probabilities=True)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    turned = Predictor(models, device="cpu", precision="float32", tta=("hflip", 0.5))(picture).labels
    assert (Predictor(written, tta=("hflip", 0.5))(picture).labels == turned).mean() > 0.999
    again = [str(written), str(written)]  # four networks
    np.testing.assert_allclose(
        Predictor(again)(picture, probabilities=True).probabilities, expected.probabilities, atol=1e-5
    )


def test_a_mirrored_margin_and_image_pooling_are_kept_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    models = [
        build_model("unet2015", classes=3, width=1 / 16).eval(),
        build_model("deeplabv3", classes=3, width=1 / 16).eval(),
    ]
    file = export_model(models, tmp_path / "model.onnx").path
    picture = draw(70, 200)
    for options in ({}, {"tile": 64, "mode": "fast"}):
        expected = Predictor(models, device="cpu", precision="float32", **options)(picture, probabilities=True)
        found = Predictor(file, **options)(picture, probabilities=True)
        difference = np.abs(found.probabilities - expected.probabilities)
        assert difference.mean() < 1e-5
        assert difference.max() < 0.01  # the logits of these networks are large, and rounding with them


def test_models_that_cannot_be_averaged_are_refused(models: list[SegmentationModel], tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match="model 2 of the ensemble knows a, b"):
        export_model([models[0], network(4, 0, classes=LabelSpace(("a", "b")))], out)
    ranged = network(4, 0)
    ranged.change_card(preprocessing=replace(ranged.preprocessing, value_range=(0.0, 4095.0), dtype="uint16"))
    with pytest.raises(ModelError, match="model 2 of the ensemble takes pictures with numbers"):
        export_model([models[0], ranged], out)
    with pytest.raises(ModelError, match="cannot be averaged with others"):
        export_model([models[0], build_model("faster_rcnn", classes=3, encoder="test_resnet")], out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told["export"].update(members=[]), "members"),
        (lambda told: told["export"].update(surprise=1), "surprise"),
        (lambda told: told["export"]["members"][1].pop("geometry"), "network 2: its description lacks 'geometry'"),
        (lambda told: told["export"]["members"][1]["label_space"].update(names=["a", "b", "c"]), "model 2 of the ens"),
        (lambda told: told["export"].update(members=told["export"]["members"] * 2), "lacks the tensor '2.coarse'"),
    ],
)
def test_files_from_strangers_are_refused(written: Path, tmp_path: Path, change: Callable, message: str) -> None:
    graph = onnx.load(written)
    described = json.loads(graph.metadata_props[0].value)
    change(described)
    graph.metadata_props[0].value = json.dumps(described)
    (tmp_path / "other.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=message):
        Predictor(tmp_path / "other.onnx")
