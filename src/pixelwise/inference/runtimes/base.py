"""What a runtime is: something that computes pieces of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelwise.geometry import Geometry
from pixelwise.instances import Instances
from pixelwise.tiling import PixelCost, Window
from pixelwise.types import LabelSpace, Preprocessing


class Runtime(Protocol):
    """Takes uint8 images (C, H, W) and a window of their output that is wanted; gives numpy arrays of the window."""

    label_space: LabelSpace
    preprocessing: Preprocessing
    geometry: Geometry
    cost: PixelCost
    """What computing takes for a pixel."""
    fast_halo: int
    """Pixels that tiles of fast mode see around them."""
    border: int
    """Pixels that the runtime itself adds at each side of what it is shown, and computes as well."""
    aligned: bool
    """Whether tiles that begin on the period and carry all that is read equal the whole; not so for turned views."""

    @property
    def fingerprint(self) -> str:
        """Tells models and precisions apart: the same text means the same labels."""
        ...

    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer[Any]]:
        """Class indices (h, w)."""
        ...

    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Class indices (h, w) and the softmax (K, h, w)."""
        ...

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Counts (K, K) by ``[target, prediction]`` against a mask (h, w)."""
        ...

    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> AbstractContextManager[None]:
        """Within it, what the network averages over the picture comes from these windows of it, (C, h, w) each."""
        ...


class ObjectRuntime(Protocol):
    """Takes images (C, H, W) and gives their objects."""

    label_space: LabelSpace
    """The classes of objects, without background."""
    preprocessing: Preprocessing
    geometry: Geometry
    bytes_per_pixel: float
    """Memory that computing takes for each pixel that is shown."""
    bytes_more: float
    """Memory that computing takes besides, whatever is shown."""
    largest: float
    """Side in pixels of the largest objects that the network was made for."""

    @property
    def fingerprint(self) -> str:
        """Tells models and precisions apart: the same text means the same objects."""
        ...

    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """The objects of an image (C, H, W) on the scale 0 .. 255, with scores.

        It has the scale that the preprocessing names already. Where it is a resized picture, ``size`` is the height and
        width of the picture itself, on which the objects then lie.
        """
        ...
