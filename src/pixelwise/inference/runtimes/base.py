"""What a runtime is: something that computes pieces of pictures, whatever library does it."""

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
    """Takes uint8 images (C, H, W) and a window of their output that is wanted; gives numpy arrays of the window.

    A runtime may be used from several threads at once.
    """

    card: ModelCard
    """The card of the model that it computes; one that averages several has a card for all of them together."""
    cost: PixelCost
    """What computing takes for a pixel."""
    border: int = 0
    """Pixels that the runtime itself adds at each side of what it is shown, and computes as well."""
    aligned: bool = True
    """Whether tiles that begin on the period and carry all that is read equal the whole; not so for turned views."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Tells models and precisions apart: the same text means the same labels."""

    @abstractmethod
    def labels(self, image: NDArray[np.uint8], window: Window) -> NDArray[np.integer[Any]]:
        """Label a window of an image (C, H, W), whose pixels may need the rest of it: class indices (h, w)."""

    @abstractmethod
    def probabilities(
        self, image: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Label a window of an image (C, H, W), and give the softmax as float32 (K, h, w) in main memory."""

    def confusion(self, image: NDArray[np.uint8], window: Window, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count a window of an image (C, H, W) against its mask (h, w): int64 (K, K), ``[target, prediction]``."""
        # Imported here, because the predictor does not wait for torch.
        from pixelwise.ops.counting import count_labels

        return count_labels(mask, self.labels(image, window), self.card.label_space)

    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> AbstractContextManager[None]:
        """Within it, what the network averages over the picture comes from these windows of it, (C, h, w) each.

        The windows count by their pixels. Networks that average nothing do not look at them.
        """
        return nullcontext()


class ObjectRuntime(ABC):
    """Takes images (C, H, W) and gives their objects; it may be used from several threads at once."""

    card: ModelCard
    bytes_per_pixel: float
    """Memory that computing takes for each pixel that is shown."""
    bytes_more: float
    """Memory that computing takes besides, whatever is shown."""
    largest: float
    """Side in pixels of the largest objects that the network was made for."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Tells models and precisions apart: the same text means the same objects."""

    @abstractmethod
    def objects(self, image: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int] | None = None) -> Instances:
        """Find the objects of an image (C, H, W) on the scale 0 .. 255, with scores, the best first.

        It has the scale that the preprocessing names already. Where it is a resized picture, ``size`` is the height and
        width of the picture itself, on which the objects then lie.
        """
