from __future__ import annotations

import pytest

from pixelwise.training.task_parts import rate_factor


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_rises_then_falls_to_zero(schedule: str) -> None:
    factors = [rate_factor(step, 100, schedule=schedule, warmup=0.1) for step in range(101)]
    peak = factors.index(max(factors))
    assert 9 <= peak <= 10
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) == pytest.approx(1.0)
    assert 0 < factors[0] < 0.2
    assert factors[100] == pytest.approx(0.0)


def test_poly_is_the_deeplab_power() -> None:
    assert rate_factor(500, 1000, schedule="poly", warmup=0.0) == pytest.approx(0.5**0.9)
    assert rate_factor(500, 1000, schedule="cosine", warmup=0.0) == pytest.approx(0.5)
