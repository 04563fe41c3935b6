"""Options that come with a file: only those that the model has, each of the type that its builder declares."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pixelwise.errors import ModelError, unknown_name
from pixelwise.models.build import MODELS
from pixelwise.models.description import explain


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options that a file gives for a model, the encoder and the channels of pictures among them.

    No other argument of :func:`pixelwise.models.build_model` may come from a file: ``pretrained`` would ask the
    network for weights.

    Args:
        name: the name of the model.
        options: name -> value, in plain JSON types.

    Raises:
        ModelError: there is no such model, or it has no such option, or an option has a value of another type.
    """
    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    known = _options_of(name)
    for option in options:
        if option not in known.model_fields:
            raise ModelError(unknown_name(f"option of model '{name}'", option, known.model_fields))
    try:
        known.model_validate(dict(options))
    except ValidationError as error:
        raise ModelError(explain(error, f"what it says of model '{name}'")) from None
    return dict(options)


@functools.cache
def _options_of(name: str) -> type[BaseModel]:
    """Make the form that the options of a model have, from the signature of its builder."""
    entry = MODELS[name]
    types = get_type_hints(entry.build)
    fields: dict[str, Any] = {
        parameter.name: (types[parameter.name], parameter.default)
        for parameter in inspect.signature(entry.build).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields["in_channels"] = (Annotated[int, Field(ge=1)], 3)
    if entry.encoder is not None:
        fields["encoder"] = (str, entry.encoder)
    strict = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
    made: type[BaseModel] = create_model(f"Options of {name}", __config__=strict, **fields)
    return made
