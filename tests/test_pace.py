"""The time left, from what was done and when."""

from __future__ import annotations

from pixelwise.pace import Pace, duration


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_from_what_was_done_lately() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.left(10) == "", "nobody knows yet"
    clock.now += 2
    pace.mark(1)
    assert pace.left(10) == "0:18 left"
    for done in range(2, 200):
        clock.now += 1
        pace.mark(done)
    assert pace.left(299) == "1:40 left", "a slow beginning is forgotten"
    assert pace.elapsed == 200


def test_what_a_broken_job_had_done_before_took_no_time() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += 30  # opening the files
    pace.mark(600)
    assert pace.left(1000) == ""
    clock.now += 10
    pace.mark(610)
    assert pace.left(1000) == "6:30 left"


def test_work_that_begins_anew_is_timed_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in (1, 2, 3, 0, 1):
        clock.now += 5
        pace.mark(done)
    assert pace.left(3) == "0:10 left"


def test_times_are_shown_as_people_write_them() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.6, 75, 3599.4, 3600, 7620)] == [
        "0:00",
        "1:00",
        "1:15",
        "59:59",
        "1 h 00 min",
        "2 h 07 min",
    ]
