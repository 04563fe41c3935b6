"""Labelling rasters of any size: read by windows, computed tile by tile, written by windows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.seams import Seams
from pixelwise.inference.shared_pooling import shared_context
from pixelwise.inference.tiles import ReadWindow, each_tile
from pixelwise.instances import Instances
from pixelwise.io.pictures.depth import Learnt
from pixelwise.io.rasters.opening import RasterSource, read_uint8
from pixelwise.io.rasters.scratch import FinishedWindow
from pixelwise.io.rasters.sink import LabelSink
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Tile, TilePlan

_PLACES = 4  # places along each side of a raster whose numbers are looked at first
_PLACE_SIDE = 32  # pixels along each side of such a place

TileProgress = Callable[[int, int], None]
"""Called with the tiles done and the tiles in all."""


@dataclass(frozen=True)
class RasterResult:
    """How a raster was labelled.

    Args:
        plan: the tiles.
        exact: whether the labels are those of the whole raster at once.
        seam_error: share of the compared pixels, at seams of tiles, that get another label with twice the halo; None
            where the result is exact, and where a resumed job had nothing left to compute.
        computed: number of tiles that were computed; fewer than all where a job was resumed.
        instances: the objects of the raster, from a network that finds objects.
    """

    plan: TilePlan
    exact: bool
    seam_error: float | None
    computed: int
    instances: Instances | None = None


def label_raster(
    runtime: Runtime,
    plan: TilePlan,
    source: RasterSource,
    sink: LabelSink,
    *,
    preprocessing: Preprocessing | None = None,
    finished: Collection[FinishedWindow] = (),
    progress: TileProgress | None = None,
) -> RasterResult:
    """Label a raster window by window; reading, computing and writing overlap.

    Pixels that hold no data become the ignore value.

    Args:
        runtime: what computes.
        plan: how the raster is cut.
        source: the raster.
        sink: takes the labels; it is not finished here.
        preprocessing: how the network takes the raster; None: as the card of the runtime says.
        finished: windows that the sink holds already.
        progress: told after every tile, and at the start where some are finished.
    """
    ignore = runtime.card.label_space.ignore_index
    alone = Lock()  # a source is read by one thread at a time; tiles are read ahead on another one
    prepared = runtime.card.preprocessing if preprocessing is None else preprocessing
    read = window_reader(source, prepared, alone)

    def write(tile: Tile, labels: NDArray[Any]) -> None:
        with alone:
            valid = source.valid(*tile.write, channels=prepared.channels)
        if valid is not None:
            labels = np.where(valid, labels.astype(runtime.card.label_space.dtype), ignore)
        sink.write(tile.write[0].start, tile.write[1].start, labels)

    tiles = [tile for tile in plan if _place(tile) not in finished]
    seams = Seams(plan, read, runtime, tiles=tiles)
    total, done = len(plan), len(plan) - len(tiles)
    if progress is not None and done:
        progress(done, total)
    with (
        shared_context(runtime, plan, read),
        ThreadPoolExecutor(1) as writer,
        closing(each_tile(plan, read, runtime.labels, tiles=tiles)) as computed,
    ):
        writing: Future[None] | None = None
        for tile, labels in computed:
            seams.look(tile, labels)
            if writing is not None:
                writing.result()  # at most one window waits to be written, and a full disk stops the work
            writing = writer.submit(write, tile, labels)
            done += 1
            if progress is not None:
                progress(done, total)
        if writing is not None:
            writing.result()
        error = seams.finish()
    return RasterResult(plan, plan.exact, error, len(tiles))


def window_reader(source: RasterSource, preprocessing: Preprocessing, alone: Lock) -> ReadWindow:
    """Read windows of a raster in the form that a network takes, by one thread at a time.

    Raises:
        NumbersError: the raster holds numbers of another type or range than those the network learned from.
    """
    value_range = Learnt.of(preprocessing).range_for(source.dtype, name=source.name)
    takes_up_little(source, preprocessing)

    def read(rows: slice, columns: slice) -> NDArray[np.uint8]:
        with alone:
            return read_uint8(source, rows, columns, channels=preprocessing.channels, value_range=value_range)

    return read


def takes_up_little(source: RasterSource, preprocessing: Preprocessing) -> bool:
    """Hold numbers from all over a raster against those learnt, as :meth:`.Learnt.check` does."""
    learnt = Learnt.of(preprocessing)
    if source.dtype.itemsize == 1 or learnt.value_range is None:
        return False
    channels, found = preprocessing.channels, []
    height, width = source.size
    for top in sorted({(height - 1) * part // _PLACES for part in range(_PLACES)}):
        for left in sorted({(width - 1) * part // _PLACES for part in range(_PLACES)}):
            place = slice(top, min(top + _PLACE_SIDE, height)), slice(left, min(left + _PLACE_SIDE, width))
            numbers, valid = source.read(*place), source.valid(*place, channels=channels)
            numbers = numbers[:-1] if source.alpha and source.channels != channels else numbers
            found.append((numbers if valid is None else numbers[:, valid]).reshape(-1))
    return learnt.check(np.concatenate(found), name=source.name)


def _place(tile: Tile) -> FinishedWindow:
    rows, columns = tile.write
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
