"""Places in the queue are given back when work has ended, and what nobody waits for keeps nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from pixelwise.serve.problems import Problem
from pixelwise.serve.work import Left, Quiet, Ticket, Workers


@pytest.fixture
def workers() -> Workers:
    return Workers(100)


def test_what_was_cancelled_in_the_line_keeps_no_picture(workers: Workers) -> None:
    busy, free = threading.Event(), threading.Event()

    def block() -> None:
        busy.set()
        assert free.wait(20)

    def labelling() -> tuple[Callable[[], int], weakref.ref[np.ndarray]]:
        picture = np.zeros(10)
        return lambda: int(picture.sum()), weakref.ref(picture)

    async def waits(work: Callable[[], int]) -> int:
        with workers.place(50) as ticket:
            return await workers.compute(ticket, work, 50)

    async def talk() -> None:
        with workers.place(10) as ticket:
            first = asyncio.create_task(workers.compute(ticket, block, 10))
            while not busy.is_set():
                await asyncio.sleep(0.01)
            work, picture = labelling()
            second = asyncio.create_task(waits(work))
            del work
            await asyncio.sleep(0.05)
            assert (workers.waiting, workers.pictures) == (60, 2)
            assert picture() is not None
            second.cancel()
            await asyncio.wait({second})
            assert second.cancelled()
            del second
            gc.collect()
            assert (workers.waiting, workers.pictures) == (10, 1)
            assert picture() is None, "the line of the pool keeps the picture"
            free.set()
            await first

    asyncio.run(talk())
    assert workers.waiting == 0
    workers.close()


def test_a_place_is_kept_while_its_work_runs_for_nobody(workers: Workers) -> None:
    busy, free = threading.Event(), threading.Event()

    def block() -> None:
        busy.set()
        assert free.wait(20)

    async def talk() -> None:
        async def ask() -> None:
            with workers.place(80) as ticket:
                await workers.compute(ticket, block, 80)

        task = asyncio.create_task(ask())
        while not busy.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert workers.waiting == 80
        with pytest.raises(Problem, match="1 picture of 80 pixels"), workers.place(30):
            pass
        free.set()
        while workers.waiting:
            await asyncio.sleep(0.01)

    asyncio.run(talk())
    workers.close()


def test_tiles_end_when_nobody_waits() -> None:
    ticket = Ticket(lambda: None)
    with Quiet(ticket).progress("tiles", 2) as progress:
        progress(1, 2)
        ticket.close()
        with pytest.raises(Left):
            progress(2, 2)


def test_a_picture_that_is_alone_may_be_larger_than_the_queue(workers: Workers) -> None:
    with workers.place(1000), pytest.raises(Problem), workers.place(1):
        pass
    assert workers.waiting == 0
