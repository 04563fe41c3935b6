"""Labelling pictures one after the other in this process, which reads the next ones meanwhile."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from pixelwise.bulk.crew import Done, Task
from pixelwise.bulk.job import Engine
from pixelwise.bulk.request import Request
from pixelwise.inference.labelling.labeller import Labeller
from pixelwise.inference.predictor import Predictor
from pixelwise.io.ahead import read_ahead
from pixelwise.io.shapes.coco_ids import CocoIds
from pixelwise.listener import Listener


def one_process(request: Request, out: Path, predictor: Predictor, listener: Listener) -> Engine:
    """Make the engine that labels pictures in their order.

    Args:
        request: how pictures are labelled.
        out: the output folder.
        predictor: the model.
        listener: told how large pictures are computed.
    """
    like = None if request.like is None else CocoIds.read(request.like)
    labeller = Labeller(predictor, request.options, out, like=like)

    def label(tasks: Sequence[Task]) -> Generator[Done | str, None, None]:
        with closing(read_ahead(labeller.read, (task.job for task in tasks))) as readings:
            for task, reading in zip(tasks, readings, strict=True):
                yield Done(task.number, labeller.label(task.job, reading, listener))

    return label
