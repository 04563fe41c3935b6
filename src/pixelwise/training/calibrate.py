"""How long a step and a validation take here, measured on copies so that the run itself starts untouched."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import torch

from pixelwise.training.stream import Stream

WARM_STEPS = 3
TIMED_STEPS = 8
TIMED_PICTURES = 6
ENOUGH_SECONDS = 25.0
"""Steps so slow that timing all of them would take longer are timed only so long, but twice at least."""
BOOKKEEPING = 1.06
"""What averaging, logging and the trainer add to a step; seen on CamVid on two cores."""
MEASURED_STEPS = WARM_STEPS + TIMED_STEPS
"""Steps that a stream must hold for the pace to be measured."""


def measure_pace(task: Any, stream: Stream, device: torch.device) -> tuple[float, float]:
    """Measure seconds a step and seconds a whole validation.

    The median step counts, so that one hiccup of the machine does not stretch or shrink the run.

    Args:
        task: what a step does, a :class:`~pixelwise.training.task_parts.Task`; its model is copied.
        stream: what it reads, at least :data:`MEASURED_STEPS` steps long.
        device: where to measure.
    """
    settings = task.settings
    model = copy.deepcopy(task.model).to(device)
    trial = type(task)(model, settings).to(device)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    share = max(1, settings.batch // (settings.devices * settings.nodes))
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(settings.precision, torch.float32)

    def step(number: int) -> None:
        items = [stream.crops[number * share + k] for k in range(share)]
        batch = trial.transfer_batch_to_device(stream.collate(items), device, 0)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = trial.loss_of(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def validate(number: int) -> None:
        batch = trial.transfer_batch_to_device(stream.pictures[number], device, 0)
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            trial.validation_step(batch, number)

    trial.train()
    step_seconds = _median_seconds(step, WARM_STEPS, TIMED_STEPS, device)
    trial.eval()
    trial.pose_as_trained(stream.pictures)
    pictures = len(stream.pictures)
    timed = min(TIMED_PICTURES, pictures)
    picture_seconds = _median_seconds(lambda number: validate(number % pictures), 1, timed, device)
    return BOOKKEEPING * step_seconds, max(1e-3, picture_seconds * pictures / (settings.devices * settings.nodes))


def _median_seconds(work: Callable[[int], None], warm: int, timed: int, device: torch.device) -> float:
    seconds: list[float] = []
    for number in range(warm + timed):
        if len(seconds) > 2 and sum(seconds) > ENOUGH_SECONDS:
            break
        start = time.perf_counter()
        work(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    counted = sorted(seconds[min(warm, max(1, len(seconds) - 2)) :])
    return counted[len(counted) // 2]
