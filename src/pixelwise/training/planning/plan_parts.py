"""What plans of all kinds share: drafts of settings, and choices that do not depend on what is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pixelwise.data.fingerprint import Fingerprint
from pixelwise.models.build import DEFAULT_ENCODER, MODELS
from pixelwise.preprocessing import ANY_TYPE
from pixelwise.training.planning.machine import Machine
from pixelwise.words import counted

CROP_UNIT = 32
"""Crop sides are multiples of the period of the encoders, so that no step computes on padding."""

SAVING_SECONDS = 1.0
"""Approximate seconds to write the state and the model after a validation."""


class Draft:
    """A draft of settings in which the first value given to a name stays, so that settings fixed by hand come first."""

    def __init__(self, fixed: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = dict(fixed)
        self.reasons: dict[str, str] = dict.fromkeys(fixed, "set by hand")

    def set(self, name: str, value: Any, reason: str) -> Any:
        """Give a setting its value unless it already has one; return its value."""
        if name not in self.values:
            self.values[name] = value
            self.reasons[name] = reason
        return self.values[name]


def choose_encoder(draft: Draft) -> None:
    """Choose the encoder of a model, and the weights it starts from."""
    entry = MODELS[draft.values["model"]]
    if entry.encoder is None:
        draft.set("encoder", None, "the network has a trunk of its own")
    elif entry.encoder == DEFAULT_ENCODER:
        draft.set("encoder", entry.encoder, "small and fast, and its ImageNet weights install as a package")
    else:
        draft.set("encoder", entry.encoder, "the trunk of the paper")
    draft.set("weights", "auto", "ImageNet weights where they are at hand")


def choose_channels(draft: Draft, fingerprint: Fingerprint) -> None:
    """Choose how pictures are read: their channels, and the range of values of pictures deeper than 8 bits."""
    channels = fingerprint.channels
    if channels in (1, 3) and MODELS[draft.values["model"]].encoder is not None:
        draft.set("in_channels", 3, "ImageNet weights expect RGB; grey pictures are repeated over the channels")
    else:
        draft.set("in_channels", channels, f"the pictures have {counted(channels, 'channel')}")
    if "value_range" in draft.values:
        draft.set("number_type", ANY_TYPE, "the range of values was set by hand")
    else:
        draft.set("number_type", fingerprint.dtype, "what the pictures hold; others are refused")
    if fingerprint.value_range is not None:
        low, high = fingerprint.value_range
        draft.set(
            "value_range", fingerprint.value_range, f"pictures are deeper than 8 bits; {low:g} .. {high:g} holds them"
        )


def short_of_time(work: float) -> str:
    """Say in a reason that a step has only a share of the usual work; empty for all of it."""
    return "" if work >= 1 else f"; {100 * work:.0f}% of that, as time is short"


def crop_size(height: int, width: int, limit: int) -> tuple[int, int]:
    """Largest crop of at most about ``limit`` pixels with the shape of the picture, in multiples of 32.

    Args:
        height: the height of a typical picture, in pixels.
        width: the width of a typical picture, in pixels.
        limit: most pixels a crop may have.
    """
    shrink = min(1.0, (limit / (height * width)) ** 0.5)
    shrink = max(shrink, min(1.0, 96 / min(height, width)))  # very long pictures still get crops of some height
    sides = [max(2, round(shrink * side / CROP_UNIT)) * CROP_UNIT for side in (height, width)]
    while sides[0] * sides[1] > 1.15 * limit and max(sides) > 2 * CROP_UNIT:
        sides[int(np.argmax(sides))] -= CROP_UNIT
    return sides[0], sides[1]


def choose_vertical_flips(draft: Draft, fingerprint: Fingerprint) -> None:
    """Choose whether crops are mirrored top to bottom, which they are not if the data have an up and a down."""
    if fingerprint.upright:
        draft.set("vflip", False, "up and down usually matter")
    else:
        draft.set("vflip", True, f"in {counted(fingerprint.images, 'picture')}, classes lie above as they lie below")


def choose_machine_use(draft: Draft, machine: Machine) -> None:
    """Choose precision, memory order, workers and memory by the machine."""
    if machine.native_bfloat16:
        draft.set("precision", "bf16-mixed", f"this {machine.device} computes in bfloat16")
    elif machine.device == "cuda":
        draft.set("precision", "16-mixed", "this GPU computes in float16")
    else:
        draft.set("precision", "32-true", f"this {machine.device} has no fast 16-bit arithmetic")
    draft.set("channels_last", True, "the memory order that convolutions compute fastest in")
    workers = 0 if machine.device == "cpu" else min(8, max(1, machine.cores - 1))
    draft.set("workers", workers, "steps take far longer than crops" if not workers else "crops keep the GPU fed")
    draft.set("cache_bytes", machine.main_memory // 4, "a quarter of the free memory holds decoded pictures")
    draft.set("seed", 0, "the same run again gives the same stream of crops")
    draft.set("devices", 1, "one unless more are asked for")
    draft.set("nodes", 1, "one unless more are asked for")


def plan_steps(
    draft: Draft, fingerprint: Fingerprint, *, epochs: float | None, seconds: float | None, pace: tuple[float, float]
) -> None:
    """Fix the number of steps, how often to validate, and what depends on them.

    Args:
        draft: all other settings.
        fingerprint: the training pictures.
        epochs: times that every pixel is seen once on average; or None.
        seconds: time left for training and its validations; or None. One of the two is given.
        pace: measured seconds of a step and of a validation.
    """
    step_seconds, validation_seconds = pace[0], pace[1] + SAVING_SECONDS
    epoch_steps = max(1.0, fingerprint.pixels / (draft.values["batch"] * np.prod(draft.values["crop"])))
    if seconds is not None:
        validations = int(np.clip(0.05 * seconds / validation_seconds, 1, 12))
        steps = max(2, int((seconds - validations * validation_seconds) / step_seconds))
        reason = f"{seconds:.0f} s at {1000 * step_seconds:.0f} ms per step, less {counted(validations, 'validation')}"
    else:
        assert epochs is not None
        steps = max(2, round(epochs * epoch_steps))
        validations = int(np.clip(0.05 * steps * step_seconds / validation_seconds, 1, max(1, min(epochs, 50))))
        reason = f"{counted(f'{epochs:g}', 'epoch')} of {counted(f'{epoch_steps:.4g}', 'step')}"
    interval = -(-steps // min(validations, steps))
    steps = draft.set("steps", interval * -(-steps // interval), reason)
    interval = min(interval, steps)
    while steps % interval:  # steps set by hand: the next larger interval that ends on the last step
        interval += 1
    draft.set("validate_every", interval, f"{validation_seconds:.1f} s each; about a twentieth of the time at most")
    decay = min(0.9995, max(0.5, 1 - 40 / steps))
    draft.set("ema_decay", decay, f"averages the last {counted(f'{1 / (1 - decay):.0f}', 'step')} or so")
