"""Reading ahead keeps order, bounds what is held, and hands errors to the one who asks."""

from __future__ import annotations

import threading
import time

import pytest

from pixelwise.io.ahead import read_ahead


def test_order_is_kept_and_little_is_held() -> None:
    started: list[int] = []
    lock = threading.Lock()

    def read(item: int) -> int:
        with lock:
            started.append(item)
        return item * item

    for number, future in enumerate(read_ahead(read, range(40), threads=2)):
        assert future.result() == number * number
        assert len(started) <= number + 1 + 4
    assert sorted(started) == list(range(40))


def test_an_error_belongs_to_its_item() -> None:
    futures = read_ahead(lambda item: 1 // item, [1, 0, 1])
    assert next(futures).result() == 1
    with pytest.raises(ZeroDivisionError):
        next(futures).result()
    assert next(futures).result() == 1


def test_stopping_early_leaves_the_rest_unread() -> None:
    read: list[int] = []
    futures = read_ahead(read.append, range(1000), threads=1)
    next(futures)
    futures.close()
    assert len(read) < 10


def test_a_forgotten_reader_that_another_thread_collects_does_not_wait_for_it() -> None:
    collected = threading.Event()
    forgotten = [read_ahead(lambda _: collected.wait(60), range(9), threads=1)]
    next(forgotten[0])

    def collect() -> None:
        forgotten.clear()
        collected.set()  # the reading threads wait for this, as they would for an event loop on this thread

    collector = threading.Thread(target=collect)
    collector.start()
    collector.join(30)
    assert not collector.is_alive()


def test_closing_waits_for_what_is_being_read() -> None:
    begun, ended = threading.Event(), threading.Event()

    def read(item: int) -> None:
        begun.set()
        time.sleep(0.2)
        ended.set()

    futures = read_ahead(read, range(3), threads=1)
    next(futures)
    begun.wait(10)
    futures.close()
    assert ended.is_set()
