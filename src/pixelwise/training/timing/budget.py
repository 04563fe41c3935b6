"""The time that a whole command may take, and what of it is left for training."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from pixelwise.training.timing.pace import MOST_TIMING_SECONDS

TIMING_SHARE = 0.08
"""The most of the time that is spent on timing steps."""
SCORING_VALIDATIONS = 1.3
"""The time of scoring with all figures, and of drawing the report, in times of a validation; measured on CamVid."""
HALO_PICTURES, HALO_PIXELS = 110, 32e6
"""The time of choosing the halo of tiles, in times of predicting a picture of 360x480 or less, and in pixels of larger
pictures, of which windows see a part; measured on CamVid."""
FINISHING_SHARE = 0.02
"""The share of the time that is kept for delays in addition."""


@dataclass(frozen=True)
class Budget:
    """The time of a run.

    Args:
        started: the value of ``time.monotonic()`` when it began.
        seconds: how long the run may take, with all that follows training.
        finishing: the time of what follows training in times of a validation.
    """

    started: float
    seconds: float
    finishing: float = SCORING_VALIDATIONS

    def with_halo(self, *, pictures: int, size: tuple[int, int]) -> Budget:
        """Keep time for choosing the halo of tiles, too.

        Args:
            pictures: the number of validation pictures.
            size: height and width of a typical picture in pixels.
        """
        halo = min(HALO_PICTURES, HALO_PIXELS / (size[0] * size[1])) / max(1, pictures)
        return replace(self, finishing=SCORING_VALIDATIONS + halo)

    @property
    def timing_seconds(self) -> float:
        """The most seconds for timing steps."""
        return min(MOST_TIMING_SECONDS, TIMING_SHARE * self.seconds)

    def deadline(self, validation_seconds: float) -> float:
        """The value of ``time.monotonic()`` when training must be over, its last validation included."""
        return self.started + self.seconds - self._finishing(validation_seconds)

    def for_training(self, validation_seconds: float) -> float:
        """Seconds from now that are left for training and its validations; negative if there are none."""
        return self.deadline(validation_seconds) - time.monotonic()

    def too_short(self, pace: tuple[float, float]) -> str:
        """Say that the time is too short, and how long would do.

        Args:
            pace: measured seconds of a step and of a validation.
        """
        ready = time.monotonic() - self.started
        needed = (ready + 10 * pace[0] + (1 + self.finishing) * pace[1]) / (1 - FINISHING_SHARE)
        return (
            f"{self.seconds / 60:g} leaves no time to train: getting ready took {ready:.0f} s, a step takes "
            f"{pace[0]:.1f} s here, a validation {pace[1]:.0f} s, and what follows training "
            f"{self._finishing(pace[1]):.0f} s; give at least {math.ceil(needed / 6) / 10:g}"
        )

    def _finishing(self, validation_seconds: float) -> float:
        return self.finishing * validation_seconds + FINISHING_SHARE * self.seconds
