"""The outlines of regions of labels, traced row by row along the edges of pixels.

A region is a set of pixels of one label that are connected by their sides. Its outline turns only at corners of pixels,
so each lattice row between two rows of pixels is a list of turns; two neighbouring turns of a region on the same side
of the lattice row are the ends of a horizontal edge, and a vertical edge joins a turn to one in a later row. Chains of
turns grow as rows come, join, and close to rings; a region is complete when none of its chains is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_REGION = -1
"""The label of pixels that belong to no region."""


@dataclass(frozen=True)
class Region:
    """A region of one label.

    Args:
        label: its label.
        pixels: how many pixels it has.
        shell: its outer ring, (n, 2) of x and y at the corners of pixels; the first point is not repeated. With x to
            the right and y downwards it runs clockwise. No ring meets itself; rings of a region meet at single points.
        holes: the rings of what it encloses, counterclockwise.
    """

    label: int
    pixels: int
    shell: NDArray[np.int64]
    holes: tuple[NDArray[np.int64], ...]


@dataclass(eq=False)
class _Growing:
    """An incomplete region: its rings so far and the number of open chains, or the region it was joined to."""

    label: int
    open: int = 0
    rings: list[NDArray[np.int64]] = field(default_factory=list)
    part_of: _Growing | None = None

    def root(self) -> _Growing:
        root = self
        while root.part_of is not None:
            root = root.part_of
        node = self
        while node.part_of is not None and node.part_of is not root:  # later lookups take one step
            node.part_of, node = root, node.part_of
        return root


@dataclass(eq=False)
class _Chain:
    """A piece of an outline with the region at its right hand; points are y * (W + 1) + x."""

    points: deque[int]
    start: int  # where its two ends wait for the next rows: 2 * x, + 1 where the region lies right of the edge
    end: int
    region: _Growing


def trace_regions(bands: Iterable[NDArray[Any]], width: int) -> Iterator[Region]:
    """Trace the regions of labels that come band by band.

    Memory grows with the corners of regions that are not complete, about 50 bytes each, and with the largest band, but
    not with the number of pixels.

    Args:
        bands: (rows, width) labels from the top downwards; :data:`NO_REGION` belongs to no region.
        width: the width of all bands.

    Yields:
        Each region as soon as a row ends it.
    """
    tracer = _RingTracer(width)
    above = np.full((1, width + 2), NO_REGION, np.int32)
    for band in bands:
        grid = np.full((len(band) + 1, width + 2), NO_REGION, np.int32)
        grid[0] = above
        grid[1:, 1:-1] = band
        yield from tracer.advance(grid)
        above = grid[-1:]
    yield from tracer.advance(np.concatenate([above, np.full_like(above, NO_REGION)]))


class _RingTracer:
    def __init__(self, width: int) -> None:
        self.stride = width + 1
        self.row = 0
        self.waiting: list[_Chain | None] = [None] * (2 * self.stride)

    def advance(self, grid: NDArray[np.int32]) -> Iterator[Region]:
        """Process rows of labels, the first of them again; (rows + 1, W + 2) with a frame of NO_REGION."""
        rows, edges, labels = _edges(grid)
        ends = np.searchsorted(rows, np.arange(len(grid)))
        for number in range(len(grid) - 1):
            first, last = int(ends[number]), int(ends[number + 1])
            if first < last:
                yield from self._take(edges[first:last], labels[first:last], grid[number])
            self.row += 1

    def _take(self, edges: NDArray[np.int64], labels: NDArray[np.int32], above: NDArray[np.int32]) -> Iterator[Region]:
        """Process the horizontal edges of a lattice row, those of regions above it first."""
        hosts = self._hosts(edges, above)
        base = self.row * self.stride
        waiting = self.waiting
        touched: list[_Growing] = []
        for (below, x_in, up_in, side_in, x_out, up_out, side_out), label in zip(
            edges.tolist(), labels.tolist(), strict=True
        ):
            point_in, point_out = base + x_in, base + x_out
            key_in, key_out = 2 * x_in + side_in, 2 * x_out + side_out
            if up_in and up_out:
                first, second = waiting[key_in], waiting[key_out]
                assert first is not None
                assert second is not None
                waiting[key_in] = waiting[key_out] = None
                region = self._join(first, second, point_in, point_out)
                region.open -= 1
                touched.append(region)
            elif up_in:
                chain = waiting[key_in]
                assert chain is not None
                chain.points.extend((point_in, point_out))
                waiting[key_in], waiting[key_out], chain.end = None, chain, key_out
            elif up_out:
                chain = waiting[key_out]
                assert chain is not None
                chain.points.extendleft((point_out, point_in))
                waiting[key_out], waiting[key_in], chain.start = None, chain, key_in
            else:  # the top of a region, or of a hole in the region above
                region = _Growing(label) if below else hosts[x_out].root()
                region.open += 1
                waiting[key_in] = waiting[key_out] = _Chain(deque((point_in, point_out)), key_in, key_out, region)
        for region in touched:
            root = region.root()
            if root.open == 0 and root.rings:
                yield _finished(root, self.stride)
                root.rings = []

    def _join(self, first: _Chain, second: _Chain, point_in: int, point_out: int) -> _Growing:
        """Join the end of one chain to the start of another, or of itself; gives the region."""
        if first is second:
            region = first.region.root()
            first.points.extend((point_in, point_out))
            region.rings.append(np.fromiter(first.points, np.int64, len(first.points)))
            return region
        if len(first.points) >= len(second.points):  # the shorter one is copied
            first.points.extend((point_in, point_out))
            first.points.extend(second.points)
            first.end = second.end
            self.waiting[first.end] = first
        else:
            second.points.extendleft((point_out, point_in))
            second.points.extendleft(reversed(first.points))
            second.start = first.start
            self.waiting[second.start] = second
        kept, other = first.region.root(), second.region.root()
        if kept is not other:
            if len(kept.rings) < len(other.rings):
                kept, other = other, kept
            kept.rings.extend(other.rings)
            kept.open += other.open
            other.part_of, other.rings = kept, []
        return kept

    def _hosts(self, edges: NDArray[np.int64], above: NDArray[np.int32]) -> dict[int, _Growing]:
        """Find the regions in which holes begin at this lattice row, by the left end of the hole's first edge.

        The run of pixels above that edge began at a vertical edge to its left, and the chain of that vertical edge is
        open.
        """
        opening = (edges[:, 0] == 0) & (edges[:, 2] == 0) & (edges[:, 5] == 0)
        if not opening.any():
            return {}
        lefts = edges[opening, 4]  # an edge below its region is walked from right to left
        starts = np.flatnonzero(above[1:] != above[:-1])
        hosts = {}
        for left, start in zip(
            lefts.tolist(), starts[np.searchsorted(starts, lefts, "right") - 1].tolist(), strict=True
        ):
            chain = self.waiting[2 * start + 1]
            assert chain is not None
            hosts[left] = chain.region
        return hosts


def _edges(grid: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Find the horizontal edges of all outlines.

    Returns:
        The lattice row of each edge, sorted; columns (below, x, up, side, x, up, side): whether its region lies below,
        then of the turn where the outline comes into the edge and of the one where it leaves it the place, whether the
        vertical edge there goes up, and whether the region lies to the right of that; and the label of the region.
    """
    nw, ne, sw, se = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    straight = ((nw == ne) & (sw == se)) | ((nw == sw) & (ne == se))
    y, x = np.nonzero(~straight)
    nw, ne, sw, se = nw[y, x], ne[y, x], sw[y, x], se[y, x]
    # Turns of one pixel, and turns of three around the fourth: (where, label, below, to the right, up, region right)
    kinds = (
        ((nw != ne) & (nw != sw), nw, 0, 0, 1, 0),
        ((ne != nw) & (ne != se), ne, 0, 1, 1, 1),
        ((sw != se) & (sw != nw), sw, 1, 0, 0, 0),
        ((se != sw) & (se != ne), se, 1, 1, 0, 1),
        ((nw == ne) & (nw == sw) & (nw != se), nw, 0, 1, 0, 0),
        ((nw == ne) & (nw == se) & (nw != sw), nw, 0, 0, 0, 1),
        ((nw == sw) & (nw == se) & (nw != ne), nw, 1, 1, 1, 0),
        ((ne == sw) & (ne == se) & (ne != nw), ne, 1, 0, 1, 1),
    )
    found = []
    for where, label, *form in kinds:
        (index,) = np.nonzero(where & (label != NO_REGION))
        constant = np.broadcast_to(np.array(form, np.int64), (len(index), 4))
        found.append(np.column_stack([y[index], x[index], label[index], constant]))
    turns = np.concatenate(found)  # columns y, x, label, below, to the right, up, region right
    turns = turns[np.lexsort((turns[:, 4], turns[:, 1], turns[:, 3], turns[:, 0]))]
    left, right = turns[0::2], turns[1::2]  # the ends of an edge follow each other: one goes right, the next left
    below = left[:, 3]
    came, went = np.where(below[:, None], left, right), np.where(below[:, None], right, left)
    edges = np.column_stack([below, came[:, [1, 5, 6]], went[:, [1, 5, 6]]])
    return left[:, 0], edges, left[:, 2].astype(np.int32)


def _finished(region: _Growing, stride: int) -> Region:
    shells: list[NDArray[np.int64]] = []
    holes: list[NDArray[np.int64]] = []
    pixels = 0
    for ring in region.rings:
        for simple in _simple_rings(ring.tolist()):
            y, x = np.divmod(np.array(simple, np.int64), stride)
            area = int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) // 2
            pixels += area
            (shells if area > 0 else holes).append(np.column_stack([x, y]))
    assert len(shells) == 1, "a region has one outer ring"
    return Region(region.label, pixels, shells[0], tuple(holes))


def _simple_rings(points: list[int]) -> Iterator[list[int]]:
    """Split a ring that meets itself at corners into rings that do not."""
    if len(set(points)) == len(points):
        yield points
        return
    path: list[int] = []
    places: dict[int, int] = {}
    for point in points:
        if point in places:
            start = places[point]
            yield path[start:]
            for passed in path[start + 1 :]:
                del places[passed]
            del path[start + 1 :]
        else:
            places[point] = len(path)
            path.append(point)
    yield path
