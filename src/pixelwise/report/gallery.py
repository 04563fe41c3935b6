"""The pictures of a report: small ones inside the page, and the full sizes as files in a folder beside it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelwise.io.atomic import atomic_folder
from pixelwise.scoring.example import SMALL_SIDE, Example, reduced_size
from pixelwise.types import Color

MOST_BYTES = 8 * 2**20
"""The most that the drawn pictures add to the page as JPEG; they are made smaller where they are more."""

MOST_SMALL_BYTES = 4 * 2**20
"""The same for the pictures in the list. As text in the page, both are a third longer, below 17 MB together."""

THUMBNAIL_SIDE = 480
"""Longer side of a drawn picture in the page; the full size is in a file."""

_QUALITY = 82
_FULL_QUALITY = 90
_NAME_CHARACTERS = 60


@dataclass(frozen=True, eq=False)
class View:
    """One view of a picture.

    Args:
        name: ``"picture"``, ``"truth"``, ``"prediction"``, ``"difference"`` or ``"confidence"``.
        jpeg: the view as it is shown in the page.
        link: the file of its full size, relative to the page.
        size: its full height and width.
        key: what its colours mean.
    """

    name: str
    jpeg: bytes
    link: str
    size: tuple[int, int]
    key: tuple[tuple[str, Color], ...] = ()


@dataclass(frozen=True, eq=False)
class Card:
    """A drawn picture; ``id``, ``caption`` and ``group`` are those of the :class:`Example`.

    ``anchor`` is the name of its place in the page.
    """

    anchor: str
    id: str
    caption: str
    group: str
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False)
class Stamp:
    """A picture of the list and its errors, both as small JPEG."""

    picture: bytes
    errors: bytes


def folder_name(page: Path) -> str:
    """Give the name of the folder of full sizes, which lies beside the page."""
    return f"{page.stem}-pictures"


def write_cards(page: Path, examples: Iterable[Example]) -> list[Card]:
    """Draw cards, and write their full sizes into the folder beside the page; without any card there is no folder.

    The folder of an earlier report is replaced.

    Args:
        page: the file of the page; its folder must exist.
        examples: the pictures; only one of them is in memory at a time.

    Raises:
        PixelwiseError: the folder cannot be written.
    """
    left = iter(examples)
    first = next(left, None)
    if first is None:
        return []
    name = folder_name(page)
    written: dict[tuple[object, ...], str] = {}
    with atomic_folder(page.with_name(name)) as folder:
        cards = [_card(number, one, folder, name, written) for number, one in enumerate(chain([first], left), 1)]
    return fit_cards(cards)


def make_stamps(examples: Iterable[Example]) -> dict[str, Stamp]:
    """Draw pictures of a list: id -> picture and errors."""
    pairs = {
        example.id: tuple(encode_jpeg(shrink(view, SMALL_SIDE)) for view in (example.image, example.errors))
        for example in examples
    }
    pictures = _within([jpeg for pair in pairs.values() for jpeg in pair], MOST_SMALL_BYTES)
    return {id: Stamp(*pair) for id, pair in zip(pairs, zip(pictures[::2], pictures[1::2], strict=True), strict=True)}


def fit_cards(cards: list[Card], *, most: int = MOST_BYTES) -> list[Card]:
    """Make the pictures of cards smaller until all together have no more than ``most`` bytes."""
    jpegs = iter(_within([view.jpeg for card in cards for view in card.views], most))
    return [
        replace(card, views=tuple(replace(view, jpeg=jpeg) for view, jpeg in zip(card.views, jpegs, strict=False)))
        for card in cards
    ]


def encode_jpeg(pixels: NDArray[np.uint8], *, quality: int = _QUALITY) -> bytes:
    """Encode uint8 (H, W, 3) as JPEG."""
    jpeg = io.BytesIO()
    # Not with `optimize`: Pillow then reserves only one byte per pixel, and saving fails for noisy pictures.
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=quality, subsampling=0 if quality > _QUALITY else 2)
    return jpeg.getvalue()


def shrink(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Reduce a picture (H, W, 3) to a longer side of ``longest``, unless it is smaller."""
    size = reduced_size((pixels.shape[0], pixels.shape[1]), longest)
    return (
        pixels if size is None else np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    )


def _card(number: int, example: Example, folder: Path, name: str, written: dict[tuple[object, ...], str]) -> Card:
    """Write the full sizes of a picture, each only once, and keep small ones."""
    shown = {
        "picture": example.image,
        "truth": example.truth,
        "prediction": example.prediction,
        "difference": example.errors,
        "confidence": example.confidence,
    }
    views = []
    for title, pixels in shown.items():
        if pixels is None:
            continue
        # The difference depends on the class that the group is about, the other views do not.
        same = (example.id, example.group if title == "difference" else "", title, pixels.shape)
        if same not in written:
            written[same] = f"{number:03d}-{_harmless(example.id)}-{title}.jpg"
            (folder / written[same]).write_bytes(encode_jpeg(pixels, quality=_FULL_QUALITY))
        size = (pixels.shape[0], pixels.shape[1])
        key = example.key if title == "difference" else ()
        small = encode_jpeg(shrink(pixels, THUMBNAIL_SIDE))
        views.append(View(title, small, f"{name}/{written[same]}", size, key))
    return Card(f"picture-{number}", example.id, example.caption, example.group, tuple(views))


def _harmless(id: str) -> str:
    """Make a name that is valid in any file system and address out of the id of a picture."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(id).with_suffix("").as_posix())[-_NAME_CHARACTERS:].strip("-")


def _within(jpegs: list[bytes], most: int) -> list[bytes]:
    """Reduce JPEG pictures by the same factor until they have no more than ``most`` bytes together."""
    while (total := sum(map(len, jpegs))) > most:
        factor = min(0.9, 0.97 * math.sqrt(most / total))
        smaller = [_scaled(jpeg, factor) for jpeg in jpegs]
        if sum(map(len, smaller)) >= total:  # pictures of one pixel cannot become smaller
            return smaller
        jpegs = smaller
    return jpegs


def _scaled(jpeg: bytes, factor: float) -> bytes:
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)))
    return encode_jpeg(shrink(pixels, max(1, round(factor * max(pixels.shape)))))
