"""Model files that earlier versions wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pixelwise import build_model, load_model, save_model
from pixelwise.errors import ModelError
from pixelwise.models import SegmentationModel
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


FILES = Path(__file__).parent / "files"
"""Model files as they were written before there were cards, edges and sizes to resize to, with what they gave then."""


@pytest.mark.parametrize("name", ["segnet_basic", "unet2015"])
def test_a_file_from_before_there_were_cards_gives_what_it_gave(name: str) -> None:
    model = load_model(FILES / f"{name}.safetensors")
    assert isinstance(model, SegmentationModel)
    assert model.edge == "zeros"
    assert model.fast_halo == 64
    assert model.label_space.names == ("sky", "sea", "land")
    assert model.label_space.mapping == {0: 0, 7: 1, 9: 2, 255: 255}
    assert model.training_summary is None
    assert model.geometry == build_model(name, classes=3, width=model.options["width"]).geometry
    y, x = np.mgrid[:21, :27]
    picture = np.stack([(7 * y + 3 * x) % 256, (5 * y * x) % 256, (11 * x) % 256])
    mean, std = (np.array(values)[:, None, None] for values in (model.preprocessing.mean, model.preprocessing.std))
    images = torch.from_numpy((picture / 255 - mean) / std).float()[None]
    with torch.no_grad():
        found = model(images)[0]
    torch.testing.assert_close(found, torch.from_numpy(np.load(FILES / f"{name}.npy")), rtol=1e-4, atol=1e-5)
