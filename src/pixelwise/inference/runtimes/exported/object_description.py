"""What an exported file of a network that finds objects says of itself; see :mod:`.description`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pixelwise import __version__
from pixelwise.card import ModelCard
from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.exported.description import (
    LARGEST_PIXEL_BYTES,
    card_in,
    known_tiles,
    read_written,
)

MOST_FIXED_BYTES, LARGEST_OBJECT_SIDE = 2.0**44, 2.0**15
"""The most memory that computing may be said to take whatever the picture, and the longest side of objects."""

LARGEST_MASK_SIDE = 1024
"""The most cells along a side of a mask."""


@dataclass(frozen=True)
class ObjectDescription:
    """The description in an exported file of a network that finds objects.

    Args:
        card: the card of the model, with the rule of what counts as an object.
        bytes_per_pixel: the memory that computing takes for each input pixel.
        bytes_more: the memory that it takes whatever the input.
        largest: the side in pixels of the largest objects that the network was made for.
        mask_side: the cells along a side of a mask; None where only boxes are found.
        parity: how the file was compared with the model when it was written, in plain JSON types.
    """

    card: ModelCard
    bytes_per_pixel: float
    bytes_more: float
    largest: float
    mask_side: int | None
    parity: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Write the description as JSON: the parts of the card, and ``export`` beside them."""
        export = {
            "bytes_per_pixel": self.bytes_per_pixel,
            "bytes_more": self.bytes_more,
            "largest": self.largest,
            "mask_side": self.mask_side,
            "parity": dict(self.parity),
            "tiles": known_tiles(self.card.geometry),
        }
        return json.dumps({"version": __version__, **self.card.to_dict(), "export": export}, ensure_ascii=False)


def parse_object_description(text: str) -> ObjectDescription:
    """Read what :meth:`ObjectDescription.to_text` wrote.

    Raises:
        ModelError: it is no JSON, or a part of it is missing, unknown or has a value that it cannot have.
    """
    written = read_written(text, _Written)
    card = card_in(written)
    if not card.geometry.whole:
        raise ModelError("its description makes no sense: each of its objects depends on the whole picture")
    export = written.export
    return ObjectDescription(
        card, export.bytes_per_pixel, export.bytes_more, export.largest, export.mask_side, export.parity
    )


class _Export(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    bytes_per_pixel: Annotated[float, Field(gt=0, le=LARGEST_PIXEL_BYTES)]
    bytes_more: Annotated[float, Field(ge=0, le=MOST_FIXED_BYTES)]
    largest: Annotated[float, Field(gt=0, le=LARGEST_OBJECT_SIDE)]
    mask_side: Annotated[int, Field(ge=1, le=LARGEST_MASK_SIDE)] | None
    parity: dict[str, JsonValue]
    tiles: dict[str, JsonValue]


class _Written(BaseModel):
    """The text in the file; the parts of the card are checked by :func:`pixelwise.models.description.parse_card`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", allow_inf_nan=False)

    export: _Export
