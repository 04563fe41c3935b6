"""Labelling by several processes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

from pixelwise.bulk.crew import Done, Recipe, Task
from pixelwise.bulk.job import Engine
from pixelwise.bulk.leftovers import remove_leftovers
from pixelwise.bulk.processes import Place, Processes
from pixelwise.bulk.request import Request
from pixelwise.bulk.scheduling import Schedule
from pixelwise.listener import Listener
from pixelwise.ops.native import count_gpus, threads


def local_engine(
    request: Request,
    out: Path,
    listener: Listener,
    *,
    workers: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Engine:
    """Make an engine of processes, which divide the processors among them, or have a GPU each.

    Each process has as many threads as one process alone would have: sums of floats depend on their number, and labels
    on sums, in a few pixels of a million. Threads of a process that has fewer processors wait for each other
    asleep, which costs 3 to 10% of the time.

    Args:
        request: how pictures are labelled, with a fixed library and precision.
        out: the output folder.
        listener: told what the processes say.
        workers: how many processes; by default one a GPU, or without one, one for two processors.
        prepare: settles the memory of a process before torch is imported.
    """
    gpus = count_gpus() if request.device == "auto" else 0
    count = workers or gpus or max(1, threads() // 2)
    places = [Place(f"cuda:{number % gpus}") for number in range(count)] if gpus else divide(request.device, count)
    recipe = Recipe(request, out, threads(), prepare)

    def label(tasks: Sequence[Task]) -> Generator[Done | str, None, None]:
        crew = Processes(recipe, places)
        return Schedule(crew, tasks, count, listener, partial(remove_leftovers, out)).run()

    return label


def divide(device: str, count: int) -> list[Place]:
    """Divide the processors that this process may use among others; where these are more, some share one."""
    if not hasattr(os, "sched_getaffinity"):
        return [Place(device)] * count
    processors = sorted(os.sched_getaffinity(0))
    shares = [processors[number::count] or [processors[number % len(processors)]] for number in range(count)]
    return [Place(device, frozenset(share)) for share in shares]
