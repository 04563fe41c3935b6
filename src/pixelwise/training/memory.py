"""Memory that runs out: the crops of a step are divided into parts whose gradients are averaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.listener import Listener
from pixelwise.models import Model
from pixelwise.training.course import Setup
from pixelwise.training.planning.plan_parts import Draft
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.timing.pace import MEASURED_STEPS
from pixelwise.words import counted


def trial_settings(draft: Draft) -> Settings:
    """Make settings for timing: those of a draft with as many steps as are timed."""
    return Settings.make({**draft.values, "steps": MEASURED_STEPS, "validate_every": 1, "ema_decay": 0.0})


def measure_within_memory(
    setup: Setup[Model], draft: Draft, device: torch.device, listener: Listener, *, most_seconds: float
) -> tuple[float, float]:
    """Measure the pace of a draft; while memory runs out, divide the crops of its steps into more parts.

    Args:
        setup: measures.
        draft: the plan, whose ``accumulate`` may grow.
        device: where to measure.
        listener: is warned of each change.
        most_seconds: the most seconds that are spent on steps.

    Returns:
        Seconds per step and per validation.

    Raises:
        SettingError: memory runs out with a single crop, or in parts that were set by hand.
    """
    by_hand = "accumulate" in draft.values
    while True:
        trial = trial_settings(draft)
        try:
            return setup.measure_pace(trial, device, listener, most_seconds=most_seconds)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            at_once = _crops_at_once(trial)
            parts = _more_parts(trial)
            if parts is None or by_hand:
                raise SettingError(
                    f"memory ran out with {_crops(trial, at_once)}; choose smaller crops, a smaller encoder, or "
                    f"{'a larger accumulate' if by_hand and parts is not None else 'a machine with more memory'}"
                ) from None
        # Outside the handler, whose error still holds what was computed.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        reason = f"memory ran out with {_crops(trial, at_once)} at once"
        draft.values["accumulate"], draft.reasons["accumulate"] = parts, reason
        now = _crops_at_once(trial_settings(draft))
        listener.warn(
            f"{reason}: each step takes {counted(now, 'crop')} at a time and averages the gradients of {parts} parts"
        )


@contextmanager
def explained_memory(settings: Settings, run: RunFolder) -> Iterator[None]:
    """Explain memory that runs out while a run trains.

    Raises:
        PixelwiseError: it did; the message says how the run can go on.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        parts = _more_parts(settings)
        mend = "choose smaller crops or a smaller encoder in a new run"
        if parts is not None:
            mend = f"resume it with accumulate {parts}, which computes each step in {parts} parts"
        raise PixelwiseError(
            f"{run.path}: memory ran out with {_crops(settings, _crops_at_once(settings))} at once; {mend}"
        ) from None


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that memory ran out, on a GPU or not."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def _crops_at_once(settings: Settings) -> int:
    return settings.batch // (settings.devices * settings.nodes * settings.accumulate)


def _more_parts(settings: Settings) -> int | None:
    """The next larger number of parts that divides the crops of a device; None if they are single crops already."""
    share = settings.batch // (settings.devices * settings.nodes)
    return next((parts for parts in range(settings.accumulate + 1, share + 1) if share % parts == 0), None)


def _crops(settings: Settings, count: int) -> str:
    return f"{counted(count, 'crop')} of {settings.crop[0]}x{settings.crop[1]}"
