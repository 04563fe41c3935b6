"""Ensembles and test-time augmentation, against the models and views they are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pixelwise.errors import ModelError, SettingError
from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.torch_pixels import TorchRuntime
from pixelwise.inference.runtimes.views import View
from pixelwise.models import SegmentationModel, build_model
from pixelwise.preprocessing import Preprocessing
from pixelwise.types import LabelSpace


def draw(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def full_softmax(model: SegmentationModel, picture: np.ndarray) -> np.ndarray:
    """Softmax (K, H, W) of the model's own full-size logits."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (model.preprocessing.mean, model.preprocessing.std))
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        return model((image / 255 - mean) / std)[0].softmax(0).numpy()


@pytest.fixture(scope="module")
def networks(wide: SegmentationModel) -> list[SegmentationModel]:
    """One network that pads borders by zeros, and one that mirrors them, of another stride and period."""
    torch.manual_seed(1)
    mirroring = build_model("unet2015", classes=wide.label_space, width=0.05).eval()
    for part in mirroring.modules():
        if isinstance(part, nn.Conv2d) and part.out_channels == 3:
            nn.init.normal_(part.weight, std=3.0)  # scores that differ within the picture
    return [wide, mirroring]


def test_the_plain_view_alone_is_the_plain_prediction(networks, by_brightness) -> None:
    for model in (*networks, by_brightness):
        member = TorchRuntime(model, device="cpu", precision="float32")
        window = (slice(3, 30), slice(8, 37))
        image = draw(33, 37).transpose(2, 0, 1)
        whole = Predictor(model, device="cpu", precision="float32")(image.transpose(1, 2, 0), probabilities=True)
        labels, softmax = AveragingRuntime([member], [View()]).probabilities(image, window)
        np.testing.assert_array_equal(labels, whole.labels[window])
        np.testing.assert_allclose(softmax, whole.probabilities[(slice(None), *window)], atol=1e-5)


def test_an_ensemble_of_one_model_twice_is_the_model(networks) -> None:
    picture = draw(41, 53)
    one = Predictor(networks[0], device="cpu", precision="float32")
    twice = Predictor([networks[0], networks[0]], device="cpu", precision="float32")
    np.testing.assert_array_equal(twice(picture).labels, one(picture).labels)
    assert len(np.unique(one(picture).labels)) == 3
    assert twice(picture).exact


def test_an_ensemble_is_the_mean_of_what_its_models_say(networks, by_brightness) -> None:
    picture = draw(37, 50)
    models = [*networks, by_brightness]
    prediction = Predictor(models, device="cpu", precision="float32")(picture, probabilities=True)
    expected = np.mean([full_softmax(model, picture) for model in models], axis=0)
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-4)
    np.testing.assert_array_equal(prediction.labels, prediction.probabilities.argmax(0))


def test_views_are_the_mean_of_flipped_and_turned_pictures(networks) -> None:
    picture = draw(36, 45)
    for model in networks:
        prediction = Predictor(model, device="cpu", precision="float32", tta=("hflip", "rotations"))(
            picture, probabilities=True
        )
        views = []
        for turns in range(4):
            for flip in (1, -1):
                view_input = np.rot90(picture, turns)[:, ::flip]
                views.append(np.rot90(full_softmax(model, view_input)[:, :, ::flip], -turns, axes=(1, 2)))
        np.testing.assert_allclose(prediction.probabilities, np.mean(views, axis=0), atol=1e-4)


def test_a_mirrored_picture_has_mirrored_labels_once_flips_are_averaged(networks) -> None:
    picture = draw(38, 51)
    plain = Predictor(networks[0], device="cpu", precision="float32")
    flipped = Predictor(networks[0], device="cpu", precision="float32", tta=("hflip",))
    np.testing.assert_allclose(
        flipped(picture, probabilities=True).probabilities,
        flipped(picture[:, ::-1], probabilities=True).probabilities[:, :, ::-1],
        atol=1e-6,
    )
    assert (plain(picture).labels != plain(picture[:, ::-1]).labels[:, ::-1]).any()


def test_confusion_counts_the_averaged_labels(by_brightness) -> None:
    picture = draw(22, 31)
    predictor = Predictor(by_brightness, device="cpu", tta=("vflip", 1.5))
    labels = predictor(picture).labels
    mask = np.random.default_rng(1).integers(0, 3, labels.shape, dtype=np.uint8)
    mask[:4] = 255
    expected = np.zeros((3, 3), np.int64)
    np.add.at(expected, (mask[4:], labels[4:]), 1)
    np.testing.assert_array_equal(predictor.confusion(picture, mask), expected)


def test_ensembles_in_tiles_equal_the_whole_and_views_do_not_claim_to(networks, by_brightness) -> None:
    picture = draw(150, 170)
    models = [networks[1], by_brightness]
    whole = Predictor(models, device="cpu", precision="float32")(picture)
    tiled = Predictor(models, device="cpu", precision="float32", tile=64, mode="exact")(picture)
    assert tiled.exact
    assert (tiled.labels == whole.labels).mean() > 0.9999  # ties fall either way
    turned = Predictor(by_brightness, device="cpu", tta=("rotations",), tile=64)(picture)
    assert not turned.exact
    assert turned.seam_error is not None
    with pytest.raises(SettingError, match="no tiles of them equal"):
        Predictor(by_brightness, device="cpu", tta=("rotations",), tile=64, mode="exact")(picture)


def test_memory_counts_the_scores_and_the_largest_zoom(by_brightness) -> None:
    one = TorchRuntime(by_brightness, device="cpu", precision="float32")
    assert AveragingRuntime([one], [View()]).cost.bytes == one.cost.bytes + 3 * 4
    assert AveragingRuntime([one], [View(), View(zoom=2)]).cost.bytes > 4 * one.cost.bytes


def test_models_that_do_not_agree_are_refused(by_brightness) -> None:
    other = build_model("unet2015", classes=LabelSpace(("a", "b", "c")), width=0.05)
    with pytest.raises(ModelError, match=r"model 2 of the ensemble knows a, b, c.*dark, middle, bright"):
        Predictor([by_brightness, other], device="cpu")
    one = build_model("unet2015", classes=2, width=0.05)
    grey = build_model("unet2015", classes=2, width=0.05, in_channels=1, preprocessing=Preprocessing((0.5,), (0.2,)))
    with pytest.raises(ModelError, match="with channels 1, but model 1 with 3"):
        Predictor([one, grey], device="cpu")
    with pytest.raises(SettingError, match="no model"):
        Predictor([], device="cpu")


def test_memory_counts_the_borders_that_views_are_mirrored_by(networks) -> None:
    mirroring = networks[1]
    turned = Predictor(mirroring, device="cpu", memory=32, tta=("rotations",))
    size = (1000, 1000)
    limit = 32 * 2**20 / turned.runtime.cost.bytes
    for tile in turned.plan(size):
        height, width = (read.stop - read.start + 2 * turned.runtime.border for read in tile.read)
        assert height * width <= limit
    assert turned.runtime.border == mirroring.geometry.margin > 0
    turned.runtime.border = 0
    assert max(read.stop - read.start for tile in turned.plan(size) for read in tile.read) > limit**0.5 - 184
