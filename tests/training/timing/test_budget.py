from __future__ import annotations

import time

import pytest

from pixelwise.training.timing.budget import Budget


def test_what_follows_training_is_kept_free() -> None:
    budget = Budget(time.monotonic(), 600.0)
    assert budget.for_training(10.0) == pytest.approx(600 - 13 - 12, abs=1)
    few, many = (budget.with_halo(pictures=pictures, size=(360, 480)) for pictures in (10, 1000))
    assert few.for_training(10.0) == pytest.approx(600 - 12 - 13 - 110, abs=1)
    assert many.for_training(10.0) == pytest.approx(600 - 12 - 13 - 1.1, abs=1)
    # Windows see only a part of large pictures.
    assert budget.with_halo(pictures=10, size=(4000, 8000)).for_training(10.0) == pytest.approx(600 - 12 - 14, abs=1)


def test_timing_takes_a_share_of_short_times() -> None:
    assert Budget(0.0, 60.0).timing_seconds == pytest.approx(4.8)
    assert Budget(0.0, 3600.0).timing_seconds == 25.0


def test_too_short_a_time_says_how_long_would_do() -> None:
    budget = Budget(time.monotonic() - 20, 60.0)
    said = budget.too_short((2.0, 30.0))
    assert said.startswith("1 leaves no time to train: getting ready took 20 s, a step takes 2.0 s here")
    # 20 s, ten steps, a validation, and 1.3 validations after it
    assert said.endswith("give at least 1.9")
