"""Labelling the pictures of a job one by one, in whatever process: the files of each, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from pixelwise.errors import DataError
from pixelwise.inference.labelling.facts import PictureFacts, count_labels
from pixelwise.inference.labelling.jobs import Job, Options
from pixelwise.inference.labelling.label import Outcome, label_one, read_job, size_of
from pixelwise.inference.labelling.object_lists import ObjectLists, listed_name
from pixelwise.inference.labelling.outputs import PICTURE_ENDINGS, PICTURE_TABLE, FolderSink, results_of
from pixelwise.inference.predictor import Predictor
from pixelwise.io.images import DecodedPicture
from pixelwise.io.outputs import make_folder
from pixelwise.io.rasters.opening import Watch
from pixelwise.io.shapes.coco_ids import CocoIds
from pixelwise.io.shapes.records import ObjectRecord
from pixelwise.listener import Listener


@dataclass(frozen=True)
class Reading:
    """A picture that was read.

    Args:
        stamp: identifies the state of its files before they were read.
        decoded: the picture; None for a raster, which is read by windows.
        seconds: what reading took.
    """

    stamp: str
    decoded: DecodedPicture | None
    seconds: float


@dataclass(frozen=True)
class Labelling:
    """What came of one picture of a job.

    Args:
        stamp: as for :class:`Reading`; empty where it could not be read.
        files: the files that were written for it.
        facts: what the table of pictures says of it, if there is one.
        error: why it could not be labelled.
    """

    stamp: str = ""
    files: tuple[str, ...] = ()
    facts: PictureFacts | None = None
    error: DataError | None = None


class Labeller:
    """Labels pictures of a job with one predictor.

    Args:
        predictor: the model.
        options: how pictures are labelled, and what is wanted.
        out: the output folder, which exists.
        like: the ids that the objects get; pictures of another size than it states are refused.
    """

    def __init__(self, predictor: Predictor, options: Options, out: Path, *, like: CocoIds | None = None) -> None:
        self._predictor, self._options, self._out, self._like = predictor, options, out, like
        self._lists = ObjectLists(out, options.kinds)

    def read(self, job: Job) -> Reading:
        """Read a picture; any thread may do so.

        Raises:
            DataError: it cannot be read.
        """
        started = time.perf_counter()
        stamp = stamp_of(job)
        decoded = read_job(job, self._predictor)
        return Reading(stamp, decoded, time.perf_counter() - started)

    def label(self, job: Job, reading: Future[Reading], listener: Listener) -> Labelling:
        """Label a picture and write its files, each whole or not at all.

        Raises:
            PixelwiseError: a file cannot be written.
        """
        try:
            read = reading.result()
            started = time.perf_counter()
            outcome = self._label(job, read, listener)
            objects = self._list_objects(job, outcome)
            written = filter(Path.exists, [*results_of(self._out / job.name), self._lists.path_of(job)])
            facts = None
            if PICTURE_TABLE in self._options.kinds:
                facts = self._facts(job, outcome, objects, read.seconds - started)
            return Labelling(read.stamp, tuple(map(str, written)), facts)
        except DataError as error:
            self._lists.drop(job)
            return Labelling(error=error)

    def _label(self, job: Job, read: Reading, listener: Listener) -> Outcome:
        if self._like is not None:
            self._like.entry_of_size(listed_name(job), size_of(job, read.decoded))
        name = self._out / job.name
        make_folder(name.parent, "out")
        return label_one(self._predictor, job, self._options, FolderSink(name), decoded=read.decoded, listener=listener)

    def _list_objects(self, job: Job, outcome: Outcome) -> int | None:
        """List the objects if the job wants a list, and count those that its table will have."""
        if not self._lists.kinds:
            return None
        count = 0

        def counted() -> Iterator[ObjectRecord]:
            nonlocal count
            for record in outcome.labelled.records():
                count += record.score is None or record.score >= outcome.labelled.rule.score
                yield record

        self._lists.add(job, outcome.size, counted)
        return count

    def _facts(self, job: Job, outcome: Outcome, objects: int | None, begun: float) -> PictureFacts:
        labelled, (height, width) = outcome.labelled, outcome.size
        counts = count_labels(labelled)[: len(labelled.label_space)].tolist()
        labels = None
        if labelled.labels_file is not None or "labels" in self._options.kinds:
            file = labelled.labels_file or FolderSink(self._out / job.name).path(PICTURE_ENDINGS["labels"])
            labels = job.name.with_name(file.name).as_posix()
        return PictureFacts(
            height,
            width,
            {index: count for index, count in enumerate(counts) if count},
            labelled.count_objects() if objects is None else objects,
            time.perf_counter() + begun,
            labels,
        )


def stamp_of(job: Job) -> str:
    """Identify a picture and the state of its files.

    Raises:
        DataError: they cannot be looked at.
    """
    page = "" if job.page is None else f", page {job.page + 1}"
    return f"{Watch(job.picture)}{page}"
