"""Pixels without data are ignored everywhere: in what is learnt, in scores, and in labels of pictures and rasters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pixelwise import LabelSpace, Predictor, Preprocessing
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.object_cache import ObjectCache
from pixelwise.data.fingerprint import fingerprint
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.inference.crf import refine_by_crf
from pixelwise.inference.pictures import decode_picture
from pixelwise.inference.prediction import Prediction
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.on_data import ignoring_objects
from pixelwise.models import SegmentationModel
from pixelwise.scoring.pixel_judge import PixelJudge
from pixelwise.types import object_space

HOLE = np.zeros((24, 32), np.bool_)
HOLE[4:12, 8:20] = True
RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
RGBA = np.dstack([RGB, np.where(HOLE, 0, 255).astype(np.uint8)])
MASK = np.zeros((24, 32), np.uint8)
MASK[:, 16:] = 1
MASK[:2] = 2
SPACE = LabelSpace(("dark", "middle", "bright"))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    Image.fromarray(RGBA).save(tmp_path / "a.png")
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    return Pair("a.png", tmp_path / "a.png", tmp_path / "mask.png")


def test_training_ignores_them(pair: Pair) -> None:
    expected = np.where(HOLE, 255, MASK)
    mask = PictureCache([pair], SPACE, budget_bytes=10**6)[0].mask
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(PictureCache([pair], SPACE, channels=4, budget_bytes=10**6)[0].mask, MASK)


def test_measuring_a_data_set_ignores_them(pair: Pair) -> None:
    source = DataSource(pair.image.parent, "folder", SPACE, {"train": (pair,)})
    traits = fingerprint(source)
    assert traits.ignored_pixels == HOLE.sum()
    np.testing.assert_array_equal(traits.class_pixels, np.bincount(MASK[~HOLE], minlength=3))
    assert fingerprint(source, channels=4).ignored_pixels == 0


def test_the_range_of_values_is_that_of_the_data(tmp_path: Path) -> None:
    pixels = np.where(HOLE, -9999, 100 + MASK.astype(np.int16)).astype(np.int16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42113, "s", 0, "-9999", True)])
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    pair = Pair("a.tif", tmp_path / "a.tif", tmp_path / "mask.png")
    assert fingerprint(DataSource(tmp_path, "folder", SPACE, {"train": (pair,)})).value_range == (100, 102)


def test_scores_ignore_them(pair: Pair, wide: SegmentationModel) -> None:
    predictor = Predictor(wide, device="cpu", precision="float32")
    judge = PixelJudge(predictor, wide.label_space)
    compared = judge.compare(judge.read(pair))
    assert compared.counts.sum() == (~HOLE).sum()
    np.testing.assert_array_equal(compared.counts, predictor.confusion(pair.image, MASK))


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: path,
        lambda path: np.asarray(Image.open(path)),
        Image.open,
        lambda path: Image.open(path).convert("RGBA"),
    ],
    ids=["file", "array", "PIL", "PIL converted"],
)
def test_labels_are_ignored_there_and_as_before_elsewhere(
    pair: Pair, wide: SegmentationModel, opened: Callable[[Path], object]
) -> None:
    predictor = Predictor(wide, device="cpu", precision="float32")
    prediction = predictor(opened(pair.image), probabilities=True)  # type: ignore[arg-type]
    np.testing.assert_array_equal(prediction.labels, np.where(HOLE, 255, predictor(RGB).labels))
    assert prediction.objects().areas.sum() == (prediction.labels != 255).sum()
    assert (refine_by_crf(prediction).labels[HOLE] == 255).all()


def test_rasters_and_pictures_have_the_same_labels(pair: Pair, wide: SegmentationModel, tmp_path: Path) -> None:
    predictor = Predictor(wide, device="cpu", precision="float32")
    predictor.raster(pair.image, tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), predictor(pair.image).labels)


def test_a_network_that_takes_the_transparency_sees_all_pixels(
    pair: Pair, wide_of: Callable[..., SegmentationModel], tmp_path: Path
) -> None:
    model = wide_of(preprocessing=Preprocessing((0.5,) * 4, (0.2,) * 4))
    predictor = Predictor(model, device="cpu", precision="float32")
    for picture in (pair.image, RGBA, Image.fromarray(RGBA)):
        assert (predictor(picture).labels < 3).all()
    predictor.raster(pair.image, tmp_path / "out.png")
    assert (np.asarray(Image.open(tmp_path / "out.png")) < 3).all()


def test_grey_pictures_with_transparency_become_colours(wide: SegmentationModel) -> None:
    grey = np.dstack([RGB[..., 0], RGBA[..., 3]])
    decoded = decode_picture(grey, wide.preprocessing)
    np.testing.assert_array_equal(decoded.image, np.stack([RGB[..., 0]] * 3))
    np.testing.assert_array_equal(decoded.valid, ~HOLE)


def two_objects() -> Instances:
    """One inside the hole, and one that reaches out of it."""
    size = (24, 32)
    masks = [BoxMask(np.ones((3, 3), np.bool_), 5, 9, size), BoxMask(np.ones((3, 3), np.bool_), 10, 9, size)]
    return Instances.of_masks(size, masks, [0, 0], scores=np.array([0.9, 0.8], np.float32))


@pytest.mark.parametrize("with_masks", [True, False])
def test_objects_found_on_them_alone_are_left_out(with_masks: bool) -> None:
    found = two_objects()
    if not with_masks:
        found = Instances(found.size, found.labels, found.boxes, None, found.scores)
    space = LabelSpace(("background", "thing"), background=0)
    prediction = Prediction(None, space, instances=found, valid=~HOLE)
    np.testing.assert_array_equal(prediction.objects().boxes, found.boxes[1:])
    assert (prediction.labels[HOLE] == 255).all()
    assert (prediction.labels == 1).sum() == 3
    assert object_space(space).names == ("thing",)


def test_objects_annotated_on_them_alone_are_groups(tmp_path: Path) -> None:
    class Annotated:
        def read(self) -> Instances:
            found = two_objects()
            return Instances(found.size, found.labels, found.boxes, found.masks)

    Image.fromarray(RGBA).save(tmp_path / "a.png")
    pair = Pair("a.png", tmp_path / "a.png", None, Annotated())
    picture = ObjectCache([pair], budget_bytes=10**6, maps=True)[0]
    np.testing.assert_array_equal(picture.objects.is_crowd, [True, False])
    assert picture.maps is not None
    assert len(picture.maps) == 1
    assert not ignoring_objects(Annotated().read(), None).is_crowd.any()
