"""The data sets for learning pixels: random crops, and whole pictures for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from pixelwise.data.crops.augmentation import Augmentation, augment
from pixelwise.data.crops.cache import PictureCache
from pixelwise.data.crops.gaps import GapWeights
from pixelwise.data.pairs import Pair
from pixelwise.errors import SettingError
from pixelwise.io.ahead import in_threads
from pixelwise.types import Sample
from pixelwise.words import counted

_ORDER_STREAM, CROP_STREAM, _BATCH_SIZE_STREAM = (
    0,
    1,
    2,
)  # the streams of random numbers: orders of pictures, crops, and sizes of batches


class PictureOrder:
    """The picture of each item of an endless stream, which takes all pictures in a new order each time.

    Args:
        count: number of pictures.
        seed: decides the orders.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self._epoch_order = (-1, np.zeros(0, np.int64))

    def __getitem__(self, index: int) -> int:
        epoch, turn = divmod(index, self.count)
        known, order = self._epoch_order
        if known != epoch:
            order = np.random.default_rng((self.seed, _ORDER_STREAM, epoch)).permutation(self.count)
            self._epoch_order = (epoch, order)
        return int(order[turn])


class TrainingCrops(Dataset[tuple[Tensor, ...]]):
    """Random crops, uint8 image (C, h, w) and mask (h, w), each a function of the seed and its number alone.

    With ``gaps``, float32 gap weights (h, w) come third.

    A run that is resumed, or spread over processes, therefore sees the same crops. Without the draw of rare classes,
    items take all pictures in a new order each time. With it, a class is drawn, then a picture that has it, then a
    pixel of it, and the crop is centred on that pixel.

    Args:
        cache: the pictures.
        augmentation: crop size and what varies.
        length: number of items; it may be many times the number of pictures.
        seed: another seed gives other crops.
        rare_class_probability: share of crops that are centred on a pixel of a drawn class. Above 0, all masks are read
            when the set is made.
        class_weights: relative chance of each class in that draw, one per class; by default the inverse square root of
            its share of the pixels. Classes that do not occur are never drawn.
        gaps: weights of the narrow gaps between the objects of each picture.
        batch: crops that follow each other and have one size.
        shorter: most pixels by which the crops of a batch are lower and narrower than those of the augmentation.

    Raises:
        SettingError: the probability, the weights or the sizes are out of range.
        DataError: a picture or mask cannot be read.
    """

    def __init__(
        self,
        cache: PictureCache,
        augmentation: Augmentation,
        *,
        length: int,
        seed: int,
        rare_class_probability: float = 0.5,
        class_weights: Sequence[float] | None = None,
        gaps: GapWeights | None = None,
        batch: int = 1,
        shorter: int = 0,
    ) -> None:
        if batch < 1 or not 0 <= shorter < min(augmentation.crop):
            raise SettingError(
                f"crops of {augmentation.crop} in batches of {batch} cannot be up to {shorter} pixels shorter; a crop "
                "has at least one"
            )
        if not 0 <= rare_class_probability <= 1:
            raise SettingError(f"rare_class_probability is {rare_class_probability}; expected 0 to 1")
        self.cache = cache
        self.augmentation = augmentation
        self.length = length
        self.seed = seed
        self.rare_class_probability = rare_class_probability
        self.gaps = gaps
        self.batch = batch
        self.shorter = shorter
        self._holders: list[NDArray[np.intp]] = []
        self._bounds = np.zeros(0)
        if rare_class_probability > 0:
            self._holders, self._bounds = _class_draw(cache, class_weights)
            if not self._bounds[-1]:  # no class with a weight occurs
                self.rare_class_probability = 0.0
        self._order = PictureOrder(len(cache), seed)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} of {self.length}")
        keep_to_one_thread_in_workers()
        rng = np.random.default_rng((self.seed, CROP_STREAM, index))
        picture, place = self._draw(index, rng)
        sample = self.cache[picture]
        center = None if place is None else divmod(place, sample.size[1])  # row, column
        ignore_index = self.cache.label_space.ignore_index
        weights = None if self.gaps is None else self.gaps[picture]
        augmentation = replace(self.augmentation, crop=self.size_of(index))
        crop = augment(sample, augmentation, rng, ignore_index=ignore_index, center=center, weights=weights)
        tensors = _image_tensor(crop.image), _mask_tensor(crop.mask)
        return tensors if crop.weights is None else (*tensors, torch.from_numpy(crop.weights))

    def size_of(self, index: int) -> tuple[int, int]:
        """Height and width of a crop, which are those of its batch.

        Each side is whole in half of the batches, because networks that rarely saw whole periods mislabel the edge of
        such pictures; otherwise it is shorter by 1 to ``shorter`` pixels.
        """
        if not self.shorter:
            return self.augmentation.crop
        rng = np.random.default_rng((self.seed, _BATCH_SIZE_STREAM, index // self.batch))
        lacking = (rng.integers(0, 2, 2) * rng.integers(1, self.shorter, 2, endpoint=True)).tolist()
        height, width = (side - less for side, less in zip(self.augmentation.crop, lacking, strict=True))
        return height, width

    def pair_of(self, index: int) -> Pair:
        """The picture that a crop is cut from."""
        rng = np.random.default_rng((self.seed, CROP_STREAM, index))
        return self.cache.pairs[self._draw(index, rng)[0]]

    def _draw(self, index: int, rng: np.random.Generator) -> tuple[int, int | None]:
        """Draw the picture of a crop, and the flat index of the pixel that it is centred on, if there is one."""
        if rng.random() < self.rare_class_probability:
            return self._draw_rare(rng)
        return self._order[index], None

    def _draw_rare(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw a class, a picture that has it, and a flat pixel index of it there."""
        index = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        picture = one_of(self._holders[index], rng)
        return picture, one_of(self.cache.class_places(picture).positions[index], rng)


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Whole pictures as they are stored: uint8 image (C, H, W) and mask (H, W) at their own size.

    Args:
        cache: the pictures.
    """

    def __init__(self, cache: PictureCache) -> None:
        self.cache = cache

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample: Sample = self.cache[index]
        assert sample.mask is not None
        # Copies, because arrays of the cache are read-only and tensors cannot be.
        return _image_tensor(sample.image.copy()), _mask_tensor(sample.mask.copy())


def collate_crops(items: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Stack items of equal size to images (N, C, h, w), masks (N, h, w) and, where there are any, weights (N, h, w).

    The images keep the channels of a pixel side by side (torch's ``channels_last``), so that nothing is reordered on
    the way to a network in that format, and the copying starts no threads of torch's own.
    """
    images = np.stack([item[0].permute(1, 2, 0).numpy() for item in items])  # (N, h, w, C)
    planes = [np.stack([plane.numpy() for plane in part]) for part in zip(*(item[1:] for item in items), strict=True)]
    return torch.from_numpy(images).permute(0, 3, 1, 2), *map(torch.from_numpy, planes)  # (N, C, h, w), (N, h, w) ...


def _class_draw(
    cache: PictureCache, class_weights: Sequence[float] | None
) -> tuple[list[NDArray[np.intp]], NDArray[np.float64]]:
    """List the pictures that hold each class, and the sums of the chances of the classes up to each."""
    classes = len(cache.label_space)
    if class_weights is not None and (len(class_weights) != classes or min(class_weights) < 0):
        raise SettingError(f"class_weights are {class_weights}; expected {counted(classes, 'number')} of at least 0")
    pixels = np.stack([places.pixels for places in in_threads(cache.class_places, range(len(cache)))])  # (pictures, K)
    total = pixels.sum(0)  # (K,)
    weights = np.asarray(class_weights, np.float64) if class_weights is not None else 1 / np.sqrt(np.maximum(total, 1))
    weights = np.where(total > 0, weights, 0.0)
    holders = [np.flatnonzero(column) for column in pixels.T]
    bounds = weights.cumsum()
    return holders, bounds / (bounds[-1] or 1.0)


def one_of(values: NDArray[Any], rng: np.random.Generator) -> int:
    """Draw one of the values (N,), each with the same chance."""
    return int(values[rng.integers(len(values))])  # Generator.choice does the same ten times slower


@lru_cache(maxsize=1)
def keep_to_one_thread_in_workers() -> None:
    """Keep OpenCV from starting threads in a data worker, because workers already share the machine."""
    if get_worker_info() is not None:
        cv2.setNumThreads(0)


def _image_tensor(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image)


def _mask_tensor(mask: NDArray[np.unsignedinteger[Any]]) -> Tensor:
    # Few operations of torch support uint16, so masks that do not fit uint8 are widened.
    return torch.from_numpy(mask if mask.dtype == np.uint8 else mask.astype(np.int64))
