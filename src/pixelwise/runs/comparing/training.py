"""Training several models alike, one after the other, so that an interrupted comparison goes on where it stopped."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelwise.data.annotations.json_files import as_dict, read_json
from pixelwise.data.source import DataSource
from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.io.atomic import write_json, write_text
from pixelwise.listener import Listener
from pixelwise.runs.comparing.names import NamedModel
from pixelwise.runs.train import train
from pixelwise.training.run_folder import RunFolder
from pixelwise.words import counted

PLAN_FILE = "plan.json"
"""What all models of a comparison share, in its folder; another one may not go on there."""
FAILURE_FILE = "failure.txt"
"""In a run folder: where training failed, for those who look for a fault of the code."""


@dataclass(frozen=True)
class Budget:
    """What each run is given.

    Args:
        minutes: time for each run; or None.
        epochs: how often every pixel is seen on average; or None.
        seeds: how many runs each model has; the seeds are 0, 1, ...
        settings: further settings that all models share.
    """

    minutes: float | None
    epochs: float | None
    seeds: int
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.minutes is not None and self.epochs is not None:
            raise SettingError("give a time or a number of epochs, not both", argument="minutes")
        if self.minutes is None and self.epochs is None and "steps" not in self.settings:
            raise SettingError("give a time, epochs or steps for each run", argument="minutes")
        for name in ("minutes", "epochs", "seeds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingError(f"must be positive, got {value:g}", argument=name)

    @property
    def words(self) -> str:
        """The budget in words."""
        parts = []
        if self.minutes is not None:
            parts.append(counted(f"{self.minutes:g}", "minute"))
        if self.epochs is not None:
            parts.append(counted(f"{self.epochs:g}", "epoch"))
        parts += [f"{name} {value}" for name, value in self.settings.items()]
        return f"{', '.join(parts)} for each run, {counted(self.seeds, 'seed')} for each model"

    def hold(self, out: Path, data: Path) -> None:
        """Write the budget into the folder of a comparison, or make sure that the one there is the same.

        Models and seeds may be added later.

        Raises:
            SettingError: another comparison is in the folder.
        """
        now = {
            "data": str(data.resolve()),
            "minutes": self.minutes,
            "epochs": self.epochs,
            "settings": {name: list(v) if isinstance(v, tuple) else v for name, v in self.settings.items()},
        }
        file = out / PLAN_FILE
        if not file.is_file():
            write_json(file, now)
            return
        before = as_dict(read_json(file), str(file))
        for name, value in now.items():
            if before.get(name) != value:
                raise SettingError(
                    f"{out}: a comparison with {name} {before.get(name)} is here, which is not {value}; give the same, "
                    "or choose another folder",
                    argument="out",
                )


@dataclass(frozen=True)
class TrainedModel:
    """The runs of a model.

    Args:
        name: as it was asked for.
        runs: the folders of finished runs.
        problems: why others failed.
    """

    name: str
    runs: tuple[Path, ...]
    problems: tuple[str, ...]


def train_models(
    models: Sequence[NamedModel], source: DataSource, out: Path, budget: Budget, *, listener: Listener
) -> tuple[TrainedModel, ...] | None:
    """Train each model with each seed; finished runs are kept, and an unfinished one is resumed.

    A run that fails is noted, and the others go on.

    Args:
        models: the models.
        source: the data; all runs train on one split of it.
        out: the folder of the comparison, which gets the run folders.
        budget: what each run is given.
        listener: it is told the progress.

    Returns:
        The runs of each model; None if training was stopped before the end.
    """
    total = len(models) * budget.seeds
    runs: dict[str, list[Path]] = {model.name: [] for model in models}
    problems: dict[str, list[str]] = {model.name: [] for model in models}
    # Seed by seed, so that a comparison that is stopped early has a run of every model.
    todo = [(seed, model) for seed in range(budget.seeds) for model in models]
    for number, (seed, model) in enumerate(todo, 1):
        run = RunFolder(out / f"{model.folder}-seed{seed}")
        if run.scores_file.is_file():
            listener.say(f"{number} of {total}: {run.path} has finished")
            runs[model.name].append(run.path)
            continue
        listener.say(f"{number} of {total}: {model.name}, seed {seed}")
        try:
            with _same_signals():
                done = train(
                    source,
                    out=run.path,
                    minutes=budget.minutes,
                    epochs=budget.epochs,
                    resume=run.settings_file.is_file(),
                    listener=listener,
                    **{**budget.settings, **model.settings, "seed": seed},
                )
        except Exception as error:  # whatever it was, the other models can still be compared
            reason = _reason(error)
            problems[model.name].append(f"seed {seed}: {reason}")
            listener.warn(f"{model.name}, seed {seed} failed: {reason}")
            if run.path.is_dir():
                write_text(run.path / FAILURE_FILE, traceback.format_exc())
            continue
        if done.stopped:
            return None
        (run.path / FAILURE_FILE).unlink(missing_ok=True)
        runs[model.name].append(run.path)
    return tuple(TrainedModel(model.name, tuple(runs[model.name]), tuple(problems[model.name])) for model in models)


def _reason(error: Exception) -> str:
    """Word an error; one that is not foreseen begins with its type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PixelwiseError) else f"{type(error).__name__}: {text[:500]}"


@contextmanager
def _same_signals() -> Iterator[None]:
    """Restore what Ctrl-C does, which a training that fails leaves changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
