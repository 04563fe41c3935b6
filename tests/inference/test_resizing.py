"""Networks that resize pictures: what they are shown, and where what they find lies."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from pixelwise.errors import SettingError
from pixelwise.inference import Predictor, resizing
from pixelwise.inference.resizing import on_picture, read_resized
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.masks import read_mask
from pixelwise.models import build_model, load_model, save_model
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.preprocessing import Preprocessing, Resize


def reader_of(picture: NDArray[np.uint8], seen: list[int] | None = None) -> Any:
    def read(rows: slice, columns: slice) -> NDArray[np.uint8]:
        assert 0 <= rows.start < rows.stop <= picture.shape[1]
        if seen is not None:
            seen.append(rows.stop - rows.start)
        return picture[:, rows, columns]

    return read


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((40, 60), (40, 60)),
        ((40, 60), (97, 131)),
        ((97, 131), (40, 60)),
        ((200, 30), (3, 5)),
        ((1, 1), (7, 9)),
        ((5, 1), (1, 4)),
    ],
)
@pytest.mark.parametrize("band", [1, 2000, 10**6])
def test_pictures_are_read_as_torch_resizes_them(
    size: tuple[int, int], wanted: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    monkeypatch.setattr(resizing, "BAND_BYTES", band)
    rows_read: list[int] = []
    found = read_resized(reader_of(picture, rows_read), size, wanted, 3)
    expected = F.interpolate(torch.from_numpy(picture)[None].double(), wanted, mode="bilinear")[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-3)
    assert max(rows_read) <= max(2, band // (3 * size[1]))  # a band of it, however large it is


def test_objects_of_a_resized_picture_lie_on_the_picture() -> None:
    rng = np.random.default_rng(1)
    seen, size = (37, 50), (80, 61)
    masks = [rng.random(seen) < share for share in (0.5, 0.1, 0.9)]
    masks.append(np.zeros(seen, np.bool_))
    masks[3][20:24, 5:30] = True
    found = Instances.of_masks(seen, [BoxMask.of(mask) for mask in masks], [0, 1, 2, 3], scores=np.arange(4) / 4)
    moved = on_picture(found, size)
    assert moved.size == size
    np.testing.assert_array_equal(moved.labels, found.labels)
    np.testing.assert_allclose(moved.boxes, found.boxes * ([61 / 50, 80 / 37] * 2), rtol=1e-6)
    assert moved.masks is not None
    for mask, result in zip(masks, moved.masks, strict=True):
        expected = np.array(
            [
                [mask[int((row + 0.5) * 37 / 80), int((column + 0.5) * 50 / 61)] for column in range(61)]
                for row in range(80)
            ]
        )
        np.testing.assert_array_equal(result.full(), expected)


def test_objects_that_no_pixel_is_left_of_are_dropped() -> None:
    masks = [BoxMask(np.ones((1, 1), np.bool_), 1, 1, (40, 40)), BoxMask(np.ones((20, 20), np.bool_), 8, 8, (40, 40))]
    found = Instances.of_masks((40, 40), masks, [0, 1], scores=np.array([0.5, 0.25], np.float32))
    moved = on_picture(found, (4, 4))
    assert moved.labels.tolist() == [1]
    assert moved.masks is not None
    assert moved.masks[0].box == (1, 1, 3, 3)
    boxes = Instances(found.size, found.labels, found.boxes, None, found.scores)
    assert len(on_picture(boxes, (4, 4))) == 2


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    torch.manual_seed(0)
    built = build_model(
        "mask_rcnn",
        classes=3,
        encoder="test_resnet",
        proposals=60,
        detections=20,
        nms=0.9,
        score=0.0,
        preprocessing=Preprocessing(resize=Resize(96, 160)),
    )
    assert isinstance(built, DetectionModel)
    torch.nn.init.normal_(built.network.heads.box_head.cls_score.weight, std=1.0)
    torch.nn.init.normal_(built.network.rpn.head.cls_logits.weight, std=0.5)
    return built.eval()


def picture_of(size: tuple[int, int]) -> NDArray[np.uint8]:
    rough = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(3))
    smooth = F.interpolate(rough, size, mode="bicubic")[0].clamp(0, 1)
    return (255 * smooth).to(torch.uint8).permute(1, 2, 0).numpy()  # (H, W, C)


@pytest.mark.parametrize("size", [(40, 64), (150, 100), (300, 420)])
def test_what_is_predicted_is_what_the_model_finds(model: DetectionModel, size: tuple[int, int]) -> None:
    picture = picture_of(size)
    predictor = Predictor(model, precision="float64", memory=512)
    plan = predictor.plan(size)
    assert plan.size == Resize(96, 160).size_of(size)
    assert plan.resized_from == size
    assert plan.whole
    found = predictor(picture).objects()
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (Preprocessing.mean, Preprocessing.std))
    images = (torch.from_numpy(picture).permute(2, 0, 1).double() / 255 - mean) / std
    (expected,) = in_float64(model).detect(images[None])
    assert found.size == size
    assert found.boxes[:, [0, 2]].max() <= size[1]
    nearest = [np.abs(expected.boxes.numpy() - box).max(1).min() for box in found.boxes]
    assert np.mean(np.array(nearest) < 0.05) > 0.9


def in_float64(model: DetectionModel) -> DetectionModel:
    return copy.deepcopy(model).double()


def test_the_cost_is_that_of_the_resized_picture(model: DetectionModel) -> None:
    predictor = Predictor(model, memory=1)
    assert "more than the 1 asked for" in predictor.plan((10, 16)).reason
    assert predictor.plan((10, 16)).reason == predictor.plan((20_000, 32_000)).reason
    assert predictor.plan((96, 160)).resized_from is None
    assert not Predictor(model, memory=1, mode="fast").plan((10_000, 16_000)).whole
    with pytest.raises(SettingError, match="compares all objects"):
        Predictor(model, memory=1, mode="exact").plan((10, 16))


def test_tiles_are_cut_from_the_resized_picture(model: DetectionModel) -> None:
    size = (300, 420)
    predictor = Predictor(model, precision="float32", tile=64)
    plan = predictor.plan(size)
    assert (plan.size, plan.resized_from, len(plan)) == ((96, 134), size, 6)
    prediction = predictor(picture_of(size))
    found = prediction.objects()
    assert not prediction.exact
    assert found.size == prediction.labels.shape == size
    assert len(found)
    assert found.masks is not None
    # Objects reach far beyond the 96 x 134 pixels that the network saw, and masks fill their boxes as before.
    assert found.boxes[:, 3].max() > 150
    for mask, (left, top, right, bottom) in zip(found.masks, found.boxes, strict=True):
        inner = mask.box
        assert inner[0] >= left - 8
        assert inner[1] >= top - 8
        assert inner[2] <= right + 8
        assert inner[3] <= bottom + 8


def test_rasters_are_resized_too(model: DetectionModel, tmp_path: Path) -> None:
    picture = picture_of((300, 420))
    np.save(tmp_path / "a.npy", picture)
    predictor = Predictor(model, precision="float32", score=0.0)
    result = predictor.raster(tmp_path / "a.npy", tmp_path / "a.tif")
    assert result.instances is not None
    expected = predictor(picture)
    np.testing.assert_allclose(result.instances.boxes, expected.objects().boxes, atol=1e-3)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), expected.labels)


def test_the_scale_travels_with_the_file(model: DetectionModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "a.safetensors")
    assert load_model(tmp_path / "a.safetensors").preprocessing == model.preprocessing
    plain = in_float64(model).float()
    plain.change_card(preprocessing=Preprocessing())
    save_model(plain, tmp_path / "b.safetensors")
    resized, other = (Predictor(tmp_path / name).runtime.fingerprint for name in ("a.safetensors", "b.safetensors"))
    assert resized != other  # the same weights find other objects


def test_networks_that_label_pixels_are_not_resized() -> None:
    with pytest.raises(SettingError, match="'unet' labels pixels"):
        build_model("unet", classes=2, encoder="test_resnet", preprocessing=Preprocessing(resize=Resize(96, 160)))
