"""Finding the objects of pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError
from pixelwise.inference.buckets import Buckets
from pixelwise.inference.components import labels_of
from pixelwise.inference.merging import Joiner
from pixelwise.inference.object_tiles import choose_object_tiles
from pixelwise.inference.pictures import as_rgb
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.raster import RasterResult, TileProgress, window_reader
from pixelwise.inference.resizing import on_picture, read_resized
from pixelwise.inference.runtimes.base import ObjectRuntime
from pixelwise.inference.tiles import ReadWindow, each_tile
from pixelwise.instances import DEFAULT_RULE, Instances, ObjectRule
from pixelwise.io.on_data import on_data
from pixelwise.io.rasters.opening import RasterSource
from pixelwise.io.rasters.scratch import FinishedWindow
from pixelwise.io.rasters.sink import LabelSink
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Mode, TilePlan, Window
from pixelwise.types import Sample, semantic_space

PAINTED_WINDOW_SIDE = 2048
"""Side in pixels of the windows of labels that are painted for rasters."""


class ObjectTask:
    """What a predictor does with a network that finds objects.

    Args:
        runtime: what computes.
        rule: which of the objects found are painted.
        preprocessing: how pictures are prepared; None: as the card says.
    """

    finds_objects = True

    def __init__(
        self, runtime: ObjectRuntime, *, rule: ObjectRule = DEFAULT_RULE, preprocessing: Preprocessing | None = None
    ) -> None:
        self.rule = rule
        self.runtime = runtime
        self.card = runtime.card if preprocessing is None else replace(runtime.card, preprocessing=preprocessing)
        self.preprocessing = self.card.preprocessing
        self.label_space = semantic_space(self.card.label_space)

    def plan(self, size: tuple[int, int], *, mode: Mode, tile: int | None, memory: int) -> TilePlan:
        """Choose tiles; raises as :func:`pixelwise.inference.object_tiles.choose_object_tiles`."""
        runtime, resize = self.runtime, self.preprocessing.resize
        plan = choose_object_tiles(
            size if resize is None else resize.size_of(size),
            self.card.geometry,
            bytes_per_pixel=runtime.bytes_per_pixel,
            bytes_more=runtime.bytes_more,
            largest=runtime.largest,
            mode=mode,
            tile=tile,
            memory=memory,
            bounded=resize is not None,
        )
        return plan if plan.size == tuple(size) else replace(plan, resized_from=size)

    def measure_halo(
        self, samples: Iterable[Sample], *, windows: int, progress: Callable[[int], None] | None
    ) -> int | None:
        """Measure nothing: the overlap of tiles follows from the size of objects."""
        return None

    def with_fast_halo(self, halo: int | None) -> ObjectTask:
        """Give the task itself: the overlap of its tiles follows from the size of objects."""
        return self

    def predict(
        self,
        image: NDArray[np.uint8],
        plan: TilePlan,
        *,
        probabilities: bool,
        progress: TileProgress | None,
        confidence: bool = False,
    ) -> Prediction:
        """Find the objects of an image (C, H, W).

        Raises:
            SettingError: probabilities of pixels are asked for, which such a network does not give.
        """
        if probabilities or confidence:
            raise SettingError(
                "a network that finds objects gives each object a score, but no probabilities of pixels; leave them out"
            )
        found, error = self._find(lambda rows, columns: image[:, rows, columns], plan, progress)
        return Prediction(
            None, self.label_space, plan.exact, image=as_rgb(image), seam_error=error, instances=found, rule=self.rule
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
        """Find the objects of a raster and paint them window by window; memory grows with the boxes of the objects.

        Pixels that hold no data become the ignore value, and objects on them alone are left out. A stopped job begins
        again, because only the end shows which tile decides about an object; ``finished`` windows are written again.
        """
        del finished
        alone = Lock()
        found, error = self._find(window_reader(source, self.preprocessing, alone), plan, progress)
        channels = self.preprocessing.channels
        found = found[on_data(found, lambda rows, columns: source.valid(rows, columns, channels=channels))]
        near = Buckets[int]()
        accepted = self.rule.accepted(found)
        for number, box in enumerate(accepted.boxes.tolist()):
            near.add((box[0], box[1], box[2], box[3]), number)
        height, width = found.size
        for top in range(0, height, PAINTED_WINDOW_SIDE):
            for left in range(0, width, PAINTED_WINDOW_SIDE):
                rows, columns = (
                    slice(top, min(top + PAINTED_WINDOW_SIDE, height)),
                    slice(left, min(left + PAINTED_WINDOW_SIDE, width)),
                )
                here = list(near.near((left, top, columns.stop, rows.stop)))
                labels = labels_of(_moved(accepted[np.array(here, np.int64)], rows, columns), self.label_space)
                valid = source.valid(rows, columns, channels=channels)
                if valid is not None:
                    labels[~valid] = self.label_space.ignore_index
                sink.write(top, left, labels)
        return RasterResult(plan, plan.exact, error, len(plan), found)

    def confusion(self, image: NDArray[np.uint8], mask: NDArray[np.integer[Any]], plan: TilePlan) -> NDArray[np.int64]:
        """Count the classes that objects are painted in against a mask (H, W): int64 (K, K)."""
        labels = self.predict(image, plan, probabilities=False, progress=None).labels
        # Imported here, so that importing the predictor does not import torch.
        from pixelwise.ops.counting import count_labels

        return count_labels(mask, labels, self.label_space)

    def _find(self, read: ReadWindow, plan: TilePlan, progress: TileProgress | None) -> tuple[Instances, float | None]:
        """Find the objects of a picture, in pixels of the picture at its own size."""
        size = plan.resized_from or plan.size
        if plan.resized_from is not None:
            resized = read_resized(read, size, plan.size, self.preprocessing.channels)  # (C, *plan.size)

            def read(rows: slice, columns: slice) -> NDArray[Any]:
                return resized[:, rows, columns]

        def compute(part: NDArray[Any], _: Window) -> Instances:
            if plan.whole and size != plan.size:
                return self.runtime.objects(part, size)
            return self.runtime.objects(part)

        joiner = Joiner(plan)
        with closing(each_tile(plan, read, compute)) as computed:
            for done, (tile, found) in enumerate(computed, 1):
                if not plan.whole:
                    joiner.add(tile, found)
                if progress is not None:
                    progress(done, len(plan))
        found, error = (found, None) if plan.whole else joiner.finish()
        found = on_picture(found, size)
        return found[found.areas >= self.rule.min_area] if self.rule.min_area else found, error


def _moved(found: Instances, rows: slice, columns: slice) -> Instances:
    """Paint the objects in a window of the picture."""
    size = (rows.stop - rows.start, columns.stop - columns.start)
    corner = np.array([columns.start, rows.start] * 2, np.float32)
    limits = np.array([size[1], size[0]] * 2, np.float32)
    masks = None if found.masks is None else [mask.moved(-rows.start, -columns.start, size) for mask in found.masks]
    boxes = np.clip(found.boxes - corner, 0, limits)
    return Instances(size, found.labels, boxes, None if masks is None else tuple(masks), found.scores)
