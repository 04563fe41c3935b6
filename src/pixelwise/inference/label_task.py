"""Labelling every pixel of pictures of any size."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.inference.halo import choose_halo
from pixelwise.inference.pictures import as_rgb
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.raster import RasterResult, TileProgress, label_raster
from pixelwise.inference.runtimes.base import Runtime
from pixelwise.inference.seams import Seams
from pixelwise.inference.shared_pooling import shared_context
from pixelwise.inference.tiles import ReadWindow, each_tile
from pixelwise.instances import ObjectRule
from pixelwise.io.rasters.opening import RasterSource
from pixelwise.io.rasters.scratch import FinishedWindow
from pixelwise.io.rasters.sink import LabelSink
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Mode, TilePlan, Window, choose_tiles
from pixelwise.types import Sample

MOST_SOFTMAX = 1 << 23
"""Probabilities of a picture that are computed for its confidence; with more, they are those of every n-th row."""


class LabelTask:
    """What a predictor does with a network that gives every pixel a class.

    Args:
        runtime: what computes.
        rule: which connected parts of classes are objects.
        preprocessing: how pictures are prepared; None: as the card says.
    """

    finds_objects = False

    def __init__(self, runtime: Runtime, *, rule: ObjectRule, preprocessing: Preprocessing | None = None) -> None:
        self.rule = rule
        self.runtime = runtime
        known = runtime.card
        self.card = known if preprocessing is None else dataclasses.replace(known, preprocessing=preprocessing)
        self.preprocessing = self.card.preprocessing
        self.label_space = self.card.label_space

    def plan(self, size: tuple[int, int], *, mode: Mode, tile: int | None, memory: int) -> TilePlan:
        """Choose tiles; raises as :func:`pixelwise.tiling.choose_tiles`."""
        plan = self._choose(size, mode, tile, memory)
        if self.runtime.aligned or plan.whole:
            return plan
        if mode == "exact":
            raise SettingError(
                "views that are flipped, turned or zoomed do not begin where the network's cells do, so no tiles of "
                "them equal the whole picture; take fast or auto, or a memory that holds the picture",
                argument="mode",
            )
        fast = self._choose(size, "fast", tile, memory)
        reason = f"tiles of flipped, turned or zoomed views are never exact: they see {fast.halo} pixels around them"
        return dataclasses.replace(fast, exact=False, reason=reason)

    def _choose(self, size: tuple[int, int], mode: Mode, tile: int | None, memory: int) -> TilePlan:
        return choose_tiles(
            size,
            self.card.geometry,
            cost=self.runtime.cost,
            mode=mode,
            tile=tile,
            memory=memory,
            border=self.runtime.border,
            fast_halo=self.card.fast_halo,
        )

    def measure_halo(
        self, samples: Iterable[Sample], *, windows: int, progress: Callable[[int], None] | None
    ) -> int | None:
        """Measure how many pixels around a tile the network needs; see :func:`.halo.choose_halo`."""
        return choose_halo(self.runtime, samples, windows=windows, progress=progress)

    def with_fast_halo(self, halo: int | None) -> LabelTask:
        """Give the task with a halo of ``halo`` pixels for tiles of fast mode; None changes nothing."""
        if halo is None:
            return self
        changed = copy.copy(self)
        changed.card = dataclasses.replace(self.card, fast_halo=halo)
        return changed

    def predict(
        self,
        image: NDArray[np.uint8],
        plan: TilePlan,
        *,
        probabilities: bool,
        progress: TileProgress | None,
        confidence: bool = False,
    ) -> Prediction:
        """Label an image (C, H, W)."""
        seams = Seams(plan, _reader(image), self.runtime)
        labels = np.empty(plan.size, self.label_space.dtype)
        softmax = np.empty((len(self.label_space), *plan.size), np.float32) if probabilities else None
        sure = np.full(plan.size, np.nan, np.float32) if confidence else None
        every = -(-len(self.label_space) * plan.size[0] * plan.size[1] // MOST_SOFTMAX)  # rounded up
        tiles = iter(plan)

        def compute(part: NDArray[np.uint8], window: Window) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
            if probabilities:
                return self.runtime.probabilities(part, window)
            if sure is not None:
                rows, columns = next(tiles).write
                first = -rows.start % every  # the first of the picture's rows that lies in the tile
                if first < rows.stop - rows.start:
                    own, greatest = self.runtime.confidences(part, window, first, every)
                    sure[rows, columns][first::every] = greatest
                    return own, None
            return self.runtime.labels(part, window), None

        reader = _reader(image)
        with shared_context(self.runtime, plan, reader), closing(each_tile(plan, reader, compute)) as computed:
            for done, (tile, (own, scores)) in enumerate(computed, 1):
                labels[tile.write] = own
                if softmax is not None and scores is not None:
                    softmax[:, tile.write[0], tile.write[1]] = scores
                seams.look(tile, labels[tile.write])
                if progress is not None:
                    progress(done, len(plan))
            error = seams.finish()
        if sure is not None and softmax is not None:
            sure = softmax.max(0)
        return Prediction(
            labels,
            self.label_space,
            plan.exact,
            softmax,
            as_rgb(image),
            seam_error=error,
            rule=self.rule,
            confidence=sure,
        )

    def raster(
        self,
        plan: TilePlan,
        source: RasterSource,
        sink: LabelSink,
        *,
        finished: Collection[FinishedWindow] = (),
        progress: TileProgress | None = None,
    ) -> RasterResult:
        """Label a raster; see :func:`pixelwise.inference.raster.label_raster`."""
        return label_raster(
            self.runtime, plan, source, sink, preprocessing=self.preprocessing, finished=finished, progress=progress
        )

    def confusion(self, image: NDArray[np.uint8], mask: NDArray[np.integer[Any]], plan: TilePlan) -> NDArray[np.int64]:
        """Count the labels of an image (C, H, W) against a mask (H, W): int64 (K, K)."""
        counts = np.zeros((len(self.label_space),) * 2, np.int64)
        tiles = iter(plan)

        def count(part: NDArray[np.uint8], window: Window) -> NDArray[np.int64]:
            return self.runtime.confusion(part, window, mask[next(tiles).write])

        reader = _reader(image)
        with shared_context(self.runtime, plan, reader), closing(each_tile(plan, reader, count)) as counted:
            for _, own in counted:
                counts += own
        return counts


def _reader(image: NDArray[np.uint8]) -> ReadWindow:
    return lambda rows, columns: image[:, rows, columns]
