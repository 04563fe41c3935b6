"""The card of a model: everything that is known of it except its weights, as its file and its runtimes hold it."""

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
    """How a model was trained.

    Args:
        data: a digest of the classes and of the names of the training pictures; equal for the same data set.
        pictures: the number of training pictures.
        steps: the steps of the optimiser.
        scores: figures on the validation pictures, name -> value; None if a figure is not defined on them.
    """

    data: str
    pictures: int
    steps: int
    scores: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class UntracedCard:
    """The part of a model card that does not follow from the operators of the network.

    Args:
        name: the key of the model in :data:`pixelwise.models.MODELS`; empty for any other network.
        kind: what the model gives: the classes of pixels, or objects.
        options: the options that it was built with, in plain JSON types, including the encoder and the channels of
            pictures.
        label_space: its classes; if it finds objects, the classes of objects, without background.
        preprocessing: how pictures are normalised.
        object_rule: what counts as an object.
        fast_halo: pixels that tiles of fast mode see around them.
        edge: how pictures are padded at the bottom and the right, as they were in training.
        training: how it was trained; None if that is not known.
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
    """Everything that is known of a model except its weights.

    Args:
        geometry: how full-size outputs lie on pictures.
        exact_maps: whether the encoder's maps are exact fractions of pictures of legal sizes; if not, maps are
            stretched over pictures.
    """

    geometry: Geometry
    exact_maps: bool = True

    @classmethod
    def of(cls, untraced: UntracedCard, *, geometry: Geometry, exact_maps: bool) -> ModelCard:
        """Complete a card with what follows from the network's operators."""
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
