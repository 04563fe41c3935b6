from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.training.machine import Machine
from pixelwise.training.plan import Draft, class_weights, crop_size, plan, plan_steps


def fingerprint(**changes: Any) -> Fingerprint:
    traits: dict[str, Any] = {
        "images": 100,
        "median_size": (360, 480),
        "min_size": (360, 480),
        "max_size": (360, 480),
        "channels": 3,
        "bits": 8,
        "value_range": None,
        "class_pixels": np.array([900, 90, 10]),
        "class_images": np.array([100, 90, 20]),
        "ignored_pixels": 0,
        "pixels": 100 * 360 * 480,
    }
    return Fingerprint(**{**traits, **changes})


def machine(**changes: Any) -> Machine:
    traits: dict[str, Any] = {
        "device": "cpu",
        "name": "2 CPU cores",
        "cores": 2,
        "memory": 8 << 30,
        "main_memory": 8 << 30,
        "native_bfloat16": True,
    }
    return Machine(**{**traits, **changes})


def test_every_choice_has_a_reason_and_hands_win() -> None:
    draft = plan(fingerprint(), machine(), {"batch": 5, "hflip": False})
    assert draft.values["batch"] == 5
    assert draft.values["hflip"] is False
    assert draft.reasons["batch"] == draft.reasons["hflip"] == "set by hand"
    assert set(draft.values) == set(draft.reasons)
    assert all(draft.reasons.values())


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


def test_the_machine_decides_precision_and_batch() -> None:
    assert plan(fingerprint(), machine(), {}).values["precision"] == "bf16-mixed"
    assert plan(fingerprint(), machine(native_bfloat16=False), {}).values["precision"] == "32-true"
    gpu = machine(device="cuda", name="a GPU", native_bfloat16=False)
    assert plan(fingerprint(), gpu, {}).values["precision"] == "16-mixed"
    small = plan(fingerprint(), machine(device="cuda", memory=4 << 30), {}).values["batch"]
    large = plan(fingerprint(), machine(device="cuda", memory=80 << 30), {}).values["batch"]
    assert 2 <= small < large


def test_the_data_decide_channels_range_and_crops_of_rare_classes() -> None:
    deep = plan(fingerprint(channels=5, bits=16, value_range=(3.0, 4000.0)), machine(), {}).values
    assert deep["in_channels"] == 5
    assert deep["value_range"] == (3.0, 4000.0)
    assert plan(fingerprint(channels=1), machine(), {}).values["in_channels"] == 3
    assert plan(fingerprint(), machine(), {}).values["rare_class_probability"] > 0
    balanced = fingerprint(class_pixels=np.array([5, 5, 5]))
    assert plan(balanced, machine(), {}).values["rare_class_probability"] == 0


def test_class_weights_are_the_root_of_median_frequency_and_average_to_one() -> None:
    pixels = np.array([10_000, 2_500, 100, 0])
    weights = np.array(class_weights(pixels))
    share = pixels / pixels.sum()
    assert (weights * share).sum() == pytest.approx(1, abs=1e-3)
    assert weights[1] / weights[0] == pytest.approx(2, rel=1e-3)
    assert weights[2] / weights[1] == pytest.approx(5, rel=1e-3)
    assert class_weights(np.zeros(2, np.int64)) == (1.0, 1.0)


def test_steps_fit_the_time() -> None:
    draft = plan(fingerprint(), machine(), {})
    plan_steps(draft, fingerprint(), epochs=None, seconds=1000.0, pace=(0.5, 4.0))
    steps, interval = draft.values["steps"], draft.values["validate_every"]
    assert steps % interval == 0
    assert 900 < 0.5 * steps + (4.0 + 1.0) * steps / interval < 1020
    assert 0.9 < draft.values["ema_decay"] < 1


def test_epochs_count_pixels() -> None:
    draft = plan(fingerprint(), machine(), {"batch": 4, "crop": (360, 480)})
    plan_steps(draft, fingerprint(), epochs=3, seconds=None, pace=(0.1, 0.1))
    assert draft.values["steps"] == pytest.approx(75, abs=3)


@pytest.mark.parametrize("steps", [1, 2, 7, 97, 1000])
def test_steps_set_by_hand_stay_and_end_with_a_validation(steps: int) -> None:
    draft = Draft({"steps": steps, "batch": 2, "crop": (64, 64)})
    plan_steps(draft, fingerprint(), epochs=10, seconds=None, pace=(0.1, 0.1))
    assert draft.values["steps"] == steps
    assert steps % draft.values["validate_every"] == 0
