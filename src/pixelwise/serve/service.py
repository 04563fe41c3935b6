"""Labelling the pictures of requests with the models that are served."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request

from pixelwise.errors import PixelwiseError, SettingError, unknown_name
from pixelwise.inference.labelling.jobs import Job, Options
from pixelwise.inference.labelling.label import Outcome, check_possible, label_decoded
from pixelwise.inference.labelling.outputs import JOB_FILES
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.runtimes.views import parse_views
from pixelwise.serve.asked import PictureOptions
from pixelwise.serve.forms import PICTURE_FIELD, Upload
from pixelwise.serve.limits import Limits
from pixelwise.serve.metrics import Metrics
from pixelwise.serve.outputs import Answer, kinds_of, render
from pixelwise.serve.problems import Problem, unnamed
from pixelwise.serve.reading import count_pixels, decode, place_on_earth
from pixelwise.serve.work import Quiet, Workers

ResultT = TypeVar("ResultT")

SLOW_RETRY = 5.0
"""Seconds after which a picture that was not computed in time may be."""

CLASSES_LIKE_A_PIXEL = 4
"""The classes whose probabilities at a pixel take about as much memory as all else that is kept of it."""


@dataclass(frozen=True, eq=False)
class Service:
    """What a server works with.

    Args:
        models: the predictor of each model, by the name that it is served under.
        limits: what is taken.
        workers: the queue and its threads.
        metrics: the figures of the server.
    """

    models: Mapping[str, Predictor]
    limits: Limits
    workers: Workers
    metrics: Metrics

    def predictor(self, served: str) -> Predictor:
        """Find a model by the name that it is served under.

        Raises:
            Problem: there is none.
        """
        if served not in self.models:
            raise Problem(404, unknown_name("model", served, self.models), argument="model")
        return self.models[served]

    async def label(self, served: str, upload: Upload, options: PictureOptions, output: str) -> Answer:
        """Label a picture that was received.

        Raises:
            PixelwiseError: the picture or an option cannot be used.
            Problem: the picture is too large, or the queue is full.
        """
        asked = options.applied_to(self.predictor(served))
        kinds = Options(kinds_of([output]))
        try:
            check_possible(asked, kinds)
        except SettingError as error:
            raise SettingError(error.text, argument="output") from None
        workers, path = self.workers, upload.path
        try:
            pixels = await workers.look(lambda: count_pixels(path, self.limits.max_pixels))
            weight = self._weighed(pixels, asked, options, kinds)
            with workers.place(weight) as ticket:
                decoded = await workers.help(ticket, lambda: decode(path, asked))
                place = await workers.help(ticket, lambda: place_on_earth(path)) if output == "geojson" else None
                job = Job(path, Path(upload.name))

                def compute() -> Outcome:
                    begun = time.monotonic()
                    outcome = label_decoded(asked, job, kinds, decoded, Quiet(ticket), georeference=place)
                    self.metrics.computed(served, time.monotonic() - begun)
                    return outcome

                outcome = await workers.compute(ticket, compute, weight)
                answer = await workers.help(ticket, lambda: render(outcome, output, name=upload.name))
                self.metrics.labelled(served, output, pixels)
                return answer
        except PixelwiseError as error:
            raise unnamed(error, path, PICTURE_FIELD) from error

    def _weighed(self, pixels: int, predictor: Predictor, options: PictureOptions, kinds: Options) -> int:
        """Say how many pixels a picture takes of the queue: more with views, and with probabilities in memory.

        Raises:
            Problem: its views are more than the queue holds, which bounds the time of a picture.
        """
        views = sum(view.zoom**2 for view in parse_views(options.views))
        scored = not predictor.finds_objects and any(kind in ("probabilities", *JOB_FILES) for kind in kinds.kinds)
        weight = pixels * views * (1 + scored * len(predictor.label_space) / CLASSES_LIKE_A_PIXEL)
        if views > 1 and pixels * views > self.limits.queue:
            raise Problem(
                413,
                f"tta: the views have {pixels * views:,.0f} pixels together, and {self.limits.queue:,} is the limit; "
                "take fewer views, or send the picture as a job",
                argument="tta",
            )
        return math.ceil(weight)


async def while_wanted(request: Request, work: Coroutine[Any, Any, ResultT], *, deadline: float) -> ResultT | None:
    """Wait for work as long as the sender of a request, whose body was received, waits for it.

    Args:
        request: the request.
        work: is cancelled when the sender leaves or the time is over.
        deadline: the time of the event loop when it is over.

    Returns:
        The result; None if the sender has left.

    Raises:
        Problem: the time is over.
    """
    loop = asyncio.get_running_loop()
    working = loop.create_task(work)
    leaving = loop.create_task(_leave(request.receive))
    try:
        await asyncio.wait(
            {working, leaving}, timeout=max(0.0, deadline - loop.time()), return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            return working.result()
        if leaving.done():
            return None
        raise Problem(
            503,
            "timeout: the picture was not computed in time; send a smaller one, or try again later",
            argument="timeout",
            retry_after=SLOW_RETRY,
        )
    finally:
        working.cancel()
        leaving.cancel()


async def _leave(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
