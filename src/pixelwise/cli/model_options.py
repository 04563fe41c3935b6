"""Parsing options of a model on the command line: ``--set KEY=VALUE``."""

from __future__ import annotations

import math
from typing import Any

from pixelwise.errors import ModelError, SettingError, quoted, unknown_name

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
        What :func:`pixelwise.models.build_model` takes by keyword, of the types that it expects.

    Raises:
        ModelError: there is no such model.
        SettingError: no such option or setting, a setting that does not affect the network, or an invalid value.
    """
    from pixelwise.models import MODELS
    from pixelwise.models.build import option_types
    from pixelwise.training.settings import Settings, read_assignments

    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    types = option_types(name)
    values = read_assignments(assignments, example="width=0.25")
    options = values.pop("model_options", {})
    if not isinstance(options, dict):
        raise _error(f"model_options={quoted(options)}: expected options, such as 'model_options={{width: 0.25}}'")
    for key in options:
        if key not in types:
            raise _error(unknown_name(f"option of model '{name}'", str(key), types))
    for key in values:
        if key in types or key in NETWORK_SETTINGS:
            continue
        if key in SET_BY_OTHER_ARGUMENTS:
            raise _error(f"{key} is not set: {SET_BY_OTHER_ARGUMENTS[key]}")
        if key in Settings.model_fields:
            raise _error(
                f"{key} decides how a network is trained and not what it is; leave it out. Here can be set: "
                f"{', '.join([*NETWORK_SETTINGS, *types])}"
            )
        raise _error(unknown_name(f"setting or option of model '{name}'", key, [*NETWORK_SETTINGS, *types]))
    known = {"encoder": str, "in_channels": int} | types
    return {key: _read(name, key, value, known[key]) for key, value in {**options, **values}.items()}


def _read(model: str, key: str, value: Any, kind: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    what = f"setting '{key}'" if key in NETWORK_SETTINGS else f"option '{key}' of model '{model}'"
    try:
        read = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise _error(f"{what} cannot be {quoted(value)}: {reason[:1].lower()}{reason[1:]}") from None
    if isinstance(read, int | float) and not 0 <= read < math.inf:  # nor NaN
        raise _error(f"{what} cannot be {quoted(value)}: numbers are 0 or above")
    return read


def _error(text: str) -> SettingError:
    return SettingError(text, argument="set")
