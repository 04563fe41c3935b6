"""Pictures for tests of the page, and looking at what it shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def drawn_file(path: Path, height: int, width: int, seed: int = 0) -> Path:
    """Write a smooth picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def shown(page: Any) -> NDArray[np.int64]:
    """What the stage shows, (h, w, 3), at one pixel of the screen a pixel."""
    png = page.locator("#stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int64)


def open_files(page: Any, *paths: Path) -> None:
    """Choose files as a person would, and wait until the first is labelled and its objects are listed."""
    page.set_input_files("#files", [str(path) for path in paths])
    page.locator("#classes li .share:not(:empty)").first.wait_for()
    page.locator("#objects-count:not(:empty)").wait_for()
