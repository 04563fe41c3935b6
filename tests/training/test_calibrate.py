from __future__ import annotations

import time

import pytest
import torch

from pixelwise.training import calibrate


def test_slow_steps_are_timed_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    quick: list[int] = []
    calibrate._median_seconds(quick.append, 3, 8, torch.device("cpu"))
    assert quick == list(range(11))
    monkeypatch.setattr(calibrate, "MOST_TIMING_SECONDS", 0.02)
    slow: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.03 if number else 0.2)  # the first is always slower
        slow.append(number)

    assert calibrate._median_seconds(work, 3, 8, torch.device("cpu")) < 0.15
    assert slow == [0, 1, 2]
