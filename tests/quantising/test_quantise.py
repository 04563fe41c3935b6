"""Files in 8-bit integers: what they lose is measured, and bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from pixelwise.cli.app import app
from pixelwise.errors import ModelError, SettingError
from pixelwise.export.pictures import generate
from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.exported.openvino_ir import read_ir
from pixelwise.models import SegmentationModel, build_model, save_model
from pixelwise.quantising import quantise, quantise_model
from pixelwise.runs.evaluate import evaluate
from pixelwise.types import LabelSpace

pytestmark = pytest.mark.engines

pytest.importorskip("openvino")
pytest.importorskip("nncf")

CLASSES = ("dark", "middle", "bright")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that is not trained, of whose classes every one wins somewhere."""
    torch.manual_seed(0)
    model = build_model("deeplabv3plus", classes=LabelSpace(CLASSES), encoder="test_resnet", decoder_channels=8).eval()
    assert isinstance(model, SegmentationModel)
    runtime = Predictor(model, device="cpu", precision="float32").runtime
    scores = np.concatenate(
        [runtime.coarse(generate(3, number, (64, 96))).logits.numpy().reshape(3, -1) for number in range(6)], axis=1
    )
    head = next(part for part in reversed(list(model.network.modules())) if isinstance(part, nn.Conv2d))
    assert head.bias is not None
    with torch.no_grad():
        spread, mean = torch.from_numpy(scores.std(1)) + 1e-6, torch.from_numpy(scores.mean(1))
        head.weight /= spread[:, None, None, None]
        head.bias.copy_((head.bias - mean) / spread)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(model, file)
    return file


@pytest.fixture(scope="module")
def data(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose truth is what the network finds, some of them for training."""
    root = tmp_path_factory.mktemp("data")
    predictor = Predictor(model, device="cpu", precision="float32")
    for number in range(6):
        split = "val" if number < 3 else "train"
        picture = np.ascontiguousarray(generate(3, number, (64, 96)).transpose(1, 2, 0))
        for kind, pixels in (("images", picture), ("masks", predictor(picture).labels.astype(np.uint8))):
            (root / split / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / split / kind / f"{number}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers count as faster; how fast they are on so small pictures does not matter."""
    real = quantise._Trial._milliseconds

    def measure(trial: Any, graph: Any) -> dict[str, float]:
        return {way: 1.0 if way.startswith("int8") else 2.0 for way in real(trial, graph)}

    monkeypatch.setattr(quantise._Trial, "_milliseconds", measure)


@pytest.mark.usefixtures("faster")
def test_the_file_has_the_figures_that_it_states(model: Path, data: Path, tmp_path: Path) -> None:
    written = quantise_model(model, tmp_path / "small.xml", data, max_drop=90)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["small.bin", "small.xml"]
    assert written.layers.integer > 5
    assert written.calibrated.startswith("3 pictures of")
    assert written.figure == "mIoU"
    assert written.before == pytest.approx(1, abs=2e-3)
    assert written.after < written.before
    again = evaluate(Predictor(written.path, precision="float32"), data, split="val")
    assert again.headline.value == pytest.approx(written.after, abs=1e-3)
    stated = json.loads(read_ir(written.path).description)["export"]["parity"]
    assert stated["parity"] == "equal"
    assert stated["int8"]["after"] == written.after
    assert stated["int8"]["layers"] == {"integer": written.layers.integer, "floating": 0}
    floats = (tmp_path / "small.bin").stat().st_size
    assert floats < 0.6 * model.stat().st_size


@pytest.mark.usefixtures("faster")
def test_too_large_a_loss_is_refused_with_all_that_was_tried(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    real = quantise._Trial._to_integers

    def watch(trial: Any, floating: Any) -> Any:
        tried.append(len(floating))
        return real(trial, floating)

    monkeypatch.setattr(quantise._Trial, "_to_integers", watch)
    with pytest.raises(ModelError, match=r"lose more than 1e-12 points of mIoU: .* 1 layer in floats; .*2 layers in"):
        quantise_model(model, tmp_path / "small.xml", data, max_drop=1e-12)
    assert tried[:3] == [0, 1, 2]
    assert tried == sorted(tried)
    assert not any(tmp_path.iterdir())


def test_integers_that_are_not_faster_are_refused(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise._Trial, "_milliseconds", lambda *_: {"float32": 10.0, "int8": 12.0})
    with pytest.raises(ModelError, match=r"integers are not faster here: 12 ms a picture against 10 ms in float32"):
        quantise_model(model, tmp_path / "small.xml", data, max_drop=30)
    assert not any(tmp_path.iterdir())


def test_settings_that_make_no_sense_are_refused(model: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="max_drop: must be above 0 points, got 0"):
        quantise_model(model, tmp_path / "a.xml", data, max_drop=0)
    with pytest.raises(SettingError, match=r"out: .*a\.onnx: exported files end in \.xml"):
        quantise_model(model, tmp_path / "a.onnx", data)
    call = ["export", str(model), "--out", str(tmp_path / "a.xml")]
    with pytest.raises(SettingError, match="max_drop: limits what integers lose; give int8 with the data"):
        CliRunner().invoke(app, [*call, "--max-drop", "2"], catch_exceptions=False)
    with pytest.raises(SettingError, match="int8: takes one model"):
        CliRunner().invoke(app, [*call, "--int8", str(data), "--format", "onnx"], catch_exceptions=False)
