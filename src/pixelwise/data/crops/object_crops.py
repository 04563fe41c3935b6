"""The data sets for learning objects: random crops with the objects in them, and whole pictures for scoring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pixelwise.data.crops.augmentation import Augmentation, change_color, draw_bend, draw_view
from pixelwise.data.crops.object_cache import ObjectCache, ObjectMaps
from pixelwise.data.crops.pixel_crops import CROP_STREAM, PictureOrder, keep_to_one_thread_in_workers, one_of
from pixelwise.data.crops.sampling import CropView, view_image, view_mask
from pixelwise.data.pairs import Pair
from pixelwise.errors import SettingError
from pixelwise.instances import Instances, Size
from pixelwise.ops.object_targets import ObjectTarget

BEYOND_PICTURE_ID = 65535
"""The id of pixels beyond the picture."""
LEAST_OBJECT_SHARE = 0.1
"""Share of an object that a crop must show. Whole pictures cut objects at their borders too, and those are annotated,
so halves are good examples; a sliver does not show what it belongs to."""


class ObjectCrops(Dataset[tuple[Tensor, ObjectTarget]]):
    """Random crops, uint8 image (C, h, w) and the objects it shows, each a function of the seed and its number alone.

    One view of the picture moves pixels, masks and boxes. Beyond its border a picture is continued by one colour
    without objects, because a mirrored picture would show objects that are not annotated. Items take all pictures in a
    new order each time. A share of them is centred on an object whose class is drawn with preference for rare classes,
    by the inverse square root of their frequency.

    Args:
        cache: the pictures, with maps of ids.
        augmentation: crop size and what varies.
        length: number of items; it may be many times the number of pictures.
        seed: another seed gives other crops.
        fill: colour beyond the border, 0 .. 255 for each channel; ideally the one that the network pads with.
        object_probability: share of crops centred on a drawn object. Above 0, all annotations are read when the set is
            made.

    Raises:
        SettingError: the probability or the colour is out of range.
        DataError: a picture or annotation cannot be read.
    """

    def __init__(
        self,
        cache: ObjectCache,
        augmentation: Augmentation,
        *,
        length: int,
        seed: int,
        fill: Sequence[float],
        object_probability: float = 0.5,
    ) -> None:
        if not 0 <= object_probability <= 1:
            raise SettingError(f"object_probability is {object_probability}; expected 0 to 1")
        if len(fill) != cache.channels or not all(0 <= value <= 255 for value in fill):
            raise SettingError(f"fill is {fill}; expected {cache.channels} numbers from 0 to 255")
        self.cache = cache
        self.augmentation = augmentation
        self.length = length
        self.seed = seed
        self.fill = np.array(fill).round().astype(np.uint8)
        self.object_probability = object_probability
        self._order = PictureOrder(len(cache), seed)
        self._labels = [np.zeros(0, np.int64)]
        if object_probability > 0:
            self._labels = [_maps_of(cache, picture).labels for picture in range(len(cache))]
        every = np.concatenate(self._labels)
        self._classes, counts = np.unique(every, return_counts=True)
        bounds = (counts**0.5).cumsum()  # a class of n objects is drawn with a chance of n / sqrt(n)
        self._bounds = bounds / (bounds[-1] if len(bounds) else 1)
        self._holders = [
            np.flatnonzero([(labels == label).any() for labels in self._labels]) for label in self._classes.tolist()
        ]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, ObjectTarget]:
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} of {self.length}")
        keep_to_one_thread_in_workers()
        rng = np.random.default_rng((self.seed, CROP_STREAM, index))
        number, center = self._draw(index, rng)
        picture, maps = self.cache[number], _maps_of(self.cache, number)
        size, augmentation = self.augmentation.crop, self.augmentation
        view = draw_view(picture.size, augmentation, rng, center)
        if augmentation.elastic > 0 and not maps.masks_known:
            raise SettingError(
                f"{picture.id}: only boxes are known of its objects, which do not bend; set elastic to 0"
            )
        bend = draw_bend(size, augmentation.elastic, rng) if augmentation.elastic > 0 else None
        pixels = view_image(picture.image.transpose(1, 2, 0), view, size, bend)  # (h, w, C)
        if augmentation.color > 0:
            pixels = change_color(pixels, augmentation.color, rng)
        layers = np.stack([view_mask(layer, view, size, BEYOND_PICTURE_ID, bend) for layer in maps.maps])  # (L, h, w)
        beyond = layers[0] == BEYOND_PICTURE_ID
        if beyond.any():
            pixels = np.where(beyond[..., None], self.fill, pixels)
            layers[:, beyond] = 0
        target = _visible_objects(maps, layers, view, size) if maps.masks_known else _visible_boxes(maps, view, size)
        return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1), target  # (C, h, w)

    def pair_of(self, index: int) -> Pair:
        """The picture that a crop is cut from."""
        rng = np.random.default_rng((self.seed, CROP_STREAM, index))
        return self.cache.pairs[self._draw(index, rng)[0]]

    def _draw(self, index: int, rng: np.random.Generator) -> tuple[int, tuple[int, int] | None]:
        """Draw the picture of a crop, and the row and column that it is centred on, if there are any."""
        if rng.random() < self.object_probability and len(self._classes):
            return self._draw_object(rng)
        return self._order[index], None

    def _draw_object(self, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        """Draw a class, a picture that has it, and an object of it there: the picture, and a row and column of it."""
        turn = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        picture = one_of(self._holders[turn], rng)
        maps = _maps_of(self.cache, picture)
        left, top, right, bottom = maps.boxes[one_of(np.flatnonzero(maps.labels == self._classes[turn]), rng)].tolist()
        return picture, (int((top + bottom) / 2), int((left + right) / 2))


class ObjectPictures(Dataset[tuple[Tensor, Instances]]):
    """Whole pictures as they are stored: uint8 image (C, H, W) and all objects annotated, crowds included.

    Args:
        cache: the pictures.
    """

    def __init__(self, cache: ObjectCache) -> None:
        self.cache = cache

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, index: int) -> tuple[Tensor, Instances]:
        picture = self.cache[index]
        # A copy, because arrays of the cache are read-only and tensors cannot be.
        return torch.from_numpy(picture.image.copy()), picture.objects


def collate_objects(items: Sequence[tuple[Tensor, ObjectTarget]]) -> tuple[Tensor, list[ObjectTarget]]:
    """Stack crops to images (N, C, h, w), the channels of a pixel side by side, with one target each."""
    images = np.stack([image.permute(1, 2, 0).numpy() for image, _ in items])  # (N, h, w, C)
    return torch.from_numpy(images).permute(0, 3, 1, 2), [target for _, target in items]


def _maps_of(cache: ObjectCache, index: int) -> ObjectMaps:
    maps = cache[index].maps
    if maps is None:
        raise SettingError("crops are cut from maps of ids; make the ObjectCache with maps=True")
    return maps


def _visible_objects(maps: ObjectMaps, layers: NDArray[np.uint16], view: CropView, size: Size) -> ObjectTarget:
    """Find the visible parts of the objects in the maps (L, h, w) of a crop."""
    magnified = maps.areas * (size[0] / view.height) * (size[1] / view.width)  # areas if the objects were shown whole
    boxes, kept = np.zeros((len(maps), 4), np.float32), np.zeros(len(maps), np.bool_)
    for number, layer in enumerate(layers):
        pixels, extents = measure_ids(layer, maps.ids[maps.layer == number].max(initial=0))
        of_layer = np.flatnonzero(maps.layer == number)
        ids = maps.ids[of_layer]
        kept[of_layer] = pixels[ids] >= np.maximum(1, LEAST_OBJECT_SHARE * magnified[of_layer])
        boxes[of_layer] = extents[ids]
    return _target(maps, boxes, kept, layers)


def measure_ids(ids: NDArray[np.uint16], last: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Count the pixels of each id up to ``last`` in a map (h, w), and find the box around them, for all in one pass.

    Returns:
        (last + 1,) pixels and (last + 1, 4) boxes: left, top, right and bottom edge; the box of an absent id has no
        meaning.
    """
    rows, columns = np.nonzero(ids)
    found = ids[rows, columns]
    pixels = np.bincount(found, minlength=last + 1)
    low = np.full((last + 1, 2), max(ids.shape))
    high = np.zeros((last + 1, 2), np.int64)
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(low[:, axis], found, places)
        np.maximum.at(high[:, axis], found, places + 1)
    return pixels, np.concatenate([low, high], 1).astype(np.float32)


def _visible_boxes(maps: ObjectMaps, view: CropView, size: Size) -> ObjectTarget:
    """Move boxes by their corners, which for a turned view are the box around the turned box, and cut them."""
    matrix = view.matrix(size)
    left, top, right, bottom = maps.boxes.astype(np.float64).T
    corners = np.stack([[left, right, left, right], [top, top, bottom, bottom]])  # (2, 4, N)
    # The matrix maps the middles of pixels, but boxes are given by edges, which are half a pixel away.
    offsets = corners - 0.5 - matrix[:, 2, None, None]
    places = np.einsum("ij,jkn->ikn", np.linalg.inv(matrix[:, :2]), offsets) + 0.5  # (2, 4, N) in the crop
    low, high = places.min(1), places.max(1)  # (2, N)
    limit = np.array([[size[1]], [size[0]]])
    cut = np.stack([low.clip(0, limit), high.clip(0, limit)])  # (2 ends, 2 axes, N)
    area = (high - low).prod(0)
    visible = (cut[1] - cut[0]).prod(0)
    kept = (visible > 0) & (visible >= LEAST_OBJECT_SHARE * area)
    boxes = cut.reshape(4, -1).T.astype(np.float32)  # (N, 4)
    return _target(maps, boxes, kept, np.zeros((0, *size), np.uint16))


def _target(
    maps: ObjectMaps, boxes: NDArray[np.float32], kept: NDArray[np.bool_], layers: NDArray[np.uint16]
) -> ObjectTarget:
    return ObjectTarget(
        boxes=torch.from_numpy(boxes[kept]),
        labels=torch.from_numpy(maps.labels[kept]),
        layers=torch.from_numpy(layers.astype(np.int32)),
        layer=torch.from_numpy(maps.layer[kept]),
        ids=torch.from_numpy(maps.ids[kept]),
    )
