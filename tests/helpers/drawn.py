"""What layouts of objects read of the first picture, for their tests."""

from __future__ import annotations

import numpy as np

from pixelwise.data.source import DataSource


def masks(source: DataSource, layout: str) -> tuple[list[np.ndarray], list[int]]:
    """Give the masks of the objects of the first picture, and their classes; the layout must be the expected one."""
    assert source.layout == layout
    reader = source.pairs[0].objects
    assert reader is not None
    found = reader.read()
    assert found.masks is not None
    return [mask.full() for mask in found.masks], found.labels.tolist()
