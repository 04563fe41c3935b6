"""Scoring on several processes, each with a judge of its own; the scores are those of a single process."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from pixelwise.data.pairs import Pair
from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.inference.predictor import Predictor
from pixelwise.listener import Progress
from pixelwise.ops.native import count_gpus, set_threads, threads
from pixelwise.scoring.judge import Judge, Judged, judge_for
from pixelwise.types import LabelSpace

_judge: Judge[Any, Any] | None = None
"""The judge of this process, where it is one of several that score."""


@dataclass(frozen=True)
class JudgeRecipe:
    """How a process makes its judge.

    Args:
        model: a run folder or a model file.
        label_space: how the pictures are to be read; see :func:`pixelwise.scoring.judge.judge_for`.
        options: keyword arguments of the predictor, beside the device.
    """

    model: Path
    label_space: LabelSpace
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, pairs: Sequence[Pair], device: str) -> Judge[Any, Any]:
        """Open the model on a device, and make a judge for the pictures."""
        predictor = Predictor(self.model, device=device, **self.options)
        return judge_for(predictor, pairs, self.label_space)


def judge_on_devices(
    judge: Judge[Any, Any],
    recipe: JudgeRecipe,
    pairs: Sequence[Pair],
    devices: int,
    *,
    progress: Progress | None = None,
) -> Judged[Any, Any]:
    """Let several processes compare pictures with their annotations, each picture in one of them.

    Each process has a GPU of its own; on a machine without one, processes share the cores. The comparison of a picture
    does not depend on the others, and they are put together in the order of the pictures.

    Args:
        judge: the judge of this process, which sums up.
        recipe: how each process makes its own, which is alike.
        pairs: the pictures.
        devices: the number of processes.
        progress: told the pictures done and the pictures in all, after each.

    Raises:
        SettingError: there are fewer GPUs than processes.
        DataError: a picture or its annotation is missing or cannot be used.
        PixelwiseError: a process died.
    """
    found = count_gpus()
    if 0 < found < devices:
        raise SettingError(f"must be at most {found}, the number of GPUs here; got {devices}", argument="devices")
    started = multiprocessing.get_context("spawn")  # a fork of a process whose threads compute may wait for ever
    places: SimpleQueue[int] = started.SimpleQueue()
    for place in range(devices):
        places.put(place)
    compared: list[Any] = []
    given = threads()  # as many as one process has, because sums of floats depend on it
    with ProcessPoolExecutor(devices, started, _make_judge, (recipe, tuple(pairs), given, places)) as pool:
        try:
            for one in pool.map(_compare, pairs):
                compared.append(one)
                if progress is not None:
                    progress(len(compared), len(pairs))
        except BrokenProcessPool:
            raise PixelwiseError(
                f"a process that scored pictures died at {pairs[len(compared)].image} or one of the pictures after it; "
                "if memory ran out, choose fewer devices"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
    return Judged(judge, tuple(pairs), compared)


def _make_judge(recipe: JudgeRecipe, pairs: tuple[Pair, ...], given: int, places: SimpleQueue[int]) -> None:
    """Make the judge of this process."""
    global _judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides what Ctrl-C ends
    place = places.get()
    set_threads(given)
    device = f"cuda:{place}" if count_gpus() else "auto"
    _judge = recipe.make(pairs, device)


def _compare(pair: Pair) -> object:
    """Compare a picture by the judge of this process."""
    assert _judge is not None
    return _judge.compare(_judge.read(pair))
