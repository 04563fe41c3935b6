"""A crew of processes on this machine, started anew rather than forked, each with a pipe to the first process."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

from pixelwise.bulk.crew import Died, Event, Failed, Labelled, Ready, Recipe, Said, Task
from pixelwise.bulk.relay import Relay
from pixelwise.inference.labelling.labeller import Labeller, Reading
from pixelwise.ops.native import set_threads

READING_THREADS = 2
"""The threads on which a worker reads pictures while it labels another."""

STOPPING_SECONDS = 10.0
"""How long a worker has to remove what it has half written before it is killed."""


@dataclass(frozen=True)
class Place:
    """Where one of the processes computes.

    Args:
        device: as for the predictor.
        processors: numbers of the processors that it shares with no other; none where any will do.
    """

    device: str
    processors: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    place: Place


class Processes:
    """A :class:`~pixelwise.bulk.crew.Crew` of processes.

    Args:
        recipe: how each makes what labels pictures.
        places: where they compute; there are never more processes than places.
    """

    def __init__(self, recipe: Recipe, places: Sequence[Place]) -> None:
        self._recipe, self._free = recipe, deque(places)
        self._numbers = itertools.count()
        self._workers: dict[int, _Worker] = {}

    def start(self) -> int:
        """Start a process."""
        number, place = next(self._numbers), self._free.popleft()
        context = multiprocessing.get_context("spawn")  # a fork of a process whose threads compute may wait for ever
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._recipe, place, number), daemon=True)
        with _without_interrupts():
            process.start()
        theirs.close()  # so that the pipe ends where the process does
        self._workers[number] = _Worker(process, ours, place)
        return number

    def give(self, worker: int, task: Task) -> None:
        """Hand a picture to a process."""
        with suppress(OSError):  # it is gone, and wait() will say so
            self._workers[worker].connection.send(task)

    def wait(self) -> list[Event]:
        """Wait until something is heard of a process."""
        numbers = {worker.connection: number for number, worker in self._workers.items()}
        heard: list[Event] = []
        for connection in wait(list(numbers)):
            assert isinstance(connection, Connection)
            number = numbers[connection]
            try:
                heard.append(connection.recv())
            except (EOFError, OSError):
                heard.append(Died(number, self._bury(number)))
        return heard

    def stop(self) -> None:
        """Stop all processes: those that label remove what they have half written."""
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(STOPPING_SECONDS)
            worker.process.kill()
        for number in list(self._workers):
            self._bury(number)

    def _bury(self, number: int) -> str:
        """Forget a process that has ended, and say how it ended."""
        worker = self._workers.pop(number)
        self._free.append(worker.place)
        worker.process.join()
        worker.connection.close()
        code = worker.process.exitcode or 0
        worker.process.close()
        return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C from their first instant: the first process decides what it ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def work(connection: Connection, recipe: Recipe, place: Place, number: int) -> None:
    """Label pictures that come through a pipe, until it ends or the process is told to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    speaking = threading.Lock()

    def tell(event: Event) -> None:
        with speaking:
            connection.send(event)

    inbox = _Inbox(connection)  # first, so that the process ends with the first one whatever it is doing
    try:
        _settle(recipe, place)
        labeller = recipe.make(place.device)
        relay = Relay(lambda text, **kind: tell(Said(number, text, **kind)))
        with inbox.reading(labeller) as tasks:
            tell(Ready(number))
            for task, reading in tasks:
                tell(Labelled(number, labeller.label(task.job, reading, relay)))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the first process is gone
    except Exception as error:
        error.add_note(traceback.format_exc())  # which does not pass through the pipe otherwise
        tell(Failed(number, error))


def _settle(recipe: Recipe, place: Place) -> None:
    """Settle memory, processors and threads, before torch is imported if that has not happened."""
    if place.processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, place.processors)
    if recipe.prepare is not None:
        recipe.prepare()
    os.environ["OMP_NUM_THREADS"] = str(recipe.threads)
    if "torch" in sys.modules:
        set_threads(recipe.threads)


class _Inbox:
    """Takes the pictures that come through a pipe, and ends the process where the pipe ends.

    Nobody wants the labels then, and another job may be writing them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._take: Callable[[Task], None] | None = None
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        try:
            while True:
                task = self._connection.recv()
                assert self._take is not None, "pictures come to workers that are ready"
                self._take(task)
        except (EOFError, OSError, RuntimeError):
            os._exit(0)

    @contextmanager
    def reading(self, labeller: Labeller) -> Iterator[Iterator[tuple[Task, Future[Reading]]]]:
        """Give the pictures that come from now on, without end, each of which is being read already."""
        waiting: SimpleQueue[tuple[Task, Future[Reading]]] = SimpleQueue()
        with ThreadPoolExecutor(READING_THREADS) as readers:
            self._take = lambda task: waiting.put((task, readers.submit(labeller.read, task.job)))
            yield iter(waiting.get, None)


def _leave(signal_number: int, frame: FrameType | None) -> NoReturn:
    """End the process as an exception does, so that what is half written is removed."""
    raise SystemExit(0)
