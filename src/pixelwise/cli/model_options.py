"""Parsing options of a model on the command line: ``--set KEY=VALUE``."""

from __future__ import annotations

from typing import Any

from pixelwise.errors import SettingError, quoted, unknown_name

NETWORK_SETTINGS = ("encoder", "in_channels", "model_options")
"""Settings of ``train`` that decide what the network is."""

SET_BY_OTHER_ARGUMENTS = {
    "model": "the model is the NAME that is inspected",
    "classes": "give --classes K",
    "crop": "give --size HxW",
}
"""Names that cannot be set this way -> what to do instead."""


def read_model_options(name: str, assignments: list[str]) -> dict[str, Any]:
    """Read settings of a model: those of ``train`` that decide what it is, and its own options by their names.

    ``--set width=0.25`` means the same as ``--set 'model_options={width: 0.25}'``; if an option is given in both ways,
    the first one counts.

    Args:
        name: the name of the model.
        assignments: ``KEY=VALUE``, as for ``train``.

    Returns:
        What :func:`pixelwise.models.build_model` takes by keyword; it checks the values.

    Raises:
        ModelError: there is no such model.
        SettingError: no such option or setting, or a setting that does not affect the network.
    """
    from pixelwise.models.build import find_entry
    from pixelwise.training.settings import Settings, read_assignments

    own = find_entry(name).options.names()
    values = read_assignments(assignments, example="width=0.25")
    options = values.pop("model_options", {})
    if not isinstance(options, dict):
        raise _error(f"model_options={quoted(options)}: expected options, such as 'model_options={{width: 0.25}}'")
    for key in options:
        if key not in own:
            raise _error(unknown_name(f"option of model '{name}'", str(key), own))
    for key in values:
        if key in own or key in NETWORK_SETTINGS:
            continue
        if key in SET_BY_OTHER_ARGUMENTS:
            raise _error(f"{key} is not set: {SET_BY_OTHER_ARGUMENTS[key]}")
        if key in Settings.model_fields:
            raise _error(
                f"{key} decides how a network is trained and not what it is; leave it out. Here can be set: "
                f"{', '.join([*NETWORK_SETTINGS, *own])}"
            )
        raise _error(unknown_name(f"setting or option of model '{name}'", key, [*NETWORK_SETTINGS, *own]))
    return {**options, **values}


def _error(text: str) -> SettingError:
    return SettingError(text, argument="set")
