"""Objects of pictures that are computed in tiles: each comes out once, whole, however it lies on the tiles."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pixelwise.card import ModelCard
from pixelwise.errors import DataError, ModelError, SettingError
from pixelwise.geometry import Geometry
from pixelwise.inference import Predictor
from pixelwise.inference.merging import Joiner
from pixelwise.inference.object_task import ObjectTask
from pixelwise.inference.object_tiles import choose_object_tiles
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.instances import BoxMask, Instances, ObjectRule
from pixelwise.io.rasters.opening import open_source
from pixelwise.io.rasters.sink import open_sink
from pixelwise.models import build_model, load_model, save_model
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import TilePlan
from pixelwise.types import LabelSpace

PERIOD = 8


class Blobs(ObjectRuntime):
    """Finds the connected blobs in what it is shown; a blob's class is its grey value less one."""

    card = ModelCard(
        kind="objects",
        label_space=LabelSpace(("low", "high")),
        preprocessing=Preprocessing((0.5,), (0.5,)),
        object_rule=ObjectRule(),
        geometry=Geometry(1, None, None, PERIOD),
    )
    bytes_per_pixel, bytes_more, largest = 1.0, 0.0, 32.0
    fingerprint = "blobs"

    def __init__(self, *, boxes_only: bool = False) -> None:
        self.boxes_only = boxes_only

    def objects(self, image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> Instances:
        masks, labels = [], []
        for value in (1, 2):
            ids = ndimage.label(image[0] == value)[0]
            found = Instances.of_ids(ids)
            masks += list(found.masks or ())
            labels += [value - 1] * len(found)
        size = (image.shape[1], image.shape[2])
        scores = np.linspace(0.9, 0.5, len(masks))
        found = Instances.of_masks(size, masks, labels, scores=scores)
        return Instances(size, found.labels, found.boxes, None, scores) if self.boxes_only else found


def find(picture: NDArray[np.uint8], *, tile: int, largest: float = 32.0) -> tuple[Instances, TilePlan]:
    runtime = Blobs()
    runtime.largest = largest
    task = ObjectTask(runtime)
    plan = task.plan(picture.shape, mode="auto", tile=tile, memory=2**30)
    assert not plan.whole
    prediction = task.predict(picture[None], plan, probabilities=False, progress=None)
    assert prediction.instances is not None
    assert prediction.exact is False
    assert prediction.seam_error in (None, 0.0)
    np.testing.assert_array_equal(prediction.labels, picture)
    return prediction.instances, plan


def check_same(found: Instances, picture: NDArray[np.uint8]) -> None:
    """Every blob of the picture is found once, with its mask, its box and its class."""
    truth = Blobs().objects(picture[None])
    assert len(found) == len(truth)
    assert (np.diff(found.scores) <= 0).all()
    expected = {(mask.box, int(label)): mask for mask, label in zip(truth.masks, truth.labels, strict=True)}
    for mask, box, label in zip(found.masks, found.boxes.tolist(), found.labels, strict=True):
        same = expected.pop((mask.box, int(label)))
        np.testing.assert_array_equal(mask.trimmed().pixels, same.trimmed().pixels)
        assert tuple(box) == same.box
    assert not expected


@pytest.mark.parametrize(("row", "column"), [(40, 40), (62, 40), (40, 62), (62, 62), (63, 64), (0, 0), (140, 140)])
def test_an_object_on_one_two_or_four_tiles_comes_once(row: int, column: int) -> None:
    picture = np.zeros((160, 160), np.uint8)
    y, x = np.mgrid[:20, :20]
    picture[row : row + 20, column : column + 20] = np.hypot(y - 9.5, x - 9.5) < 10
    found, plan = find(picture, tile=64)
    assert len(plan) == 9
    check_same(found, picture)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tile", [40, 64])
def test_crowds_of_many_sizes_come_once_and_exact(seed: int, tile: int) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((230, 190)), 1.5 + seed)
    picture = (smooth > 0.4 * smooth.std()).astype(np.uint8)
    picture[smooth < -0.7 * smooth.std()] = 2
    found, _ = find(picture, tile=tile)
    check_same(found, picture)


def test_objects_far_larger_than_a_tile_are_the_union_of_their_parts() -> None:
    picture = np.zeros((300, 300), np.uint8)
    picture[20:280, 20:280] = 1
    picture[60:240, 60:240] = 0  # a ring
    picture[100:200, 100:200] = 2
    picture[140:160, 140:160] = 1  # a small one in the middle of it
    picture[5:10, :] = 2  # a line from side to side
    found, _ = find(picture, tile=40)
    check_same(found, picture)


def test_a_comb_whose_teeth_look_apart_in_a_tile_is_one() -> None:
    picture = np.zeros((200, 120), np.uint8)
    picture[180:190, 4:110] = 1
    for left in range(4, 110, 12):
        picture[10:180, left : left + 5] = 1
    found, _ = find(picture, tile=48)
    check_same(found, picture)


def test_boxes_alone_are_joined_as_well() -> None:
    picture = np.zeros((160, 160), np.uint8)
    picture[10:30, 5:150] = 1
    picture[60:70, 60:70] = 2
    task = ObjectTask(Blobs(boxes_only=True))
    plan = task.plan(picture.shape, mode="fast", tile=64, memory=2**30)
    found = task.predict(picture[None], plan, probabilities=False, progress=None).objects()
    assert found.masks is None
    assert sorted(map(tuple, found.boxes.tolist())) == [(5, 10, 150, 30), (60, 60, 70, 70)]


def test_disagreement_between_tiles_is_measured() -> None:
    plan = choose_object_tiles(
        (64, 128), Blobs.card.geometry, bytes_per_pixel=1, bytes_more=0, largest=64, tile=64, memory=2**30
    )
    left, right = plan
    joiner = Joiner(plan)
    size = (64, right.read[1].stop - right.read[1].start)
    ones = np.ones((10, 10), np.bool_)
    # The left tile sees two objects that the right one speaks for, which has one of them.
    masks = [BoxMask(ones, top, 76, (64, left.read[1].stop)) for top in (4, 40)]
    joiner.add(left, Instances.of_masks((64, left.read[1].stop), masks, [0, 0], scores=np.array([0.9, 0.9])))
    mask = BoxMask(ones, 4, 76 - right.read[1].start, size)
    joiner.add(right, Instances.of_masks(size, [mask], [0], scores=np.array([0.8])))
    found, error = joiner.finish()
    assert len(found) == 1
    assert found.scores.tolist() == pytest.approx([0.8])
    assert error == 0.5


def test_an_empty_picture_has_no_objects() -> None:
    found, _ = find(np.zeros((160, 160), np.uint8), tile=64)
    assert len(found) == 0
    assert found.masks == ()


def test_single_pixels_and_the_border() -> None:
    picture = np.zeros((160, 161), np.uint8)
    picture[[0, 0, 159, 159, 63, 64], [0, 160, 0, 160, 64, 63]] = 1
    found, _ = find(picture, tile=64)
    check_same(found, picture)


def test_rasters_are_painted_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelwise.inference.object_task.PAINTED_WINDOW_SIDE", 50)
    rng = np.random.default_rng(3)
    picture = (ndimage.gaussian_filter(rng.standard_normal((180, 170)), 3) > 0.05).astype(np.uint8)
    task = ObjectTask(Blobs())
    plan = task.plan(picture.shape, mode="auto", tile=64, memory=2**30)
    with (
        open_source(picture) as source,
        open_sink(tmp_path / "a.tif", size=plan.size, label_space=task.label_space, job="test") as sink,
    ):
        result = task.raster(plan, source, sink)
    with open_source(tmp_path / "a.tif", indices=True) as written:
        np.testing.assert_array_equal(written.read(slice(None), slice(None))[0], picture)
    assert result.instances is not None
    check_same(result.instances, picture)


def test_tiles_show_half_of_the_largest_objects_within_the_memory() -> None:
    def plan(**changed: float) -> TilePlan:
        chosen = {"bytes_per_pixel": 100, "bytes_more": 10**6, "largest": 100, "memory": 2**25} | changed
        return choose_object_tiles((3000, 5000), Geometry(1, None, None, 32), **chosen)

    assert plan().halo == 64
    assert plan(largest=1e4, memory=2**27).halo == 192  # a sixth of 1152
    assert plan(largest=1).halo == 32
    for one in (plan(), plan(largest=1e4)):
        sides = [one.tile[axis] + 2 * one.halo for axis in (0, 1)]
        assert sides[0] * sides[1] * 100 + 10**6 <= 2**25
        assert 1 < one.cost < 2.5
    assert plan(memory=2**31).whole
    assert "more" not in plan().reason
    assert "that takes 2 MiB" in plan(memory=10**6).reason  # a halo of 32 around 32 pixels, and what heads take


def test_heads_that_fill_the_memory_leave_half_of_it_to_pixels() -> None:
    def plan(size: tuple[int, int]) -> TilePlan:
        chosen = {"bytes_per_pixel": 100, "bytes_more": 2**26, "largest": 100, "memory": 2**25}
        return choose_object_tiles(size, Geometry(1, None, None, 32), **chosen)

    assert plan((256, 256)).whole
    assert "that takes 70 MiB, more than the 32" in plan((256, 256)).reason
    assert 200 < plan((3000, 5000)).tile[0] + 2 * plan((3000, 5000)).halo <= math.sqrt(2**24 / 100)


def test_exact_tiles_and_probabilities_are_refused() -> None:
    task = ObjectTask(Blobs())
    with pytest.raises(SettingError, match="no tiles equal the whole"):
        task.plan((160, 160), mode="exact", tile=64, memory=2**30)
    plan = task.plan((160, 160), mode="exact", tile=None, memory=2**30)
    assert plan.exact
    with pytest.raises(SettingError, match="no probabilities"):
        task.predict(np.zeros((1, 160, 160), np.uint8), plan, probabilities=True, progress=None)


def test_confusion_counts_painted_objects() -> None:
    picture = np.zeros((30, 30), np.uint8)
    picture[5:15, 5:15] = 1
    mask = np.zeros((30, 30), np.uint8)
    mask[5:15, 10:20] = 1
    mask[0] = 255
    task = ObjectTask(Blobs())
    counts = task.confusion(picture[None], mask, task.plan((30, 30), mode="auto", tile=None, memory=2**30))
    assert counts.tolist() == [[870 - 150, 50, 0], [50, 50, 0], [0, 0, 0]]
    mask[29, 29] = 3
    with pytest.raises(DataError, match=r"holds 3, no class 0 \.\. 2"):
        task.confusion(picture[None], mask, task.plan((30, 30), mode="auto", tile=None, memory=2**30))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "model.safetensors"
    options = {"anchor_sizes": ((8,), (16,), (32,), (64,), (128,)), "score": 0.0, "detections": 12, "proposals": 50}
    model = build_model(
        "mask_rcnn", classes=LabelSpace(("cell", "dot")), encoder="resnet18", channels=16, head=32, **options
    )
    save_model(model, path)
    return path


def test_a_detection_model_predicts_objects(detector: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    predictor = Predictor(detector, precision="float32")
    assert predictor.finds_objects
    assert predictor.label_space.names == ("background", "cell", "dot")
    prediction = predictor(picture)
    assert prediction.exact
    found = prediction.instances
    assert found is not None
    assert len(found) > 0
    assert found.masks is not None
    assert (np.diff(found.scores) <= 0).all()
    assert prediction.labels.shape == (70, 90)
    assert prediction.overlay().shape == (70, 90, 3)
    tiled = Predictor(detector, precision="float32", tile=64)(picture)
    assert tiled.exact is False


def test_what_counts_as_an_object_travels_with_the_model(detector: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    plain = Predictor(detector, precision="float32")
    assert plain.rule == ObjectRule(0.5, 0)
    model = load_model(detector)
    model.change_card(object_rule=ObjectRule(0.3, 5))
    save_model(model, tmp_path / "model.safetensors")
    assert Predictor(tmp_path / "model.safetensors").rule == ObjectRule(0.3, 5)
    assert Predictor(tmp_path / "model.safetensors", score=0.2).rule == ObjectRule(0.2, 5)
    assert Predictor(detector, min_area=7)(picture).rule == ObjectRule(0.5, 7)
    with pytest.raises(SettingError, match=r"score is 1\.5"):
        Predictor(detector, score=1.5)
    with pytest.raises(SettingError, match="min_area is -1"):
        Predictor(detector, min_area=-1)


@pytest.mark.parametrize("tile", [40, 1000])
def test_a_rule_decides_what_is_found_and_what_is_shown(tile: int) -> None:
    picture = np.zeros((90, 110), np.uint8)
    for number, side in enumerate((3, 6, 9, 12)):
        picture[5 + 20 * number :][:side, 10 + 20 * number :][:, :side] = 1
    task = ObjectTask(Blobs(), rule=ObjectRule(score=0.7, min_area=36))
    plan = task.plan((90, 110), mode="auto", tile=tile, memory=2**30)
    assert plan.whole is (tile == 1000)
    prediction = task.predict(picture[None], plan, probabilities=False, progress=None)
    assert sorted(prediction.objects().areas) == [36, 81, 144]
    accepted = prediction.objects().scores >= 0.7
    assert len(prediction.accepted) == accepted.sum() > 0
    assert (prediction.labels > 0).sum() == prediction.accepted.areas.sum()


def test_detection_models_are_neither_averaged_nor_shown_in_views(detector: Path) -> None:
    with pytest.raises(ModelError, match="cannot be averaged"):
        Predictor([detector, detector])
    with pytest.raises(SettingError, match="leave tta out"):
        Predictor(detector, tta=("hflip",))


_HUGE = """
import resource
import numpy as np
from test_object_task import Disc
from pixelwise.inference.object_task import ObjectTask
from pixelwise.io.rasters.opening import open_source

class Sink:
    painted = 0
    def write(self, row, column, labels):
        self.painted += int((labels > 0).sum())

task, sink = ObjectTask(Disc()), Sink()
picture = np.broadcast_to(np.zeros((1, 1), np.uint8), (20_000, 20_000))
plan = task.plan(picture.shape, mode="auto", tile=500, memory=2**30)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = task.raster(plan, open_source(picture), sink)
extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(len(plan), len(result.instances), sink.painted, extra)
"""


class Disc(Blobs):
    """Finds a disc of 100 pixels across in the middle of everything it is shown."""

    def objects(self, image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> Instances:
        size = (image.shape[1], image.shape[2])
        y, x = np.mgrid[:100, :100]
        mask = BoxMask(np.hypot(y - 49.5, x - 49.5) < 50, size[0] // 2 - 50, size[1] // 2 - 50, size)
        return Instances.of_masks(size, [mask], [0], scores=np.ones(1))


def test_memory_follows_the_objects_and_not_the_picture() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HUGE], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tiles, objects, painted, extra = map(float, done.stdout.split())
    assert tiles == objects == 1600
    assert painted == 1600 * np.count_nonzero(Disc().objects(np.zeros((1, 200, 200), np.uint8)).masks[0].pixels)
    assert extra < 100  # MiB; labels of the whole picture are 381
