"""Pictures with their objects, decoded once as far as the memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelwise.data.crops.budgeted import BudgetedCache
from pixelwise.data.pairs import Pair
from pixelwise.errors import DataError
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.images import read_picture
from pixelwise.io.on_data import ignoring_objects
from pixelwise.io.pictures.depth import ANY_NUMBERS, Learnt

LARGEST_OBJECT_ID = 65534
"""The greatest id in a map; 65535 is reserved for pixels beyond a picture."""


@dataclass(frozen=True, eq=False)
class ObjectMaps:
    """The objects of one picture (H, W) that a network learns, painted into as few maps of ids as overlaps allow.

    Args:
        maps: uint16 (L, H, W), at least one; 0 where no object is. All 0 where only boxes are known.
        layer: int64 (N,) the map of each object.
        ids: int32 (N,) its id there, 1 .. 65534.
        labels: int64 (N,) its class.
        areas: float64 (N,) its pixels, or the area of its box.
        boxes: float32 (N, 4).
        masks_known: False where only boxes are known.
    """

    maps: NDArray[np.uint16]
    layer: NDArray[np.int64]
    ids: NDArray[np.int32]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float32]
    masks_known: bool

    @classmethod
    def paint(cls, objects: Instances) -> ObjectMaps:
        """Paint objects, except crowds: a group is no example of an object.

        An object is painted on the first map where none of its pixels is occupied. Objects of one picture rarely
        overlap, so that there is usually one map.
        """
        objects = objects[~objects.is_crowd]
        if objects.masks is None:
            layer, ids = np.zeros(len(objects), np.int64), np.arange(1, len(objects) + 1, dtype=np.int32)
            maps = [np.zeros(objects.size, np.uint16)]
        else:
            objects = objects[objects.areas > 0]
            maps, layer, ids = _paint(objects.masks or (), objects.size)
        return cls(
            np.stack(maps),
            layer,
            ids,
            objects.labels,
            objects.areas,
            objects.boxes,
            masks_known=objects.masks is not None,
        )

    def __len__(self) -> int:
        return len(self.labels)


def _paint(
    masks: Sequence[BoxMask], size: tuple[int, int]
) -> tuple[list[NDArray[np.uint16]], NDArray[np.int64], NDArray[np.int32]]:
    maps, used = [np.zeros(size, np.uint16)], [0]
    layer, ids = np.zeros(len(masks), np.int64), np.zeros(len(masks), np.int32)
    for number, mask in enumerate(masks):
        for place in range(len(maps) + 1):
            if place == len(maps):
                maps.append(np.zeros(size, np.uint16))
                used.append(0)
            window = maps[place][mask.window]
            if used[place] < LARGEST_OBJECT_ID and not window[mask.pixels].any():
                break
        used[place] += 1
        window[mask.pixels] = used[place]
        layer[number], ids[number] = place, used[place]
    return maps, layer, ids


@dataclass(frozen=True, eq=False)
class ObjectPicture:
    """A decoded picture with its objects.

    Args:
        image: uint8 (C, H, W), read-only.
        objects: all annotated objects, including crowds.
        maps: the objects to learn, where maps were asked for.
        id: id of the pair it was read from.
    """

    image: NDArray[np.uint8]
    objects: Instances
    maps: ObjectMaps | None
    id: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.objects.size

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        masks = sum(mask.pixels.nbytes for mask in self.objects.masks or ())
        return self.image.nbytes + masks + (0 if self.maps is None else self.maps.maps.nbytes)


class ObjectCache(BudgetedCache[ObjectPicture]):
    """Pictures with their objects, decoded once as far as the budget allows.

    Args:
        pairs: pictures; each needs its objects.
        channels: channels of the pictures, as :func:`~pixelwise.io.images.read_image` takes them.
        learnt: the numbers that the network learns from, as :func:`~pixelwise.io.images.read_picture` takes them.
        budget_bytes: memory for decoded items.
        maps: whether to paint the objects into maps of ids, which training crops are cut from.

    Raises:
        DataError: there are no pairs, or one has no objects; on reading an item, a file cannot be read, or picture and
            annotation differ in size.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        channels: int = 3,
        learnt: Learnt = ANY_NUMBERS,
        budget_bytes: int,
        maps: bool,
    ) -> None:
        if not pairs:
            raise DataError("there are no pictures in this split; expected at least one")
        for pair in pairs:
            if pair.objects is None:
                raise DataError(f"{pair.image}: no objects are annotated for the picture; add them, or move it out")
        super().__init__(len(pairs), budget_bytes)
        self.pairs = tuple(pairs)
        self.channels = channels
        self.learnt = learnt
        self.maps = maps

    def _make(self, index: int) -> ObjectPicture:
        pair = self.pairs[index]
        assert pair.objects is not None
        picture = read_picture(pair.image, channels=self.channels, learnt=self.learnt)
        image, objects = picture.image, pair.objects.read()  # (C, H, W)
        if image.shape[1:] != tuple(objects.size):
            raise DataError(
                f"{pair.image}: the picture has {image.shape[1]}x{image.shape[2]} pixels, but its objects were "
                f"annotated on {objects.size[0]}x{objects.size[1]}; annotate the picture as it is"
            )
        objects = ignoring_objects(objects, picture.valid)
        image.setflags(write=False)
        return ObjectPicture(image, objects, ObjectMaps.paint(objects) if self.maps else None, pair.id)
