"""Model files that earlier versions wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pixelwise import build_model, load_model, save_model
from pixelwise.errors import ModelError
from pixelwise.tiling import FAST_HALO


@pytest.mark.parametrize("name", ["unet", "fcn", "deeplabv3plus"])
def test_the_first_files_had_encoder_decoder_and_head_in_no_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(name, classes=3, encoder="resnet10t").eval()
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    with safe_open(path, framework="pt") as opened:
        metadata = opened.metadata()
        tensors = {key.removeprefix("network."): opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    assert {key.partition(".")[0] for key in tensors} <= {"encoder", "decoder", "head"}
    save_file(tensors, path, metadata=metadata)
    images = torch.randn(1, 3, 40, 50)
    with torch.no_grad():
        torch.testing.assert_close(load_model(path)(images), model(images), rtol=0, atol=0)


def test_the_halo_of_tiles_travels_with_the_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = build_model("fcn", classes=3, encoder="resnet10t")
    model.change_card(fast_halo=160)
    save_model(model, path)
    assert load_model(path).fast_halo == 160
    with safe_open(path, framework="pt") as opened:
        described = json.loads(opened.metadata()["pixelwise"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    del described["fast_halo"]  # files of earlier versions
    save_file(tensors, path, metadata={"pixelwise": json.dumps(described)})
    assert load_model(path).fast_halo == FAST_HALO


def test_a_file_that_does_not_fit_is_told_briefly(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(build_model("fcn", classes=3, encoder="resnet10t"), path)
    with safe_open(path, framework="pt") as opened:
        metadata = opened.metadata()
    save_file({"other": torch.zeros(1)}, path, metadata=metadata)
    with pytest.raises(ModelError, match="does not fit its description") as caught:
        load_model(path)
    assert len(str(caught.value)) < 600
