"""The outputs that can be written for a labelled picture, whether its labels are in memory or on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.labelling.jobs import Job, is_raster
from pixelwise.inference.labelling.labelled import Labelled
from pixelwise.inference.labelling.regions import RegionFinder
from pixelwise.io.atomic import atomic_path
from pixelwise.io.shapes.polygons import write_object_polygons, write_polygons
from pixelwise.types import object_space

PICTURE_ENDINGS = {
    "labels": ".png",
    "overlay": "_overlay.jpg",
    "probabilities": "_probabilities.npy",
    "geojson": ".geojson",
}
"""Output per picture -> ending of its file, after the name of the picture."""

JOB_FILES = {"coco": "predictions.json", "table": "objects.csv"}
"""Output for all pictures of a job together -> its file in the output folder."""

PICTURE_TABLE = "pictures"
"""The table of the pictures of a job; see :mod:`pixelwise.inference.labelling.picture_table`."""

OUTPUT_KINDS = (*PICTURE_ENDINGS, *JOB_FILES, PICTURE_TABLE)
"""All outputs that can be asked for."""

RASTER_LABELS_ENDING = ".tif"
"""Ending of the label file of a raster, which is always written."""


def parse_kinds(words: Sequence[str]) -> tuple[str, ...]:
    """Check the outputs that are to be saved.

    Raises:
        SettingError: there are none, or one that does not exist.
    """
    for word in words:
        if word not in OUTPUT_KINDS:
            raise SettingError(unknown_name("output", word, OUTPUT_KINDS), argument="save")
    if not words:
        raise SettingError(f"it names nothing; give some of {', '.join(OUTPUT_KINDS)}", argument="save")
    return tuple(words)


def results_of(name: Path) -> list[Path]:
    """Name all files that may be written for a picture."""
    sink = FolderSink(name)
    return [sink.path(ending) for ending in (*PICTURE_ENDINGS.values(), RASTER_LABELS_ENDING)]


def check_not_overwritten(jobs: Sequence[Job], out: Path, kinds: Sequence[str]) -> None:
    """Make sure that no result takes the place of a picture that is to be labelled.

    Raises:
        SettingError: a result would overwrite a picture.
    """
    pictures = {job.picture.resolve() for job in jobs}
    for job in jobs:
        sink = FolderSink(out / job.name)
        results = [sink.path(PICTURE_ENDINGS[kind]) for kind in kinds if kind in PICTURE_ENDINGS]
        labels = sink.path(RASTER_LABELS_ENDING)
        if labels.resolve() in pictures and job.page is None and is_raster(job.picture):
            results.append(labels)
        for result in results:
            if result.resolve() in pictures:
                raise SettingError(
                    f"{result}: this result would overwrite a picture; choose another folder", argument="out"
                )


class Sink(Protocol):
    """Where the files of a picture go."""

    def path(self, ending: str) -> Path:
        """Name the file with an ending; the caller writes it, whole or not at all."""
        ...


class FolderSink:
    """Files in one folder whose names begin alike.

    Args:
        name: path without suffix; its folder exists.
    """

    def __init__(self, name: Path) -> None:
        self._name = name

    def path(self, ending: str) -> Path:
        """Name the file of an ending."""
        return self._name.with_name(self._name.name + ending)


class BytesSink:
    """Files whose bytes are wanted; use it as a context manager, and call :meth:`files` inside it."""

    def __enter__(self) -> BytesSink:
        self._folder = tempfile.TemporaryDirectory(prefix="pixelwise-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def path(self, ending: str) -> Path:
        """Name the file of an ending."""
        return Path(self._folder.name) / f"picture{ending}"

    def files(self) -> dict[str, bytes]:
        """Give the bytes of every file by its ending."""
        return {path.name.removeprefix("picture"): path.read_bytes() for path in Path(self._folder.name).iterdir()}


def write(labelled: Labelled, sink: Sink, kinds: Sequence[str]) -> None:
    """Write the wanted outputs of a labelled picture, each file whole or not at all.

    Args:
        labelled: the labels, with probabilities where these are wanted.
        sink: where files go.
        kinds: keys of :data:`PICTURE_ENDINGS`. Other words are ignored here, except that the overlay shows the numbers
            of the objects if files of objects are written.

    Raises:
        PixelwiseError: a file cannot be written.
    """
    if "labels" in kinds:
        labelled.save_labels(sink.path(PICTURE_ENDINGS["labels"]))
    if "overlay" in kinds:
        painted = labelled.overlay(numbers=any(kind in JOB_FILES for kind in kinds))
        with atomic_path(sink.path(PICTURE_ENDINGS["overlay"])) as beside:
            save_overlay(beside, painted)
    if "probabilities" in kinds and labelled.probabilities is not None:
        with atomic_path(sink.path(PICTURE_ENDINGS["probabilities"])) as beside, beside.open("wb") as opened:
            np.save(opened, labelled.probabilities.astype(np.float16))
    if "geojson" in kinds:
        _write_geojson(labelled, sink.path(PICTURE_ENDINGS["geojson"]))


def save_overlay(file: Path | BinaryIO, painted: NDArray[np.uint8]) -> None:
    """Write an overlay (h, w, 3) as JPEG."""
    Image.fromarray(painted).save(file, "JPEG", quality=90, subsampling=0)


def _write_geojson(labelled: Labelled, path: Path) -> None:
    with labelled.labels() as labels:
        accepted = labelled.accepted
        if accepted is not None:
            space = object_space(labelled.label_space)
            write_object_polygons(path, accepted, space, georeference=labels.georeference)
            return
        keep = None
        if labelled.rule.min_area > 1:  # a region comes at the place of its object
            keep = RegionFinder(labels, labelled.label_space, min_area=labelled.rule.min_area).seeds()
        write_polygons(path, labels, labelled.label_space, keep=keep)
