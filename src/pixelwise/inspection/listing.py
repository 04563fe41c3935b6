"""A list of all models, each with the properties by which to choose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from pixelwise.models import MODELS, build_model


@dataclass(frozen=True)
class Listed:
    """The properties of a model of the table, built with its defaults."""

    name: str
    paper: str
    year: int
    parameters: int
    stride: int
    """The pixels from one cell of its coarse logits to the next."""
    period: int
    receptive_field: int | None
    """The pixels along an axis that the label of one pixel depends on; None for the whole picture."""
    context: int | None
    """The pixels that a block of whole periods reads beyond itself; None for the whole picture."""
    halo: int | None
    encoder: str | None
    """The encoder that it is built on by default; None for a trunk of its own."""
    summary: str

    def to_dict(self) -> dict[str, Any]:
        """Convert it to plain JSON types."""
        return asdict(self)


def list_models(*, classes: int = 21, channels: int = 3) -> tuple[Listed, ...]:
    """Build every model on shapes only, and list them in the order of their years.

    Args:
        classes: the number of classes that parameters are counted for.
        channels: the number of channels of the pictures that parameters are counted for.
    """
    listed = []
    for name, entry in MODELS.items():
        with torch.device("meta"):
            model = build_model(name, classes=classes, in_channels=channels)
        geometry = model.geometry
        listed.append(
            Listed(
                name,
                entry.paper,
                entry.year,
                sum(parameter.numel() for parameter in model.parameters()),
                model.stride,
                geometry.period,
                geometry.receptive_field,
                geometry.context,
                geometry.halo,
                entry.encoder,
                entry.summary,
            )
        )
    return tuple(listed)
