from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Writer = Callable[[str, object], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write pixels (or text) to a path below the temporary folder, whose folders are made."""

    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        elif isinstance(content, Image.Image):
            content.save(path)
        else:
            Image.fromarray(np.asarray(content)).save(path)
        return path

    return write


@pytest.fixture
def image() -> np.ndarray:
    """An RGB picture of 6x8 pixels."""
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    """A mask of 6x8 pixels with areas of 0, 1 and 2."""
    mask = np.zeros((6, 8), np.uint8)
    mask[:, 3:] = 1
    mask[3:, 5:] = 2
    return mask
