"""Pictures that take long: taken at once, computed one after the other between other work, kept for an hour."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pixelwise.errors import PixelwiseError
from pixelwise.inference.predictor import Predictor
from pixelwise.io.pictures.tiff_pieces import check_pieces
from pixelwise.serve.asked import PictureOptions
from pixelwise.serve.forms import PICTURE_FIELD, Upload
from pixelwise.serve.job_outputs import write_results
from pixelwise.serve.job_store import ENDED, JobRecord, JobStore, is_id
from pixelwise.serve.live_jobs import KEPT_SECONDS, JobListener, LiveJob, Stopped
from pixelwise.serve.problems import Problem, fault, of_error, unnamed
from pixelwise.serve.reading import is_tiff
from pixelwise.serve.work import Workers

_SWEEP_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Jobs:
    """The jobs of a server, and the thread that computes them.

    Args:
        store: keeps them.
        models: the predictor of each model.
        workers: pictures that wait there go first.
        clock: gives the time of day in seconds.
    """

    def __init__(
        self,
        store: JobStore,
        models: Mapping[str, Predictor],
        workers: Workers,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._models, self._workers, self._clock = models, workers, clock
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._jobs: dict[str, LiveJob] = {}
        self._arriving = 0
        self._thread = threading.Thread(target=self._work, name="pixelwise-jobs", daemon=True)
        for record in store.load():
            job = LiveJob(record, Upload(store.folder_of(record.id) / "0", record.name))
            self._jobs[record.id] = job
            if record.state == "running":
                record.state = "waiting"
        self._sweep()

    def start(self) -> None:
        """Begin to compute what waits."""
        if not self._thread.is_alive() and not self._ending.is_set():
            self._thread.start()

    def close(self) -> None:
        """Stop at the next tile; what is not done waits in the store."""
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self.store.close()

    @property
    def waiting(self) -> int:
        """How many jobs wait or run, or arrive."""
        with self._changed:
            return self._arriving + sum(job.record.state not in ENDED for job in self._jobs.values())

    @contextmanager
    def place(self, most: int) -> Iterator[bool]:
        """Keep a place for a job that arrives; gives whether all of ``most`` are taken."""
        with self._changed:
            full = self.waiting >= most
            self._arriving += 1
        try:
            yield full
        finally:
            with self._changed:
                self._arriving -= 1

    def add(self, record: JobRecord, upload: Upload) -> LiveJob:
        """Take a job whose picture lies in its folder already.

        Raises:
            PixelwiseError: it cannot be written.
        """
        self.store.save(record)
        job = LiveJob(record, upload)
        with self._changed:
            self._jobs[record.id] = job
            self._changed.notify_all()
        self.start()
        return job

    def find(self, name: str) -> LiveJob:
        """Find a job.

        Raises:
            Problem: there is none, or no longer.
        """
        self._sweep()
        with self._changed:
            if is_id(name) and name in self._jobs:
                return self._jobs[name]
        raise Problem(404, "there is no such job; results are kept for an hour", argument="id")

    def cancel(self, job: LiveJob) -> None:
        """Stop a job, or remove its result."""
        with self._changed:
            job.cancelled.set()
            if job.record.state != "running":
                self._end(job, "cancelled")

    def _sweep(self) -> None:
        """Remove what was kept for long enough."""
        with self._changed:
            for name, job in list(self._jobs.items()):
                if job.record.ended is not None and job.record.ended + KEPT_SECONDS < self._clock():
                    del self._jobs[name]
                    self.store.remove(name)

    def _end(self, job: LiveJob, state: str, error: dict[str, Any] | None = None) -> None:
        with self._changed:
            record = job.record
            record.state = state  # type: ignore[assignment]
            record.error, record.ended = error, self._clock()
            self.store.save(record)
            if state == "done":
                job.upload.path.unlink(missing_ok=True)
            else:
                self.store.remove(record.id, keep_record=True)

    def _next(self) -> LiveJob | None:
        """Wait for a job; None when the server ends."""
        with self._changed:
            while not self._ending.is_set():
                for job in self._jobs.values():
                    if job.record.state == "waiting":
                        job.record.state = "running"
                        return job
                self._changed.wait(_SWEEP_SECONDS)
                self._sweep()
        return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self.store.save(job.record)
                self._compute(job)
                self._end(job, "cancelled" if job.cancelled.is_set() else "done")
            except Stopped:
                if job.cancelled.is_set():
                    self._end(job, "cancelled")
            except Problem as problem:
                self._end(job, "failed", problem.content)
            except PixelwiseError as error:
                self._end(job, "failed", of_error(unnamed(error, job.upload.path, PICTURE_FIELD)).content)
            except Exception:
                _log.exception("job %s", job.record.id)
                self._end(job, "failed", fault().content)

    def _compute(self, job: LiveJob) -> None:
        record = job.record
        if record.model not in self._models:
            raise Problem(404, f"model: '{record.model}' is no longer served; send the job again", argument="model")
        predictor = PictureOptions(**record.options).applied_to(self._models[record.model])
        if is_tiff(job.upload.path):
            check_pieces(job.upload.path)
        results = self.store.results_of(record.id)
        results.mkdir(exist_ok=True)
        listener = JobListener(job, self._workers, self._ending)
        write_results(predictor, job.upload.path, results, record.outputs, name=record.name, listener=listener)
