"""The settings of a run that goes on: those it began with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixelwise.errors import SettingError, quoted
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings

FREE = ("workers", "cache_bytes", "devices", "nodes", "accumulate")
"""Settings that may change from one start to the next, because the steps do not depend on them (or hardly)."""


def held_settings(run: RunFolder, fixed: Mapping[str, Any]) -> Settings:
    """Give the settings that a run began with, with those that may change as they are given now.

    Args:
        run: the run folder; the settings are awaited, as other processes may still write them.
        fixed: the settings given now; it does not matter if they repeat those of the run.

    Raises:
        SettingError: settings given now contradict those of the run.
    """
    settings = run.await_settings()
    saved = settings.model_dump(mode="json")
    contradicted = []
    for name, given in fixed.items():
        if name == "model_options":
            of_run = {option: saved[name].get(option) for option in given}
            contradicted += [
                f"{option} {quoted(value)} (the run has {quoted(of_run[option])})"
                for option, value in given.items()
                if _plain(value) != of_run[option]
            ]
        elif name not in FREE and _plain(given) != saved[name]:
            contradicted.append(f"{name} {_show(given)} (the run has {_show(saved[name])})")
    if contradicted:
        raise SettingError(
            f"{run.path}: a run that goes on keeps its settings, and these differ: {', '.join(contradicted)}; leave "
            "them out, or begin a new run in another folder"
        )
    changed = {name: fixed[name] for name in FREE if name in fixed and fixed[name] != saved[name]}
    if not changed:
        return settings
    reasons = {**settings.reasons, **dict.fromkeys(changed, "set by hand when the run went on")}
    return Settings.make({**settings.model_dump(), **changed, "reasons": reasons})


def _plain(value: Any) -> Any:
    """A value as JSON holds it, where a sequence is a list."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _show(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
