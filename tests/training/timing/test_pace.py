from __future__ import annotations

import time

import torch

from pixelwise.training.timing import pace


def test_slow_steps_are_timed_less_often() -> None:
    quick: list[int] = []
    pace._median_seconds(quick.append, 3, 8, torch.device("cpu"), 25.0)
    assert quick == list(range(11))
    slow: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.03 if number else 0.2)  # the first is always slower
        slow.append(number)

    assert pace._median_seconds(work, 3, 8, torch.device("cpu"), 0.02) < 0.15
    assert slow == [0, 1, 2]
