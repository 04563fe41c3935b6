"""The description of how a network of another library becomes a model here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pixelwise.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Resize

Tensors = Mapping[str, Tensor]
Rename = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """The description of how a network of another library becomes a model here."""

    library: str
    model: str
    """Its name in :data:`pixelwise.models.MODELS`."""
    rename: Rename
    """The function that gives tensors the names inside our network; names without a rule are kept."""
    heads: tuple[str, ...]
    """Our names of the convolutions that give scores, the auxiliary one last."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options that our model is built with, including the encoder."""
    useless: tuple[str, ...] = ()
    """Beginnings of the library's names of tensors that no label depends on."""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = (IMAGENET_MEAN, IMAGENET_STD)
    """Mean and standard deviation (0 .. 1 scale, RGB) that the library normalises with."""
    assumed: Mapping[str, Any] = field(default_factory=dict)
    """Options of our model that tensors do not show, with the library's defaults."""
    resize: Resize | None = None
    """The size that the network of the library resizes pictures to by default."""
    architecture: str = ""
    """The name of the architecture in segmentation_models_pytorch, in lower case."""
    encoder: str = ""
    """The name of its encoder in segmentation_models_pytorch."""
    background: int = 0
    """The number of the library's scores that belong to no class here: 1 if there is a background beside objects."""
