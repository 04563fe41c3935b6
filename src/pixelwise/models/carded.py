"""The base class of both kinds of model: a network, and the card that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from torch import nn

from pixelwise.card import ModelCard, ModelKind, TrainingSummary, UntracedCard
from pixelwise.encoders import Encoder
from pixelwise.errors import ModelError
from pixelwise.geometry import Geometry
from pixelwise.instances import ObjectRule
from pixelwise.preprocessing import Edge, Preprocessing
from pixelwise.types import LabelSpace


class CardedModel(nn.Module):
    """A network with its card.

    The geometry is traced when it is first read, unless a card has given it.

    Args:
        network: the network.
        untraced: the part of the card that does not follow from the network.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, untraced: UntracedCard) -> None:
        super().__init__()
        self.network = network
        self._untraced = untraced

    @property
    def card(self) -> ModelCard:
        """The card of the model: everything that is known of it except its weights."""
        return ModelCard.of(self._untraced, geometry=self.geometry, exact_maps=self.exact_maps)

    def change_card(self, **changes: Any) -> None:
        """Change fields of the card: any field of :class:`.UntracedCard`, by its name."""
        self._untraced = replace(self._untraced, **changes)

    def take_card(self, card: ModelCard) -> None:
        """Use a card that was written for a network with the same options, without tracing anything.

        Raises:
            ModelError: the card contradicts the network.
        """
        self.geometry, self.exact_maps = card.geometry, card.exact_maps
        self.change_card(**{name: getattr(card, name) for name in UntracedCard.__dataclass_fields__})
        contradiction = self._contradiction()
        if contradiction:
            raise ModelError(f"its card contradicts its network: {contradiction}; write the model again")

    @cached_property
    def geometry(self) -> Geometry:
        """How full-size outputs lie on pictures."""
        return self.trace_geometry()

    @cached_property
    def exact_maps(self) -> bool:
        """Whether the encoder's maps are exact fractions of pictures of legal sizes."""
        return self.encoder is None or self.encoder.exact

    def trace_geometry(self) -> Geometry:
        """Find the geometry by running the network on shapes only, even if the card states one."""
        raise NotImplementedError

    def _contradiction(self) -> str:
        """Say where the card contradicts the network, as far as that can be seen without tracing it."""
        encoder, period = self.encoder, self.geometry.period
        if encoder is not None:
            largest = max(encoder.strides)
            if period % largest:
                return f"a period of {period} is no multiple of its largest stride, {largest}"
            if encoder.exact != self.exact_maps:
                return f"exact_maps is {self.exact_maps}"
        return ""

    @property
    def encoder(self) -> Encoder | None:
        """The part that may carry ImageNet weights; None in networks without a separate encoder."""
        encoder: Encoder | None = getattr(self.network, "encoder", None)
        return encoder

    @property
    def kind(self) -> ModelKind:
        """What the model gives: the classes of pixels, or objects."""
        return self._untraced.kind

    @property
    def name(self) -> str:
        """The model's name in :data:`pixelwise.models.MODELS`."""
        return self._untraced.name

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that it was built with, including the encoder and the channels of pictures."""
        return self._untraced.options

    @property
    def label_space(self) -> LabelSpace:
        """The classes."""
        return self._untraced.label_space

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are normalised."""
        return self._untraced.preprocessing

    @property
    def object_rule(self) -> ObjectRule:
        """What counts as an object."""
        return self._untraced.object_rule

    @property
    def fast_halo(self) -> int:
        """The pixels that tiles of fast mode see around them; they are measured at the end of training."""
        return self._untraced.fast_halo

    @property
    def edge(self) -> Edge:
        """How pictures are padded at the bottom and the right."""
        return self._untraced.edge

    @property
    def training_summary(self) -> TrainingSummary | None:
        """How it was trained, or None if that is not known; ``training`` is torch's name for the mode of a module."""
        return self._untraced.training
