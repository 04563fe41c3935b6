"""A job over many pictures: an engine labels what is missing, then the files of the job are written."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pixelwise.bulk.crew import Done, Task
from pixelwise.bulk.leftovers import remove_leftovers
from pixelwise.bulk.request import Request
from pixelwise.bulk.shards import Shard, agree_on
from pixelwise.errors import DataError
from pixelwise.inference.labelling.finished import RECORD_FILE, Finished
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.labeller import stamp_of
from pixelwise.inference.labelling.object_lists import ObjectLists
from pixelwise.inference.labelling.outputs import PICTURE_TABLE
from pixelwise.inference.labelling.picture_table import TABLE_FILE, PictureRow, write_picture_table
from pixelwise.inference.predictor import Predictor
from pixelwise.io.rasters.sidecars import UnreadPlaces
from pixelwise.io.shapes.coco_ids import CocoIds
from pixelwise.listener import Listener
from pixelwise.types import object_space

Engine = Callable[[Sequence[Task]], Generator[Done | str, None, None]]
"""Labels pictures, and yields them in the order in which they are done; a text says what is in work meanwhile."""


@dataclass(frozen=True)
class Summary:
    """How a job ended.

    Args:
        pictures: how many it had.
        finished_before: how many of them a stopped job had labelled.
        errors: number of a picture -> why it could not be labelled, in the order of the pictures.
        notes: what is to be said at the end.
    """

    pictures: int
    finished_before: int
    errors: dict[int, DataError]
    notes: tuple[str, ...]


class BulkJob:
    """The pictures of a job, and what has been labelled of them.

    Args:
        request: how pictures are labelled, with a fixed library and precision.
        jobs: all pictures; of a shard, those that belong to it.
        out: the output folder, which exists.
        predictor: the model.
        shard: which part of a larger job this is, if it is one.
        resume: whether to go on with a stopped job; None for one with the same settings, if there is one.

    Raises:
        SettingError: another shard was begun with other settings.
    """

    def __init__(
        self,
        request: Request,
        jobs: Sequence[Job],
        out: Path,
        predictor: Predictor,
        *,
        shard: Shard | None = None,
        resume: bool | None = None,
    ) -> None:
        settings = request.settings(predictor)
        if shard is not None:
            settings = shard.settings(settings)
            agree_on(settings, out)
        self._jobs, self.out, self._predictor, self._shard = jobs, out, predictor, shard
        self._lists = ObjectLists(out, request.options.kinds)
        record = RECORD_FILE if shard is None else shard.record
        self._finished = Finished(out, settings, resume=resume is not False, file=record)
        self._finished.begin()
        resumed = self._finished.continued if resume is None else resume
        self.request = replace(request, options=replace(request.options, resume=resumed))
        """How pictures are labelled; with the same settings, rasters that a stopped job has begun are continued."""
        self._places = array("q", [-1]) * len(jobs)
        self._errors: dict[int, DataError] = {}

    def run(self, engine: Engine, listener: Listener) -> Summary:
        """Label the pictures that are missing, and write the files of the job.

        Raises:
            PixelwiseError: a file cannot be written.
        """
        tasks, total = self._missing(), len(self._jobs)
        before = total - len(tasks)
        unread = UnreadPlaces()
        done = before
        with listener.progress("predicting", total) as progress, closing(engine(tasks)) as heard:
            progress(done, total)
            for news in heard:
                if isinstance(news, str):
                    progress(done, total, news)
                    continue
                done += 1
                self._take(news)
                if not news.labelling.error and not self._jobs[news.number].page:  # once for all pages
                    unread.look(self._jobs[news.number].picture)
                progress(done, total)
        self._write()
        return Summary(total, before, dict(sorted(self._errors.items())), tuple(unread.lines()))

    def _take(self, done: Done) -> None:
        """Record a picture that is done."""
        labelling = done.labelling
        if labelling.error is not None:
            self._lists.drop(self._jobs[done.number])
            self._errors[done.number] = labelling.error
        else:
            self._places[done.number] = self._finished.add(labelling.stamp, labelling.files, labelling.facts)

    def _missing(self) -> list[Task]:
        """Give the pictures that are not finished, and remove what was half written for them."""
        tasks = [Task(number, job) for number, job in enumerate(self._jobs)]
        if not self._finished.continued:
            return tasks
        missing = []
        for task in tasks:
            place = self._place_of(task.job)
            if place is None:
                missing.append(task)
            else:
                self._places[task.number] = place
        remove_leftovers(self.out, (task.job for task in missing))
        return missing

    def _place_of(self, job: Job) -> int | None:
        try:
            return self._finished.find(stamp_of(job))
        except DataError:  # reading it to be labelled says what is wrong
            return None

    def _write(self) -> None:
        """Write the files of the job; of a shard, only its table: the others follow when all shards are merged."""
        space = self._predictor.label_space
        if PICTURE_TABLE in self.request.options.kinds:
            name = TABLE_FILE if self._shard is None else self._shard.table
            write_picture_table(self.out / name, self._rows(), space)
        if self._shard is None:
            write_lists(self.request, self._jobs, self.out, self._predictor)
            self._finished.remove()
            self._lists.remove()

    def _rows(self) -> Iterator[PictureRow]:
        for number, (job, place) in enumerate(zip(self._jobs, self._places, strict=True)):
            if place < 0:
                yield PictureRow(job, error=str(self._errors[number]))
            else:
                yield PictureRow(job, self._finished.facts(place))


def write_lists(request: Request, jobs: Sequence[Job], out: Path, predictor: Predictor) -> None:
    """Write the files of objects that a job wants, from the lists of its pictures.

    Raises:
        PixelwiseError: a file cannot be written.
    """
    lists = ObjectLists(out, request.options.kinds)
    like = None if request.like is None else CocoIds.read(request.like)
    lists.write(jobs, object_space(predictor.label_space), score=predictor.rule.score, like=like)
