from __future__ import annotations

import numpy as np
import pytest

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.training.planning.plan_parts import Draft, crop_size, plan_steps

CAMVID = Fingerprint(
    images=100,
    median_size=(360, 480),
    channels=3,
    bits=8,
    value_range=None,
    class_pixels=np.array([900, 90, 10]),
    ignored_pixels=0,
    pixels=100 * 360 * 480,
)


@pytest.mark.parametrize(
    ("size", "limit"),
    [((360, 480), 288 * 384), ((100, 4000), 10**5), ((50, 50), 10**5), ((3000, 2000), 10**5), ((1, 1), 9)],
)
def test_crops_are_legal_and_affordable(size: tuple[int, int], limit: int) -> None:
    height, width = crop_size(*size, limit)
    assert height % 32 == width % 32 == 0
    assert min(height, width) >= 64
    assert height * width <= max(1.15 * limit, 64 * 96)
    if size == (360, 480):
        assert (height, width) == (288, 384)


def test_steps_fit_the_time() -> None:
    draft = Draft({"batch": 8, "crop": (288, 384)})
    plan_steps(draft, CAMVID, epochs=None, seconds=1000.0, pace=(0.5, 4.0))
    steps, interval = draft.values["steps"], draft.values["validate_every"]
    assert steps % interval == 0
    assert 900 < 0.5 * steps + (4.0 + 1.0) * steps / interval < 1020
    assert 0.9 < draft.values["ema_decay"] < 1


def test_epochs_count_pixels() -> None:
    draft = Draft({"batch": 4, "crop": (360, 480)})
    plan_steps(draft, CAMVID, epochs=3, seconds=None, pace=(0.1, 0.1))
    assert draft.values["steps"] == pytest.approx(75, abs=3)


@pytest.mark.parametrize("steps", [1, 2, 7, 97, 1000])
def test_steps_set_by_hand_stay_and_end_with_a_validation(steps: int) -> None:
    draft = Draft({"steps": steps, "batch": 2, "crop": (64, 64)})
    plan_steps(draft, CAMVID, epochs=10, seconds=None, pace=(0.1, 0.1))
    assert draft.values["steps"] == steps
    assert steps % draft.values["validate_every"] == 0
