"""Merging objects that were found tile by tile into the objects of the picture, none of them twice or in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pixelwise.inference.buckets import Buckets
from pixelwise.instances import Box, BoxMask, Instances
from pixelwise.tiling import Tile, TilePlan, Window

NEAR_EDGE_PIXELS = 2
"""An object this many pixels or fewer from the edge of a tile's input may continue beyond it."""

CENTRE_JITTER_PIXELS = 8
"""The centre of one object may differ by this many pixels between tiles, so that each tile leaves it to the other."""

SAME_OBJECT_SHARE = 0.5
"""Two objects are the same if they share this part of their union. Two pieces belong to the same object if they share
this part of the smaller one, where both tiles see."""

SAME_PIECE_SHARE = 0.8
"""An object that lies in a joined object with this share of its pixels is a piece of it; so is a piece that lies in any
object."""

MOST_COMPARED_OBJECTS = 2000
"""The largest number of objects that are compared between tiles."""


@dataclass(frozen=True, eq=False)
class _Found:
    """An object as one tile sees it, or several joined ones, in pixels of the picture."""

    rank: int  # objects of a lower rank win
    seen: Window | None  # input of its tile; None for a joined object
    label: int
    score: float
    box: Box
    mask: BoxMask


_JOINED, _OWN, _NEIGHBOUR, _PIECE = range(4)
"""The ranks of objects: joined from pieces; seen by the tile that decides about it; seen by another tile; a piece that
matches no other."""


class Joiner:
    """Collects the objects of tiles and gives the objects of the picture.

    The inputs of neighbouring tiles overlap by twice the halo. The tile whose window holds the centre of an object sees
    the whole object if it measures up to twice the halo, so that this tile alone decides about it. A piece that is cut
    by the edge of a tile's input is dropped where another tile sees all of it and more. The remaining pieces belong to
    larger objects. They are joined where they agree on the pixels that both tiles see: the object is their union, and
    its score is their mean weighted by area. Memory grows with the boxes of the objects.

    Args:
        plan: how the picture is cut.
    """

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        seen = [{tile.write[axis].start: tile.read[axis] for tile in plan} for axis in (0, 1)]
        self._rows, self._columns = ([(read.start, read.stop) for read in reads.values()] for reads in seen)
        self._whole: list[_Found] = []
        self._pieces: list[_Found] = []
        self._compared: list[_Found] = []
        self._masks = True

    def add(self, tile: Tile, instances: Instances) -> None:
        """Add the objects of a tile, in pixels of the tile's input."""
        down, right = tile.read[0].start, tile.read[1].start
        self._masks = self._masks and instances.masks is not None
        for number in range(len(instances)):
            left, top, far_right, bottom = (float(edge) for edge in instances.boxes[number])
            box = (left + right, top + down, far_right + right, bottom + down)
            local = instances.masks[number] if instances.masks is not None else _filled(instances, number)
            score = 1.0 if instances.scores is None else float(instances.scores[number])
            mask = local.moved(down, right, self.plan.size)
            if not mask.pixels.size:
                continue
            found = _Found(_OWN, tile.read, int(instances.labels[number]), score, box, mask)
            self._sort_in(tile, found)

    def _sort_in(self, tile: Tile, found: _Found) -> None:
        """Choose which tile decides about an object: its own, another one, or several together."""
        rows, columns = (_span(found.box[1::2]), _span(found.box[0::2]))
        seen_whole = self._seen(rows, self._rows, 0) and self._seen(columns, self._columns, 1)
        if not all(
            self._within(span, (read.start, read.stop), axis)
            for axis, (span, read) in enumerate(zip((rows, columns), tile.read, strict=True))
        ):
            if not seen_whole:
                self._pieces.append(replace(found, rank=_PIECE))
            return
        middle = ((found.box[1] + found.box[3]) / 2, (found.box[0] + found.box[2]) / 2)
        away = max(max(write.start - at, at - write.stop, 0.0) for at, write in zip(middle, tile.write, strict=True))
        owner_sees = all(
            self._within(span, self._owner(at, axis), axis)
            for axis, (at, span) in enumerate(zip(middle, (rows, columns), strict=True))
        )
        if away == 0:
            self._whole.append(found)
        elif away <= CENTRE_JITTER_PIXELS or not owner_sees:
            self._whole.append(replace(found, rank=_NEIGHBOUR))
        elif len(self._compared) < MOST_COMPARED_OBJECTS:
            self._compared.append(found)

    def _owner(self, at: float, axis: int) -> tuple[int, int]:
        """The input, along an axis, of the tile that writes the pixel there."""
        spans = (self._rows, self._columns)[axis]
        return spans[min(len(spans) - 1, int(at) // self.plan.tile[axis])]

    def _seen(self, span: tuple[float, float], reads: list[tuple[int, int]], axis: int) -> bool:
        return any(self._within(span, read, axis) for read in reads)

    def _within(self, span: tuple[float, float], read: tuple[int, int], axis: int) -> bool:
        """Whether a span lies inside the input and away from its edges, except those that are edges of the picture."""
        clear = span[0] >= read[0] + NEAR_EDGE_PIXELS or (read[0] <= 0 and span[0] >= 0)
        return clear and (span[1] <= read[1] - NEAR_EDGE_PIXELS or read[1] >= self.plan.size[axis])

    def finish(self) -> tuple[Instances, float | None]:
        """Give the objects of the picture, the best score first, and how well tiles agree.

        Returns:
            The objects; and, among the objects that several tiles see whole, the share that the deciding tile does not
            have as well (same class, at least half of the union in common), or None where there are no such objects.
        """
        kept = Buckets[_Found]()
        for found in sorted([*self._joined(), *self._whole], key=lambda one: (one.rank, -one.score)):
            if not any(_is_one(found, other) for other in kept.near(found.box)):
                kept.add(found.box, found)
        objects = sorted(kept, key=lambda one: (-one.score, one.box[1], one.box[0], one.label))
        missed = sum(
            not any(_overlap(one, other) >= SAME_OBJECT_SHARE for other in kept.near(one.box)) for one in self._compared
        )
        error = missed / len(self._compared) if self._compared else None
        return self._instances(objects), error

    def _instances(self, objects: list[_Found]) -> Instances:
        return Instances(
            self.plan.size,
            np.array([one.label for one in objects], np.int64),
            np.array([one.box for one in objects], np.float32).reshape(-1, 4),
            tuple(one.mask for one in objects) if self._masks else None,
            np.array([one.score for one in objects], np.float32),
        )

    def _joined(self) -> Iterator[_Found]:
        """Join the pieces that agree."""
        group = list(range(len(self._pieces)))

        def root(number: int) -> int:
            while group[number] != number:
                group[number] = group[group[number]]
                number = group[number]
            return number

        seen = Buckets[int]()
        for number, piece in enumerate(self._pieces):
            for other in seen.near(piece.box):
                if root(other) != root(number) and _agree(piece, self._pieces[other]):
                    group[root(other)] = root(number)
            seen.add(piece.box, number)
        members: dict[int, list[_Found]] = {}
        for number, piece in enumerate(self._pieces):
            members.setdefault(root(number), []).append(piece)
        yield from map(_union, members.values())


def _filled(instances: Instances, number: int) -> BoxMask:
    """A mask for an object of which only the box is known: the pixels that the box touches."""
    left, top, right, bottom = instances.boxes[number]
    top, left = max(0, int(top)), max(0, int(left))
    bottom, right = min(instances.size[0], int(np.ceil(bottom))), min(instances.size[1], int(np.ceil(right)))
    return BoxMask(np.ones((max(0, bottom - top), max(0, right - left)), np.bool_), top, left, instances.size)


def _span(edges: tuple[float, ...]) -> tuple[float, float]:
    return edges[0], edges[1]


def _overlap(one: _Found, other: _Found) -> float:
    """IoU of two objects of the same class; 0 for objects of two classes."""
    if one.label != other.label:
        return 0.0
    shared = one.mask.overlap(other.mask)
    return shared / (one.mask.area + other.mask.area - shared) if shared else 0.0


def _is_one(found: _Found, kept: _Found) -> bool:
    """Whether an object is already kept, as another tile or a join has seen it."""
    if found.label != kept.label or (found.seen is not None and found.seen == kept.seen):
        return False
    shared = found.mask.overlap(kept.mask)
    if not shared:
        return False
    area = found.mask.area
    in_pieces = kept.rank == _JOINED or found.rank == _PIECE
    return shared >= SAME_OBJECT_SHARE * (area + kept.mask.area - shared) or (
        in_pieces and shared >= SAME_PIECE_SHARE * area
    )


def _agree(one: _Found, other: _Found) -> bool:
    """Whether pieces of two tiles belong to one object: they have the same class, and agree where both tiles see."""
    if one.label != other.label or one.seen == other.seen:
        return False
    shared = one.mask.overlap(other.mask)
    if not shared:
        return False
    assert one.seen is not None
    assert other.seen is not None
    smaller = min(_area_in(one.mask, other.seen), _area_in(other.mask, one.seen))
    return shared >= SAME_OBJECT_SHARE * smaller


def _area_in(mask: BoxMask, window: Window) -> int:
    """The pixels of a mask in a window of the picture."""
    rows, columns = (
        slice(max(0, part.start - first), max(0, part.stop - first))
        for part, first in zip(window, (mask.top, mask.left), strict=True)
    )
    return int(np.count_nonzero(mask.pixels[rows, columns]))


def _union(pieces: list[_Found]) -> _Found:
    """Join pieces into one object; a single piece stays cut as it is."""
    if len(pieces) == 1:
        return pieces[0]
    boxes = np.array([piece.box for piece in pieces])
    windows = np.array([[mask.top, mask.left, *mask.pixels.shape] for mask in (piece.mask for piece in pieces)])
    top, left = windows[:, :2].min(0).tolist()
    height, width = ((windows[:, :2] + windows[:, 2:]).max(0) - (top, left)).tolist()
    pixels = np.zeros((height, width), np.bool_)
    for piece in pieces:
        mask = piece.mask
        rows, columns = mask.pixels.shape
        pixels[mask.top - top :, mask.left - left :][:rows, :columns] |= mask.pixels
    areas = np.array([piece.mask.area for piece in pieces], np.float64)
    score = float(np.array([piece.score for piece in pieces]) @ areas / max(areas.sum(), 1))
    low, high = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    mask = BoxMask(pixels, top, left, pieces[0].mask.size)
    return _Found(_JOINED, None, pieces[0].label, score, (low[0], low[1], high[0], high[1]), mask)
