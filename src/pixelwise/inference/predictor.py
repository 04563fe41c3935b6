"""The predictor, which labels pictures with a trained model."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.card import ModelCard
from pixelwise.errors import SettingError
from pixelwise.inference.label_task import LabelTask
from pixelwise.inference.object_task import ObjectTask
from pixelwise.inference.pictures import PictureInput, decode_picture
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.raster import RasterResult, TileProgress
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.inference.runtimes.catalogue import opener_of
from pixelwise.inference.runtimes.views import parse_views
from pixelwise.instances import ObjectRule
from pixelwise.io.rasters.opening import Openable, Watch, open_source
from pixelwise.io.rasters.sink import LabelSink, open_sink
from pixelwise.preprocessing import Preprocessing
from pixelwise.tiling import Mode, TilePlan
from pixelwise.types import LabelSpace, Sample

if TYPE_CHECKING:
    from pixelwise.models import Model

DEFAULT_MEMORY_MIB = 1024.0
"""MiB that computing a tile may take unless something else is asked for."""


class Predictor:
    """Labels pictures of any size, or finds their objects, with a trained model.

    The kind of the model decides between the two: see :class:`pixelwise.inference.label_task.LabelTask` and
    :class:`pixelwise.inference.object_task.ObjectTask`. Labels are computed directly from the coarse logits: scores of
    all classes never exist at full size, unless probabilities are asked for. Pictures that do not fit into the memory
    are computed in tiles; see :func:`pixelwise.tiling.choose_tiles` and
    :func:`pixelwise.inference.object_tiles.choose_object_tiles`. Several threads may use one predictor at once.

    Args:
        model: a model, of which a copy is used; or a model file, a run folder or an exported file; or several, whose
            probabilities are averaged.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        runtime: the library that computes; ``"auto"``, ``"torch"``, or ``"onnx"`` for exported files.
        precision: ``"auto"`` (bfloat16 where the device computes in it), ``"bfloat16"``, ``"float32"`` or
            ``"float64"``.
        mode: ``"exact"`` for tiles that equal the whole picture, ``"fast"`` for tiles that see less around them,
            ``"auto"`` for exact ones where they cost little more.
        tile: side in pixels of the windows that tiles write; None chooses it for ``memory``, never by the memory that
            is free at the moment, so that the same picture gives the same labels everywhere.
        memory: MiB that computing a tile may take.
        tta: test-time augmentation, whose views are averaged: ``"hflip"``, ``"vflip"``, ``"rotations"`` (quarter turns)
            and zooms as numbers, in every combination; see :func:`pixelwise.inference.runtimes.views.parse_views`.
        score: for a network that finds objects: objects of a lower score are among the objects of a prediction, but are
            not painted as labels or shown in overlays. None: what the model was saved with, see ``rule``.
        min_area: pixels that an object has at least. None: what the model was saved with.
        value_range: the stored numbers that become black and white, whatever their type. None: as the model learnt;
            pictures of another type of numbers are then refused, see :class:`pixelwise.io.pictures.depth.Learnt`.

    Raises:
        ModelError: there is no such file, it is no pixelwise model, or several do not agree.
        SettingError: no such device, runtime, precision, mode or view; or a score, an area or a range that cannot be.
    """

    def __init__(
        self,
        model: Model | str | Path | Sequence[Model | str | Path],
        *,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
        mode: Mode = "auto",
        tile: int | None = None,
        memory: float = DEFAULT_MEMORY_MIB,
        tta: Sequence[str | float] = (),
        score: float | None = None,
        min_area: int | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        if memory <= 0:
            raise SettingError(f"memory is {memory:g} MiB; it must be positive")
        models = list(model) if isinstance(model, Sequence) and not isinstance(model, str) else [model]
        if not models:
            raise SettingError("there is no model to predict with; give at least one")
        opened = opener_of(runtime, models)(models, parse_views(tta), device=device, precision=precision)
        rule = _rule(opened.card.object_rule, score, min_area)
        prepared = opened.card.preprocessing
        if value_range is not None:
            prepared = prepared.with_range(value_range)
        self._task: LabelTask | ObjectTask = (
            ObjectTask(opened, rule=rule, preprocessing=prepared)
            if isinstance(opened, ObjectRuntime)
            else LabelTask(opened, rule=rule, preprocessing=prepared)
        )
        self._value_range = value_range
        self.mode = mode
        self.tile = tile
        self.memory = memory
        self.plan((1, 1))  # an unknown mode fails here, not at the first picture

    @property
    def runtime(self) -> Runtime | ObjectRuntime:
        """The runtime that computes."""
        return self._task.runtime

    @property
    def card(self) -> ModelCard:
        """Everything that is known about the model except its weights."""
        return self._task.card

    @property
    def finds_objects(self) -> bool:
        """Whether the network finds objects, rather than giving every pixel a class."""
        return self._task.finds_objects

    @property
    def rule(self) -> ObjectRule:
        """What counts as an object: the rule that the model was saved with, unless another one was asked for."""
        return self._task.rule

    @property
    def label_space(self) -> LabelSpace:
        """The classes of the model, and how masks encode them; classes of objects are preceded by a background."""
        return self._task.label_space

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are converted to what the model was trained on."""
        return self._task.preprocessing

    def __call__(
        self,
        picture: PictureInput,
        *,
        probabilities: bool = False,
        confidence: bool = False,
        progress: TileProgress | None = None,
    ) -> Prediction:
        """Label every pixel of a picture, or find its objects.

        Args:
            picture: a file; an array (H, W) or (H, W, C), RGB order; a PIL image; or a decoded picture. Where it
                holds no data (transparent, masked out, or the no-data number), labels are the ignore value.
            probabilities: whether to keep the probability of each class, K x H x W floats.
            confidence: whether to keep the greatest probability of pixels, H x W floats; where the picture has more
                than 2**23 probabilities, that of pixels in every n-th row, and NaN in others.
            progress: told the tiles done and the tiles in all.

        Raises:
            DataError: the picture cannot be read, or has channels that the model was not trained on.
            SettingError: probabilities of a network that finds objects.
        """
        decoded = decode_picture(picture, self.preprocessing)
        plan = self.plan(decoded.size)
        prediction = self._task.predict(
            decoded.image, plan, probabilities=probabilities, confidence=confidence, progress=progress
        )
        return prediction if decoded.valid is None else replace(prediction, valid=decoded.valid)

    def plan(self, size: tuple[int, int]) -> TilePlan:
        """The plan by which a picture of a size would be computed.

        Raises:
            SettingError: it cannot be computed as the predictor was asked to.
        """
        return self._task.plan(size, mode=self.mode, tile=self.tile, memory=int(self.memory * 2**20))

    def with_settings(
        self,
        *,
        mode: Mode | None = None,
        tta: Sequence[str | float] | None = None,
        score: float | None = None,
        min_area: int | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> Predictor:
        """Give a predictor that computes otherwise, with the same network and weights in memory.

        Args:
            mode: as for the class, like all others; None leaves a setting as it is.
            tta: views to average.
            score: the least score of an object that is shown.
            min_area: the fewest pixels of an object.
            value_range: the stored numbers that become black and white.

        Raises:
            SettingError: as for the class.
        """
        changed = copy.copy(self)
        runtime: Runtime | ObjectRuntime = self.runtime
        if tta is not None:
            from pixelwise.inference.runtimes.averaging import with_views

            runtime = with_views(runtime, parse_views(tta))
        rule = _rule(self.rule, score, min_area)
        prepared = self.preprocessing if value_range is None else self.preprocessing.with_range(value_range)
        changed._task = (
            ObjectTask(runtime, rule=rule, preprocessing=prepared)
            if isinstance(runtime, ObjectRuntime)
            else LabelTask(runtime, rule=rule, preprocessing=prepared).with_fast_halo(self.card.fast_halo)
        )
        changed._value_range = self._value_range if value_range is None else value_range
        changed.mode = self.mode if mode is None else mode
        changed.plan((1, 1))  # an unknown mode fails here
        return changed

    def measure_halo(
        self, samples: Iterable[Sample], *, windows: int = 1, progress: Callable[[int], None] | None = None
    ) -> int | None:
        """Measure the halo that fast tiles need; see :func:`pixelwise.inference.halo.choose_halo`.

        Args:
            samples: pictures with masks that the network was not trained on.
            windows: how many windows per picture are labelled.
            progress: told after each picture how many were done.

        Returns:
            Pixels; None for a network that finds objects, because the overlap of its tiles follows from the size of
            objects.
        """
        return self._task.measure_halo(samples, windows=windows, progress=progress)

    def with_fast_halo(self, halo: int | None) -> Predictor:
        """Give the predictor with a halo of ``halo`` pixels for tiles of fast mode; None changes nothing."""
        changed = copy.copy(self)
        changed._task = self._task.with_fast_halo(halo)
        return changed

    def raster(
        self,
        source: Openable,
        sink: str | os.PathLike[str] | LabelSink,
        *,
        resume: bool = False,
        progress: TileProgress | None = None,
    ) -> RasterResult:
        """Label a raster of any size; memory does not grow with it.

        Args:
            source: a file (TIFF, BigTIFF, GeoTIFF, Zarr and .npy are read by windows, others are decoded whole), an
                array (H, W) or (H, W, C), or a source; see :func:`pixelwise.io.rasters.opening.open_source`.
            sink: a file to write (.tif, .zarr or .png), which keeps the georeference; or a sink, which the caller
                finishes.
            resume: whether to continue a job that was stopped, and to keep the finished windows if this one stops.
            progress: told the tiles done and the tiles in all.

        Raises:
            DataError: the raster cannot be read, has channels that the model was not trained on, or changed meanwhile.
            SettingError: the file to write has an unknown suffix, or tiles of the requested kind are not possible.
            PixelwiseError: the file cannot be written, or the stopped job was another one.
        """
        watch = Watch(source)  # before it is opened
        with open_source(source) as raster:
            plan = self.plan(raster.size)
            if not isinstance(sink, str | os.PathLike):
                result = self._task.raster(plan, raster, sink, progress=progress)
                watch.check()
                return result
            job = f"{watch}, {self.runtime.fingerprint}, tiles {plan.tile}, halo {plan.halo}"
            if self._value_range is not None:
                job += f", values {tuple(self._value_range)}"
            with open_sink(
                sink,
                size=raster.size,
                label_space=self.label_space,
                georeference=raster.georeference,
                job=job,
                resume=resume,
            ) as file:
                result = self._task.raster(plan, raster, file, finished=file.done, progress=progress)
                watch.check()  # before the file gets its name
                return result

    def confusion(self, picture: PictureInput, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count how the labels of a picture compare with its mask, without keeping the labels.

        Args:
            picture: as for a call.
            mask: (H, W) class indices and ignore values of the model's label space. Pixels of the picture that hold no
                data are ignored, too.

        Returns:
            int64 (K, K), pixels by ``[target, prediction]``; ignored pixels are not counted.

        Raises:
            DataError: as for a call, or the mask holds a value outside the label space.
            SettingError: the mask has another size than the picture.
        """
        decoded = decode_picture(picture, self.preprocessing)
        image = decoded.image
        if mask.shape != image.shape[1:]:
            raise SettingError(f"the mask is {mask.shape} but the picture {image.shape[1:]} (height, width)")
        if decoded.valid is not None:
            mask = np.where(decoded.valid, mask, np.asarray(self.label_space.ignore_index, mask.dtype))
        return self._task.confusion(image, mask, self.plan((image.shape[1], image.shape[2])))


def _rule(known: ObjectRule, score: float | None, min_area: int | None) -> ObjectRule:
    """Give a rule with another score or area, if these are given."""
    return ObjectRule(known.score if score is None else score, known.min_area if min_area is None else min_area)
