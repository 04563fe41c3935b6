"""Views of a picture for test-time augmentation: flipped, turned by quarters and zoomed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError, SettingError, unknown_name
from pixelwise.inference.runtimes.tail import AnyCoarse

ZOOM_RANGE = (0.1, 10.0)
"""The least and the largest zoom of a view."""

_VIEW_NAMES = ("hflip", "vflip", "rotations")


@dataclass(frozen=True)
class View:
    """One view of a picture: transposed, then flipped, then zoomed.

    Transposing and flipping suffice for all eight symmetries of a square: a quarter turn is a transposition followed by
    one flip.

    Args:
        transposed: whether rows become columns.
        down: whether the rows are then reversed.
        along: whether the columns are then reversed.
        zoom: factor on the size; sides are rounded to whole pixels.
    """

    transposed: bool = False
    down: bool = False
    along: bool = False
    zoom: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether the view is the picture itself."""
        return self == View()

    def show(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give the view of an image (C, H, W): (C, h, w), averaged over areas where it shrinks, else bilinear."""
        if self.transposed:
            image = image.transpose(0, 2, 1)  # (C, W, H)
        image = image[:, :: -1 if self.down else 1, :: -1 if self.along else 1]
        if self.zoom == 1:
            return image
        height, width = (max(1, round(side * self.zoom)) for side in image.shape[1:])
        method = cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_LINEAR
        # Channel by channel: OpenCV takes no more than four together in every method.
        zoomed = [cv2.resize(np.ascontiguousarray(channel), (width, height), interpolation=method) for channel in image]
        return np.stack(zoomed).astype(np.uint8, copy=False)  # (C, h, w)

    def read_back(self, coarse: AnyCoarse, size: tuple[int, int]) -> AnyCoarse:
        """Align the scores of a view with the pixels of the picture.

        Only the coarse map is flipped and transposed; zooming changes the grid alone, so nothing is resampled twice.

        Args:
            coarse: logits (1, K, h, w) of the view, its size that of the view.
            size: height and width of the picture.

        Returns:
            The logits with a scale and an offset for each axis of the picture.
        """
        logits: Any = coarse.logits  # a tensor or an array
        scales, offsets = list(_pair(coarse.scale)), list(_pair(coarse.offset))
        turned = size[::-1] if self.transposed else size
        for axis, flipped in enumerate((self.down, self.along)):
            # Pixel y before zooming lies at ratio * (y + 0.5) - 0.5 of the zoomed view, as cv2.resize has it.
            ratio = coarse.size[axis] / turned[axis]
            offsets[axis] += (0.5 * ratio - 0.5) * scales[axis]
            scales[axis] *= ratio
            if flipped:  # pixel y is pixel last - y of the view, and cell c is cell last - c of the flipped map
                logits = np.flip(logits, 2 + axis) if isinstance(logits, np.ndarray) else logits.flip(2 + axis)
                offsets[axis] = logits.shape[2 + axis] - 1 - (turned[axis] - 1) * scales[axis] - offsets[axis]
        if self.transposed:
            logits = logits.swapaxes(2, 3)  # (1, K, w, h)
            scales, offsets = scales[::-1], offsets[::-1]
        return coarse._replace(logits=logits, size=size, scale=(scales[0], scales[1]), offset=(offsets[0], offsets[1]))


def parse_views(wanted: Sequence[str | float]) -> tuple[View, ...]:
    """Turn the words of ``tta`` into views: every combination once, the plain view first.

    Args:
        wanted: ``"hflip"``, ``"vflip"``, ``"rotations"`` (quarter turns) and zooms as numbers; 1 is always among them.
            ``("hflip", 0.75, 1.25)`` makes six views; the flips and the rotations together make eight.

    Raises:
        SettingError: a word that is none of these, or a zoom outside :data:`ZOOM_RANGE`.
    """
    zooms, words = [1.0], set()
    for word in wanted:
        zoom = _number(word)
        if zoom is None:
            if word not in _VIEW_NAMES:
                known = (*_VIEW_NAMES, "a number such as 0.75 or 1.25")
                raise SettingError(unknown_name("view", str(word), known), argument="tta")
            words.add(word)
        elif not ZOOM_RANGE[0] <= zoom <= ZOOM_RANGE[1]:
            raise SettingError(
                f"a zoom lies between {ZOOM_RANGE[0]} and {ZOOM_RANGE[1]:g}, got {zoom:g}", argument="tta"
            )
        elif zoom not in zooms:
            zooms.append(zoom)
    turns = [View(), View(True, True, False), View(False, True, True), View(True, False, True)]
    shapes = []
    for turn, down, along in product(
        turns if "rotations" in words else turns[:1], (False, "vflip" in words), (False, "hflip" in words)
    ):
        shape = View(turn.transposed, turn.down != down, turn.along != along)
        if shape not in shapes:
            shapes.append(shape)
    return tuple(View(shape.transposed, shape.down, shape.along, zoom) for zoom in zooms for shape in shapes)


def one_view_error() -> SettingError:
    """Say that a network that finds objects takes the picture alone."""
    return SettingError(
        "networks that find objects take one view: objects of several views cannot be averaged; leave tta out",
        argument="tta",
    )


def check_alone(models: int, views: Sequence[View]) -> None:
    """Refuse to average what a network that finds objects gives.

    Args:
        models: how many models there are, that network among them.
        views: the views of the picture.

    Raises:
        ModelError: there are several models.
        SettingError: there are other views than the picture itself.
    """
    if models > 1:
        raise ModelError("networks that find objects cannot be averaged with others; give one of them alone")
    if not all(view.plain for view in views):
        raise one_view_error()


def _number(word: str | float) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _pair(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)
