"""What a run starts from: a file whose tensors fit, nearly all or hardly any."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pixelwise import build_model, save_model
from pixelwise.cli import main
from pixelwise.data.source import open_data
from pixelwise.errors import ModelError, SettingError
from pixelwise.listener import Silent
from pixelwise.preprocessing import Preprocessing
from pixelwise.training import initial_weights
from pixelwise.training.fit import fit
from pixelwise.training.initial_weights import fill_weights
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import read_overrides

TENSORS = 46
"""Of a U-Net of 2015: 23 convolutions with weights and biases."""


def save_narrow(path: Path, classes: int = 3, width: float = 1 / 32) -> Path:
    model = build_model("unet2015", classes=classes, width=width)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)  # no bias is still what a fresh network has
    save_model(model, path)
    return path


class Hearing(Silent):
    """A listener that keeps what it heard."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def filled(model: Any, weights: Path, **options: bool) -> str:
    listener = Hearing()
    fill_weights(model, str(weights), listener, **options)
    (line,) = listener.lines
    return line


def test_a_file_that_hardly_fits_is_refused_with_both_counts_and_what_differs(tmp_path: Path) -> None:
    weights = save_narrow(tmp_path / "[narrow].safetensors")
    wide = build_model("unet2015", classes=3, width=1 / 16)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    with pytest.raises(ModelError) as refused:
        filled(wide, weights)
    message = str(refused.value)
    assert f"only 1 of {TENSORS} tensors" in message
    assert f"{TENSORS - 1} tensors have another shape (such as " in message
    assert "(2, 3, 3, 3) there, (4, 3, 3, 3) here" in message
    assert str(weights) in message
    assert "the setting partial=true" in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in wide.state_dict().items())

    printed = filled(wide, weights, partial=True)
    assert f"starting from {weights}: 1 of {TENSORS} tensors fits; {TENSORS - 1} tensors have another shape" in printed
    changed = [name for name, tensor in wide.state_dict().items() if not torch.equal(tensor, before[name])]
    assert len(changed) == 1


def test_names_that_the_file_lacks_are_counted(tmp_path: Path) -> None:
    network = build_model("fcn", classes=3, encoder="mobilenetv3_small_050")
    save_model(build_model("unet", classes=3, encoder="mobilenetv3_small_050"), tmp_path / "model.safetensors")
    printed = filled(network, tmp_path)
    assert "tensors are not in the file (such as network.decoder." in printed
    every = len(network.state_dict())
    encoder = sum(name.startswith("network.encoder.") for name in network.state_dict())
    assert f"{encoder} of {every} tensors fit" in printed


def test_other_classes_and_the_same_network_start_without_a_word_of_permission(tmp_path: Path) -> None:
    weights = save_narrow(tmp_path / "model.safetensors")
    printed = filled(build_model("unet2015", classes=7, width=1 / 32), weights)
    assert f"{TENSORS - 2} of {TENSORS} tensors fit; 2 tensors have another shape" in printed
    printed = filled(build_model("unet2015", classes=3, width=1 / 32), weights)
    assert printed.endswith(f"{TENSORS} of {TENSORS} tensors fit")


@pytest.mark.parametrize(("same", "allowed"), [(1, False), (2, True), (3, True)])
def test_half_is_enough(same: int, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(4)))
    there = {f"{number if number < same else number + 10}.weight": torch.ones(2, 2) for number in range(4)}
    trained = SimpleNamespace(name="other", options={}, state_dict=lambda: there, preprocessing=Preprocessing())
    monkeypatch.setattr(initial_weights, "load_model", lambda path: trained)
    model.name, model.options = "this", {"encoder": "a trunk"}  # type: ignore[assignment]
    if allowed:
        assert f"{same} of 4 tensors fit" in filled(model, Path("file"))
    else:
        with pytest.raises(ModelError, match=r"this other fills only 1 of 4 tensors of a this on a trunk: 3 tensors"):
            filled(model, Path("file"))


def test_nothing_that_fits_is_refused_even_where_little_is_allowed(tmp_path: Path) -> None:
    weights = save_narrow(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="no tensor of this unet2015 fits a segnet_basic"):
        filled(build_model("segnet_basic", classes=5, width=3 / 64), weights, partial=True)


def test_the_setting_reaches_the_run(shapes: Path, small_paper: dict[str, Any], tmp_path: Path) -> None:
    weights = save_narrow(tmp_path / "model.safetensors")
    fixed = {**small_paper, "weights": str(weights), "steps": 1}
    with pytest.raises(ModelError, match=r"1 of 46 tensors.*the setting partial=true"):
        fit(open_data(shapes), RunFolder(tmp_path / "refused"), fixed=fixed, epochs=1.0)
    assert not (tmp_path / "refused" / "model.safetensors").exists()
    fixed |= read_overrides(None, ["partial=true"])
    fitted = fit(open_data(shapes), RunFolder(tmp_path / "run"), fixed=fixed, epochs=1.0)
    assert fitted.settings.partial
    assert fitted.run.model_file.is_file()
    with pytest.raises(SettingError, match="'partial'"):
        fit(open_data(shapes), RunFolder(tmp_path / "x"), fixed={**fixed, "partial": "a bit"}, epochs=1.0)


def test_the_command_refuses_with_one_message(shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = save_narrow(tmp_path / "model.safetensors")
    arguments = ["train", str(shapes), "--out", str(tmp_path / "run"), "--epochs", "1", "--model", "unet2015"]
    arguments += ["--set", "model_options={width: 0.0625}", "--batch", "2", "--size", "36x52"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--weights", str(weights)])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "1 of 46 tensors" in printed
    assert "Traceback" not in printed
