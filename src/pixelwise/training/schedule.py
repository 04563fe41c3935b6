"""Learning rate over a run, as a factor of its peak."""

from __future__ import annotations

import math


def rate_factor(step: int, steps: int, *, schedule: str, warmup: float) -> float:
    """Factor of the peak learning rate at a step.

    It rises linearly over the first ``warmup`` share of the steps, then falls to zero: ``poly`` as
    ``(1 - t) ** 0.9`` (DeepLab), ``cosine`` as half a cosine wave, with t the share of the remaining steps done.

    Args:
        step: steps done so far, 0 .. steps.
        steps: steps of the whole run.
        schedule: ``"poly"`` or ``"cosine"``.
        warmup: share of the steps that the rise takes, 0 .. 1.
    """
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    done = min(1.0, (step - rise) / max(1.0, steps - rise))
    return float((1 - done) ** 0.9) if schedule == "poly" else 0.5 * (1 + math.cos(math.pi * done))
