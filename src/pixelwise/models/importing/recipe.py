"""What it takes to turn a network of another library into one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pixelwise.encoders.timm_encoder import IMAGENET_MEAN, IMAGENET_STD
from pixelwise.preprocessing import Resize

Tensors = Mapping[str, Tensor]
Rename = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """How a network of another library becomes one of ours."""

    library: str
    model: str
    """Its name in :data:`pixelwise.models.MODELS`."""
    rename: Rename
    """Gives tensors the names that they have inside our network; those it does not know keep theirs."""
    heads: tuple[str, ...]
    """The convolutions that give scores, by our names, the auxiliary one last."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What our form is built with, the encoder included."""
    useless: tuple[str, ...] = ()
    """Beginnings of names, in the library, of tensors that no label depends on."""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = (IMAGENET_MEAN, IMAGENET_STD)
    """Mean and standard deviation (0 .. 1 scale, RGB) that the library normalises with."""
    assumed: Mapping[str, Any] = field(default_factory=dict)
    """Options of our model that tensors do not tell, and what the library has by default."""
    resize: Resize | None = None
    """What the library resizes pictures to by default, in the network itself."""
    architecture: str = ""
    """What segmentation_models_pytorch calls it, in lower case."""
    encoder: str = ""
    """What segmentation_models_pytorch calls its encoder."""
    background: int = 0
    """Scores of the library that stand for no class of ours: 1 where objects have a background beside them."""
