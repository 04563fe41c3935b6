"""Objects of a picture: their classes, boxes, and masks that are stored for the box only; based on numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError, quoted
from pixelwise.words import counted

Size = tuple[int, int]
"""Height and width in pixels."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""

ACCEPTED_SCORE = 0.5
"""The least score of a prediction that counts, if a threshold is needed and none was chosen from data."""


@dataclass(frozen=True, eq=False)
class BoxMask:
    """A binary mask that is stored for a box only; everything outside the box is 0.

    Args:
        pixels: bool (h, w), the pixels of the box.
        top: picture row of the first row of the box.
        left: picture column of the first column of the box.
        size: height and width of the picture.

    Raises:
        SettingError: the pixels are not bool (h, w), or reach beyond the picture.
    """

    pixels: NDArray[np.bool_]
    top: int
    left: int
    size: Size

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise SettingError(f"mask must be bool (h, w), got {self.pixels.dtype} {self.pixels.shape}")
        height, width = self.pixels.shape
        if not (0 <= self.top <= self.size[0] - height and 0 <= self.left <= self.size[1] - width):
            raise SettingError(
                f"a mask of {height}x{width} at row {self.top}, column {self.left} reaches beyond a picture of "
                f"{self.size[0]}x{self.size[1]}"
            )

    @classmethod
    def of(cls, mask: NDArray[Any]) -> BoxMask:
        """Store a mask of the whole picture (H, W) for the smallest box that holds all values other than 0."""
        return cls(np.asarray(mask, np.bool_), 0, 0, (mask.shape[0], mask.shape[1])).trimmed()

    @property
    def area(self) -> int:
        """The number of pixels of the object."""
        return int(np.count_nonzero(self.pixels))

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the box covers."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom edge of the object's pixels; pixel i reaches from i to i + 1. All 0 if empty."""
        if not self.pixels.any():
            return 0, 0, 0, 0
        rows, columns = _extent(self.pixels, 1), _extent(self.pixels, 0)
        return self.left + columns.start, self.top + rows.start, self.left + columns.stop, self.top + rows.stop

    def trimmed(self) -> BoxMask:
        """The same mask in the smallest box that holds it; 0 x 0 pixels if it is empty."""
        if not self.pixels.any():
            return BoxMask(np.zeros((0, 0), np.bool_), 0, 0, self.size)
        rows, columns = _extent(self.pixels, 1), _extent(self.pixels, 0)
        pixels = np.ascontiguousarray(self.pixels[rows, columns])
        return BoxMask(pixels, self.top + rows.start, self.left + columns.start, self.size)

    def moved(self, down: int, right: int, size: Size) -> BoxMask:
        """The same mask, shifted, on another picture of ``size``, and cut at the borders of that picture."""
        height, width = self.pixels.shape
        top, left = self.top + down, self.left + right
        rows = slice(max(0, -top), max(0, min(height, size[0] - top)))
        columns = slice(max(0, -left), max(0, min(width, size[1] - left)))
        pixels = self.pixels[rows, columns]
        if 0 in pixels.shape:
            return BoxMask(np.zeros((0, 0), np.bool_), 0, 0, size)
        return BoxMask(pixels, top + rows.start, left + columns.start, size)

    def overlap(self, other: BoxMask) -> int:
        """The number of pixels that two masks of one picture share."""
        rows, columns = (
            slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(self.window, other.window, strict=True)
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return 0
        ours = self.pixels[rows.start - self.top : rows.stop - self.top, columns.start - self.left :]
        theirs = other.pixels[rows.start - other.top : rows.stop - other.top, columns.start - other.left :]
        width = columns.stop - columns.start
        return int(np.count_nonzero(ours[:, :width] & theirs[:, :width]))

    def full(self) -> NDArray[np.bool_]:
        """Give the mask of the whole picture, bool (H, W)."""
        full = np.zeros(self.size, np.bool_)
        full[self.window] = self.pixels
        return full


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of one picture, annotated or predicted.

    Args:
        size: height and width of the picture.
        labels: (N,) class of each object, an index into the names of the classes, which do not include background.
        boxes: float (N, 4), left, top, right and bottom edge in pixels; pixel ``i`` reaches from ``i`` to ``i + 1``.
        masks: one per box, or None where only boxes are known.
        scores: (N,) confidence 0 .. 1 of predictions; None for annotations.
        crowd: (N,) whether an annotation marks a group, which is not scored, found or not. None means that there are
            no groups.
        stated_areas: (N,) the areas that the annotation states, by which COCO divides objects into small and large
            ones; NaN if it states none for an object. None means that it states no areas.

    Raises:
        DataError: lengths differ, or a box is not finite or turned inside out.
    """

    size: Size
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    masks: tuple[BoxMask, ...] | None = None
    scores: NDArray[np.float32] | None = None
    crowd: NDArray[np.bool_] | None = None
    stated_areas: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64).reshape(count))
        object.__setattr__(self, "boxes", np.asarray(self.boxes, np.float32).reshape(-1, 4))
        if self.masks is not None:
            object.__setattr__(self, "masks", tuple(self.masks))
        for name, part in (
            ("boxes", self.boxes),
            ("masks", self.masks),
            ("scores", self.scores),
            ("crowd", self.crowd),
            ("stated areas", self.stated_areas),
        ):
            if part is not None and len(part) != count:
                raise DataError(f"{counted(count, 'label')} but {len(part)} {name}; give one an object")
        if not np.isfinite(self.boxes).all() or (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise DataError("boxes are left, top, right, bottom, finite and rising; one is not")
        if self.masks is not None and any(mask.size != tuple(self.size) for mask in self.masks):
            raise DataError(f"a mask belongs to a picture of another size than {self.size}")

    @classmethod
    def none(cls, size: Size, *, masks: bool = True) -> Instances:
        """Give a picture without objects."""
        return cls(size, np.zeros(0, np.int64), np.zeros((0, 4), np.float32), () if masks else None)

    @classmethod
    def of_masks(
        cls,
        size: Size,
        masks: Sequence[BoxMask],
        labels: NDArray[Any] | Sequence[int],
        *,
        scores: NDArray[Any] | None = None,
        crowd: NDArray[np.bool_] | None = None,
    ) -> Instances:
        """Give objects whose boxes are the extents of their masks."""
        boxes = np.array([mask.box for mask in masks], np.float32).reshape(-1, 4)
        return cls(size, np.asarray(labels, np.int64), boxes, tuple(masks), scores, crowd)

    @classmethod
    def of_ids(cls, ids: NDArray[Any], labels: NDArray[Any] | Sequence[int] | None = None) -> Instances:
        """Split a map of object ids (H, W), in which 0 is background, into objects; ids may have gaps.

        Args:
            ids: integers of any type.
            labels: class of each object in the order of rising ids; all 0 when None.
        """
        size = (ids.shape[0], ids.shape[1])
        masks = []
        for identity, (rows, columns) in boxes_of_ids(ids):
            masks.append(BoxMask(ids[rows, columns] == identity, rows.start, columns.start, size))
        return cls.of_masks(size, masks, np.zeros(len(masks), np.int64) if labels is None else labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: NDArray[Any] | Sequence[int] | slice) -> Instances:
        """Choose objects by a bool (N,), by their numbers in any order, or by a slice."""
        numbers = np.arange(len(self))[np.asarray(chosen, np.int64) if isinstance(chosen, list) else chosen]
        return Instances(
            self.size,
            self.labels[numbers],
            self.boxes[numbers],
            None if self.masks is None else tuple(self.masks[number] for number in numbers),
            None if self.scores is None else self.scores[numbers],
            None if self.crowd is None else self.crowd[numbers],
            None if self.stated_areas is None else self.stated_areas[numbers],
        )

    @property
    def is_crowd(self) -> NDArray[np.bool_]:
        """(N,) whether each annotation marks a group."""
        return np.zeros(len(self), np.bool_) if self.crowd is None else self.crowd

    @property
    def areas(self) -> NDArray[np.float64]:
        """(N,) pixels of each mask, or area of each box where there are no masks."""
        if self.masks is None:
            sides = (self.boxes[:, 2:] - self.boxes[:, :2]).astype(np.float64)
            box_areas: NDArray[np.float64] = sides.prod(1)
            return box_areas
        return np.array([mask.area for mask in self.masks], np.float64)

    def id_map(self) -> NDArray[np.int32]:
        """Give a map (H, W) of ids, which count from 1 in the order of the objects.

        Where objects overlap, the one with the better score is on top; without scores, the smaller one.

        Raises:
            DataError: only boxes are known.
        """
        if self.masks is None:
            raise DataError("these objects have boxes only, so there is no map of their pixels")
        ids = np.zeros(self.size, np.int32)
        order = np.argsort(self.scores if self.scores is not None else -self.areas, kind="stable")
        for number in order.tolist():
            mask = self.masks[number]
            ids[mask.window][mask.pixels] = number + 1
        return ids


@dataclass(frozen=True)
class ObjectRule:
    """The rule for which detections count as objects; it is chosen on validation pictures and stored with the model.

    Args:
        score: the least score. Detections with a lower score are kept for figures that rank, as AP does, but are
            neither shown nor counted.
        min_area: the fewest pixels of an object.

    Raises:
        SettingError: the score is not within 0 .. 1, or the area is negative or no whole number.
    """

    score: float = ACCEPTED_SCORE
    min_area: int = 0

    def __post_init__(self) -> None:
        score, area = self.score, self.min_area
        if isinstance(score, bool) or not isinstance(score, int | float | np.number) or not 0 <= score <= 1:
            raise SettingError(f"score is {quoted(score)}; it lies between 0 and 1")
        if isinstance(area, bool) or not isinstance(area, int | np.integer) or area < 0:
            raise SettingError(f"min_area is {quoted(area)}; it is a number of pixels, 0 or more")
        object.__setattr__(self, "score", float(score))
        object.__setattr__(self, "min_area", int(area))

    def accepted(self, objects: Instances) -> Instances:
        """Leave out objects of a lower score; those without scores stay."""
        return objects if objects.scores is None else objects[objects.scores >= self.score]


DEFAULT_RULE = ObjectRule()


def boxes_of_ids(ids: NDArray[Any]) -> list[tuple[int, tuple[slice, slice]]]:
    """Find the rows and columns of every object in a map of ids (H, W), in one pass; 0 is background.

    Returns:
        (id, (rows, columns)) in the order of rising ids.
    """
    rows, columns = np.nonzero(ids)
    identities, number = np.unique(ids[rows, columns], return_inverse=True)
    low = np.full((len(identities), 2), max(ids.shape, default=0))
    high = np.zeros((len(identities), 2), np.int64)
    np.minimum.at(low, number, np.stack([rows, columns], 1))
    np.maximum.at(high, number, np.stack([rows, columns], 1))
    return [
        (identity, (slice(top, bottom + 1), slice(left, right + 1)))
        for identity, (top, left), (bottom, right) in zip(identities.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def _extent(pixels: NDArray[np.bool_], across: int) -> slice:
    """Give the slice from the first to the last row (or column) of pixels (h, w) that is not empty."""
    filled = np.flatnonzero(pixels.any(across))
    return slice(int(filled[0]), int(filled[-1]) + 1)
