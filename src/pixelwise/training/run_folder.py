"""The run folder: the results of a run, and what is needed to resume it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.data.annotations.json_files import as_dict, as_list, read_json
from pixelwise.errors import DataError, ModelError, SettingError, quoted
from pixelwise.models.model_file import MODEL_FILE, find_model_file

if TYPE_CHECKING:
    from pixelwise.training.settings import Settings


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, by name. ``settings.yaml`` appears first and means that the run has begun."""

    path: Path

    @property
    def settings_file(self) -> Path:
        """The settings, with reasons."""
        return self.path / "settings.yaml"

    @property
    def splits_file(self) -> Path:
        """The pictures for training and for validation, with the label space by which they were read."""
        return self.path / "splits.json"

    @property
    def schedule_file(self) -> Path:
        """The decisions to end the run earlier than planned; absent if there were none."""
        return self.path / "schedule.json"

    @property
    def checkpoint(self) -> Path:
        """The newest state of training, to resume from."""
        return self.path / "last.ckpt"

    @property
    def previous_checkpoint(self) -> Path:
        """The state before it, to resume from if the newest one is damaged."""
        return self.path / "previous.ckpt"

    @property
    def damaged_checkpoint(self) -> Path:
        """A state that was found to be damaged when the run was resumed."""
        return self.path / "damaged.ckpt"

    @property
    def model_file(self) -> Path:
        """The best model so far."""
        return self.path / MODEL_FILE

    @property
    def metrics_file(self) -> Path:
        """Loss, learning rate and scores over the steps."""
        return self.path / "metrics.csv"

    @property
    def scores_file(self) -> Path:
        """Final scores; present once the run has finished."""
        return self.path / "scores.json"

    @property
    def preview_file(self) -> Path:
        """Validation pictures by the weights of the last validation."""
        return self.path / "preview.png"

    @property
    def report_file(self) -> Path:
        """The report page."""
        return self.path / "report.html"

    def open(self, *, resume: bool) -> None:
        """Prepare the folder for a new run, or make sure that its run can be resumed.

        Raises:
            SettingError: a finished run; an unfinished one without ``resume``; nothing to resume; not writable.
        """
        if self.scores_file.exists():
            raise SettingError(
                f"{self.path}: this run has finished; choose another folder, or delete this one", argument="out"
            )
        if self.settings_file.exists() and not resume:
            raise SettingError(
                f"{self.path}: an unfinished run is here; resume it, or choose another folder", argument="resume"
            )
        if resume and not self.settings_file.exists():
            raise SettingError(f"{self.path}: there is no run to resume; start a new one instead", argument="resume")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"{self.path}: the run folder cannot be made ({error.strerror}); choose another", argument="out"
            ) from None
        if not os.access(self.path, os.W_OK):
            raise SettingError(f"{self.path}: the run folder is not writable; choose another", argument="out")

    def await_settings(self, *, seconds: float = 600.0) -> Settings:
        """Wait for the first process of a distributed run to write the settings, then read them."""
        deadline = time.monotonic() + seconds
        while not self.settings_file.exists():
            if time.monotonic() > deadline:
                raise SettingError(f"{self.path}: no settings appeared here; do all machines share this folder?")
            time.sleep(0.2)
        from pixelwise.training.settings import Settings  # here, because scoring needs none, and no torch

        return Settings.load(self.settings_file)


def saved_split(model: str | Path, data_root: Path, *, split: str = "val") -> list[str] | None:
    """Ids of the pictures that a model's run kept for validation, if the model was trained on this data.

    Args:
        model: a run folder or a model file inside one.
        data_root: the folder that is about to be scored.
        split: which of the saved splits.

    Returns:
        The ids, or None where the model has no run folder or the run was trained on other data.

    Raises:
        DataError: the run's list of splits is damaged.
    """
    try:
        run = RunFolder(find_model_file(model).parent)
    except ModelError:
        return None
    if not run.splits_file.is_file():
        return None
    where = str(run.splits_file)
    described = as_dict(read_json(run.splits_file), where)
    if described.get("data") != str(data_root.resolve()):
        return None
    splits = as_dict(described.get("splits"), f"{where}: splits")
    if split not in splits:
        return None
    ids = as_list(splits[split], f"{where}: {split}")
    for id in ids:
        if not isinstance(id, str):
            raise DataError(f"{where}: {split}: expected the ids of pictures, found {quoted(id)}")
    if len(set(ids)) < len(ids):
        raise DataError(f"{where}: {split}: a picture is there twice")
    return ids
