"""What an exported file says of itself that averages several networks; see :mod:`.description`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.exported.description import (
    ExportDescription,
    parse_description,
    read_written,
)

MOST_MEMBERS = 64
"""The most networks that a file may average."""


@dataclass(frozen=True)
class EnsembleDescription:
    """The description in an exported file that averages several networks.

    Args:
        members: the descriptions of the networks; the names of the tensors of each begin with :func:`member_prefix`.
        parity: how the file was compared with the models when it was written, in plain JSON types.
    """

    members: tuple[ExportDescription, ...]
    parity: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Write the description as JSON: the card of the first model, and ``export`` with those of all."""
        members = [member.to_dict() for member in self.members]
        export = {"members": members, "parity": dict(self.parity)}
        return json.dumps({**members[0], "export": export}, ensure_ascii=False)


def member_prefix(index: int) -> str:
    """Give what the names of all tensors of a network in the graph begin with."""
    return f"{index}."


def parse_ensemble(text: str) -> EnsembleDescription:
    """Read what :meth:`EnsembleDescription.to_text` wrote; of the first card only what stands among the members.

    Raises:
        ModelError: it is no JSON, or a part of it is missing, unknown or has a value that it cannot have.
    """
    export = read_written(text, _Written).export
    members = []
    for number, member in enumerate(export.members, 1):
        try:
            members.append(parse_description(json.dumps(member)))
        except ModelError as error:
            raise ModelError(f"network {number}: {error}") from error.__cause__
    return EnsembleDescription(tuple(members), export.parity)


class _Export(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    members: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=MOST_MEMBERS)]
    parity: dict[str, JsonValue]


class _Written(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow", allow_inf_nan=False)

    export: _Export
