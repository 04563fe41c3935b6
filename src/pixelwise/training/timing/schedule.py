"""The learning rate over the steps of a run, also of one whose length changes while it runs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from pixelwise.data.annotations.json_files import as_dict, as_list, read_json
from pixelwise.errors import DataError
from pixelwise.io.atomic import write_json
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.words import counted

MOST_LENGTHENING = 4
"""The most steps that a run may have, in times of its plan; its stream of crops is as long."""


@dataclass(frozen=True)
class Change:
    """A decision to end a run earlier, or later again.

    Args:
        at: the step after which it was taken.
        steps: the steps of the whole run since then.
    """

    at: int
    steps: int


class Schedule:
    """The steps of a run and the learning rate at each.

    After a change the rest of the planned curve is passed through faster or slower, so that the rate does not jump and
    still ends at zero.

    Args:
        settings: the plan.
        changes: decisions on its end, in their order.
    """

    def __init__(self, settings: Settings, changes: tuple[Change, ...] = ()) -> None:
        self.settings = settings
        self.changes = changes

    @property
    def steps(self) -> int:
        """The steps of the run, as it is decided now."""
        return self.changes[-1].steps if self.changes else self.settings.steps

    def change(self, at: int, steps: int) -> None:
        """Decide after step ``at`` that the run has ``steps``, which is more than ``at``, and bounded."""
        assert at < steps <= MOST_LENGTHENING * self.settings.steps
        self.changes = (*self.changes, Change(at, steps))

    def place(self, step: int) -> float:
        """The step of the planned run that has the learning rate of this step."""
        place, speed, since = 0.0, 1.0, 0
        for change in self.changes:
            if step <= change.at:
                break
            place, since = place + speed * (change.at - since), change.at
            speed = (self.settings.steps - place) / (change.steps - change.at)
        return place + speed * (step - since)

    def rate(self, step: int) -> float:
        """Factor of the peak learning rate after ``step`` steps, 0 .. 1."""
        plan = self.settings
        return rate_factor(self.place(step), plan.steps, schedule=plan.schedule, warmup=plan.warmup)

    def sentences(self) -> tuple[str, ...]:
        """The changes in words, for the report of the run."""
        before = [self.settings.steps, *(change.steps for change in self.changes)]
        return tuple(
            f"After {counted(change.at, 'step')} the run was {'shortened' if change.steps < steps else 'lengthened'} "
            f"to {change.steps} of the planned {counted(self.settings.steps, 'step')}, to keep to its time."
            for change, steps in zip(self.changes, before, strict=False)
        )

    def save(self, run: RunFolder) -> None:
        """Write the changes into the run folder; a resumed run reads them."""
        write_json(run.schedule_file, {"steps": self.steps, "changes": [asdict(change) for change in self.changes]})

    @classmethod
    def load(cls, run: RunFolder, settings: Settings) -> Schedule:
        """Read the schedule of a run; as planned if nothing was decided since.

        Raises:
            DataError: the file is damaged.
        """
        if not run.schedule_file.is_file():
            return cls(settings)
        where = str(run.schedule_file)
        changes = as_list(as_dict(read_json(run.schedule_file), where).get("changes"), where)
        try:
            return cls(settings, tuple(Change(int(change["at"]), int(change["steps"])) for change in changes))
        except (KeyError, TypeError, ValueError):
            raise DataError(f"{where}: the decisions on the end of the run are damaged; start a new run") from None


def rate_factor(step: float, steps: int, *, schedule: str, warmup: float) -> float:
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
