"""What an exported file says of itself: the card of its model, and what its runtime must know beside that.

The file may come from an untrusted source; the text is checked before anything is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pixelwise import __version__
from pixelwise.card import ModelCard, ModelKind
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.models.description import MOST_CARD_CHARACTERS, explain, parse_card
from pixelwise.placement import Around, Placement, Stretch

WrittenT = TypeVar("WrittenT", bound=BaseModel)

LARGEST_STRIDE, LARGEST_FIRST = 1024, 2.0**15
"""The largest stride of coarse cells, and the farthest from the picture's first pixel that cell 0 lies."""

LARGEST_PIXEL_BYTES = 2.0**32
"""The most memory that a pixel may be said to take; no tile fits into any memory then."""

DescribedKind = Literal["pixels", "objects", "ensemble"]
"""What a file gives: labels, objects, or labels by the averaged probabilities of several networks."""

MOST_MEANS = 64
"""The most means over the picture that a network may take."""


@dataclass(frozen=True)
class ExportDescription:
    """The description in an exported file.

    Args:
        card: the card of the model.
        placement: how coarse cells lie on pictures.
        bytes_per_pixel: the memory that computing takes for each input pixel.
        means: the channels of each mean over the picture that the network takes, in order; their tensors are named by
            :func:`mean_name`.
        parity: how the file was compared with the model when it was written, in plain JSON types.
    """

    card: ModelCard
    placement: Placement
    bytes_per_pixel: float
    means: tuple[int, ...] = ()
    parity: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Write the description as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain JSON types: the parts of the card, and ``export`` beside them."""
        export = {
            "placement": asdict(self.placement),
            "bytes_per_pixel": self.bytes_per_pixel,
            "means": list(self.means),
            "parity": dict(self.parity),
            "tiles": known_tiles(self.card.geometry),
        }
        return {"version": __version__, **self.card.to_dict(), "export": export}


def known_tiles(geometry: Geometry) -> dict[str, int | None]:
    """Tell what tiles must know of a geometry, for those who run the file without pixelwise."""
    return {name: getattr(geometry, name) for name in ("period", "halo", "context", "margin")}


def described_kind(text: str) -> DescribedKind:
    """Tell what a file gives by its description; a description that is faulty counts as that of labels.

    The function that parses it then says what is wrong.
    """
    try:
        told = _Kinded.model_validate_json(text)
    except ValidationError:
        return "pixels"
    return "ensemble" if told.kind == "pixels" and "members" in told.export else told.kind


def mean_name(index: int) -> str:
    """Name the tensor (1, C, 1, 1) of a mean over the picture in the graph."""
    return f"mean.{index}"


def read_written(text: str, kind: type[WrittenT]) -> WrittenT:
    """Read a description of some kind, and check its size and its fields.

    Raises:
        ModelError: it is too long, no JSON, or a field is missing, unknown or has a value that it cannot have.
    """
    if len(text) > MOST_CARD_CHARACTERS:
        raise ModelError(f"its description has {len(text)} characters; {MOST_CARD_CHARACTERS} are the most")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(explain(error, "its description")) from None


def card_in(written: BaseModel) -> ModelCard:
    """Read the card whose parts stand beside the known fields of a description.

    Raises:
        ModelError: a part of it is missing, unknown or has a value that it cannot have.
    """
    try:
        card = parse_card(json.dumps(written.model_extra)).card
    except ValidationError as error:
        raise ModelError(explain(error, "its description")) from None
    if not isinstance(card, ModelCard):
        raise ModelError("its description lacks 'geometry'")
    return card


def parse_description(text: str) -> ExportDescription:
    """Read what :meth:`ExportDescription.to_text` wrote.

    Raises:
        ModelError: it is no JSON, or a part of it is missing, unknown or has a value that it cannot have.
    """
    written = read_written(text, _Written)
    card = card_in(written)
    export = written.export
    placement = export.placement
    if placement.around == "margin" and not card.geometry.margin:
        raise ModelError("its description makes no sense: a margin is mirrored, but its network loses no pixels")
    return ExportDescription(
        card, Placement(**dict(placement)), export.bytes_per_pixel, tuple(export.means), export.parity
    )


class _Kinded(BaseModel):
    """As much of the text as tells which description it is."""

    kind: ModelKind
    export: dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class _Placement(_Part):
    stride: Annotated[int, Field(ge=1, le=LARGEST_STRIDE)]
    first: Annotated[float, Field(ge=-LARGEST_FIRST, le=LARGEST_FIRST)]
    stretch: Stretch | None
    around: Around


class _Export(_Part):
    placement: _Placement
    bytes_per_pixel: Annotated[float, Field(gt=0, le=LARGEST_PIXEL_BYTES)]
    means: Annotated[list[Annotated[int, Field(ge=1, le=2**20)]], Field(max_length=MOST_MEANS)]
    parity: dict[str, JsonValue]
    tiles: dict[str, JsonValue]


class _Written(BaseModel):
    """The text in the file; the parts of the card are checked by :func:`pixelwise.models.description.parse_card`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", allow_inf_nan=False)

    export: _Export
