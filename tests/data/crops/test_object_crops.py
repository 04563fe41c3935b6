from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from pixelwise.data.crops.augmentation import Augmentation, draw_bend, draw_view
from pixelwise.data.crops.object_cache import ObjectCache, ObjectMaps
from pixelwise.data.crops.object_crops import LEAST_OBJECT_SHARE, ObjectCrops, ObjectPictures, collate_objects
from pixelwise.data.crops.sampling import view_mask
from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError, SettingError
from pixelwise.instances import BoxMask, Instances
from pixelwise.ops.object_targets import ObjectTarget

SIZE = (60, 80)
FILL = (10.0, 20.0, 30.0)
PLAIN = Augmentation((48, 56), scale=(1.0, 1.0), hflip=False, color=0.0)
WILD = Augmentation((48, 56), scale=(0.4, 2.0), rotation=30, hflip=True, vflip=True, color=0.0)


@dataclass
class Fixed:
    """A reader that knows its objects."""

    objects: Instances

    def read(self) -> Instances:
        return self.objects


def mask_of(rows: slice, columns: slice) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, np.bool_)
    mask[rows, columns] = True
    return mask


def ring() -> NDArray[np.bool_]:
    mask = mask_of(slice(5, 25), slice(40, 70))
    mask[10:20, 50:60] = False
    return mask


MASKS = [
    ring(),
    mask_of(slice(30, 50), slice(5, 30)),
    mask_of(slice(40, 55), slice(20, 60)),
    mask_of(slice(0, 1), slice(0, 1)),
]
LABELS = [2, 0, 0, 1]
OBJECTS = Instances.of_masks(SIZE, [BoxMask.of(mask) for mask in MASKS], LABELS)


def cache_of(write: Any, *many: Instances, **options: Any) -> ObjectCache:
    rng = np.random.default_rng(0)
    pairs = []
    for number, objects in enumerate(many):
        path = write(f"{number}.png", rng.integers(40, 250, (*objects.size, 3), np.uint8))
        pairs.append(Pair(f"{number}.png", path, None, Fixed(objects)))
    return ObjectCache(pairs, **{"budget_bytes": 10**7, "maps": True, **options})


def masks_in(target: ObjectTarget) -> list[NDArray[np.bool_]]:
    return [
        (target.layers[layer] == identity).numpy() for layer, identity in zip(target.layer, target.ids, strict=True)
    ]


def test_objects_share_a_map_unless_they_overlap() -> None:
    maps = ObjectMaps.paint(OBJECTS)
    assert maps.layer.tolist() == [0, 0, 1, 0]
    assert len(maps.maps) == 2
    for mask, layer, identity in zip(MASKS, maps.layer, maps.ids, strict=True):
        assert ((maps.maps[layer] == identity) == mask).all()
    crowd = replace(OBJECTS, crowd=np.array([False, True, False, False]))
    assert ObjectMaps.paint(crowd).labels.tolist() == [2, 0, 1]
    assert len(ObjectMaps.paint(crowd).maps) == 1
    assert ObjectMaps.paint(Instances.none(SIZE)).maps.shape == (1, *SIZE)


@pytest.mark.parametrize("augmentation", [PLAIN, WILD, replace(WILD, elastic=2.0)], ids=["plain", "wild", "bent"])
def test_a_crop_shows_what_each_mask_warped_alone_would(write: Any, augmentation: Augmentation) -> None:
    cache = cache_of(write, OBJECTS)
    crops = ObjectCrops(cache, augmentation, length=40, seed=1, fill=FILL, object_probability=0.0)
    found = 0
    for index in range(40):
        image, target = crops[index]
        rng = np.random.default_rng((1, 1, index))
        rng.random()
        view = draw_view(SIZE, augmentation, rng)
        bend = draw_bend(augmentation.crop, augmentation.elastic, rng) if augmentation.elastic else None
        expected = []
        for number, mask in enumerate(MASKS):
            seen = view_mask(mask.astype(np.uint8), view, augmentation.crop, 0, bend) > 0
            whole = mask.sum() * 48 * 56 / (view.height * view.width)
            if seen.any() and seen.sum() >= LEAST_OBJECT_SHARE * whole:
                expected.append((LABELS[number], seen))
        assert target.labels.tolist() == [label for label, _ in expected]
        for (_, seen), mask, box in zip(expected, masks_in(target), target.boxes.tolist(), strict=True):
            assert (mask == seen).all()
            assert tuple(box) == BoxMask.of(seen).box
        beyond = view_mask(np.ones(SIZE, np.uint8), view, augmentation.crop, 0, bend) == 0
        assert (image.numpy()[:, beyond] == np.array(FILL, np.uint8)[:, None]).all()
        assert (image.numpy()[:, ~beyond] >= 40).all(), "nothing of the filling inside"
        found += len(expected)
    assert found > 20


def test_slivers_are_no_examples(write: Any) -> None:
    wide = Instances.of_masks(SIZE, [BoxMask.of(mask_of(slice(10, 30), slice(0, 80)))], [0])
    cache = cache_of(write, wide)
    narrow = ObjectCrops(cache, replace(PLAIN, crop=(60, 7)), length=3, seed=0, fill=FILL, object_probability=0)
    assert [len(narrow[k][1].labels) for k in range(3)] == [0, 0, 0], "7 of 80 columns"
    broad = ObjectCrops(cache, replace(PLAIN, crop=(60, 9)), length=3, seed=0, fill=FILL, object_probability=0)
    assert [len(broad[k][1].labels) for k in range(3)] == [1, 1, 1]


def test_an_item_depends_on_seed_and_number_alone(write: Any) -> None:
    cache = cache_of(write, OBJECTS, Instances.none(SIZE), OBJECTS)
    first, second = (ObjectCrops(cache, replace(WILD, color=0.3), length=n, seed=3, fill=FILL) for n in (20, 200))
    forwards, backwards = [first[k] for k in range(20)], [second[k] for k in reversed(range(20))][::-1]
    for (image, target), (other, expected) in zip(forwards, backwards, strict=True):
        assert torch.equal(image, other)
        assert all(torch.equal(a, b) for a, b in zip(target, expected, strict=True))
    another = ObjectCrops(cache, WILD, length=20, seed=4, fill=FILL)
    assert not all(torch.equal(another[k][0], forwards[k][0]) for k in range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_stacked_images_and_a_target_each(write: Any, workers: int) -> None:
    crops = ObjectCrops(cache_of(write, OBJECTS), WILD, length=6, seed=0, fill=FILL)
    images, targets = next(iter(DataLoader(crops, batch_size=6, num_workers=workers, collate_fn=collate_objects)))
    assert images.is_contiguous(memory_format=torch.channels_last)
    for image, target, k in zip(images, targets, range(6), strict=True):
        assert torch.equal(image, crops[k][0])
        assert all(torch.equal(a, b) for a, b in zip(target, crops[k][1], strict=True))
        assert (target.layers.dtype, target.ids.dtype) == (torch.int32, torch.int32)
        assert (target.boxes.dtype, target.labels.dtype) == (torch.float32, torch.int64)


def test_rare_classes_are_sought(write: Any) -> None:
    many = Instances.of_masks(
        SIZE,
        [BoxMask.of(mask_of(slice(y, y + 3), slice(x, x + 3))) for y in range(0, 60, 6) for x in range(0, 40, 6)],
        np.zeros(70, np.int64),
    )
    rare = Instances.of_masks(SIZE, [BoxMask.of(mask_of(slice(20, 26), slice(20, 26)))], [1])
    cache = cache_of(write, *[many] * 9, rare)
    small = replace(PLAIN, crop=(24, 24))

    def hits(probability: float) -> int:
        crops = ObjectCrops(cache, small, length=200, seed=0, fill=FILL, object_probability=probability)
        return sum(1 in crops[k][1].labels.tolist() for k in range(200))

    # 1 of 26 by the square roots of 630 and 1 objects, against 1 of 10 pictures whose crop must meet 6 pixels.
    assert hits(1.0) == pytest.approx(200 / 26, abs=6)
    crops = ObjectCrops(cache, small, length=100, seed=0, fill=FILL, object_probability=1.0)
    assert all(len(crops[k][1].labels) for k in range(100)), "every crop lies about an object"


def test_pictures_without_objects_are_crops_too(write: Any) -> None:
    crops = ObjectCrops(cache_of(write, Instances.none(SIZE)), WILD, length=3, seed=0, fill=FILL)
    target = crops[0][1]
    assert (target.boxes.shape, target.labels.shape, target.ids.shape) == ((0, 4), (0,), (0,))
    assert target.layers.shape == (1, 48, 56)
    assert not target.layers.any()


@pytest.mark.parametrize("rotation", [0.0, 90.0])
def test_boxes_move_by_their_corners(write: Any, rotation: float) -> None:
    boxes_only = replace(OBJECTS, masks=None)
    augmentation = replace(WILD, rotation=rotation, scale=(0.5, 2.0))
    with_masks, without = (
        ObjectCrops(cache_of(write, objects), augmentation, length=30, seed=5, fill=FILL, object_probability=0)
        for objects in (OBJECTS, boxes_only)
    )
    compared = 0
    for k in range(30):
        exact, moved = with_masks[k][1], without[k][1]
        assert moved.layers.shape == (0, 48, 56)
        assert torch.equal(with_masks[k][0], without[k][0])
        for label in (2, 1):
            if (exact.labels == label).sum() == 1 and (moved.labels == label).sum() == 1:
                box, other = exact.boxes[exact.labels == label][0], moved.boxes[moved.labels == label][0]
                # A turned box holds the turned object; an upright one differs by the rounding of the view.
                assert (other[:2] <= box[:2] + 2.1).all()
                assert (other[2:] >= box[2:] - 2.1).all()
                if not rotation:
                    assert (other - box).abs().max() <= 2.1
                compared += 1
    assert compared > 5
    with pytest.raises(SettingError, match=r"0\.png.*elastic"):
        ObjectCrops(cache_of(write, boxes_only), replace(WILD, elastic=1.0), length=1, seed=0, fill=FILL)[0]


def test_pictures_come_whole(write: Any) -> None:
    cache = cache_of(write, OBJECTS, maps=False)
    image, objects = ObjectPictures(cache)[0]
    assert image.shape == (3, *SIZE)
    assert objects is OBJECTS
    with pytest.raises(SettingError, match="maps=True"):
        ObjectCrops(cache, PLAIN, length=1, seed=0, fill=FILL)


def test_the_budget_is_held(write: Any) -> None:
    one = SIZE[0] * SIZE[1] * (3 + 2 * 2) + sum(mask.pixels.size for mask in OBJECTS.masks or ())
    cache = cache_of(write, OBJECTS, OBJECTS, OBJECTS, budget_bytes=int(2.5 * one))
    cache.warm()  # in threads: which of the three comes first is open
    assert cache.kept == 2
    assert sum(cache[index] is cache[index] for index in range(3)) == 2
    assert pickle.loads(pickle.dumps(cache)).kept == 0


def test_what_cannot_be_used_is_named(write: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        ObjectCache([], budget_bytes=0, maps=True)
    path = write("a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.png: no objects"):
        ObjectCache([Pair("a", path, None)], budget_bytes=0, maps=True)
    cache = ObjectCache([Pair("a", path, None, Fixed(OBJECTS))], budget_bytes=0, maps=True)
    with pytest.raises(DataError, match=r"a\.png: the picture has 4x4 .* 60x80"):
        cache[0]
    good = cache_of(write, OBJECTS)
    with pytest.raises(SettingError, match="fill"):
        ObjectCrops(good, PLAIN, length=1, seed=0, fill=(0.0,))
    with pytest.raises(SettingError, match="object_probability"):
        ObjectCrops(good, PLAIN, length=1, seed=0, fill=FILL, object_probability=2)
    with pytest.raises(IndexError):
        ObjectCrops(good, PLAIN, length=1, seed=0, fill=FILL)[1]
