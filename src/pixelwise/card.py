"""What is known of a model beside its weights: the card that its file, its runtime and its predictor hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pixelwise.geometry import Geometry
from pixelwise.instances import ObjectRule
from pixelwise.preprocessing import Edge, Preprocessing
from pixelwise.tiling import FAST_HALO
from pixelwise.types import LabelSpace

ModelKind = Literal["pixels", "objects"]
"""What a model gives: the class of every pixel, or objects with a box and perhaps a mask each."""


@dataclass(frozen=True)
class TrainingSummary:
    """How a model came to its weights.

    Args:
        data: a digest of the classes and of the names of the pictures that taught it; equal for the same data set.
        pictures: how many taught it.
        steps: the steps of the optimiser.
        scores: figures on the validation pictures, name -> value; None where a figure is not defined on them.
    """

    data: str
    pictures: int
    steps: int
    scores: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class UntracedCard:
    """All of a model card but what follows from the operators of the network.

    Args:
        name: the key of the model in :data:`pixelwise.models.MODELS`; empty for a network that is none of these.
        kind: what it gives.
        options: what it was built with, in plain JSON types, the encoder and the channels of pictures among them.
        label_space: its classes; those of objects, without background, where it finds objects.
        preprocessing: how pictures are normalised.
        object_rule: what counts as an object.
        fast_halo: pixels that tiles of fast mode see around them.
        edge: how pictures are continued at the bottom and the right, as they were in training.
        training: how it was trained; None where that is not known.
    """

    name: str = ""
    kind: ModelKind = "pixels"
    options: Mapping[str, Any] = field(default_factory=dict)
    label_space: LabelSpace
    preprocessing: Preprocessing
    object_rule: ObjectRule
    fast_halo: int = FAST_HALO
    edge: Edge = "zeros"
    training: TrainingSummary | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCard(UntracedCard):
    """All that is known of a model beside its weights.

    Args:
        geometry: how full-size outputs lie on pictures.
        exact_maps: whether the encoder's maps are exact fractions of pictures of legal sizes; else they are stretched
            over them.
    """

    geometry: Geometry
    exact_maps: bool = True

    @classmethod
    def of(cls, untraced: UntracedCard, *, geometry: Geometry, exact_maps: bool) -> ModelCard:
        """Complete a card by what the network's operators say."""
        known = {part.name: getattr(untraced, part.name) for part in fields(UntracedCard)}
        return cls(**known, geometry=geometry, exact_maps=exact_maps)

    def to_dict(self) -> dict[str, Any]:
        """Describe the card in plain JSON types; :func:`pixelwise.models.description.parse_card` reads it back."""
        return {
            "name": self.name,
            "kind": self.kind,
            "options": dict(self.options),
            "label_space": self.label_space.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "geometry": {**self.geometry.to_dict(), "exact_maps": self.exact_maps},
            "object_rule": asdict(self.object_rule),
            "fast_halo": self.fast_halo,
            "edge": self.edge,
            "training": None if self.training is None else asdict(self.training),
        }
