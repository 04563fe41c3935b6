"""The base classes of the options of models, how options are checked, and the types that several of them use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Self, TypeVar

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from pixelwise.errors import SettingError, quoted, unknown_name

T = TypeVar("T")

Several = Annotated[tuple[T, ...], Strict(False)]
"""A tuple of values of one type; a list, as in JSON and YAML, is converted to a tuple."""

Count = Annotated[int, Field(ge=1)]
"""A number of channels or proposals, a dilation and the like."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1, such as a probability."""

Factor = Annotated[float, Field(gt=0)]
"""A positive factor."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class ModelOptions:
    """Options of a model; each has its declared type, and nothing is converted except lists to tuples.

    An integer is accepted as a float; ``True`` and the string ``"2"`` are not accepted as numbers. Subclasses are
    decorated with pydantic's ``dataclass``, frozen. What a type cannot express, they may check in ``__post_init__``,
    which then raises a SettingError.
    """

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the options."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def read(cls, given: Mapping[str, Any], *, model: str) -> Self:
        """Make options from values that a user or a file gives.

        Args:
            given: name -> value; options that are left out have their defaults.
            model: the name of the model, for the message.

        Raises:
            SettingError: there is no such option, or it cannot have this value.
        """
        for name in given:
            if name not in cls.names():
                raise SettingError(unknown_name(f"option of model '{model}'", name, cls.names()))
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            told = first.get("ctx", {}).get("error")
            if isinstance(told, SettingError):
                raise told from None
            option, reason = first["loc"][0], first["msg"]
            raise SettingError(
                f"option '{option}' of model '{model}' cannot be {quoted(given[str(option)])}: "
                f"{reason[:1].lower()}{reason[1:]}"
            ) from None


@dataclass(frozen=True, kw_only=True)
class PictureOptions(ModelOptions):
    """The option that every model takes.

    Args:
        in_channels: channels of the pictures.
    """

    in_channels: Count = 3


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(PictureOptions):
    """The options that every model on an encoder takes.

    Args:
        encoder: the name of the encoder.
    """

    encoder: str


@dataclass(frozen=True, kw_only=True)
class PaperOptions(ModelOptions):
    """The option that all networks of the papers take.

    Args:
        width: factor on all numbers of channels except those of pictures and classes; 1.0 is the paper's, and smaller
            factors are for tests and small machines.
    """

    width: Factor = 1.0
