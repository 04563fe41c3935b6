"""The interface of runtimes, which compute pieces of pictures with some library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.card import ModelCard
from pixelwise.instances import Instances
from pixelwise.tiling import PixelCost, Window


class Runtime(ABC):
    """Takes uint8 images (C, H, W) and the wanted window of their output; gives numpy arrays of that window.

    A runtime may be used from several threads at once.
    """

    card: ModelCard
    """The card of the model that it computes; a runtime that averages several has one card for all of them."""
    cost: PixelCost
    """The memory and arithmetic per pixel."""
    library: str = ""
    precision: str = ""
    """The library that computes, and in which precision: what ``runtime`` and ``precision`` of a predictor choose."""
    note: str = ""
    """Why it computes as it does, to be told once; empty where there was no choice."""
    border: int = 0
    """The pixels that the runtime adds at each side of its input and computes as well."""
    aligned: bool = True
    """Whether tiles that begin on the period and hold all pixels that are read equal the whole; not for turned
    views."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Identifies the model and the precision: the same text means the same labels."""

    @abstractmethod
    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer[Any]]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""

    @abstractmethod
    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the softmax as float32 (K, h, w) in main memory."""

    def confidences(
        self, image: NDArray[np.uint8], window: Window, first: int = 0, every: int = 1
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the greatest softmax of pixels in some of its rows.

        Returns:
            Class indices (h, w), and float32 (rows, w) for rows ``first``, ``first + every`` .. of the window.
        """
        labels, probabilities = self.probabilities(image, window)
        return labels, probabilities[:, first::every].max(0)

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        # Imported here, because the predictor does not wait for torch.
        from pixelwise.ops.counting import count_labels

        return count_labels(mask, self.labels(image, window), self.card.label_space)

    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> AbstractContextManager[None]:
        """Inside the context, the network's averages over the picture come from these windows of it, (C, h, w) each.

        Windows are weighted by their pixels. Networks that average nothing ignore them.
        """
        return nullcontext()


class ObjectRuntime(ABC):
    """Takes images (C, H, W) and gives their objects; several threads may use it at once."""

    card: ModelCard
    library: str = ""
    precision: str = ""
    """The library that computes, and in which precision: what ``runtime`` and ``precision`` of a predictor choose."""
    note: str = ""
    """Why it computes as it does, to be told once; empty where there was no choice."""
    bytes_per_pixel: float
    """The memory that computing takes per input pixel."""
    bytes_more: float
    """The memory that computing takes whatever the input."""
    largest: float
    """The side in pixels of the largest objects that the network was made for."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Identifies the model and the precision: the same text means the same objects."""

    @abstractmethod
    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """Find the objects of an image (C, H, W) on the scale 0 .. 255, with scores, the best first.

        The image already has the size that the preprocessing asks for. If it is a resized picture, ``size`` is the
        height and width of the original, and the objects are in pixels of the original.
        """
