"""Measuring the time of a step and of a validation, on copies, so that the run itself starts unchanged."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch

from pixelwise.listener import Listener
from pixelwise.training.stream import BatchT, CropT, PictureT, Stream
from pixelwise.training.task_parts import Task

WARM_STEPS = 3
TIMED_STEPS = 8
TIMED_PICTURES = 6
MOST_TIMING_SECONDS = 25.0
"""The most seconds that are spent on timing steps; at least two steps are timed. Less where time is short."""
BOOKKEEPING_FACTOR = 1.06
"""The factor that averaging, logging and the trainer add to the time of a step; measured on CamVid on two cores."""
MEASURED_STEPS = WARM_STEPS + TIMED_STEPS
"""The steps that a stream must have for the measurement."""


def measure_pace(
    task: Task[BatchT, PictureT],
    stream: Stream[CropT, BatchT, PictureT],
    device: torch.device,
    listener: Listener,
    *,
    most_seconds: float = MOST_TIMING_SECONDS,
) -> tuple[float, float]:
    """Measure seconds per step and seconds per whole validation.

    The median of the steps is taken, so that one slow step does not change the length of the run.

    Args:
        task: defines what a step does; it is copied with its model.
        stream: the data that steps read, at least :data:`MEASURED_STEPS` steps long.
        device: where to measure.
        listener: is told how far the measurement is.
        most_seconds: the most seconds that are spent on steps, and on pictures; at least two of each are timed.
    """
    settings = stream.settings
    trial = copy.deepcopy(task).to(device)
    if settings.channels_last:
        trial.model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(trial.model.parameters())
    share = max(1, settings.batch // (settings.devices * settings.nodes))
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(settings.precision, torch.float32)
    pictures = len(stream.pictures)
    timed_pictures = min(TIMED_PICTURES, pictures)

    def step(number: int) -> None:
        for first in range(number * share, (number + 1) * share, share // settings.accumulate):
            crops = stream.batch(range(first, first + share // settings.accumulate))
            batch: BatchT = trial.transfer_batch_to_device(crops, device, 0)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss = trial.loss_of(batch)
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        progress(number + 1, planned)

    def validate(number: int) -> None:
        picture: PictureT = trial.transfer_batch_to_device(stream.pictures[number % pictures], device, 0)
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            trial.validation_step(picture, number)
        progress(MEASURED_STEPS + number + 1, planned)

    planned = MEASURED_STEPS + 1 + timed_pictures
    with listener.progress("timing a few steps", planned) as progress:
        trial.train()
        step_seconds = _median_seconds(step, WARM_STEPS, TIMED_STEPS, device, most_seconds)
        trial.eval()
        trial.simulate_trained_output(stream.pictures)
        picture_seconds = _median_seconds(validate, 1, timed_pictures, device, most_seconds)
    return BOOKKEEPING_FACTOR * step_seconds, max(
        1e-3, picture_seconds * pictures / (settings.devices * settings.nodes)
    )


def _median_seconds(
    work: Callable[[int], None], warm: int, timed: int, device: torch.device, most_seconds: float
) -> float:
    seconds: list[float] = []
    for number in range(warm + timed):
        if len(seconds) > 2 and sum(seconds) > most_seconds:
            break
        start = time.perf_counter()
        work(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    counted = sorted(seconds[min(warm, max(1, len(seconds) - 2)) :])
    return counted[len(counted) // 2]
