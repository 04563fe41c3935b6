"""The list of all models, each with the properties by which to choose; read from a file, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

LIST = "listed.json"
"""The file beside this one that holds the list; written by :mod:`pixelwise.inspection.listing`."""

LISTED_CLASSES, LISTED_CHANNELS = 21, 3
"""Classes and channels of pictures that parameters are counted for."""


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


def list_models() -> tuple[Listed, ...]:
    """List all models in the order of the table of models.

    Parameters are counted for :data:`LISTED_CLASSES` and :data:`LISTED_CHANNELS`.
    """
    text = resources.files("pixelwise.inspection").joinpath(LIST).read_text("utf-8")
    return tuple(Listed(**entry) for entry in json.loads(text))
