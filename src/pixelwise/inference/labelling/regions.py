"""Finding the connected parts of classes as objects, in labels of any size that are read by bands.

The result is what :func:`pixelwise.inference.components.objects_of` finds in labels in memory, in the same order, with
the same lines of background filled.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.components import gifts
from pixelwise.inference.labelling.records import object_records
from pixelwise.instances import BoxMask, Instances
from pixelwise.io.rasters.opening import RasterSource
from pixelwise.io.shapes.polygons import label_bands
from pixelwise.io.shapes.records import ObjectRecord
from pixelwise.io.shapes.rings import NO_REGION
from pixelwise.types import LabelSpace

IdMap = NDArray[np.int32]

GAP_FILLING_ROWS = 2
"""The rows above and below a row that filling the lines between objects depends on."""

BAND_PIXELS = 2**22
"""The pixels that are read at a time."""


@dataclass(frozen=True, eq=False)
class Regions:
    """The numbers that are kept per part of a raster of labels.

    Args:
        labels: class of each part, counted without background.
        areas: pixels of each part, including filled ones.
        boxes: (N, 4) first row, first column, last row, last column.
        seeds: (N, 2) row and column of the first pixel of each part before anything was filled; they tell which outline
            of the labels belongs to which part.
    """

    labels: NDArray[np.int64]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]
    seeds: NDArray[np.int64]


class RegionFinder:
    """Finds the parts of every class except the background in labels; each query reads the labels again by bands.

    Memory grows with the number of parts (some 60 bytes each), the runs of those that cross the current rows, and the
    box of the largest part, but not with the number of pixels.

    Args:
        labels: one channel of class indices.
        label_space: what they mean.
        min_area: parts of fewer pixels are left out.
        band_pixels: pixels that are read at a time.

    Raises:
        DataError: the labels are no class indices of the label space.
    """

    def __init__(
        self, labels: RasterSource, label_space: LabelSpace, *, min_area: int = 0, band_pixels: int = BAND_PIXELS
    ) -> None:
        self._labels = labels
        self._label_space = label_space
        self._band_pixels = max(band_pixels, GAP_FILLING_ROWS * labels.size[1])
        self._roots, self._classes = self._connect()
        self.regions = self._measure()
        kept = np.flatnonzero(self.regions.areas >= max(1, min_area))
        tops, lefts = self.regions.boxes[kept, 0], self.regions.boxes[kept, 1]
        self.order = kept[np.lexsort((kept, self.regions.labels[kept], lefts, tops))]
        """The parts that are kept, sorted by first row, then column, then class."""

    def seeds(self) -> set[tuple[int, int]]:
        """Row and column of the first pixel, before lines were filled, of every part that is kept."""
        return {(int(row), int(column)) for row, column in self.regions.seeds[self.order]}

    def records(self) -> Iterator[ObjectRecord]:
        """Give the parts that are kept in the form that files list them, numbered from 1 in their order."""
        places = np.full(len(self.regions.areas), -1, np.int64)
        places[self.order] = np.arange(len(self.order))
        offsets = np.zeros(len(self.order), np.int64)
        with tempfile.TemporaryFile(
            "w+", encoding="utf-8"
        ) as waiting:  # parts end in a different order than they begin
            for part, mask in self._masks(places):
                (record,) = object_records(Instances.of_masks(mask.size, [mask], self.regions.labels[part : part + 1]))
                offsets[places[part]] = waiting.tell()
                waiting.write(json.dumps(asdict(replace(record, id=int(places[part]) + 1))) + "\n")
            for offset in offsets.tolist():
                waiting.seek(offset)
                values = json.loads(waiting.readline())
                yield ObjectRecord(**{**values, "box": tuple(values["box"]), "centroid": tuple(values["centroid"])})

    def _bands(self) -> Iterator[NDArray[np.int32]]:
        """Read classes from the top downwards; ignored pixels belong to no region."""
        return label_bands(self._labels, self._label_space, True, pixels=self._band_pixels)

    def _pieces(self) -> Iterator[tuple[NDArray[np.int32], IdMap]]:
        """Give bands of classes (rows, W) with the numbers from 1 of the connected pieces of each band, 0 for none."""
        base = 0
        for classes in self._bands():
            pieces = np.zeros(classes.shape, np.int32)
            for index in np.unique(classes).tolist():
                if index in (NO_REGION, self._label_space.background):
                    continue
                count, numbers = cv2.connectedComponents((classes == index).view(np.uint8), connectivity=4)
                inside = numbers > 0
                pieces[inside] = numbers[inside] + base
                base += count - 1
            yield classes, pieces

    def _connect(self) -> tuple[IdMap, NDArray[np.int32]]:
        """Join the pieces of bands that touch.

        Returns:
            The part that each piece belongs to, numbered by its first piece; and the class of each piece.
        """
        parents, of_class = [0], [NO_REGION]

        def root(piece: int) -> int:
            while parents[piece] != piece:
                parents[piece] = parents[parents[piece]]
                piece = parents[piece]
            return piece

        above: tuple[NDArray[np.int32], IdMap] | None = None
        for classes, pieces in self._pieces():
            first = len(parents)
            new = np.full(max(0, int(pieces.max(initial=0)) + 1 - first), NO_REGION, np.int32)
            new[pieces[pieces > 0] - first] = classes[pieces > 0]
            of_class.extend(new.tolist())
            parents.extend(range(first, first + len(new)))
            if above is not None:
                touching = (above[0] == classes[0]) & (pieces[0] > 0)
                pairs = np.unique(np.stack([above[1][touching], pieces[0][touching]]), axis=1)
                for upper, lower in pairs.T.tolist():
                    earlier, later = sorted((root(upper), root(lower)))
                    parents[later] = earlier
            above = classes[-1].copy(), pieces[-1].copy()
        return np.array([root(piece) for piece in range(len(parents))], np.int32), np.array(of_class, np.int32)

    def _parts(self) -> Iterator[tuple[int, IdMap, IdMap]]:
        """Give bands of part numbers (rows, W), once as in the labels and once with lines between objects filled.

        Yields:
            The first row, the parts, and the parts with filled lines.
        """
        above = np.zeros((0, self._labels.size[1]), np.int32)
        waiting: tuple[NDArray[np.int32], IdMap] | None = None
        top = 0
        nothing = np.zeros((0, self._labels.size[1]), np.int32)
        for classes, pieces in itertools.chain(self._pieces(), [(nothing, nothing)]):
            parts = self._roots[pieces]
            if waiting is not None:
                own = waiting[1]
                yield top, own, self._fill(*waiting, above, parts[:GAP_FILLING_ROWS])
                top += len(own)
                above = np.concatenate([above, own])[-GAP_FILLING_ROWS:]
            waiting = classes, parts

    def _fill(self, classes: NDArray[np.int32], parts: IdMap, above: IdMap, below: IdMap) -> IdMap:
        """Give the pixels of background between two parts to the one they touch, as for labels in memory."""
        background = self._label_space.background
        if background is None:
            return parts
        filled, free = parts.copy(), classes == background
        seen = np.concatenate([above, parts, below])
        of_class = self._classes[seen]
        for index in np.unique(of_class[seen > 0]).tolist():
            given = gifts(np.where(of_class == index, seen, 0))[len(above) :][: len(parts)]
            taken = free & (given > 0)
            filled[taken] = given[taken]
            free &= ~taken
        return filled

    def _measure(self) -> Regions:
        """Count the pixels of every part and find its extent."""
        number = len(self._roots)
        areas = np.zeros(number, np.int64)
        boxes = np.tile(np.array([2**62, 2**62, -1, -1], np.int64), (number, 1))
        seeds = np.full((number, 2), -1, np.int64)
        for top, parts, filled in self._parts():
            ids, rows, starts, stops = runs(filled)
            np.add.at(areas, ids, stops - starts)
            np.minimum.at(boxes[:, 0], ids, rows + top)
            np.minimum.at(boxes[:, 1], ids, starts)
            np.maximum.at(boxes[:, 2], ids, rows + top)
            np.maximum.at(boxes[:, 3], ids, stops - 1)
            ids, rows, starts, _ = runs(parts)
            first, at = np.unique(ids, return_index=True)
            new = seeds[first, 0] < 0
            seeds[first[new]] = np.stack([rows[at] + top, starts[at]], 1)[new]
        background = self._label_space.background
        labels = self._classes.astype(np.int64)
        if background is not None:
            labels -= labels > background
        return Regions(labels, areas, boxes, seeds)

    def _masks(self, places: NDArray[np.int64]) -> Iterator[tuple[int, BoxMask]]:
        """Cut out the parts with a place in the order, each as soon as its last row has been read."""
        open_parts: dict[int, list[NDArray[np.int64]]] = {}
        for top, _, filled in self._parts():
            ids, rows, starts, stops = runs(filled)
            kept = places[ids] >= 0
            ids, found = ids[kept], np.stack([rows + top, starts, stops])[:, kept]
            order = np.argsort(ids, kind="stable")
            numbers, begin = np.unique(ids[order], return_index=True)
            ends = [*begin[1:].tolist(), len(ids)]
            for part, first, end in zip(numbers.tolist(), begin.tolist(), ends, strict=False):
                open_parts.setdefault(part, []).append(found[:, order[first:end]])
            bottom = top + len(filled)
            for part in [part for part in open_parts if self.regions.boxes[part, 2] < bottom]:
                yield part, self._cut(part, np.concatenate(open_parts.pop(part), axis=1))

    def _cut(self, part: int, of_part: NDArray[np.int64]) -> BoxMask:
        """Make the mask of a part from its runs (3, R): row, first column, column after the last."""
        top, left, bottom, right = self.regions.boxes[part].tolist()
        edges = np.zeros((bottom - top + 1, right - left + 2), np.int8)
        edges[of_part[0] - top, of_part[1] - left] += 1
        edges[of_part[0] - top, of_part[2] - left] -= 1
        return BoxMask(np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1] > 0, top, left, self._labels.size)


def runs(ids: IdMap) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the runs of equal numbers above 0 in each row of (rows, W), in reading order.

    Returns:
        Number, row, first column, and the column after the last, of each.
    """
    rows, width = ids.shape
    changes = np.ones((rows, width), np.bool_)
    changes[:, 1:] = ids[:, 1:] != ids[:, :-1]
    begin = np.flatnonzero(changes)
    end = np.append(begin[1:], rows * width)
    numbers = ids.reshape(-1)[begin].astype(np.int64)
    kept = numbers > 0
    begin, end, numbers = begin[kept], end[kept], numbers[kept]
    row = begin // max(1, width)
    return numbers, row, begin - row * width, end - row * width
