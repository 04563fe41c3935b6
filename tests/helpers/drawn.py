"""Small data sets that tests draw, and what layouts of objects read of the first picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pixelwise.data.source import DataSource


def masks(source: DataSource, layout: str) -> tuple[list[np.ndarray], list[int]]:
    """Give the masks of the objects of the first picture, and their classes; the layout must be the expected one."""
    assert source.layout == layout
    reader = source.pairs[0].objects
    assert reader is not None
    found = reader.read()
    assert found.masks is not None
    return [mask.full() for mask in found.masks], found.labels.tolist()


def draw_blocks(root: Path, count: int) -> Path:
    """Draw pictures of 64x64 in blocks of two greys, with masks of two classes, into ``images`` and ``masks``."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        mask = np.kron(rng.integers(0, 2, (4, 4)), np.ones((16, 16))).astype(np.uint8)
        image = np.repeat(80 + 90 * mask[:, :, None], 3, 2).astype(np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(mask).save(root / f"masks/{number}.png")
    return root
