"""Building the list of all models, which the package holds as :data:`pixelwise.inspection.listed.LIST`.

``python -m pixelwise.inspection.listing`` prints it; a test compares the two.
"""

from __future__ import annotations

import json

from pixelwise.inspection.listed import LISTED_CHANNELS, LISTED_CLASSES, Listed
from pixelwise.models import MODELS, build_model
from pixelwise.nn.tracing.shapes import on_shapes


def measure_models() -> tuple[Listed, ...]:
    """Build every model on shapes only, and list them in the order of the table of models."""
    listed = []
    for name, entry in MODELS.items():
        with on_shapes():
            model = build_model(name, classes=LISTED_CLASSES, in_channels=LISTED_CHANNELS)
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


if __name__ == "__main__":
    print(json.dumps([model.to_dict() for model in measure_models()], indent=1))
