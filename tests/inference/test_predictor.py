"""The predictor on files, arrays and PIL images, against the model's own full-size output."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pixelwise.errors import DataError, ModelError, SettingError
from pixelwise.inference import Predictor
from pixelwise.io.masks import read_mask
from pixelwise.models import SegmentationModel, build_model, save_model
from pixelwise.types import LabelSpace


def draw(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def full_logits(model: torch.nn.Module, picture: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None] / 255)[0]


@pytest.mark.parametrize("size", [(16, 24), (17, 5), (1, 1)])
def test_labels_are_the_argmax_of_full_size_logits(by_brightness, size) -> None:
    picture = draw(*size)
    prediction = Predictor(by_brightness, device="cpu", precision="float32")(picture)
    expected = full_logits(by_brightness, picture).argmax(0).numpy()
    np.testing.assert_array_equal(prediction.labels, expected)
    assert prediction.labels.dtype == np.uint8
    assert prediction.exact
    assert prediction.probabilities is None
    np.testing.assert_array_equal(prediction.image, picture)


def test_probabilities_are_the_softmax_of_full_size_logits(by_brightness) -> None:
    picture = draw(19, 23)
    prediction = Predictor(by_brightness, device="cpu", precision="float32")(picture, probabilities=True)
    expected = full_logits(by_brightness, picture).softmax(0).numpy()
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(prediction.labels, expected.argmax(0))


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("every", [1, 3, 40])
def test_confidence_is_the_greatest_probability_in_every_nth_row(
    by_brightness, monkeypatch: pytest.MonkeyPatch, tile: int | None, every: int
) -> None:
    picture = draw(61, 40)
    monkeypatch.setattr("pixelwise.inference.label_task.MOST_SOFTMAX", -(-3 * 61 * 40 // every))
    predictor = Predictor(by_brightness, device="cpu", precision="float32", tile=tile, mode="fast")
    prediction = predictor(picture, confidence=True)
    expected = predictor(picture, probabilities=True, confidence=True)
    np.testing.assert_array_equal(prediction.labels, expected.labels)
    np.testing.assert_array_equal(expected.confidence, expected.probabilities.max(0))
    rows = np.zeros(61, np.bool_)
    rows[::every] = True
    np.testing.assert_allclose(prediction.confidence[rows], expected.confidence[rows], rtol=1e-5)
    assert np.isnan(prediction.confidence[~rows]).all()


def test_views_have_the_confidence_of_their_mean(by_brightness) -> None:
    prediction = Predictor(by_brightness, device="cpu", tta=("hflip",))(draw(30, 20), confidence=True)
    mean = Predictor(by_brightness, device="cpu", tta=("hflip",))(draw(30, 20), probabilities=True).probabilities
    np.testing.assert_array_equal(prediction.confidence, mean.max(0))


def test_bfloat16_gives_nearly_the_same_labels(by_brightness) -> None:
    picture = draw(64, 64)
    half = Predictor(by_brightness, device="cpu", precision="bfloat16")(picture).labels
    full = Predictor(by_brightness, device="cpu", precision="float32")(picture).labels
    assert (half == full).mean() > 0.95


def test_a_file_an_array_and_a_pil_image_are_the_same_picture(by_brightness, tmp_path: Path) -> None:
    picture = draw(20, 30)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    predictor = Predictor(by_brightness, device="cpu")
    expected = predictor(picture).labels
    for same in (tmp_path / "picture.png", str(tmp_path / "picture.png"), Image.fromarray(picture)):
        np.testing.assert_array_equal(predictor(same).labels, expected)


def test_views_and_read_only_arrays_are_taken(by_brightness) -> None:
    picture = draw(20, 30)
    picture.setflags(write=False)
    predictor = Predictor(by_brightness, device="cpu")
    flipped = predictor(picture[:, ::-1]).labels
    np.testing.assert_array_equal(flipped, predictor(picture[:, ::-1].copy()).labels)


def test_grey_and_transparent_pictures_become_what_the_model_takes(by_brightness) -> None:
    grey = draw(12, 12, 1)
    predictor = Predictor(by_brightness, device="cpu")
    expected = predictor(np.repeat(grey, 3, axis=2)).labels
    np.testing.assert_array_equal(predictor(grey[:, :, 0]).labels, expected)
    np.testing.assert_array_equal(predictor(Image.fromarray(grey[:, :, 0])).labels, expected)
    transparent = np.concatenate([np.repeat(grey, 3, axis=2), draw(12, 12, 1, seed=1)], axis=2)
    np.testing.assert_array_equal(predictor(transparent).labels, expected)


def test_a_rotated_pil_image_is_turned_upright(by_brightness) -> None:
    picture = Image.fromarray(draw(8, 20))
    picture.getexif()[0x0112] = 6  # to be shown turned by a quarter clockwise
    assert Predictor(by_brightness, device="cpu")(picture).size == (20, 8)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint16), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)],
)
def test_arrays_that_are_no_8_bit_picture_are_refused(by_brightness, picture) -> None:
    with pytest.raises(DataError, match="uint8"):
        Predictor(by_brightness, device="cpu")(picture)


def test_channels_that_do_not_fit_are_refused(by_brightness) -> None:
    with pytest.raises(DataError, match="5 channels"):
        Predictor(by_brightness, device="cpu")(draw(4, 4, 5))


def test_confusion_counts_what_the_labels_say(by_brightness) -> None:
    picture = draw(18, 21)
    predictor = Predictor(by_brightness, device="cpu")
    labels = predictor(picture).labels
    mask = np.random.default_rng(1).integers(0, 3, labels.shape, dtype=np.uint8)
    mask[:4] = 255
    expected = np.zeros((3, 3), np.int64)
    np.add.at(expected, (mask[4:], labels[4:]), 1)
    np.testing.assert_array_equal(predictor.confusion(picture, mask), expected)
    np.testing.assert_array_equal(predictor.confusion(picture, mask.astype(np.uint16)), expected)
    with pytest.raises(SettingError, match="mask is"):
        predictor.confusion(picture, mask[1:])
    with pytest.raises(DataError, match="holds 4294967296"):
        predictor.confusion(picture, np.full(mask.shape, 2**32))


def test_a_saved_model_predicts_from_its_file_and_its_folder(tmp_path: Path) -> None:
    classes = LabelSpace(("sky", "ground"), colors=((1, 2, 3), (200, 100, 0)))
    model = build_model("fcn", classes=classes, encoder="resnet10t").eval()
    save_model(model, tmp_path / "model.safetensors")
    picture = draw(33, 47)
    expected = Predictor(model, device="cpu")(picture)
    expected.save(tmp_path / "labels.png")
    for given in (tmp_path, tmp_path / "model.safetensors"):
        prediction = Predictor(given, device="cpu")(picture)
        np.testing.assert_array_equal(prediction.labels, expected.labels)
        assert prediction.label_space == classes
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png"), expected.labels)


def test_what_cannot_be_loaded_or_used_is_named(by_brightness, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(ModelError, match="pickle"):
        Predictor(tmp_path / "model.pt")
    with pytest.raises(ModelError, match="no such model"):
        Predictor(tmp_path / "absent.safetensors")
    with pytest.raises(SettingError, match="no runtime 'tensorrt'"):
        Predictor(by_brightness, runtime="tensorrt")
    with pytest.raises(SettingError, match="no device 'tpu'"):
        Predictor(by_brightness, device="tpu")
    with pytest.raises(SettingError, match="no precision 'int8'"):
        Predictor(by_brightness, precision="int8")


def test_importing_the_predictor_does_not_import_torch() -> None:
    code = "import sys, pixelwise.inference.predictor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16])
def test_a_picture_whose_0_is_white_has_the_labels_of_the_same_picture(
    by_brightness, tmp_path: Path, dtype: type
) -> None:
    top = 1 if dtype == np.bool_ else np.iinfo(dtype).max
    grey = np.random.default_rng(0).integers(0, top + 1, (6, 9)).repeat(4, 0).repeat(4, 1)
    tifffile.imwrite(tmp_path / "black.tif", grey.astype(dtype), photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", (top - grey).astype(dtype), photometric="miniswhite")
    predictor = Predictor(by_brightness, device="cpu", value_range=(0, top))
    expected = predictor(tmp_path / "black.tif").labels
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(predictor(tmp_path / "white.tif").labels, expected)
    predictor.raster(tmp_path / "white.tif", tmp_path / "labels.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png"), expected)


def test_other_settings_share_the_network(wide: SegmentationModel) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    first = Predictor(wide, min_area=3)
    turned = first.with_settings(tta=("hflip", 0.75), score=0.4, mode="fast")
    fresh = Predictor(wide, min_area=3, tta=("hflip", 0.75), score=0.4, mode="fast")
    np.testing.assert_array_equal(turned(picture).labels, fresh(picture).labels)
    assert (turned(picture).labels != first(picture).labels).any()
    assert (turned.rule, turned.mode) == (fresh.rule, fresh.mode)
    assert turned.with_settings(tta=()).runtime is first.runtime
    assert first.with_settings(min_area=9).runtime is first.runtime
    assert (first.rule.min_area, first.mode) == (3, "auto")
    with pytest.raises(SettingError, match="mode"):
        first.with_settings(mode="none")  # type: ignore[arg-type]
