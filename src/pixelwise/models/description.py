"""The description in a model file, which is checked before anything is built from it.

The file may come from an untrusted source. Whatever the text holds, :func:`parse_card` either gives a card whose parts
have the right types and bounded sizes and agree with each other, or raises a ModelError. It builds no network and does
not import torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from pixelwise.card import ModelCard, ModelKind, TrainingSummary, UntracedCard
from pixelwise.errors import ModelError, SettingError, quoted
from pixelwise.geometry import Geometry
from pixelwise.instances import ObjectRule
from pixelwise.preprocessing import Edge, Preprocessing, Resize
from pixelwise.tiling import FAST_HALO
from pixelwise.types import LabelSpace

MOST_CARD_CHARACTERS = 2**24
"""The characters of the longest description; 65,536 classes with colours and mapping take a quarter of them."""

MOST_HALO_PIXELS = 2**14
"""The largest halo of tiles; no network reads that far, and a tile with a larger halo fits into no memory."""

MOST_PERIOD_PIXELS, MOST_LEAST_SIDE_PIXELS, MOST_REACH_PIXELS = 1024, 4096, 2**15
"""The largest period, the largest least side that a network computes on, and the longest reach of an output."""

FIRST_OBJECT_MODELS = ("faster_rcnn", "mask_rcnn")
"""Models that find objects although their files may lack the kind, because earlier versions did not write it."""

MOST_LIST_ITEMS, MOST_LIST_DEPTH, MOST_WORD_LENGTH = 64, 3, 200
"""Bounds of a value of an option: items of a list, lists within each other, and characters of a word."""

LARGEST_NUMBER = 2**20
"""The largest absolute value of a number in an option; channels, proposals and dilations are far below it."""


@dataclass(frozen=True)
class Described:
    """The contents of a model file except its tensors.

    Args:
        card: the card of the model; it is not checked here that there is a model of its name with its options. In
            files of earlier versions, the card has no geometry.
        version: the version of pixelwise that wrote the file.
    """

    card: UntracedCard
    version: str


def parse_card(text: str) -> Described:
    """Check the description of a model file.

    Raises:
        ModelError: it is no JSON, or a part of it is missing, unknown or has a value that it cannot have; the message
            names the part.
    """
    if len(text) > MOST_CARD_CHARACTERS:
        raise ModelError(f"its description has {len(text)} characters; {MOST_CARD_CHARACTERS} are the most")
    try:
        written = _Written.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(explain(error, "its description")) from None
    try:
        return Described(written.built(), written.version)
    except SettingError as error:
        raise ModelError(f"its description makes no sense: {error}") from None


def explain(error: ValidationError, what: str) -> str:
    """Describe the first error of a validation briefly: what is wrong, where, and which value was found."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"][:4])
    if first["type"] == "json_invalid":
        return f"{what} is no JSON ({first['msg'].removeprefix('Invalid JSON: ')})"
    if first["type"] == "missing":
        return f"{what} lacks '{place}'"
    if first["type"] == "extra_forbidden":
        return f"{what} has '{place}', which this version does not know; a newer pixelwise may"
    reason = first["msg"].removeprefix("Value error, ")
    where = f" at '{place}'" if place else ""
    return f"{what} makes no sense{where}: {reason[:1].lower()}{reason[1:]}, found {quoted(first['input'])}"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


_Channel = Annotated[int, Field(ge=0, le=255)]
_Value = Annotated[int, Field(ge=0, le=65535)]
_Color = tuple[_Channel, _Channel, _Channel]
_Numbers = Annotated[tuple[float, ...], Field(min_length=1, max_length=65535)]


class _LabelSpace(_Part):
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=65536)]
    colors: Annotated[tuple[_Color, ...], Field(max_length=65536)]
    ignore_index: _Value
    background: _Value | None
    mapping: Annotated[tuple[tuple[_Value | _Color, _Value], ...], Field(max_length=2**18)]

    def built(self) -> LabelSpace:
        """Give the label space.

        Raises:
            SettingError: its parts do not agree.
        """
        mapping = dict(self.mapping)
        if len(mapping) != len(self.mapping):
            raise SettingError("the mapping has a stored value twice")
        return LabelSpace(self.names, self.colors, self.ignore_index, self.background, mapping)


class _Preprocessing(_Part):
    mean: _Numbers
    std: _Numbers
    value_range: tuple[float, float] | None
    resize: tuple[int, int] | None = None  # missing in files of earlier versions
    dtype: Annotated[str, Field(max_length=16)] | None = None  # missing in files of earlier versions

    def built(self) -> Preprocessing:
        """Give the preprocessing.

        Raises:
            SettingError: its parts do not agree.
        """
        resize = None if self.resize is None else Resize(*self.resize)
        return Preprocessing(self.mean, self.std, self.value_range, resize, self.dtype)


class _ObjectRule(_Part):
    score: float
    min_area: Annotated[int, Field(ge=0, lt=2**48)]


_Pixels = Annotated[int, Field(ge=-MOST_REACH_PIXELS, le=MOST_REACH_PIXELS)]


class _Geometry(_Part):
    period: Annotated[int, Field(ge=1, le=MOST_PERIOD_PIXELS)]
    least: Annotated[int, Field(ge=0, le=MOST_LEAST_SIDE_PIXELS)]
    phases: Annotated[tuple[tuple[_Pixels, _Pixels, _Pixels], ...], Field(max_length=MOST_PERIOD_PIXELS)] | None
    exact_maps: bool

    def built(self) -> Geometry:
        """Give the geometry.

        Raises:
            SettingError: its parts do not agree.
        """
        return Geometry.from_dict({"period": self.period, "least": self.least, "phases": self.phases})


class _Training(_Part):
    data: Annotated[str, Field(max_length=MOST_WORD_LENGTH)]
    pictures: Annotated[int, Field(ge=0, lt=2**48)]
    steps: Annotated[int, Field(ge=0, lt=2**48)]
    scores: Annotated[dict[Annotated[str, Field(max_length=MOST_WORD_LENGTH)], float | None], Field(max_length=1024)]


class _Written(_Part):
    """The description as it is stored in the file."""

    version: Annotated[str, Field(max_length=100)] = "an unknown version"
    name: Annotated[str, Field(max_length=MOST_WORD_LENGTH)]
    kind: ModelKind | None = None
    options: dict[Annotated[str, Field(max_length=MOST_WORD_LENGTH)], JsonValue]
    label_space: _LabelSpace
    preprocessing: _Preprocessing
    geometry: _Geometry | None = None
    object_rule: _ObjectRule | None = None
    fast_halo: Annotated[int, Field(ge=0, le=MOST_HALO_PIXELS)] = FAST_HALO
    edge: Edge = "zeros"
    training: _Training | None = None

    def built(self) -> UntracedCard:
        """Give the card, with its geometry if it is there.

        Raises:
            SettingError: its parts do not agree.
        """
        kind = self.kind or ("objects" if self.name in FIRST_OBJECT_MODELS else "pixels")
        usual = ObjectRule() if kind == "objects" else ObjectRule(score=0)
        untraced = UntracedCard(
            name=self.name,
            kind=kind,
            options=self.options,
            label_space=self.label_space.built(),
            preprocessing=self.preprocessing.built(),
            object_rule=usual if self.object_rule is None else ObjectRule(**dict(self.object_rule)),
            fast_halo=self.fast_halo,
            edge=self.edge,
            training=None if self.training is None else TrainingSummary(**dict(self.training)),
        )
        if self.geometry is None:
            return untraced
        return ModelCard.of(untraced, geometry=self.geometry.built(), exact_maps=self.geometry.exact_maps)

    @field_validator("options")
    @classmethod
    def _bounded(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            _check(name, value, MOST_LIST_DEPTH)
        return options


def _check(name: str, value: Any, levels: int) -> None:
    """Refuse values of an option that are larger than those of any model."""
    if isinstance(value, dict) or (isinstance(value, list) and levels == 0):
        raise ValueError(f"option '{name}' holds {quoted(value)}")
    if isinstance(value, list):
        if len(value) > MOST_LIST_ITEMS:
            raise ValueError(f"option '{name}' lists {len(value)} values, more than {MOST_LIST_ITEMS}")
        for item in value:
            _check(name, item, levels - 1)
    if isinstance(value, str) and len(value) > MOST_WORD_LENGTH:
        raise ValueError(f"option '{name}' is a word of {len(value)} characters")
    if isinstance(value, int | float) and not (abs(value) <= LARGEST_NUMBER and math.isfinite(value)):
        raise ValueError(f"option '{name}' is or holds {quoted(value)}, beyond {LARGEST_NUMBER}")
