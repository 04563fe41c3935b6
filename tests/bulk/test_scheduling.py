"""Sharing pictures among workers that may die."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path, PurePath

import pytest

from pixelwise.bulk.crew import Died, Done, Event, Failed, Labelled, Ready, Said, Task
from pixelwise.bulk.scheduling import FAILED_STARTS, TASKS_IN_HAND, Schedule
from pixelwise.errors import ModelError, PixelwiseError
from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.labeller import Labelling
from pixelwise.listener import Silent

TASKS = [Task(number, Job(Path(f"{number}.png"), PurePath(str(number)))) for number in range(30)]


class Played:
    """A crew that labels at once, and whose workers die at some pictures, always or the first time.

    Args:
        deadly: pictures at which a worker always dies.
        once: pictures at which a worker dies the first time.
        bad_starts: how many workers die before they are ready.
    """

    def __init__(self, *, deadly: Iterable[int] = (), once: Iterable[int] = (), bad_starts: int = 0) -> None:
        self.deadly, self.once, self.bad_starts = set(deadly), set(once), bad_starts
        self.hands: dict[int, deque[Task]] = {}
        self.news: deque[Event] = deque()
        self.started = 0
        self.labelled: list[int] = []
        self.most_in_hand = 0
        self.stopped = False

    def start(self) -> int:
        self.started += 1
        self.hands[self.started] = deque()
        bad = self.started <= self.bad_starts
        self.news.append(Died(self.started, "was killed by signal 9") if bad else Ready(self.started))
        return self.started

    def give(self, worker: int, task: Task) -> None:
        self.hands[worker].append(task)
        self.most_in_hand = max(self.most_in_hand, len(self.hands[worker]))

    def wait(self) -> list[Event]:
        if self.news:
            return [self.news.popleft()]
        worker = min(number for number, hand in self.hands.items() if hand)
        task = self.hands[worker].popleft()
        if task.number in self.deadly or task.number in self.once:
            self.once.discard(task.number)
            del self.hands[worker]
            return [Died(worker, "was killed by signal 9")]
        self.labelled.append(task.number)
        return [Said(worker, "a line"), Labelled(worker, Labelling(stamp=str(task.number)))]

    def stop(self) -> None:
        self.stopped = True


def ignore(jobs: Iterable[Job]) -> None:
    """Tidy nothing."""


def done(crew: Played, workers: int = 3) -> dict[int, Labelling]:
    news = Schedule(crew, TASKS, workers, Silent(), ignore).run()
    found = [one for one in news if isinstance(one, Done)]
    assert len(found) == len(TASKS)
    assert crew.stopped
    return dict(found)


def test_each_picture_is_labelled_once_and_by_all_workers() -> None:
    crew = Played()
    assert {number: one.stamp for number, one in done(crew).items()} == {one.number: str(one.number) for one in TASKS}
    assert sorted(crew.labelled) == list(range(30))
    assert crew.started == 3
    assert crew.most_in_hand == TASKS_IN_HAND


def test_no_more_workers_than_pictures() -> None:
    crew = Played()
    assert done(crew, workers=100)
    assert crew.started == 30


def test_a_worker_that_dies_is_replaced_and_its_pictures_are_tried_again() -> None:
    crew = Played(once={0, 7, 29})
    assert all(one.error is None for one in done(crew).values())
    assert sorted(crew.labelled) == list(range(30))
    assert crew.started > 3


def test_the_picture_at_fault_is_found_and_named() -> None:
    crew = Played(deadly={4, 5})
    found = done(crew)
    assert [number for number, one in sorted(found.items()) if one.error is not None] == [4, 5]
    assert "4.png: the worker that labelled it was killed by signal 9, twice" in str(found[4].error)
    assert sorted(crew.labelled) == [number for number in range(30) if number not in (4, 5)]


def test_workers_that_never_get_ready_end_the_job() -> None:
    crew = Played(bad_starts=FAILED_STARTS)
    with pytest.raises(PixelwiseError, match="while it opened the model, 3 times"):
        done(crew)
    assert crew.stopped
    assert all(one.error is None for one in done(Played(bad_starts=FAILED_STARTS - 1)).values())


def test_what_no_worker_can_mend_ends_the_job() -> None:
    crew = Played()
    crew.news.append(Failed(1, ModelError("no such model")))
    with pytest.raises(ModelError, match="no such model"):
        done(crew)
    assert crew.stopped
