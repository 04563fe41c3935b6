"""What the options of all models have in common: how they are checked, and the types that several of them use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Self, TypeVar

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from pixelwise.errors import SettingError, quoted, unknown_name

T = TypeVar("T")

Several = Annotated[tuple[T, ...], Strict(False)]
"""Values of one type in a row; a list, as JSON and YAML have it, becomes a tuple."""

Count = Annotated[int, Field(ge=1)]
"""Such as channels, dilations or proposals."""

Share = Annotated[float, Field(ge=0, le=1)]
"""Such as a probability."""

Factor = Annotated[float, Field(gt=0)]
"""What something is multiplied with."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class ModelOptions:
    """Options of a model, each of its declared type, however they are made: nothing is converted but lists to tuples.

    An integer will do for a float; ``True`` is no number, and the word ``"2"`` neither. Subclasses are decorated with
    pydantic's ``dataclass``, frozen, and may check in ``__post_init__`` what one type cannot say, by a SettingError.
    """

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the options."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def read(cls, given: Mapping[str, Any], *, model: str) -> Self:
        """Make options from what a person or a file gives.

        Args:
            given: name -> value; those left out are as by default.
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
    """What every model is told of its pictures.

    Args:
        in_channels: channels of the pictures.
    """

    in_channels: Count = 3


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(PictureOptions):
    """What a model on an encoder is told beside that.

    Args:
        encoder: the name of the encoder.
    """

    encoder: str


@dataclass(frozen=True, kw_only=True)
class PaperOptions(ModelOptions):
    """What all networks of the papers take.

    Args:
        width: factor on all channels but those of pictures and classes; 1.0 is the paper's, less is for tests and
            small machines.
    """

    width: Factor = 1.0
