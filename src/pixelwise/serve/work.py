"""The queue of pictures, counted in pixels, and the threads that decode, compute and write them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event
from typing import TypeVar

from pixelwise.listener import Progress, Silent
from pixelwise.processors import processors
from pixelwise.serve.problems import Problem
from pixelwise.words import counted

ResultT = TypeVar("ResultT")

FIRST_PACE = 1e6
"""Pixels a second that are assumed before any picture was computed."""


class Left(Exception):
    """Nobody waits for the work any longer."""


class Ticket:
    """A place in the queue; it is given back when its work has ended, even if nobody waits for that."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._running: Future[object] | None = None
        self.left = Event()

    def follow(self, work: Future[ResultT]) -> Future[ResultT]:
        """Note a step of the work that has begun."""
        self._running = work  # type: ignore[assignment]
        return work

    def close(self) -> None:
        """Give the place back as soon as the last step has ended; steps are told that nobody waits for them."""
        self.left.set()
        if self._running is None:
            self._leave()
        else:
            self._running.add_done_callback(lambda _: self._leave())


class Quiet(Silent):
    """A listener for work on a ticket: it shows nothing, and ends the work when nobody waits for it.

    Args:
        ticket: the place of the work.
    """

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    @contextmanager
    def progress(self, doing: str, total: int) -> Iterator[Progress]:
        """Look after each tile whether somebody still waits."""

        def look(done: int, total: int, note: str = "") -> None:
            if self._ticket.left.is_set():
                raise Left

        yield look


class Workers:
    """One thread that computes, a few that decode and write, and a bound on the pixels that wait for them.

    Args:
        most: pixels of all pictures that wait or are computed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting = 0
        self.pictures = 0
        self._lock = Condition()
        self._pace = FIRST_PACE
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="pixelwise-compute")
        self._helping = ThreadPoolExecutor(max(2, processors()), thread_name_prefix="pixelwise-help")

    @contextmanager
    def place(self, pixels: int) -> Iterator[Ticket]:
        """Take a place in the queue for the time of a block.

        Raises:
            Problem: the queue is full.
        """
        with self._lock:
            if self.pictures and self.waiting + pixels > self.most:
                raise Problem(
                    503,
                    f"queue: {counted(self.pictures, 'picture')} of {self.waiting:,} pixels wait or are computed, and "
                    f"{self.most:,} is the limit; try again later",
                    argument="queue",
                    retry_after=self.waiting / self._pace,
                )
            self.waiting += pixels
            self.pictures += 1

        def leave() -> None:
            with self._lock:
                self.waiting -= pixels
                self.pictures -= 1
                self._lock.notify_all()

        ticket = Ticket(leave)
        try:
            yield ticket
        finally:
            ticket.close()

    async def help(self, ticket: Ticket, work: Callable[[], ResultT]) -> ResultT:
        """Decode or write something beside the computing."""
        return await self._run(self._helping, ticket, work)

    async def compute(self, ticket: Ticket, work: Callable[[], ResultT], pixels: int) -> ResultT:
        """Compute a picture, after those that came before."""

        def timed() -> ResultT:
            begun = time.monotonic()
            result = work()
            pace = pixels / max(1e-6, time.monotonic() - begun)
            self._pace += (pace - self._pace) / 8
            return result

        return await self._run(self._computing, ticket, timed)

    async def _run(self, threads: ThreadPoolExecutor, ticket: Ticket, work: Callable[[], ResultT]) -> ResultT:
        """Run a step on a thread.

        The line of a pool keeps what was cancelled until its turn comes; the work, which holds the picture, must not be
        kept with it, because its place in the queue is given to others at once.
        """
        held = [work]

        def run() -> ResultT:
            if ticket.left.is_set():
                raise Left
            return held.pop()()

        try:
            return await asyncio.wrap_future(ticket.follow(threads.submit(run)))
        finally:
            held.clear()

    async def look(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something short that takes no place, such as reading a header."""
        return await asyncio.wrap_future(self._helping.submit(work))

    def let_pictures_go_first(self, seconds: float) -> None:
        """Wait until no picture waits, but not for ever: called between the tiles of long work."""
        with self._lock:
            self._lock.wait_for(lambda: self.pictures == 0, timeout=seconds)

    def close(self) -> None:
        """Let the threads end when their work is done."""
        self._computing.shutdown(wait=False, cancel_futures=True)
        self._helping.shutdown(wait=False, cancel_futures=True)
