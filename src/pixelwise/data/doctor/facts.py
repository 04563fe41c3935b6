"""The facts of one picture and its annotation, found by decoding both once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.doctor.outline_faults import OutlineFaults, find_outline_faults
from pixelwise.data.pairs import Pair
from pixelwise.data.targets import ignoring, read_target, touching
from pixelwise.errors import DataError
from pixelwise.instances import Instances, Size
from pixelwise.io.images import image_info, read_picture
from pixelwise.io.pictures.formats import read_header
from pixelwise.types import LabelSpace

THUMBNAIL_SIDE = 32
"""The side in pixels of the grey thumbnail that pictures are compared by."""


@dataclass(frozen=True)
class ObjectFacts:
    """The facts of the annotated objects of a picture.

    Args:
        labels: class of each object.
        areas: pixels of each object, or of its box if it has no mask.
        touching: the number of objects that touch another object of their class.
        repeated: the number of objects that repeat an earlier one, with the same class and pixels.
        faults: faults of their outlines.
    """

    labels: tuple[int, ...]
    areas: tuple[int, ...]
    touching: int = 0
    repeated: int = 0
    faults: OutlineFaults = field(default_factory=OutlineFaults)


@dataclass(frozen=True, eq=False)
class Facts:
    """The facts of a pair.

    Args:
        id: the id of the pair.
        error: the reason why the pair cannot be used, in which case nothing else is known; empty if it can be used.
        size: height and width in pixels.
        channels: the number of values per pixel of the picture.
        bits: the bits of each value.
        turned: whether the picture has an EXIF rotation and its mask has none, and their sizes do not show whether the
            mask was drawn on the rotated picture.
        digest: a digest that is equal for files of the same bytes.
        phash: 64 bits that hardly change with size, light and compression (DCT of the thumbnail, above its median).
        thumbnail: float32 (32, 32), grey, of mean 0 and length 1.
        pixels: (K,) pixels of each class, without ignored pixels and those for which the picture holds no data; None if
            no mask is read.
        plain: whether all pixels of the picture are equal.
        hidden: (K,) annotated pixels of each class for which the picture holds no data, because it is transparent there
            or says so otherwise; None if it holds data everywhere or no mask is read.
        objects: the facts of its objects; None if no objects are annotated.
    """

    id: str
    error: str = ""
    size: Size = (0, 0)
    channels: int = 0
    bits: int = 0
    turned: bool = False
    digest: str = ""
    phash: int = 0
    thumbnail: NDArray[np.float32] | None = None
    pixels: tuple[int, ...] | None = None
    plain: bool = False
    hidden: tuple[int, ...] | None = None
    objects: ObjectFacts | None = None


def gather(pair: Pair, label_space: LabelSpace | None) -> Facts:
    """Read a picture and its annotation, and give their facts.

    Args:
        pair: the picture.
        label_space: how its mask is read; None if that is not known.
    """
    try:
        info = image_info(pair.image)
        picture = read_picture(pair.image, channels=1 if info.channels in (1, 3) else info.channels)
        pixels, hidden = (None, None) if label_space is None else _class_pixels(pair, label_space, picture.valid)
        objects = None if pair.objects is None else _object_facts(pair)
        turned = _is_turned(pair)
        content = pair.image.read_bytes()
    except DataError as error:
        return Facts(pair.id, str(error))
    image = picture.image
    small = cv2.resize(image[0].astype(np.float32), (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:8, :8]
    bits = (low > np.median(low)).reshape(-1)
    centred = small - small.mean()
    return Facts(
        pair.id,
        "",
        info.size,
        info.channels,
        info.bits,
        turned,
        hashlib.sha256(content).hexdigest(),
        int("".join("1" if bit else "0" for bit in bits), 2),
        np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32),
        pixels,
        bool(image.min() == image.max()),
        hidden,
        objects,
    )


def _is_turned(pair: Pair) -> bool:
    if pair.mask is None:
        return False
    picture, mask = read_header(pair.image), read_header(pair.mask)
    ambiguous = picture.orientation < 5 or picture.size[0] == picture.size[1]
    return picture.orientation > 1 and mask.orientation == 1 and ambiguous


def _class_pixels(
    pair: Pair, label_space: LabelSpace, valid: NDArray[np.bool_] | None
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Count the pixels of each class that are learnt, and those that the picture hides; see :class:`Facts`."""
    target = read_target(pair, label_space)
    shown = _count(ignoring(target, valid, label_space), label_space)
    if valid is None or valid.all():
        return tuple(shown.tolist()), None
    return tuple(shown.tolist()), tuple((_count(target, label_space) - shown).tolist())


def _count(target: NDArray[Any], label_space: LabelSpace) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bincount(target.reshape(-1), minlength=len(label_space))[: len(label_space)]
    return counts


def _object_facts(pair: Pair) -> ObjectFacts:
    assert pair.objects is not None
    found = pair.objects.read()
    faults = find_outline_faults(pair.objects, found.size)
    if found.masks is None:
        sides = np.maximum(found.boxes[:, 2:] - found.boxes[:, :2], 0)
        areas = np.rint(sides.prod(1)).astype(np.int64)
        return ObjectFacts(tuple(found.labels.tolist()), tuple(areas.tolist()), faults=faults)
    single = found[~found.is_crowd]
    areas = np.array([mask.area for mask in found.masks], np.int64)
    return ObjectFacts(
        tuple(found.labels.tolist()), tuple(areas.tolist()), _count_touching(single), _count_repeated(found), faults
    )


def _count_touching(objects: Instances) -> int:
    ids = objects.id_map()
    classes = np.concatenate([[-1], objects.labels])
    return int(np.count_nonzero(np.unique(ids[touching(ids, classes)])))


def _count_repeated(objects: Instances) -> int:
    """Count the objects of the annotation that repeat an earlier one."""
    assert objects.masks is not None
    seen = set()
    for label, mask in zip(objects.labels.tolist(), objects.masks, strict=True):
        seen.add((label, mask.box, hashlib.sha256(np.packbits(mask.trimmed().pixels).tobytes()).digest()))
    return len(objects.masks) - len(seen)
