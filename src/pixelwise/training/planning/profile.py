"""The properties of a network that planning its training needs, found from the network itself and not by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from pixelwise.errors import ModelError
from pixelwise.models import SegmentationModel, build_model
from pixelwise.nn.tracing.shapes import on_shapes
from pixelwise.nn.tracing.trace import trace

_NORM_TYPES = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class NetworkProfile:
    """The structure and the cost of a network, found without values of its weights.

    Args:
        model: the model, on any device; only shapes are used.
    """

    def __init__(self, model: SegmentationModel) -> None:
        self.model = model
        self.has_encoder = model.encoder is not None
        """Whether a part of the network may start from ImageNet weights."""
        self.normalised = any(isinstance(part, _NORM_TYPES) for part in model.modules())
        """Whether the network has normalisation layers, which keep signals and gradients in bounds."""
        self._multiply_adds: dict[tuple[int, int], int] = {}

    @property
    def rounds_up(self) -> bool:
        """Whether it computes on pictures of any size as they are."""
        return self.model.rounds_up

    @property
    def period(self) -> int:
        """Pixels of a side from whole cells of the deepest map to the next; 1 where pictures are brought to them."""
        apart = self.model.border == "mirror" or self.model.stretch == "half_pixel"
        return 1 if apart else self.model.geometry.period

    def legal_crop(self, crop: tuple[int, int]) -> tuple[int, int]:
        """The next larger crop that an unpadded network computes without a remainder; for others, the crop itself."""
        if self.model.border != "mirror":
            return crop
        geometry = self.model.geometry
        height, width = (geometry.output_size(geometry.input_size(side)) for side in crop)
        return height, width

    def multiply_adds(self, crop: tuple[int, int]) -> int:
        """Multiply-adds of the network on one crop (height, width), forward."""
        if crop not in self._multiply_adds:
            geometry = self.model.geometry
            fit = geometry.input_size if self.model.border == "mirror" else geometry.padded_size
            images = (1, self.model.preprocessing.channels, fit(crop[0]), fit(crop[1]))
            self._multiply_adds[crop] = trace(self.model.network, images).multiply_adds
        return self._multiply_adds[crop]


def profile_network(
    name: str, *, classes: int, encoder: str | None, in_channels: int, options: Mapping[str, Any]
) -> NetworkProfile:
    """Examine a network that is about to be trained, without allocating memory for it.

    Args:
        name: a key of ``MODELS``.
        classes: number of classes.
        encoder: the encoder it is built on; None for its own.
        in_channels: channels of the pictures.
        options: options of the model.

    Raises:
        PixelwiseError: as :func:`~pixelwise.models.build_model`.
    """
    return _profile(name, classes, encoder, in_channels, json.dumps(options, sort_keys=True))


@lru_cache(maxsize=8)
def _profile(name: str, classes: int, encoder: str | None, in_channels: int, options: str) -> NetworkProfile:
    with on_shapes():
        model = build_model(name, classes=classes, encoder=encoder, in_channels=in_channels, **json.loads(options))
    if not isinstance(model, SegmentationModel):
        raise ModelError(f"model '{name}' finds objects; it is planned from them")
    return NetworkProfile(model)
