"""The runtime that labels pixels with an exported file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.array_tail import ArrayTail
from pixelwise.inference.runtimes.coarse import CoarseRuntime
from pixelwise.inference.runtimes.exported.description import ExportDescription, mean_name
from pixelwise.inference.runtimes.exported.engines import Session
from pixelwise.inference.runtimes.exported.file import IMAGE, ExportedFile, batch
from pixelwise.inference.runtimes.tail import on_window
from pixelwise.placement import CoarseArray
from pixelwise.tiling import PixelCost, Window

EXTENDED, COARSE, FULL = "extended", "coarse", "full"
"""The names of tensors in the graph: the picture with a mirrored margin; the coarse logits (1, K, h, w); the logits of
all pixels (1, K, H, W)."""

PROBABILITIES, LABELS = "probabilities", "labels"
"""The names of outputs: the averaged probabilities of several networks (1, K, H, W); the labels (1, H, W)."""

_NO_MEANS: Mapping[ExportedRuntime, tuple[NDArray[np.float32], ...]]
_NO_MEANS = MappingProxyType({})
_GIVEN_MEANS: ContextVar[Mapping[ExportedRuntime, tuple[NDArray[np.float32], ...]]]
_GIVEN_MEANS = ContextVar("given means", default=_NO_MEANS)
"""The means over the picture that tiles share, for each runtime that has some at present."""


class ExportedRuntime(CoarseRuntime[CoarseArray]):
    """Runs an exported file on pieces of pictures, on the CPU.

    The tail of the graph is cut off: labels are computed from the coarse logits, which takes a small part of the time
    and memory of the tail.

    Args:
        file: the exported file.
        description: what it says of the network.
        prefix: what the names of the network's tensors begin with, in a file that holds several.

    Raises:
        ModelError: its graph lacks a part, or cannot be run.
    """

    tail = ArrayTail()

    def __init__(self, file: ExportedFile, description: ExportDescription, prefix: str = "") -> None:
        self._exported, self._description, self._prefix = file, description, prefix
        self.library, self.precision = file.engine.runtime, file.engine.precision
        try:
            self._coarse_run = file.open([self._input], [self._coarse])
        except ModelError as error:
            raise ModelError(f"{file.path}: {error}") from error.__cause__
        self.card = description.card
        self.cost = PixelCost.even(description.bytes_per_pixel)

    @property
    def fingerprint(self) -> str:
        """Name, digest and precision of the file."""
        return self._exported.fingerprint(f"{self.card.name or 'model'} {self._prefix}".rstrip(" ."))

    @property
    def _mirrored(self) -> bool:
        """Whether the network takes pictures with a mirrored margin, which tiles have already."""
        return self._description.placement.around == "margin"

    @property
    def _input(self) -> str:
        return f"{self._prefix}{EXTENDED}" if self._mirrored else IMAGE

    @property
    def _coarse(self) -> str:
        return f"{self._prefix}{COARSE}"

    def coarse(self, image: NDArray[np.uint8], window: Window | None = None) -> CoarseArray:
        """Compute coarse logits of an image (C, H, W), to which the graph adds the border that it needs."""
        run = self._whole_run if self._mirrored else self._coarse_run
        return self._place(self._logits(run, IMAGE, image), (image.shape[1], image.shape[2]))

    def coarse_of(self, image: NDArray[np.uint8], window: Window) -> CoarseArray:
        """Compute coarse logits of the input of a tile (C, H, W), aligned with the pixels of a window only."""
        logits = self._logits(self._coarse_run, self._input, image)
        return on_window(self._place(logits, (image.shape[1], image.shape[2])), window)

    @contextmanager
    def averaging_over(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[None]:
        """Within it, what the network averages over the picture comes from these windows of it, (C, h, w) each."""
        if not self._description.means:
            yield
            return
        token = _GIVEN_MEANS.set({**_GIVEN_MEANS.get(), self: self._means(images)})
        try:
            yield
        finally:
            _GIVEN_MEANS.reset(token)

    def _means(self, images: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], ...]:
        """Average each mean (1, C, 1, 1) over images (C, h, w), which are weighted by their pixels."""
        run = self._exported.open([IMAGE], self._mean_names)
        found = [(image[0].size, self._exported.run(run, {IMAGE: batch(image)})) for image in images]
        pixels = sum(count for count, _ in found)
        return tuple(
            sum(means[index].astype(np.float64) * (count / pixels) for count, means in found).astype(np.float32)
            for index in range(len(self._mean_names))
        )

    @property
    def _mean_names(self) -> list[str]:
        return [f"{self._prefix}{mean_name(index)}" for index in range(len(self._description.means))]

    @cached_property
    def _whole_run(self) -> Session:
        """The graph that adds the mirrored margin itself."""
        return self._exported.open([IMAGE], [self._coarse])

    @cached_property
    def _given_run(self) -> Session:
        """The graph that is given the means over the picture."""
        return self._exported.open([IMAGE, *self._mean_names], [self._coarse])

    def _logits(self, run: Session, name: str, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on an image (C, H, W): coarse logits (1, K, h, w)."""
        means = _GIVEN_MEANS.get().get(self)
        inputs: dict[str, NDArray[Any]] = {name: batch(image)}
        if means is not None:
            run = self._given_run
            inputs.update(zip(self._mean_names, means, strict=True))
        logits = self._exported.run(run, inputs)[0]
        if logits.ndim != 4 or logits.shape[:2] != (1, len(self.card.label_space)) or logits.dtype != np.float32:
            raise ModelError(
                f"{self._exported.path}: its network gives {logits.dtype} {logits.shape}, not the logits it states"
            )
        return logits

    def _place(self, logits: NDArray[np.float32], size: tuple[int, int]) -> CoarseArray:
        """Lay coarse logits (1, K, h, w) on a picture of height and width ``size``."""
        placement = self._description.placement
        cells = (logits.shape[2], logits.shape[3])
        scale, offset = placement.grid(cells, placement.computed(size, self.card.geometry))
        return CoarseArray(logits, size, scale, offset)
