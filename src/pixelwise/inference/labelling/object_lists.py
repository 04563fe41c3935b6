"""The objects of a job over many pictures, listed picture by picture and written to one file at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.outputs import JOB_FILES
from pixelwise.instances import Size
from pixelwise.io.outputs import make_folder
from pixelwise.io.shapes.coco_ids import CocoIds
from pixelwise.io.shapes.records import ObjectRecord, PictureRecord, read_picture, read_records, write_records
from pixelwise.types import LabelSpace

LISTS_FOLDER = ".pixelwise-objects"
"""The folder for the lists in the output folder; it is removed at the end of the job."""


class ObjectLists:
    """Keeps the objects of finished pictures on disk, so that a stopped job can be resumed and memory does not grow.

    Args:
        out: the output folder.
        kinds: what the job saves; nothing is listed unless some of it is in :data:`.outputs.JOB_FILES`.
    """

    def __init__(self, out: Path, kinds: Iterable[str]) -> None:
        self.out = out
        self.kinds = [kind for kind in kinds if kind in JOB_FILES]

    def path_of(self, job: Job) -> Path:
        """Name the list of a picture."""
        return self.out / LISTS_FOLDER / f"{hashlib.sha256(os.fsencode(job.name.as_posix())).hexdigest()[:24]}.jsonl"

    def add(self, job: Job, size: Size, records: Callable[[], Iterable[ObjectRecord]]) -> None:
        """List the objects of a picture if the job wants them; otherwise they are not computed.

        Raises:
            PixelwiseError: the list cannot be written.
        """
        if self.kinds:
            make_folder(self.out / LISTS_FOLDER, "out")
            write_records(self.path_of(job), PictureRecord(listed_name(job), *size), records())

    def drop(self, job: Job) -> None:
        """Remove what an earlier job listed for a picture."""
        self.path_of(job).unlink(missing_ok=True)

    def write(
        self, jobs: Iterable[Job], label_space: LabelSpace, *, score: float = 0, like: CocoIds | None = None
    ) -> None:
        """Write the files that the job wants from the lists of its pictures, in their order.

        One object is in memory at a time.

        Args:
            jobs: the pictures; those without a list are passed over.
            label_space: classes of the objects, without background.
            score: objects of a lower score are in the COCO file, which is meant for scoring, but not in the table.
            like: ids of pictures and categories for the COCO file.

        Raises:
            PixelwiseError: a file cannot be written.
        """
        from pixelwise.io.shapes.coco import write_coco
        from pixelwise.io.shapes.table import write_object_table

        paths = [path for path in map(self.path_of, jobs) if path.exists()]

        def pictures() -> Iterator[tuple[PictureRecord, Iterator[ObjectRecord]]]:
            return ((read_picture(path), read_records(path)) for path in paths)

        if "coco" in self.kinds:
            write_coco(self.out / JOB_FILES["coco"], pictures, label_space, like=like)
        if "table" in self.kinds:
            accepted = (
                (picture, filter(lambda one: one.score is None or one.score >= score, objects))
                for picture, objects in pictures()
            )
            write_object_table(self.out / JOB_FILES["table"], accepted, label_space)

    def remove(self) -> None:
        """Remove the lists: the job is done."""
        shutil.rmtree(self.out / LISTS_FOLDER, ignore_errors=True)


def listed_name(job: Job) -> str:
    """The name of a picture in files of objects: its path below the given folder."""
    name = job.picture.name
    if job.page is not None:  # pages of a file are pictures of their own
        name = f"{job.picture.stem}-page{job.page + 1:03d}{job.picture.suffix}"
    return job.name.with_name(name).as_posix()
