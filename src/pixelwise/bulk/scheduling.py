"""Sharing pictures among workers, some of which may die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence

from pixelwise.bulk.crew import Crew, Died, Done, Event, Failed, Labelled, Ready, Said, Task
from pixelwise.errors import DataError, PixelwiseError
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.labeller import Labelling
from pixelwise.listener import Listener

TASKS_IN_HAND = 4
"""The pictures that a worker has at a time: one that it labels, and others that it reads meanwhile."""

FAILED_STARTS = 3
"""So many workers, one after the other, that die before they have opened the model end the job."""


class Schedule:
    """Shares pictures among the workers of a crew.

    If a worker dies, another takes its place. Any of the pictures that it had may be at fault: each is tried once more,
    by a worker that has no other, and one whose worker dies again cannot be labelled.

    Args:
        crew: the workers.
        tasks: the pictures.
        workers: how many workers there are at most.
        listener: told what the workers say.
        tidy: removes what a worker that died has half written of pictures.
    """

    def __init__(
        self,
        crew: Crew,
        tasks: Sequence[Task],
        workers: int,
        listener: Listener,
        tidy: Callable[[Iterable[Job]], None],
    ) -> None:
        self._crew, self._listener, self._tidy = crew, listener, tidy
        self._workers = workers
        self._waiting, self._suspects = deque(tasks), deque[Task]()
        self._hands: dict[int, deque[Task]] = {}
        self._ready: set[int] = set()
        self._alone: set[int] = set()
        self._failed_starts = 0

    def run(self) -> Generator[Done | str, None, None]:
        """Label all pictures; close the generator where it is left before its end.

        Yields:
            Pictures in the order in which they are done, and texts that say what is in work.

        Raises:
            PixelwiseError: a worker cannot go on, or workers die before they have opened the model.
        """
        try:
            while left := self._left():
                for _ in range(min(self._workers, left) - len(self._hands)):
                    self._hands[self._crew.start()] = deque()
                for worker in self._ready:
                    self._feed(worker)
                for event in self._crew.wait():
                    yield from self._hear(event)
        finally:
            self._crew.stop()

    def _left(self) -> int:
        return len(self._waiting) + len(self._suspects) + sum(map(len, self._hands.values()))

    def _feed(self, worker: int) -> None:
        """Hand pictures to a worker, as long as none is a suspect; a suspect goes to a worker that has no other."""
        hand = self._hands[worker]
        if self._suspects:
            if not hand:
                self._alone.add(worker)
                self._give(worker, self._suspects.popleft())
            return
        while self._waiting and len(hand) < TASKS_IN_HAND and worker not in self._alone:
            self._give(worker, self._waiting.popleft())

    def _give(self, worker: int, task: Task) -> None:
        self._hands[worker].append(task)
        self._crew.give(worker, task)

    def _hear(self, event: Event) -> Generator[Done | str, None, None]:
        if isinstance(event, Ready):
            self._ready.add(event.worker)
            self._failed_starts = 0
        elif isinstance(event, Labelled):
            self._alone.discard(event.worker)
            yield Done(self._hands[event.worker].popleft().number, event.labelling)
        elif isinstance(event, Said):
            yield from self._pass_on(event)
        elif isinstance(event, Failed):
            raise event.error
        else:
            yield from self._replace(event)

    def _pass_on(self, said: Said) -> Generator[str, None, None]:
        if said.passing:
            yield said.text
        elif said.warns:
            self._listener.warn(said.text)
        else:
            self._listener.say(said.text)

    def _replace(self, died: Died) -> Generator[Done | str, None, None]:
        """Take back the pictures of a worker that died; another one is started in its place."""
        hand = self._hands.pop(died.worker)
        self._tidy(task.job for task in hand)
        if died.worker not in self._ready:
            self._failed_starts += 1
            if self._failed_starts == FAILED_STARTS:
                raise PixelwiseError(
                    f"a worker {died.how} while it opened the model, {FAILED_STARTS} times one after the other; if "
                    "memory ran out, choose fewer workers"
                )
        self._ready.discard(died.worker)
        if died.worker in self._alone:
            self._alone.discard(died.worker)
            (task,) = hand
            yield Done(task.number, Labelling(error=_fatal(task, died.how)))
        else:
            self._suspects.extend(hand)


def _fatal(task: Task, how: str) -> DataError:
    return DataError(
        f"{task.job.picture}: the worker that labelled it {how}, twice; if memory ran out, choose fewer workers or "
        "less memory, or else leave the picture out"
    )
